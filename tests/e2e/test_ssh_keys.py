"""Row 3.4: the public keys of accounts: given, fetched once, shown, taken away; by the API and the command line."""
import http.server
import subprocess
import threading

import pytest

from harness.cli import Cli


def key(folder, name="id_ed25519", kind="ed25519"):
    """A fresh key: the path of its private half."""
    path = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", f"{name}@test", "-f", path], check=True)
    return path


def line(path):
    return path.with_suffix(".pub").read_text().strip()


def fingerprint(path):
    return subprocess.run(["ssh-keygen", "-lf", f"{path}.pub"], check=True, capture_output=True, text=True).stdout.split()[1]


@pytest.fixture
def keys_elsewhere():
    """A site that has people's keys, and what it was asked for."""
    pages, asked = {}, []

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            found = pages.get(self.path)
            self.send_response(200 if found is not None else 302)
            if found is None:
                self.send_header("Location", "/someone.keys")
            self.end_headers()
            self.wfile.write((found or "").encode())

        def log_message(self, *_):
            pass

    site = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{site.server_port}/", pages, asked
    site.shutdown()
    site.server_close()


def test_R3_4_keys_are_given_fetched_once_and_taken_away(make_server, keys_elsewhere, tmp_path):
    place, pages, asked = keys_elsewhere
    server = make_server(config={"ssh": {"keys_from": [place]}, "server": {"allow_targets": ["127.0.0.1"]}})
    server.start()
    owner, other = server.user("key-owner"), server.user("key-other")
    mine, two, three = key(tmp_path), key(tmp_path, "two"), key(tmp_path, "three", "ecdsa")

    given = owner.post("/me/ssh-keys", {"key": line(mine), "name": "laptop"}).expect(201).json["items"]
    assert [(one["name"], one["fingerprint"], one["source"]) for one in given] == [("laptop", fingerprint(mine), None)]
    # Whoever wants can write down a public key: that must keep nobody from using it.
    other.post("/me/ssh-keys", {"key": line(mine)}).expect(201)
    assert "PRIVATE" in mine.read_text()
    owner.post("/me/ssh-keys", {"key": mine.read_text()}).expect(400, "key-invalid")

    pages["/someone.keys"] = f"{line(mine)}\n{line(two)}\nssh-dss AAAA\n{line(three)}\n"
    fetched = owner.post("/me/ssh-keys", {"url": place + "someone.keys"}).expect(201).json["items"]
    assert [(one["fingerprint"], one["source"]) for one in fetched] == [(fingerprint(path), place + "someone.keys") for path in (two, three)]
    pages["/someone.keys"] = line(key(tmp_path, "later"))
    assert len(owner.get("/me/ssh-keys").expect(200).json["items"]) == 3 and asked == ["/someone.keys"], "it is asked once"

    asked.clear()
    owner.post("/me/ssh-keys", {"url": place + "moved.keys"}).expect(503, "key-source-away")
    owner.post("/me/ssh-keys", {"url": "http://127.0.0.1:1/someone.keys"}).expect(400, "key-source")
    assert asked == ["/moved.keys"], "no redirect is followed"

    stranger = owner.get("/me/ssh-keys").json["items"][0]["id"]
    other.delete(f"/me/ssh-keys/{stranger}").expect(404, "key-unknown")
    assert len(owner.get("/me/ssh-keys").json["items"]) == 3


def test_R3_4_keys_by_the_command_line(server, tmp_path):
    owner = server.user("key-typist")
    token = owner.post("/me/tokens", {"name": "typist"}).expect(201).json["token"]
    cli = Cli(tmp_path, TILTYARD_URL=server.url, TILTYARD_TOKEN=token)
    (tmp_path / ".ssh").mkdir()
    mine = key(tmp_path / ".ssh")
    assert fingerprint(mine) in cli("keys", "add", "--name", "desk").stdout, "the one in ~/.ssh"
    assert "private" in cli("keys", "add", str(mine), code=2).stderr
    listed = cli("keys", "ls").stdout
    assert "desk" in listed and fingerprint(mine) in listed
    identity = cli.json("keys", "ls")["items"][0]["id"]
    cli("keys", "rm", identity)
    assert owner.get("/me/ssh-keys").json["items"] == []

"""What strangers, players and staff with a grudge try against accounts, the page and the farm, and what comes of it."""
import concurrent.futures
import contextlib
import http.server
import json
import os
import re
import socket
import threading
import urllib.request

import pytest

from harness.farm import GAME, farm
from harness.server import binary
from harness.wait import until


# --- staff are not root --------------------------------------------------------------------------------------------


def operator(server, name="op"):
    return server.user(name, role="operator")


def test_R6_2_no_program_of_the_host_is_set_over_the_api(make_server, tmp_path):
    """An operator of the page, or whoever has an operator's cookie, would run what they like on the server's machine."""
    server = farm(make_server)
    staff, proof = operator(server), tmp_path / "ran"
    sly = [f'[senders]\ncount = 1\ncommand = ["/bin/sh", "-c", "id >{proof}"]\n',
           f'senders = {{ count = 1, command = ["/bin/sh", "-c", "id >{proof}"] }}\n',
           f'[senders]\ncount = 1\n"comm\\u0061nd" = ["/bin/sh", "-c", "id >{proof}"]\n']
    for extra in sly:
        text = GAME + "\n" + extra if extra.startswith("[") else extra + GAME
        refused = staff.put("/farm/config", {"text": text}).expect(422, "farm-config-invalid").json
        assert "farm.toml" in refused["detail"] and "senders.command" in refused["detail"], refused
    assert server.game.read_text() == GAME and not proof.exists()


def test_R6_2_the_program_of_the_file_is_kept_when_the_rest_is_saved(make_server):
    own = GAME + '\n[senders]\ncount = 0\ncommand = ["/bin/sh", "-c", "exit 0"]\n'
    server = farm(make_server, own)
    staff = operator(server)
    shown = staff.get("/farm/config").expect(200).json
    saved = shown["text"].replace("[services]", '[services]\n"new_*" = "new"')
    staff.put("/farm/config", {"text": saved, "version": shown["version"]}).expect(200)
    assert server.game.read_text() == own.replace("[services]", '[services]\n"new_*" = "new"')
    for other in (saved.replace("exit 0", "exit 1"), saved.replace('command = ["/bin/sh", "-c", "exit 0"]\n', "")):
        assert "Leave it here as it was" in staff.put("/farm/config", {"text": other}).expect(422).json["detail"]


def test_R6_2_a_secret_does_not_go_to_another_jury(make_server):
    """Who may not see the jury's token has the farm send it to a server of theirs."""
    server = farm(make_server)
    staff = operator(server)
    shown = staff.get("/farm/config").json["text"]
    for moved in (shown.replace('host = "127.0.0.1"', 'host = "203.0.113.9"'), shown.replace('host = "127.0.0.1"', 'url = "http://203.0.113.9/"'),
                  shown.replace("31337", "4444"), shown.replace("forcad_http", "forcad_tcp")):
        assert moved != shown
        refused = staff.put("/farm/config", {"text": moved}).expect(422, "farm-config-invalid").json
        assert "once more" in refused["detail"] and moved.splitlines()[refused["line"] - 1] == 'token = "***"', refused
        given = moved.replace('"***"', '"given-once-more"')
        staff.put("/farm/config", {"text": given}).expect(200)
        server.game.write_text(GAME)
        until(lambda: staff.get("/farm/config").json["text"] == shown, "the file as it was", 10)


def test_R6_2_no_other_body_names_a_program_or_a_file(server):
    """Every member of every body that the API takes, by its name; what is new here has to be looked at."""
    with urllib.request.urlopen(f"{server.url}/openapi.json", timeout=10) as answer:
        document = json.load(answer)

    def members(schema, path):
        if "$ref" in schema:
            schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
        for name, inner in schema.get("properties", {}).items():
            yield f"{path}.{name}"
            yield from members(inner, f"{path}.{name}")
        for part in (*schema.get("oneOf", []), *schema.get("allOf", []), *schema.get("anyOf", []), *([schema["items"]] if "items" in schema else [])):
            yield from members(part, path)

    named = set()
    for operations in document["paths"].values():
        for operation in operations.values():
            for body in operation.get("requestBody", {}).get("content", {}).values() if isinstance(operation, dict) else ():
                named |= set(members(body.get("schema", {}), operation["operationId"]))
    assert len(named) > 30
    suspicious = {name for name in named if re.search(r"command|program|path|file|folder|exec|script|hook|url|host", name.rsplit(".", 1)[1], re.I)}
    assert suspicious == {"execInInstance.command"}, suspicious


@contextlib.contextmanager
def inner_service():
    """A service of the host that listens on the loopback for its own, such as a database or the metadata of a cloud."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self):
            asked.append((self.command, self.path, dict(self.headers)))
            body = b'{"secret": "of the host"}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_POST = answer

        def log_message(self, *_):
            pass

    site = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    try:
        yield site.server_port, asked
    finally:
        site.shutdown()
        site.server_close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433"])
def test_R6_6_the_farm_is_nobody_s_way_to_the_host_s_own_services(make_server, host):
    with inner_service() as (port, asked):
        server = farm(make_server, server={})
        staff = operator(server)
        data = f'\n[attack_data]\nformat = "forcad"\nurl = "http://{host}:{port}/latest/"\ncredentials_url = "http://{host}:{port}/c"\nperiod = "500ms"\n'
        staff.put("/farm/config", {"text": GAME + data}).expect(200)
        told = until(lambda: staff.get("/farm/attack-data").json["error"], "the refusal to be told", 10)
        assert "allow_targets" in told or host == "2130706433" or "::ffff" in host, told
        staff.get("/farm/attack-data/credentials").expect(404, "attack-data-missing")
        assert asked == []


SPY = """
import os, socket, sys
def probe(family, host, port):
    with socket.socket(family) as s:
        s.settimeout(3)
        try:
            s.connect((host, port))
            return "open"
        except OSError as error:
            return type(error).__name__
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
print("PROBE", *[f"{name}={probe(*at)}" for name, at in TARGETS.items()])
print("RIGHTS", "uid=" + status["Uid"].split()[0], "groups=" + status["Groups"].strip().replace(" ", ","), "nnp=" + status["NoNewPrivs"].strip(),
      *[name + "=" + status[name].strip().strip("0") for name in ("CapEff", "CapPrm", "CapInh", "CapAmb", "CapBnd")])
sys.stdout.flush()
import time; time.sleep(600)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root, or the capabilities of the unit, can give senders an account")
def test_R6_4_a_sender_has_an_account_of_its_own_and_reaches_the_jury_only(make_server, tmp_path):
    """Also a sender that is somebody's own program, or that the jury has taken over."""
    with inner_service() as (port, asked), inner_service() as (jury_port, _):
        server = make_server(config={"engine": {"kind": "fake"}, "farm": {"config": "farm.toml"}, "server": {"allow_targets": ["127.0.0.77"]}})
        targets = {"farm": ("AF_INET", "127.0.0.1", server.port), "host": ("AF_INET", "127.0.0.1", port), "gateway": ("AF_INET", "127.0.0.1", server.gateway_port),
                   "metadata": ("AF_INET", "169.254.169.254", 80), "ipv6": ("AF_INET6", "::1", port), "elsewhere": ("AF_INET", "10.99.99.99", 80),
                   "own": ("AF_INET", socket.gethostbyname(socket.gethostname()), port)}
        spy = tmp_path / "spy.py"
        spy.write_text("import socket\nTARGETS = {" + ", ".join(f'"{name}": (socket.{family}, "{host}", {at})' for name, (family, host, at) in targets.items()) + "}\n" + SPY)
        spy.chmod(0o644)
        for folder in (tmp_path, *tmp_path.parents):
            if str(folder).startswith("/tmp/"):
                folder.chmod(folder.stat().st_mode | 0o055)
        (server.folder / "farm.toml").write_text(GAME.replace('host = "127.0.0.1"', 'host = "203.0.113.9"') +
                                                 f'\n[senders]\ncount = 1\ncommand = ["/usr/bin/python3", "{spy}"]\n')
        server.start()
        said = until(lambda: re.search(r"PROBE ([^\"\n]*)", server.log()), "the sender to have looked round", 30).group(1).strip()
        probes = dict(pair.split("=") for pair in said.split())
        assert probes.pop("farm") == "open"
        assert set(probes.values()) == {"ConnectionRefusedError"}, probes
        assert asked == []
        rights = dict(pair.split("=") for pair in re.search(r"RIGHTS ([^\"\n]*)", server.log()).group(1).split())
        assert 61184 <= int(rights.pop("uid")) <= 65519 and rights.pop("nnp") == "1"
        assert not any(rights.values()), rights


@pytest.mark.skipif(os.geteuid() != 0, reason="another user has the right missing anyway, and test_farm_senders.py shows it")
def test_R6_4_a_server_that_may_give_no_account_starts_no_sender_and_says_so(make_server, tmp_path, monkeypatch):
    """Everything else of it works."""
    less = tmp_path / "with-less-rights"
    less.write_text(f'#!/bin/sh\nexec setpriv --bounding-set=-setuid,-setgid -- {binary()} "$@"\n')
    less.chmod(0o755)
    monkeypatch.setenv("TILTYARD_BIN", str(less))
    server = make_server(config={"engine": {"kind": "fake"}, "farm": {"config": "farm.toml"}})
    (server.folder / "farm.toml").write_text(GAME + "\n[senders]\ncount = 2\n")
    server.start()
    told = until(lambda: server.admin().get("/farm/config").expect(200).json["trouble"], "the trouble to be told", 20)
    assert "account of their own" in told and "tiltyard-sender@.service" in told
    assert "sender started" not in server.log()


# --- nobody locks out somebody else ----------------------------------------------------------------------------------


def test_R7_1_nobody_locks_out_somebody_else(make_server):
    """With the limits that organisers have: guesses at one name from many places, and a neighbour who uses the address up."""
    server = make_server(config={"engine": {"kind": "fake"}, "rates": {"factor": 1}, "server": {"trusted_proxies": ["127.0.0.1"]}})
    server.start()
    admin = server.admin()
    for name in ("rival", "mallory"):
        admin.post("/admin/users", {"name": name, "password": f"correct horse {name}", "role": "player"}).expect(201)

    def enter(name, password, address, device=None):
        headers = {"X-Forwarded-For": address, **({"Cookie": device} if device else {})}
        return server.api().post("/session", {"strategy": "local", "name": name, "password": password}, headers=headers)

    own = enter("rival", "correct horse rival", "198.51.100.1").expect(201)
    device = next(one for one in own.cookies if one.startswith("tiltyard-device="))
    # More than a limit by name would bear (there was one of 30 at once), eight from each place.
    def guess(place):
        return [enter("rival", "a guess", f"203.0.113.{place}").status for _ in range(8)]

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert set(sum(pool.map(guess, range(4)), [])) == {401}
    enter("rival", "correct horse rival", "198.51.100.2").expect(201)
    enter("rival", "correct horse rival", "198.51.100.1", device).expect(201)
    # The neighbour: everything that the address may, and then the same with a browser that is known.
    def use_up(device=None):
        headers = {"X-Forwarded-For": "198.51.100.1", **({"Cookie": device} if device else {})}
        return any(server.api().post("/session", {"strategy": "token", "token": "none"}, headers=headers).status == 429 for _ in range(400))

    assert use_up()
    enter("rival", "correct horse rival", "198.51.100.1").expect(429, "rate-limited")
    enter("rival", "correct horse rival", "198.51.100.1", device).expect(201)
    assert use_up(next(one for one in enter("mallory", "correct horse mallory", "203.0.113.77").cookies if one.startswith("tiltyard-device=")))
    enter("rival", "correct horse rival", "198.51.100.1", device).expect(201)

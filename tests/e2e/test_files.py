"""Row 3.6: files into a machine and out of it, by the API and the command line, and nobody else's."""
import http.client
import io
import itertools
import random
import tarfile
import time
from urllib.parse import urlsplit

import pytest

from harness import templates
from harness.cli import Cli
from harness.wait import until

# A machine whose user is nobody in particular, with a file that it must not read and one that leads astray.
GUEST = {
    "instance.toml": templates.BOX["instance.toml"],
    "Dockerfile": 'FROM tiltyard/busybox:1\nRUN mkdir -p /home/guest /srv && echo secret > /srv/flag && chmod 600 /srv/flag '
                  '&& ln -s /srv/flag /home/guest/link && mkfifo /home/guest/pipe && chown 1000:1000 /home/guest\n'
                  'USER 1000:1000\nWORKDIR /home/guest\nSTOPSIGNAL SIGKILL\nCMD ["nc", "-ll", "-p", "7000", "-e", "/bin/cat"]\n',
}
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def files_server(docker, tmp_path_factory):
    from conftest import server_maker
    make, end, _ = server_maker(docker, tmp_path_factory.mktemp("files"))
    server = make(config={"files": {"max_size": "32M"}}, box=templates.BOX, guest=GUEST)
    server.start()
    for name in ("box", "guest"):
        server.admin().wait_template(name)
    yield server
    end()


@pytest.fixture
def owner(files_server):
    return files_server.user(f"filer-{next(NUMBERS)}")


def send(caller, identity, path, data, upload="testtest", piece=4 << 20, **more):
    """All of it, piece by piece; the last answer."""
    for offset in range(0, max(len(data), 1), piece):
        answer = caller.call("PUT", f"/instances/{identity}/files/content", raw=data[offset:offset + piece],
                             query={"path": path, "upload": upload, "offset": offset, "total": len(data), **more})
        answer.expect(200)
    return answer


def fetch(caller, identity, path, **headers):
    return caller.call("GET", f"/instances/{identity}/files/content", query={"path": path}, headers=headers)


def listed(caller, identity, path=""):
    folder = caller.get(f"/instances/{identity}/files", query={"path": path}).expect(200).json
    return {one["name"]: one for one in folder["items"]}


def test_R3_6_a_file_goes_in_by_pieces_goes_on_after_a_break_and_comes_out_by_ranges(owner):
    identity = owner.running("box")["id"]
    data = random.Random(7).randbytes((9 << 20) + 5)
    where = {"path": "/new/deep/file.bin", "upload": "breakbreak", "total": len(data)}
    files = f"/instances/{identity}/files"
    first = owner.call("PUT", f"{files}/content", query={**where, "offset": 0}, raw=data[:4 << 20])
    assert first.expect(200).json == {"offset": 4 << 20, "done": False}
    assert "file.bin" not in listed(owner, identity, "/new/deep"), "it takes its place when it is whole"
    # The sender does not know how far it came: a piece that does not follow is refused, and it is told where to go on.
    astray = owner.call("PUT", f"{files}/content", query={**where, "offset": 8 << 20}, raw=data[8 << 20:])
    assert astray.expect(409, "upload-offset").json["offset"] == str(4 << 20)
    there = owner.get(f"{files}/upload", query=where).expect(200).json["offset"]
    for offset in range(there, len(data), 4 << 20):
        last = owner.call("PUT", f"{files}/content", query={**where, "offset": offset, "mode": 0o750}, raw=data[offset:offset + (4 << 20)])
    assert last.expect(200).json == {"offset": len(data), "done": True}
    assert list(listed(owner, identity, "/new/deep")) == ["file.bin"]
    whole = fetch(owner, identity, "/new/deep/file.bin").expect(200)
    assert whole.body == data and 'filename="file.bin"' in whole.headers["content-disposition"]
    part = fetch(owner, identity, "/new/deep/file.bin", Range="bytes=5000000-", **{"If-Range": whole.headers["etag"]}).expect(206)
    assert part.body == data[5000000:] and part.headers["content-range"] == f"bytes 5000000-{len(data) - 1}/{len(data)}"
    assert fetch(owner, identity, "/new/deep/file.bin", Range="bytes=0-1", **{"If-Range": '"other"'}).expect(200).body == data
    # What takes the place of a program stays one.
    send(owner, identity, "/new/deep/file.bin", b"short")
    assert listed(owner, identity, "/new/deep")["file.bin"]["mode"] == 0o750
    assert fetch(owner, identity, "/new/deep/file.bin").expect(200).body == b"short"
    owner.stop(identity)


def test_R3_6_what_is_too_large_or_nonsense_is_refused(owner):
    identity = owner.running("box")["id"]
    files = f"/instances/{identity}/files"
    good = {"path": "/a", "upload": "testtest", "offset": 0, "total": 3}
    put = lambda raw=b"abc", **wrong: owner.call("PUT", f"{files}/content", query={**good, **wrong}, raw=raw)
    put(total=(32 << 20) + 1).expect(413, "file-too-large")
    put(raw=b"abcd").expect(400, "upload-invalid")
    put(raw=b"").expect(400, "upload-invalid")
    put(upload="../../x").expect(400, "upload-invalid")
    put(offset="-1").expect(400, "upload-invalid")
    put(path="a").expect(400, "file-path")
    put(path="/a\0b").expect(400, "file-path")
    put().expect(200)
    owner.post(f"{files}/move", {"from": "/a", "to": "/bin"}).expect(409, "file-there")
    owner.get(files, query={"path": "/none"}).expect(404, "file-missing")
    owner.get(files, query={"path": "/a", "machine": "other"}).expect(404, "machine-unknown")
    fetch(owner, identity, "/dev/zero").expect(409, "file-kind")
    owner.stop(identity)


def test_R3_6_files_are_had_with_the_rights_of_the_machines_own_user(owner):
    identity = owner.running("guest")["id"]
    home = listed(owner, identity)
    assert home["link"]["kind"] == "link" and home["pipe"]["kind"] == "other"
    fetch(owner, identity, "/home/guest/link").expect(403, "file-denied")
    fetch(owner, identity, "/home/guest/pipe").expect(409, "file-kind")
    owner.call("PUT", f"/instances/{identity}/files/content", raw=b"x",
               query={"path": "/etc/x", "upload": "testtest", "offset": 0, "total": 1}).expect(403, "file-denied")
    send(owner, identity, "/home/guest/tree/a", b"in a tree")
    with tarfile.open(fileobj=io.BytesIO(fetch(owner, identity, "/home/guest").expect(200).body)) as archive:
        assert archive.extractfile("guest/tree/a").read() == b"in a tree"
        assert archive.getmember("guest/link").linkname == "/srv/flag", "the link itself, and not what it leads to"
        assert "guest/pipe" not in archive.getnames()
    owner.delete(f"/instances/{identity}/files", query={"path": "/home/guest/tree"}).expect(204)
    assert "tree" not in listed(owner, identity)
    owner.stop(identity)


def test_R3_6_a_sleeping_machine_wakes_and_a_strangers_is_not_there(owner, files_server):
    identity = owner.running("box")["id"]
    stranger = files_server.user(f"filer-{next(NUMBERS)}")
    for call in (lambda: stranger.get(f"/instances/{identity}/files"),
                 lambda: fetch(stranger, identity, "/etc/passwd"),
                 lambda: stranger.delete(f"/instances/{identity}/files", query={"path": "/bin"})):
        call().expect(404, "instance-unknown")
    owner.post(f"/instances/{identity}/pause")
    assert "bin" in listed(owner, identity, "/")
    owner.stop(identity)
    owner.get(f"/instances/{identity}/files").expect(409, "instance-not-running")


def test_R3_6_a_machine_whose_owner_replaced_the_program_is_not_believed(owner):
    identity = owner.running("box")["id"]
    listed(owner, identity, "/")
    # Names that lead out of a folder, as whoever is root in the machine can have the program say.
    liar = """#!/bin/sh
[ "$1" = hello ] && { echo tiltyard-inside; exit; }
[ "$1" = tar ] && exit 66
printf '\\0\\0\\0\\5\\2\\0\\0\\0\\3'
printf '\\0\\0\\0\\5hhhhh'
cat >/dev/null
"""
    put = ('for f in /.tiltyard-inside-*; do rm "$f"; cat >"$f" <<"E"\n' + liar + 'E\nchmod 755 "$f"; done\n'
           'for p in /proc/[0-9]*; do case "$(readlink $p/exe)" in *tiltyard-inside*) kill -9 "${p#/proc/}";; esac; done')
    ran = owner.post(f"/instances/{identity}/exec", {"command": ["sh", "-c", put]}).expect(200).json
    assert ran["exit_code"] == 0, ran
    owner.get(f"/instances/{identity}/files", query={"path": "/"}).expect(503, "machine-answer")
    fetch(owner, identity, "/etc/passwd").expect(503, "machine-answer")
    owner.stop(identity)


def test_R3_6_a_sparse_file_of_ten_gigabytes_costs_what_is_asked_of_it(owner):
    identity = owner.running("box")["id"]
    grown = owner.post(f"/instances/{identity}/exec", {"command": ["sh", "-c", "truncate -s 10G /big && printf end | dd of=/big bs=1 seek=10737418237 conv=notrunc"]})
    assert grown.expect(200).json["exit_code"] == 0
    assert listed(owner, identity, "/")["big"]["size"] == 10 << 30
    assert fetch(owner, identity, "/big", Range="bytes=-5").expect(206).body == b"\0\0end"
    owner.stop(identity)


def test_R3_6_cp_copies_trees_both_ways_and_follows_no_link(owner, files_server, tmp_path):
    identity = owner.running("box")["id"]
    cli = Cli(tmp_path, TILTYARD_URL=files_server.url, TILTYARD_TOKEN=files_server.token)
    tree = tmp_path / "tree"
    (tree / "inner").mkdir(parents=True)
    (tree / "inner" / "run").write_text("#!/bin/sh\n")
    (tree / "inner" / "run").chmod(0o755)
    (tree / "large").write_bytes(random.Random(3).randbytes((5 << 20) + 1))
    (tree / "empty").touch()
    (tree / "out").symlink_to("/etc/passwd")
    assert "out is left out" in cli("cp", "tree", f"{identity}:/srv/").stderr
    assert set(listed(owner, identity, "/srv/tree")) == {"inner", "large", "empty"}
    assert listed(owner, identity, "/srv/tree/inner")["run"]["mode"] == 0o755
    said = cli.json("cp", f"{identity}:/srv/tree", "back")
    assert said["files"] == 3
    assert (tmp_path / "back" / "large").read_bytes() == (tree / "large").read_bytes()
    assert (tmp_path / "back" / "inner" / "run").read_text() == "#!/bin/sh\n"
    cli("cp", f"{identity}:/srv/tree/empty", "one")
    assert (tmp_path / "one").read_bytes() == b""
    assert "There is no /none" in cli("cp", f"{identity}:/none", "x", code=3).stderr and not (tmp_path / "x").exists()
    cli("cp", "a", "b", code=2)
    owner.stop(identity)


def test_R3_6_a_transfer_has_its_rate_and_a_user_so_many_at_once(make_server):
    server = make_server(config={"files": {"rate": "512K", "at_once": 1}}, box=templates.BOX)
    server.start()
    server.admin().wait_template("box")
    owner = server.user("slow")
    identity = owner.running("box")["id"]
    began = time.monotonic()
    send(owner, identity, "/a", bytes(512 << 10))
    assert time.monotonic() - began >= 0.9
    parts = urlsplit(server.url)
    link = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
    began = time.monotonic()
    link.request("GET", f"/api/v1/instances/{identity}/files/content?path=/a", headers={"Cookie": owner.cookie})
    answer = link.getresponse()
    first = answer.read(1)
    owner.get(f"/instances/{identity}/files").expect(429, "too-many-transfers")
    assert len(first + answer.read()) == 512 << 10
    assert time.monotonic() - began >= 0.9
    link.close()
    until(lambda: owner.get(f"/instances/{identity}/files").status == 200, "the place to be free again")
    owner.stop(identity)

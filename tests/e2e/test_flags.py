"""Flags: one per owner and template, in every file, variable and bound file that holds the placeholder; the image stays."""
import re

import pytest

from harness.gateway import endpoint, fetch
from harness.leaks import Leaks
from harness.wait import until

FLAG = re.compile(r"FLAG\{box_[0-9a-f]{16}\}")
READY = '[ready]\ninterval = 50\n[limits]\nmemory = "32m"\npids = 64\n'
HTTPD = 'USER 65534:65534\nSTOPSIGNAL SIGKILL\nCMD ["httpd", "-f", "-p", "8000", "-h", "/www"]\n'

EVERYWHERE = {
    "instance.toml": 'name = "Box"\n[[endpoint]]\nname = "web"\nmachine = "web"\nport = 8000\nkind = "http"\n'
                     '[flag]\nfile = "/www/own.txt"\nvariable = "THE_FLAG"\n' + READY,
    "compose.yaml": 'services:\n  web:\n    build: .\n    environment:\n      INSIDE: "x FLAG{box} y"\n      ASKED: "$${FLAG}"\n'
                    '    volumes: ["./bound:/www/bound:ro"]\n',
    "flag.txt": "FLAG{box}\n",
    "page.html": "<p>twice: FLAG{box} and FLAG{box}</p>\n",
    "bound/note.txt": "bound: FLAG{box}\n",
    "Dockerfile": "FROM tiltyard/busybox:1\nCOPY flag.txt page.html program /www/\nRUN chown 65534:100 /www/flag.txt && chmod 4640 /www/flag.txt "
                  "&& touch -d '2001-02-03 04:05:06' /www/flag.txt && ln /www/page.html /www/link.html && echo nothing > /www/other.txt\n"
                  'ENV GREETING="hello FLAG{box}"\n' + HTTPD,
}
PROGRAM = b"\x7fELF\0\0before\0FLAG{box}" + b"\0" * 40 + b"after\0"

FILE_ONLY = {
    "instance.toml": 'name = "Plain"\nports = [8000]\n' + READY,
    "flag.txt": "FLAG{box}\n",
    "Dockerfile": "FROM tiltyard/busybox:1\nCOPY flag.txt /www/flag.txt\n" + HTTPD,
}
BROKEN_LINK = {
    "instance.toml": 'name = "Link"\nports = [8000]\n[flag]\nfile = "/flag"\n' + READY,
    "Dockerfile": "FROM tiltyard/busybox:1\nRUN mkdir /www && ln -s ../../../etc/shadow /flag\n" + HTTPD,
}
BROKEN_FOLDER = {**BROKEN_LINK, "Dockerfile": "FROM tiltyard/busybox:1\nRUN mkdir -p /www /flag\n" + HTTPD}
TIGHT = {
    "instance.toml": 'name = "Tight"\nports = [8000]\n' + READY,
    "Dockerfile": "FROM tiltyard/busybox:1\nCOPY program /www/program\n" + HTTPD,
}
PROMISE = {
    "instance.toml": 'name = "Promise"\nports = [8000]\n' + READY,
    "flag.txt": "FLAG{nowhere}\n",
    "Dockerfile": "FROM tiltyard/busybox:1\nRUN mkdir /www\n" + HTTPD,
}
SIGNIN = {**FILE_ONLY, "instance.toml": 'name = "Sign in"\nports = [8000]\n[credentials]\nuser = "player"\nper_owner = true\n'
                                        'file = "/www/password.txt"\nvariable = "PASSWORD"\n' + READY}
SAME = {**FILE_ONLY, "instance.toml": 'name = "Same"\nports = [8000]\ndisable_dynamic_flags = true\n' + READY}


def add_program(server, name, content):
    (server.templates / name / "program").write_bytes(content)


@pytest.fixture(scope="module")
def range_(docker, tmp_path_factory):
    from conftest import server_maker
    make, end, _ = server_maker(docker, tmp_path_factory.mktemp("flags"))
    server = make(box=EVERYWHERE, plain=FILE_ONLY, link=BROKEN_LINK, folder=BROKEN_FOLDER, tight=TIGHT, promise=PROMISE, same=SAME, signin=SIGNIN)
    add_program(server, "box", PROGRAM)
    add_program(server, "tight", b"\0FLAG{a}\0x\0")
    try:
        server.start()
        for name in ("box", "plain", "promise", "same", "signin"):
            server.admin().wait_template(name, timeout=120)
        yield server
    finally:
        end()


def end(*players):
    for player in players:
        for instance in player.get("/instances").expect(200).json["items"]:
            if instance["state"] not in ("stopped", "failed"):
                player.stop(instance["id"])


def whole_log(server):
    return server.log_path.read_text(errors="replace")


def read(instance, path):
    status, _, body = fetch(endpoint(instance, kind="http")["url"], path)
    assert status == 200, f"{path}: {status}"
    return body


def the_flag(instance, path="/flag.txt"):
    found = FLAG.findall(read(instance, path).decode())
    assert len(set(found)) == 1, found
    return found[0]


def variables(docker, instance):
    _, text = docker.exec(docker.machine(instance["id"])["Id"], "env")
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def problems(server, name):
    return [p["message"] for p in server.admin().get(f"/templates/{name}").json["problems"]]


def test_R5_2_an_owners_password_is_in_the_file_and_the_environment(range_, docker):
    ann, bob = range_.user("ann-signs"), range_.user("bob-signs")
    passwords = set()
    for player in (ann, bob, ann):
        instance = player.start("signin").expect(201).json
        password = instance["credentials"]["password"]
        assert read(instance, "/password.txt").decode().strip() == password
        environment = docker.exec(docker.machine(instance["id"])["Id"], "cat", "/proc/1/environ")[1]
        assert f"PASSWORD={password}" in environment.split("\0")
        passwords.add(password)
        player.stop(instance["id"])
    assert len(passwords) == 3, "another one for each start"
    assert not [password for password in passwords if password in whole_log(range_)]


def test_R5_1_each_owner_has_a_flag_and_keeps_it(range_):
    one, two = range_.user("flag-one"), range_.user("flag-two")
    first, other = one.running("plain"), two.running("plain")
    flag = the_flag(first)
    assert the_flag(other) != flag
    one.stop(first["id"])
    assert the_flag(one.running("plain")) == flag
    range_.restart()
    end(one, two)
    assert the_flag(one.running("plain")) == flag, "also after a restart of the server"
    end(one)


def test_R5_1_off_per_template(range_):
    one = range_.user("flag-off")
    assert read(one.running("same"), "/flag.txt") == b"FLAG{box}\n"
    end(one)


def test_R5_2_every_place_holds_the_owners_flag(range_, docker):
    leaks = Leaks(range_, docker)
    one, two = range_.user("flag-all-one"), range_.user("flag-all-two")
    seen = []
    for player in (one, two):
        instance = player.running("box")
        flag = the_flag(instance)
        seen.append(flag)
        assert read(instance, "/page.html").decode() == f"<p>twice: {flag} and {flag}</p>\n"
        assert read(instance, "/link.html") == read(instance, "/page.html")
        assert read(instance, "/bound/note.txt").decode() == f"bound: {flag}\n"
        assert read(instance, "/own.txt").decode() == flag + "\n"
        assert read(instance, "/other.txt") == b"nothing\n"
        program = read(instance, "/program")
        assert len(program) == len(PROGRAM), "a binary keeps its length"
        assert program == PROGRAM.replace(b"FLAG{box}".ljust(len(flag), b"\0"), flag.encode())
        inside = variables(docker, instance)
        assert inside["INSIDE"] == f"x {flag} y" and inside["GREETING"] == f"hello {flag}"
        assert inside["THE_FLAG"] == flag and inside["ASKED"] == flag
        container = docker.machine(instance["id"])["Id"]
        _, facts = docker.exec(container, "stat", "-c", "%u %g %a %Y", "/www/flag.txt", user="0")
        assert facts.split() == ["65534", "100", "4640", "981173106"], "owner, mode and time are the image's"
        _, links = docker.exec(container, "stat", "-c", "%i", "/www/page.html", "/www/link.html", user="0")
        assert len(set(links.split())) == 1, "two names of one file stay one file"
        assert docker.exec(container, "cat", "/bound/none")[0] != 0
        assert flag not in whole_log(range_)
    assert seen[0] != seen[1]
    image = docker.machine(one.get("/instances").json["items"][0]["id"])["Image"]
    kept = docker.run(f"{range_.namespace}-untouched", image, ["sleep", "60"], {"tiltyard.namespace": range_.namespace})
    try:
        assert docker.exec(kept, "cat", "/www/flag.txt", user="0")[1] == "FLAG{box}\n", "the image is what it was"
    finally:
        docker.remove(kept)
    end(one, two)
    leaks.assert_none(30)


def test_R5_2_what_cannot_work_is_said(range_):
    def broken(name):
        return range_.admin().get(f"/templates/{name}").json["state"] == "broken"

    for name in ("link", "folder", "tight"):
        until(lambda: broken(name), f"{name} to be broken", 60)
    assert any("leaves the image" in p for p in problems(range_, "link"))
    assert any("is a folder" in p for p in problems(range_, "folder"))
    assert any("/www/program" in p and "at least 23" in p for p in problems(range_, "tight"))
    until(lambda: problems(range_, "promise"), "the promise to be noticed", 60)
    assert any("promises the flag FLAG{nowhere}" in p for p in problems(range_, "promise"))
    assert range_.admin().get("/templates/promise").json["state"] == "ready"
    assert problems(range_, "plain") == []


def test_R5_2_an_image_is_looked_into_once(range_):
    def looks():
        return whole_log(range_).count("an image was looked into")

    until(lambda: looks() >= 6, "all images to be looked into", 60)
    before = looks()
    range_.restart()
    one = range_.user("flag-once")
    one.running("plain")
    end(one)
    assert looks() == before, "what was found is remembered"

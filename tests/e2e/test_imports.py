"""A whole event's repository, laid out as such repositories are, is imported, built, started and solved without a hand."""
import json
import os
import subprocess
import tomllib

import pytest

from harness.gateway import dial, endpoint, fetch, read_until
from harness.server import binary

EVENT = {
    "README.md": "Our event\n",
    # ctfcli: a page that gives its flag to who asks for the right path.
    "web/login/challenge.yml": """
name: Log in, please
author: alice
category: web
description: The robots know.
type: dynamic
extra: {initial: 500, decay: 20, minimum: 100}
image: ./app
protocol: http
flags: ["flag{robots_know_it}"]
files: [dist/notes.txt]
hints: [{content: "Ask the robots.", cost: 50}]
requirements: [Warm up]
state: visible
""",
    "web/login/app/Dockerfile": """
FROM tiltyard/busybox:1
COPY www /www
USER 65534:65534
STOPSIGNAL SIGKILL
EXPOSE 8000
CMD ["httpd", "-f", "-p", "8000", "-h", "/www"]
""",
    "web/login/app/www/index.html": "nothing here\n",
    "web/login/app/www/robots.txt": "Disallow: /secret.txt\n",
    "web/login/app/www/secret.txt": "flag{robots_know_it}\n",
    "web/login/dist/notes.txt": "Good luck\n",
    # kCTF beside CTFd's file: the machine of the one, the points of the other.
    "pwn/shell/challenge.yml": """
name: A shell
category: pwn
description: It is yours.
value: 150
type: standard
flags: ["flag{yours}"]
state: visible
""",
    "pwn/shell/challenge.yaml": """
apiVersion: kctf.dev/v1
kind: Challenge
metadata:
  name: shell
spec:
  deployed: true
  powDifficultySeconds: 0
  network: {public: true}
""",
    "pwn/shell/challenge/Dockerfile": """
FROM tiltyard/busybox:1
COPY flag /flag
USER 65534:65534
STOPSIGNAL SIGKILL
CMD ["nc", "-ll", "-p", "1337", "-e", "/bin/sh"]
""",
    "pwn/shell/challenge/flag": "flag{yours}\n",
    # A compose file and nothing else: each owner has a flag of their own.
    "misc/pair/docker-compose.yml": """
services:
  front:
    build: ./front
    ports: ["9000:9000"]
    environment:
      FLAG: ${FLAG}
  back:
    build: ./front
    command: ["sleep", "1000000"]
""",
    "misc/pair/front/Dockerfile": """
FROM tiltyard/busybox:1
STOPSIGNAL SIGKILL
CMD ["nc", "-ll", "-p", "9000", "-e", "/bin/sh", "-c", "echo $FLAG"]
""",
    # rCTF, and nothing to start.
    "crypto/warm-up/challenge.yaml": """
name: Warm up
author: bob
description: One byte.
flag: {file: flag.txt}
points: {min: 50, max: 100}
provide: [out.txt]
""",
    "crypto/warm-up/flag.txt": "flag{warm}\n",
    "crypto/warm-up/out.txt": "2d272a2c30\n",
}


def tiltyard(*words, code=0):
    ran = subprocess.run([binary(), *words], env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"}, capture_output=True, text=True, timeout=120)
    assert ran.returncode == code, ran.stdout + ran.stderr
    return ran.stdout


def write(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text.lstrip("\n"))
    return folder


@pytest.fixture(scope="module")
def event(docker, debian, tmp_path_factory):
    """A server over the templates that were imported, and the report."""
    from conftest import server_maker
    folder = tmp_path_factory.mktemp("event")
    make, end, _ = server_maker(docker, folder)
    server = make()
    write(folder / "ctf-2026", EVENT)
    report = json.loads(tiltyard("import", str(folder / "ctf-2026"), "--into", str(server.templates), "--json"))
    try:
        server.start()
        for name in ("login", "shell", "pair"):
            server.admin().wait_template(name, timeout=300)
        yield server, report
    finally:
        end()


def challenge(server, name):
    return tomllib.loads((server.templates / name / "challenge.toml").read_text())


def test_R1_16_a_whole_repository_becomes_templates(event):
    server, report = event
    assert {item["id"]: (item["format"], item["state"], item["starts"]) for item in report["items"]} == {
        "warm-up": ("rctf", "new", False), "pair": ("compose", "new", True), "shell": ("ctfcli", "new", True), "login": ("ctfcli", "new", True)}
    shown = {one["id"]: one for one in server.admin().get("/templates").json["items"]}
    assert set(shown) == {"login", "shell", "pair"}, "what has nothing to start is no template"
    assert shown["login"]["name"] == "Log in, please" and shown["login"]["category"] == "web"
    login = challenge(server, "login")
    assert login["requires"] == ["warm-up"] and login["value"]["initial"] == 500 and login["hint"][0]["cost"] == 50
    assert (server.templates / "login" / login["file"][0]["path"]).read_text() == "Good luck\n"


def test_R1_16_what_was_imported_is_solved(event):
    server, _ = event
    player = server.user("solver")
    url = endpoint(player.running("login"), kind="http")["url"]
    path = fetch(url, "/robots.txt")[2].decode().split()[-1]
    assert fetch(url, path)[2].decode().strip() == challenge(server, "login")["flag"][0]["text"]
    with dial(endpoint(player.running("shell"), kind="tcp")) as connection:
        connection.sendall(b"cat /flag\n")
        assert read_until(connection, b"\n").decode().strip() == challenge(server, "shell")["flag"][0]["text"]
    assert challenge(server, "pair")["own_flags"]
    with dial(endpoint(player.running("pair"), kind="tcp")) as connection:
        assert b"{" in read_until(connection, b"}")
    server.admin().stop_all()


def test_R1_16_watch_follows_the_original(tmp_path):
    event = write(tmp_path / "event", {name: text for name, text in EVENT.items() if name.startswith("crypto/")})
    into = tmp_path / "templates"
    watching = subprocess.Popen([binary(), "import", str(event), "--into", str(into), "--watch", "--json"],
                                env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)}, stdout=subprocess.PIPE, text=True)
    try:
        assert json.loads(watching.stdout.readline())["items"][0]["state"] == "new"
        (event / "crypto/warm-up/out.txt").write_text("changed\n")
        assert json.loads(watching.stdout.readline())["items"][0]["state"] == "updated"
        assert (into / "warm-up/files/out.txt").read_text() == "changed\n"
    finally:
        watching.kill()
        watching.wait()

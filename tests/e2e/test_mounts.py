"""What machines see of their template's folder: an own view of each bind, files of the owner said, tmpfs as mount(8) has it."""
import os

import pytest

from harness.leaks import Leaks

LIMITS = '[limits]\nmemory = "64m"\npids = 64\n'
READY = "ports = [8000]\n[ready]\ninterval = 50\n" + LIMITS
SERVE = '["httpd", "-f", "-p", "8000", "-h", "/www"]'
IMAGE = {"Dockerfile": "FROM tiltyard/busybox:1\nRUN mkdir /www && echo hello > /www/index.html\nSTOPSIGNAL SIGKILL\n"}

TMPFS = {
    **IMAGE, "instance.toml": READY,
    "compose.yaml": f"""
services:
  box:
    build: .
    user: "1000:1000"
    read_only: true
    tmpfs:
      - /work:exec,uid=1000,gid=1000,mode=0700,size=16m
      - /plain:size=8m
    command: {SERVE}
""",
}
BINDS = {
    **IMAGE, "instance.toml": READY,
    "compose.yaml": f"""
services:
  box:
    build: .
    command: {SERVE}
    volumes:
      - ./uploads:/up
      - ./site:/site
      - ./site:/site-read:ro
      - ./note.txt:/note.txt
      - ./fixed:/fixed:ro
      - ./large:/large
""",
    "site/index.html": "of the template\n", "site/deep/more.txt": "more\n", "note.txt": "a note\n", "fixed/f": "fixed\n",
    "large/deep/file": "x" * (5 << 20), "large/note": "large\n",
}
SECRETS = {
    **IMAGE, "instance.toml": READY, ".env": "TOKEN=t0k\n", "key.txt": "k3y\n",
    "compose.yaml": f"""
services:
  box:
    build: .
    user: "1000:1000"
    command: {SERVE}
    secrets:
      - key
      - {{source: tok, target: token, uid: "1000", gid: "1000", mode: 0400}}
      - {{source: key, target: other, uid: "7", gid: "8", mode: 0440}}
    configs:
      - {{source: conf, target: /etc/app.conf, mode: 0440, uid: "1000"}}
secrets:
  key: {{file: ./key.txt}}
  tok: {{environment: TOKEN}}
configs:
  conf:
    content: |
      who=${{TOKEN}}
""",
}


def end(player):
    for instance in player.get("/instances").expect(200).json["items"]:
        if instance["state"] not in ("stopped", "failed"):
            player.stop(instance["id"])


@pytest.fixture(scope="module")
def range_(docker, tmp_path_factory):
    from conftest import server_maker
    make, finish, _ = server_maker(docker, tmp_path_factory.mktemp("mounts"))
    server = make(tmpfs=TMPFS, binds=BINDS, secrets=SECRETS)
    os.chmod(server.templates / "secrets" / "key.txt", 0o600)
    for path in ("site/deep/more.txt", "large/note"):
        os.chmod(server.templates / "binds" / path, 0o640)
        os.chown(server.templates / "binds" / path, 1234, 2345)
    try:
        server.start()
        for name in ("tmpfs", "binds", "secrets"):
            server.admin().wait_template(name)
        yield server
    finally:
        finish()


@pytest.fixture
def run(range_, docker, request):
    """run(template, command): the output of a shell in a machine of this test's own, as the machine's user."""
    player = range_.user(request.node.name[:30])
    leaks = Leaks(range_, docker)

    def start(template):
        container = docker.machine(player.running(template)["id"])["Id"]
        return lambda command: docker.exec(container, "sh", "-c", command)

    yield start
    end(player)
    leaks.assert_none()


def test_R1_3_a_tmpfs_is_as_its_template_says(run):
    shell = run("tmpfs")
    code, said = shell("cp /bin/busybox /work/busybox && /work/busybox echo runs && stat -c '%u %g %a' /work")
    assert (code, said) == (0, "runs\n1000 1000 700\n")
    code, said = shell("cp /bin/busybox /plain/busybox && /plain/busybox echo runs")
    assert code != 0 and "runs" not in said, "noexec where nothing is said"
    assert shell("head -c 9000000 /dev/zero > /plain/zero")[0] != 0
    assert shell("head -c 8000000 /dev/zero > /work/zero")[0] == 0


def test_R1_3_secrets_belong_to_whom_their_template_says(run):
    shell = run("secrets")
    assert shell("cat /run/secrets/key /run/secrets/token /etc/app.conf") == (0, "k3y\nt0kwho=t0k\n")
    facts = shell("stat -c '%n %u %g %a' /run/secrets/key /run/secrets/token /run/secrets/other /etc/app.conf")[1]
    assert facts == ("/run/secrets/key 1000 1000 444\n/run/secrets/token 1000 1000 400\n"
                     "/run/secrets/other 7 8 440\n/etc/app.conf 1000 1000 440\n")
    assert shell("cat /run/secrets/other")[0] != 0
    assert shell("echo x > /run/secrets/key")[0] != 0


def test_R1_3_a_bind_is_the_instances_own_view(range_, run):
    one = run("binds")
    assert one("ls -A /up && echo x > /up/x && cat /up/x") == (0, "x\n"), "a folder that is not there is empty, and the machine's"
    assert one("cat /site/index.html /site/deep/more.txt /note.txt") == (0, "of the template\nmore\na note\n")
    assert one("stat -c '%u %g %a' /site/deep/more.txt") == (0, "1234 2345 640\n")
    assert one("echo mine > /site/index.html && rm /site/deep/more.txt && echo new > /site/deep/new && echo changed > /note.txt")[0] == 0
    assert one("cat /site-read/index.html") == (0, "mine\n"), "both mounts show what the instance has"
    # What is large is not copied, but laid over.
    assert one("stat -c '%u %g %a' /large/note && cat /large/note && stat -c %s /large/deep/file") == (0, "1234 2345 640\nlarge\n5242880\n")
    assert one("echo mine > /large/note && rm -r /large/deep && echo new > /large/new && mv /large/new /large/newer && ls /large") == (0, "newer\nnote\n")
    assert one("echo x > /site-read/x")[0] != 0 and one("echo x > /fixed/f")[0] != 0
    folder = range_.templates / "binds"
    assert sorted(os.listdir(folder)) == ["Dockerfile", "compose.yaml", "fixed", "instance.toml", "large", "note.txt", "site"]
    assert (folder / "site" / "index.html").read_text() == "of the template\n" and (folder / "note.txt").read_text() == "a note\n"
    assert os.listdir(folder / "site" / "deep") == ["more.txt"]
    assert (folder / "large" / "note").read_text() == "large\n" and os.listdir(folder / "large" / "deep") == ["file"]


def test_R1_3_two_instances_do_not_see_each_other(range_, docker):
    players = [range_.user(f"mounts-{n}") for n in range(2)]
    shells = [docker.machine(player.running("binds")["id"])["Id"] for player in players]
    assert docker.exec(shells[0], "sh", "-c", "echo mine > /site/index.html; echo x > /up/x; rm /large/note")[0] == 0
    assert docker.exec(shells[1], "sh", "-c", "cat /site/index.html /large/note; ls -A /up") == (0, "of the template\nlarge\n")
    for player in players:
        end(player)

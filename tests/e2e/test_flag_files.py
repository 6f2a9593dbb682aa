"""A flag is an ordinary file of its machine: what start scripts do with it works, and claims find it there."""
import re

import pytest

from harness.gateway import endpoint, fetch
from harness.wait import until

FLAG = re.compile(r"FLAG\{box_[0-9a-f]{16}\}")
SETTINGS = 'ports = [8000]\n[ready]\ninterval = 50\n[limits]\nmemory = "32m"\npids = 64\n'
POOL = "[pool]\nmin = 1\nmax = 1\n"
SERVE = 'STOPSIGNAL SIGKILL\nENTRYPOINT ["sh", "/start.sh"]\n'
BASE = ("FROM tiltyard/busybox:1\nCOPY flag.txt /flag.txt\nCOPY flag.txt page.html /www/\nCOPY start.sh /start.sh\n"
        "RUN chown 1234:2345 /flag.txt && chmod 0440 /flag.txt && ln /www/page.html /www/link.html\n" + SERVE)

# As published entry points do it.
MOVES = """set -e
name=/flag-$(head -c 8 /dev/urandom | md5sum | cut -c1-12).txt
mv /flag.txt "$name"
cat "$name" > /www/moved.txt
stat -c '%u %g %a' "$name" > /www/facts.txt
sed -i s/twice/edited/ /www/page.html
chown 77:88 /www/flag.txt
ln /www/flag.txt /www/second.txt
cp -a /www /copy
cat /www/flag.txt > /www/read.txt
rm /www/flag.txt
exec httpd -f -p 8000 -h /www
"""
# A file of the same name, out of an archive that is unpacked when it starts.
UNPACKS = """set -e
mkdir /tmp/in && echo "unpacked $(cat /www/flag.txt)" > /tmp/in/flag.txt
tar -cf /tmp/in.tar -C /tmp/in flag.txt
tar -xf /tmp/in.tar -C /www
exec httpd -f -p 8000 -h /www
"""
# Adds to the file before it serves it.
EDITS = "set -e\necho more >> /www/flag.txt\nexec httpd -f -p 8000 -h /www\n"


def a_box(start, settings=SETTINGS):
    return {"instance.toml": settings, "Dockerfile": BASE, "start.sh": start, "flag.txt": "FLAG{box}\n", "page.html": "twice FLAG{box}\n"}


def end(player):
    for instance in player.get("/instances").expect(200).json["items"]:
        if instance["state"] not in ("stopped", "failed"):
            player.stop(instance["id"])


@pytest.fixture(scope="module")
def range_(docker, tmp_path_factory):
    from conftest import server_maker
    make, finish, _ = server_maker(docker, tmp_path_factory.mktemp("flag-files"))
    server = make(moves=a_box(MOVES), unpacks=a_box(UNPACKS), edits=a_box(EDITS, SETTINGS + POOL), mover=a_box(MOVES, SETTINGS + POOL))
    try:
        server.start()
        for name in ("moves", "unpacks", "edits", "mover"):
            server.admin().wait_template(name)
        yield server
    finally:
        finish()


@pytest.fixture
def player(range_, request):
    player = range_.user(request.node.name[-30:])
    yield player
    end(player)


def read(instance, path):
    status, _, body = fetch(endpoint(instance)["url"], path)
    assert status == 200, (path, status, body)
    return body.decode()


def pool_of(server, name):
    return next((pool for pool in server.admin().get("/admin/pools").expect(200).json["items"] if pool["template"] == name), None)


def test_R5_2_a_start_script_does_with_its_flag_what_it_likes(docker, player):
    instance = player.running("moves")
    flag = read(instance, "/moved.txt").strip()
    assert FLAG.fullmatch(flag)
    assert read(instance, "/facts.txt") == "1234 2345 440\n", "owner and mode are the image's"
    assert read(instance, "/page.html") == read(instance, "/page.html").replace("twice", "edited") == f"edited {flag}\n"
    assert read(instance, "/link.html") == f"twice {flag}\n", "sed -i makes a file of its own"
    assert read(instance, "/second.txt").strip() == read(instance, "/read.txt").strip() == flag
    assert fetch(endpoint(instance)["url"], "/flag.txt")[0] == 404
    container = docker.machine(instance["id"])
    assert not container["Mounts"], "nothing is mounted"
    assert docker.exec(container["Id"], "sh", "-c", "ls /flag.txt", user="0")[0] != 0
    assert docker.exec(container["Id"], "sh", "-c", "ls / | grep -c '^flag-'", user="0")[1] == "1\n"


def test_R5_2_what_a_start_script_unpacks_takes_the_flags_place(player):
    instance = player.running("unpacks")
    page = read(instance, "/flag.txt")
    assert page.startswith("unpacked ") and FLAG.search(page)


def test_R1_14_a_claim_keeps_what_the_program_did_to_the_file(range_, docker, player):
    until(lambda: (pool_of(range_, "edits") or {}).get("ready") == 1, "an instance to wait", timeout=60)
    instance = player.running("edits")
    flag, more, *rest = read(instance, "/flag.txt").split("\n")
    assert FLAG.fullmatch(flag) and more == "more" and rest == [""]
    mine = read(instance, "/page.html")
    assert mine == f"twice {flag}\n" and read(instance, "/link.html") == mine
    assert docker.exec(docker.machine(instance["id"])["Id"], "cat", "/flag.txt", user="0")[1].strip() == flag


def test_R1_14_what_moves_its_flag_waits_without_being_started(range_, player):
    def waits():
        pool = pool_of(range_, "mover")
        return pool if pool and pool["kind"] == "created" and pool["ready"] == 1 else None

    assert "moves or changes" in until(waits, "a machine that waits to be started", timeout=60)["reason"]
    instance = player.running("mover")
    flag = read(instance, "/moved.txt").strip()
    assert FLAG.fullmatch(flag) and read(instance, "/read.txt").strip() == flag
    assert fetch(endpoint(instance)["url"], "/flag.txt")[0] == 404

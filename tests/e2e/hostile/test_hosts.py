"""Hosts that are set up in another way than this one: an engine of the test's own on a disk with quotas, and one whose machines have users of
their own."""
import contextlib
import json
import os
import pathlib
import shutil
import subprocess

import pytest

from harness import templates
from harness.docker import Docker
from harness.gateway import endpoint, fetch
from harness.own_engine import own_engine
from harness.server import ROOT, binary
from harness.wait import until

SMALL = {**templates.WEB, "instance.toml": 'disk = "48m"\n' + templates.WEB["instance.toml"]}
FLAGGED = {
    "instance.toml": 'name = "Flagged"\nports = [8000]\nexpected_boot = 1\n[ready]\ninterval = 50\n[limits]\nmemory = "32m"\npids = 64\n',
    "compose.yaml": 'services:\n  box:\n    build: .\n    volumes: ["./kept:/kept:rw", "./read:/read:ro", "state:/state"]\nvolumes:\n  state: {}\n',
    "flag.txt": "FLAG{own users}\n",
    "kept/note": "kept\n",
    "read/note": "read only\n",
    "Dockerfile": 'FROM tiltyard/busybox:1\nCOPY flag.txt /flag.txt\nRUN chmod 400 /flag.txt && mkdir /www\nSTOPSIGNAL SIGKILL\n'
                  'CMD ["httpd", "-f", "-p", "8000", "-h", "/www"]\n',
}


def doctor(server):
    ran = subprocess.run([binary(), "doctor", "--json", "--config", str(server.folder / "tiltyard.toml")], capture_output=True, text=True)
    return {item["name"]: item for item in json.loads(ran.stdout)["items"]}


@contextlib.contextmanager
def server_on(engine, make_server, monkeypatch, **given):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{engine.socket_path}")
    subprocess.run([str(ROOT / "images" / "make"), "busybox"], check=True, capture_output=True)
    server = make_server(**given).start()
    for name in given:
        server.admin().wait_template(name)
    yield server
    server.admin().stop_all()
    assert Docker().containers(tiltyard__namespace=server.namespace) == []
    server.stop()


@pytest.fixture
def quota_disk(tmp_path):
    """A file system on which Docker can limit a layer, as a loop device."""
    if os.geteuid() != 0 or not shutil.which("mkfs.btrfs"):
        pytest.skip("takes root and btrfs-progs")
    image = tmp_path / "disk"
    with open(image, "wb") as file:
        file.truncate(8 << 30)
    subprocess.run(["mkfs.btrfs", "-q", str(image)], check=True, capture_output=True)
    made = subprocess.run(["losetup", "--find", "--show", str(image)], capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip("no loop devices here")
    device = made.stdout.strip()
    yield device
    subprocess.run(["losetup", "--detach", device], check=True)


def test_R1_5_where_the_storage_can_limit_a_layer_the_engine_does(quota_disk, make_server, monkeypatch):
    with own_engine(disk=quota_disk, **{"storage-driver": "btrfs"}) as engine, server_on(engine, make_server, monkeypatch, small=SMALL) as server:
        assert doctor(server)["disk use"]["status"] == "ok"
        caller = server.admin()
        instance = caller.running("small")
        ran = caller.post(f"/instances/{instance['id']}/exec", {"command": ["sh", "-c", "head -c 200000000 /dev/zero >/tmp/x; wc -c </tmp/x"]}).expect(200).json
        assert ran["stderr"] and 10_000_000 < int(ran["stdout"]) <= 48 << 20, ran
        assert fetch(endpoint(instance)["url"])[0] == 200, "it goes on: its program was refused, and nobody else heard"


def test_R1_5_machines_with_users_of_their_own_work_as_others_do(make_server, monkeypatch):
    if os.geteuid() != 0 or "dockremap:" not in pathlib.Path("/etc/subuid").read_text():
        pytest.skip("takes root and an entry for dockremap in /etc/subuid and /etc/subgid")
    with own_engine(**{"userns-remap": "dockremap"}) as engine, server_on(engine, make_server, monkeypatch, flagged=FLAGGED, web=templates.WEB) as server:
        assert doctor(server)["users"]["status"] == "ok"
        caller = server.admin()
        page, flagged = caller.running("web"), caller.running("flagged")
        assert b"hello from" in fetch(endpoint(page)["url"])[2]
        words = "id -u; cat /flag.txt /kept/note /read/note; echo x >/state/x && stat -c '%u %a' /flag.txt"
        ran = caller.post(f"/instances/{flagged['id']}/exec", {"command": ["sh", "-c", words]}).expect(200).json
        assert ran["exit_code"] == 0 and ran["stdout"].startswith("0\nFLAG{own users_") and ran["stdout"].endswith("kept\nread only\n0 400\n"), ran
        process = Docker().machine(flagged["id"])["State"]["Pid"]
        user = int(pathlib.Path(f"/proc/{process}/status").read_text().split("Uid:")[1].split()[0])
        assert user >= 65_536, "root in the machine is nobody on the host"

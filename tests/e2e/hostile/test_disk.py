"""Players who write: each is stopped with the reason, and nobody else notices. A full disk, and a tree that takes long to remove."""
import os
import subprocess
import time

import pytest

from harness import templates
from harness.gateway import answers, endpoint, fetch
from harness.wait import until

LIMITS = '[ready]\ninterval = 50\n[limits]\nmemory = "64m"\npids = 64\n'
HTTPD = 'STOPSIGNAL SIGKILL\nCMD ["httpd", "-f", "-p", "8000", "-h", "/www"]\n'

# Everything that a machine can write to.
HOG = {
    "instance.toml": 'name = "Hog"\ndisk = "48m"\n[[endpoint]]\nname = "web"\nmachine = "main"\nport = 8000\n'
                     + LIMITS + "inodes = 3000\n",
    "compose.yaml": 'services:\n  main:\n    build: .\n    volumes: ["kept:/kept", "./copy:/copy:rw", "./large:/large"]\nvolumes:\n  kept: {}\n',
    "copy/note.txt": "a note\n",
    "large/file": "x" * (5 << 20),
    "flag.txt": "FLAG{hog}\n",
    "Dockerfile": "FROM tiltyard/busybox:1\nRUN mkdir /www\nCOPY flag.txt /www/flag.txt\nVOLUME /nameless\n" + HTTPD,
}
# A flag in a tmpfs of the machine is mounted itself.
MOUNTED = {
    "instance.toml": 'name = "Mounted"\n[[endpoint]]\nname = "web"\nmachine = "main"\nport = 8000\n[flag]\nfile = "/keep/flag.txt"\n' + LIMITS,
    "compose.yaml": 'services:\n  main:\n    build: .\n    tmpfs: ["/keep"]\n',
    "Dockerfile": "FROM tiltyard/busybox:1\nRUN mkdir /www /keep\n" + HTTPD,
}
MILLIONS = {**HOG, "instance.toml": HOG["instance.toml"].replace('disk = "48m"', 'disk = "2g"').replace("inodes = 3000", "inodes = 1000000")}

# At most 400 MB each, whatever happens.
WRITES = {
    "layer": "head -c 400000000 /dev/zero > /x",
    "volume": "head -c 400000000 /dev/zero > /kept/x",
    "nameless": "head -c 400000000 /dev/zero > /nameless/x",
    "bind": "head -c 400000000 /dev/zero > /copy/x",
    "over": "head -c 400000000 /dev/zero > /large/x",
    "flag": "head -c 400000000 /dev/zero > /www/flag.txt",
    "many": "i=0; while [ $i -lt 20 ]; do head -c 20000000 /dev/zero > /x$i; i=$((i+1)); done",
    "inodes": "mkdir /n; i=0; while [ $i -lt 8000 ]; do : > /n/$i; i=$((i+1)); done",
    "deep": "i=0; while [ $i -lt 400 ]; do mkdir d; cd d; i=$((i+1)); done",
}


def said(caller, kind):
    return caller.get("/admin/events", query={"kind": kind}).expect(200).json["items"]


@pytest.fixture(scope="module")
def range_(docker, tmp_path_factory):
    from conftest import server_maker
    make, end, _ = server_maker(docker, tmp_path_factory.mktemp("disk"))
    server = make(hog=HOG, millions=MILLIONS, mounted=MOUNTED, box=templates.BOX)
    server.add_example("hello-web")
    try:
        server.start()
        for name in ("hog", "millions", "mounted", "box", "hello-web"):
            server.admin().wait_template(name)
        yield server
    finally:
        end()


@pytest.fixture(scope="module")
def neighbour(range_):
    instance = range_.user("neighbour").running("hello-web")
    until(lambda: answers(endpoint(instance)["url"]), "the neighbour")
    return instance


@pytest.mark.parametrize("where", WRITES)
def test_R1_5_who_writes_too_much_is_stopped_and_nobody_else(range_, docker, neighbour, where):
    player = range_.user(f"hog-{where}")
    instance = player.running("hog")
    machine = docker.machine(instance["id"])
    docker.start_exec(machine["Id"], "sh", "-c", WRITES[where])
    ended = player.wait_state(instance["id"], "stopped", timeout=40)
    assert ended["reason"]["code"] == "disk-limit" and "main" in ended["reason"]["text"], ended["reason"]
    assert docker.of_instance(instance["id"]) == {"containers": [], "networks": [], "volumes": []}
    assert any(event["subject"] == instance["id"] for event in said(range_.admin(), "instance.over_disk"))
    player.stop(player.running("hog")["id"])
    assert range_.admin().instance(neighbour["id"])["state"] == "running"
    assert fetch(endpoint(neighbour)["url"])[0] == 200


def test_R1_5_what_is_written_and_removed_costs_nothing(range_, docker):
    player = range_.user("tidy")
    instance = player.running("hog")
    machine = docker.machine(instance["id"])["Id"]
    for _ in range(3):
        assert docker.exec(machine, "sh", "-c", "head -c 20000000 /dev/zero > /x && rm /x")[0] == 0
    hog = range_.user("beside-tidy").running("hog")
    docker.start_exec(docker.machine(hog["id"])["Id"], "sh", "-c", WRITES["layer"])
    range_.admin().wait_state(hog["id"], "stopped", timeout=40)
    assert player.instance(instance["id"])["state"] == "running", "who looked at the one looked at the other"
    player.stop(instance["id"])


def test_R1_5_a_mounted_flag_cannot_be_filled(range_, docker):
    player = range_.user("filler")
    instance = player.running("mounted")
    machine = docker.machine(instance["id"])
    mounts = [mount for mount in machine["Mounts"] if "/flags/" in mount["Source"]]
    assert mounts and not any(mount["RW"] for mount in mounts)
    for mount in mounts:
        before = os.stat(mount["Source"])
        for command in (f"cat /dev/zero > {mount['Destination']}", f"chmod 777 {mount['Destination']}", f"rm {mount['Destination']}"):
            code, output = docker.exec(machine["Id"], "sh", "-c", command, user="0")
            assert code != 0, output
        after = os.stat(mount["Source"])
        assert (after.st_size, after.st_mode, after.st_ino) == (before.st_size, before.st_mode, before.st_ino)
    player.stop(instance["id"])


def grow(folder, deep, wide):
    """A chain of folders, and many files, as their owner could make them."""
    here = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    for name in range(wide):
        os.close(os.open(f"f{name}", os.O_WRONLY | os.O_CREAT, 0o600, dir_fd=here))
    for _ in range(deep):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY | os.O_DIRECTORY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)


@pytest.fixture
def cleared(range_):
    """Whatever happens: a deep tree is more than who removes old folders of tests can take."""
    yield
    subprocess.run(["rm", "-rf", str(range_.data / "instances")], check=True)


def test_R1_12_a_stop_leaves_a_hostile_tree_to_others(range_, cleared):
    player = range_.user("gardener")
    instance = player.running("millions")
    files = range_.data / "instances" / instance["id"]
    grow(files / "binds" / "as-is-copy", deep=1_500, wide=1_500)
    open_before = range_.open_files()
    began = time.monotonic()
    player.stop(instance["id"])
    stopped = time.monotonic() - began
    gone = range_.data / "instances" / ".gone"
    most_open = range_.open_files()
    assert not files.exists()
    began = time.monotonic()
    again = player.running("hog")
    spawned = time.monotonic() - began
    while any(gone.iterdir()):
        most_open = max(most_open, range_.open_files())
        assert time.monotonic() - began < 60, "it is removed in the end"
    assert most_open < open_before + 60, "whatever its depth"
    assert stopped < 20 and spawned < 20, (stopped, spawned)
    player.stop(again["id"])


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own."""
    folder = tmp_path / "server0" / "data"
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_R1_5_a_full_disk_is_survived(small_disk, make_server):
    server = make_server(config={"disk": {"floor": "24m", "floor_inodes": 100, "reserve": "16m"}}, box=templates.BOX)
    server.start()
    admin = server.admin()
    admin.wait_template("box")
    first, second = admin.running("box"), server.user("ann").running("box")
    until((small_disk / "reserve").exists, "the reserve")
    filler = small_disk / "filler"
    with pytest.raises(OSError), open(filler, "wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 20))
    until(lambda: not (small_disk / "reserve").exists(), "the reserve to be given")
    ben = server.user("ben")
    ben.start("box", wait=5).expect(503, "disk-low")
    admin.stop(first["id"])
    assert admin.instance(first["id"])["state"] == "stopped"
    assert admin.instance(second["id"])["state"] == "running"
    until(lambda: said(admin, "disk.low"), "staff to be told")
    filler.unlink()
    until(lambda: said(admin, "disk.enough"), "the end of it")
    until((small_disk / "reserve").exists, "a new reserve")
    assert ben.running("box")["state"] == "running"
    server.close()

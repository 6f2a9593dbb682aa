"""From inside machines of the example templates: what the kernel has once for all is not one player's to take."""
import ipaddress
import pathlib
import shutil
import subprocess

import pytest

from harness.gateway import dial, endpoint, fetch, read_until
from harness.server import ROOT
from harness.wait import until

RESTARTS = {
    "instance.toml": 'name = "Restarts"\nexpected_boot = 1\nports = [7000]\n[ready]\ninterval = 50\n[limits]\nmemory = "32m"\npids = 64\n',
    "compose.yaml": 'services:\n  main:\n    build: .\n    restart: always\n    command: ["nc", "-ll", "-p", "7000", "-e", "/bin/cat"]\n    ports: ["7000"]\n',
    "Dockerfile": "FROM tiltyard/busybox:1\nSTOPSIGNAL SIGKILL\n",
}

FLOOD = """
import socket, sys, time
sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(16)]
victim, until, sent = socket.gethostbyname("db"), time.monotonic() + 3, 0
for port in range(1, 65535):
    for each in sockets:
        try:
            each.sendto(b"x", (victim, port))
            sent += 1
        except OSError:
            pass
    if time.monotonic() > until:
        break
print(sent)
"""


@pytest.fixture(scope="module")
def hosted(docker, debian, tmp_path_factory):
    from conftest import server_maker
    make, end, _ = server_maker(docker, tmp_path_factory.mktemp("kernel"))
    server = make(restarts=RESTARTS)
    for name in ("notes-stack", "debian-shell"):
        server.add_example(name)
    try:
        server.start()
        for name in ("restarts", "debian-shell", "notes-stack"):
            server.admin().wait_template(name, timeout=600)
        yield server
    finally:
        end()


def tracked():
    """Connections in the host's table, but for those of its loopback, where other tests may have thousands."""
    with open("/proc/net/nf_conntrack") as table:
        return sum("src=127." not in line for line in table)


def test_R1_5_a_flood_inside_a_stack_takes_no_connections_of_the_host(hosted, docker):
    player = hosted.user("flooder")
    instance = player.running("notes-stack")
    web = docker.machine(instance["id"], "web")["Id"]
    before = tracked()
    code, output = docker.exec(web, "python3", "-c", FLOOD, timeout=60)
    grown = tracked() - before
    assert code == 0 and int(output) > 10000, output
    assert grown < int(output) // 10, f"{output.strip()} datagrams took {grown} places in the host's table of connections"
    # Beside the flood: what the stack is for still works, over the same network.
    assert fetch(endpoint(instance)["url"], "/healthz")[2] == b"ok\n"
    player.stop(instance["id"])


@pytest.mark.parametrize("template", ["debian-shell", "notes-stack"])
def test_R1_5_a_machine_has_no_more_than_thirty_neighbours(hosted, docker, template):
    player = hosted.user(f"sweeper-{template}")
    instance = player.running(template)
    machine = docker.machine(instance["id"], "web" if template == "notes-stack" else None)
    for network in machine["NetworkSettings"]["Networks"].values():
        around = ipaddress.ip_interface(f"{network['IPAddress']}/22").network
        first = int(around.network_address)
        sweep = (f"for n in $(seq {first} {first + 1022}); do "
                 "echo x > /dev/udp/$((n >> 24)).$((n >> 16 & 255)).$((n >> 8 & 255)).$((n & 255))/9; done 2>/dev/null; cat /proc/net/arp")
        code, output = docker.exec(machine["Id"], "bash", "-c", sweep, timeout=60)
        known = output.splitlines()[1:]
        assert code == 0 and known, output
        assert len(known) <= 31 * len(machine["NetworkSettings"]["Networks"]), f"{len(known)} neighbours of one machine"
    player.stop(instance["id"])


def test_R1_5_all_machines_are_in_one_group_that_counts_little(hosted, docker):
    player = hosted.user("grouped")
    instance = player.running("restarts")
    parent = docker.machine(instance["id"])["HostConfig"]["CgroupParent"]
    assert parent in ("/tiltyard_machines", "tiltyard_machines.slice")
    shares = pathlib.Path("/sys/fs/cgroup/cpu") / parent.lstrip("/") / "cpu.shares"
    if shares.exists():
        assert int(shares.read_text()) == 512
        memory = pathlib.Path("/sys/fs/cgroup/memory") / parent.lstrip("/") / "memory.limit_in_bytes"
        total = int(pathlib.Path("/proc/meminfo").read_text().split()[1]) * 1024
        assert total // 2 < int(memory.read_text()) < total - (500 << 20)
    player.stop(instance["id"])


def test_R1_5_who_runs_all_the_time_counts_little(hosted, docker):
    player = hosted.user("burner")
    instance = player.running("restarts")
    machine = docker.machine(instance["id"])
    group = pathlib.Path("/sys/fs/cgroup/cpu") / machine["HostConfig"]["CgroupParent"].lstrip("/") / machine["Id"] / "cpu.shares"
    if not group.exists():
        pytest.skip("this engine's groups are of another kind; R1_5.WhoRunsAllTheTimeCountsLittleAmongMachines knows both")
    assert int(group.read_text()) == 1024
    docker.start_exec(machine["Id"], "sh", "-c", "while :; do :; done")
    until(lambda: int(group.read_text()) < 256, "the machine to count less", 60)
    player.stop(instance["id"])


def echoes(tcp):
    """A machine that runs again has a program that does not listen yet."""
    try:
        with dial(tcp) as connection:
            connection.sendall(b"alive\n")
            return read_until(connection, b"\n") == b"alive\n"
    except OSError:
        return False


def test_R1_13_the_server_starts_machines_again_and_not_the_engine(hosted, docker):
    """As the template says, and as often: five deaths in a row are no reason to give the instance up."""
    player = hosted.user("mortal")
    instance = player.running("restarts")
    for _ in range(5):
        machine = docker.machine(instance["id"])
        assert machine["HostConfig"]["RestartPolicy"]["Name"] == "no"
        docker.call("POST", f"/containers/{machine['Id']}/kill")
        until(lambda: docker.machine(instance["id"])["State"]["Pid"] not in (0, machine["State"]["Pid"]), "the machine to run again", 20)
    assert player.instance(instance["id"])["state"] == "running"
    until(lambda: echoes(endpoint(instance)), "its program to listen again", 20)
    assert player.stop(instance["id"])["state"] == "stopped"


def unit(name):
    """[(section, key, value)] of a unit of deploy/."""
    found, section = [], ""
    for line in (ROOT / "deploy" / name).read_text().splitlines():
        if line.startswith("["):
            section = line
        elif "=" in line and not line.startswith("#"):
            found += [(section, line.split("=", 1)[0], value) for value in line.split("=", 1)[1].split()]
    return found


def test_R1_5_the_firewall_is_there_before_the_engine_at_boot(tmp_path):
    firewall, server = unit("tiltyard-firewall.service"), unit("tiltyard.service")
    assert {("[Unit]", "Before", name) for name in ("docker.service", "network-pre.target", "tiltyard.service")} <= set(firewall)
    assert {("[Unit]", "After", "nftables.service"), ("[Unit]", "ReloadPropagatedFrom", "nftables.service")} <= set(firewall)
    assert ("[Install]", "WantedBy", "docker.service") in firewall and ("[Service]", "Type", "oneshot") in firewall
    assert ("[Unit]", "After", "tiltyard-firewall.service") in server and ("[Unit]", "Wants", "tiltyard_machines.slice") in server
    keys = {key for _, key, _ in server}
    assert {"CPUWeight", "IOWeight", "MemoryMin", "MemoryMax", "OOMScoreAdjust"} <= keys
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze")
    units = ["tiltyard-firewall.service", "tiltyard.service", "tiltyard_machines.slice"]
    for name in units:
        (tmp_path / name).write_text((ROOT / "deploy" / name).read_text().replace("/usr/lib/tiltyard/tiltyard", "/bin/true"))
    ran = subprocess.run(["systemd-analyze", "verify", *(str(tmp_path / name) for name in units)], capture_output=True, text=True,
                         env={"SYSTEMD_UNIT_PATH": f"{tmp_path}:/lib/systemd/system", "PATH": "/usr/bin:/bin"})
    assert ran.returncode == 0 and "tiltyard" not in ran.stderr, ran.stderr

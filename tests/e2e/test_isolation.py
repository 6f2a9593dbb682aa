"""From inside one instance: what must not be reached is not, and what is flooded stays inside its limits."""
import json
import os
import pathlib
import socket
import subprocess
import time

import pytest

from harness import templates
from harness.docker import Docker
from harness.gateway import dial, endpoint, fetch
from harness.leaks import Leaks
from harness.own_engine import own_engine
from harness.server import ROOT, binary
from harness.wait import until
from harness.world import HostService, World, host_addresses, host_reaches, nameserver

# A connection that is dropped takes this long to be given up, in seconds.
PATIENCE = 2


@pytest.fixture(scope="module")
def world():
    made = World()
    yield made
    made.close()


@pytest.fixture
def pair(server, request):
    """Two players."""
    return [server.user(f"{who}-{abs(hash(request.node.name)) % 100000}") for who in ("alice", "bob")]


def addresses(docker, instance, machine=None):
    """A machine's addresses on all its networks."""
    networks = docker.machine(instance["id"], machine)["NetworkSettings"]["Networks"]
    return [network["IPAddress"] for network in networks.values() if network["IPAddress"]]


def gateways(docker, instance, machine=None):
    networks = docker.machine(instance["id"], machine)["NetworkSettings"]["Networks"]
    return [network["Gateway"] for network in networks.values() if network["Gateway"]]


def reached(docker, container, targets):
    """Which of [(address, port), ...] a TCP connection from inside a container opens. They are tried side by side, few at a
    time because of the machine's limit on processes. nc runs a program as soon as it is connected, so it ends with 0 only then."""
    found = []
    targets = list(targets)
    for start in range(0, len(targets), 12):
        tries = " ".join(f"(timeout {PATIENCE + 1} nc -w {PATIENCE} {address} {port} -e /bin/true 2>/dev/null && echo {address}:{port}) &"
                         for address, port in targets[start:start + 12])
        _, output = docker.exec(container, "sh", "-c", f"{tries} wait", timeout=60)
        found += output.split()
    return found


def reaches(docker, container, address, port):
    return reached(docker, container, [(address, port)]) != []


def containers(docker, instance):
    return [c["Id"] for c in docker.containers(tiltyard__instance=instance["id"])]


@pytest.mark.parametrize("template", ["box", "stack"])
def test_R1_5_the_host_and_its_services_are_out_of_reach(server, docker, pair, template):
    instance = pair[0].running(template)
    service = HostService()
    try:
        for container in containers(docker, instance):
            here = docker.inspect(container)["NetworkSettings"]["Networks"]
            targets = set(host_addresses()) | {n["Gateway"] for n in here.values() if n["Gateway"]}
            assert host_reaches(sorted(targets)[0], service.port)
            service.visitors(wait=0.3)
            ports = (service.port, server.port, server.gateway_port, 22)
            assert reached(docker, container, [(address, port) for address in sorted(targets) for port in ports]) == []
            assert service.visitors() == []
    finally:
        service.close()
        pair[0].stop(instance["id"])


@pytest.mark.parametrize("template", ["box", "stack"])
def test_R1_5_neither_the_internet_nor_the_metadata_address(docker, pair, world, template):
    assert host_reaches(world.public, 80) and host_reaches(world.metadata, 80), "the test's own world does not answer the host"
    instance = pair[0].running(template)
    for container in containers(docker, instance):
        targets = [(world.public, 80), (world.metadata, 80)] + ([(nameserver(), 53)] if nameserver() else [])
        assert reached(docker, container, targets) == []
    pair[0].stop(instance["id"])


@pytest.mark.parametrize("template", ["box", "stack"])
def test_R1_5_names_of_the_internet_do_not_resolve(docker, pair, template):
    try:
        socket.getaddrinfo("deb.debian.org", 80)
    except OSError:
        pytest.skip("this host cannot resolve names itself")
    instance = pair[0].running(template)
    for container in containers(docker, instance):
        code, output = docker.exec(container, "timeout", "8", "nslookup", "deb.debian.org", "127.0.0.11", timeout=30)
        assert code != 0 and "Address: 1" not in output.split("deb.debian.org")[-1], f"a name server answered from inside {template}: {output}"
    pair[0].stop(instance["id"])


@pytest.mark.parametrize("template", ["box", "stack"])
def test_R1_5_a_name_that_is_not_found_is_not_found_at_once(docker, pair, template):
    """Ten names of outside in the time that one once took to fail four times over, and what is inside is found meanwhile."""
    instance = pair[0].running(template)
    for container in containers(docker, instance):
        begun = time.monotonic()
        code, output = docker.exec(container, "sh", "-c", "for i in 0 1 2 3 4 5 6 7 8 9; do nslookup host$i.example.org; done", timeout=120)
        took = time.monotonic() - begun
        assert code != 0 and output.count("NXDOMAIN") >= 10, output
        assert took < 3, f"{took:.1f} s for ten names"
    if template == "stack":
        code, output = docker.exec(docker.machine(instance["id"], "front")["Id"], "nslookup", "back")
        assert code == 0 and addresses(docker, instance, "back")[0] in output, output
    pair[0].stop(instance["id"])


@pytest.mark.parametrize("mine, theirs", [("box", "box"), ("box", "stack"), ("stack", "box"), ("stack", "stack")])
def test_R1_5_another_owners_instance_is_out_of_reach(docker, pair, mine, theirs):
    ports = {"box": [(None, 7000)], "stack": [("front", 8000), ("back", 9000)]}
    attacker, victim = pair[0].running(mine), pair[1].running(theirs)
    for machine, port in ports[theirs]:
        for address in addresses(docker, victim, machine):
            assert host_reaches(address, port), "the gateway's own way must be open"
            for container in containers(docker, attacker):
                assert not reaches(docker, container, address, port), f"{theirs} {address}:{port} answers from inside {mine}"
    for caller, instance in zip(pair, (attacker, victim)):
        caller.stop(instance["id"])


def test_R1_5_two_instances_of_one_owner_do_not_meet_either(docker, pair):
    box, web = pair[0].running("box"), pair[0].running("web")
    for address in addresses(docker, web):
        assert not reaches(docker, docker.machine(box["id"])["Id"], address, 8000)
    for instance in (box, web):
        pair[0].stop(instance["id"])


def test_R1_5_machines_of_one_stack_do_meet(docker, pair):
    instance = pair[0].running("stack")
    front = docker.machine(instance["id"], "front")["Id"]
    back = addresses(docker, instance, "back")
    assert all(reaches(docker, front, address, 9000) for address in back)
    pair[0].stop(instance["id"])


@pytest.mark.parametrize("template", ["box", "stack"])
def test_R1_5_every_container_is_hardened(docker, pair, template):
    instance = pair[0].running(template)
    # docs/templates.md: CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, NET_BIND_SERVICE
    most = sum(1 << number for number in (0, 1, 3, 4, 5, 6, 7, 10))
    for container in containers(docker, instance):
        _, text = docker.exec(container, "cat", "/proc/self/status")
        status = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
        assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
        assert int(status["CapBnd"], 16) & ~most == 0, status["CapBnd"]
        host = docker.inspect(container)["HostConfig"]
        assert 0 < host["PidsLimit"] <= 256 and 0 < host["Memory"] <= 256 << 20 and host["MemorySwap"] == host["Memory"]
        assert host["NanoCpus"] or host["CpuQuota"]
        assert any(limit["Name"] == "nofile" for limit in host["Ulimits"])
        assert host["LogConfig"]["Config"].get("max-size"), host["LogConfig"]
        assert not host["PortBindings"] and not host["Privileged"] and not host["Devices"]
        assert host["PidMode"] == "" and host["IpcMode"] in ("", "private") and host["NetworkMode"] != "host"
        _, six = docker.exec(container, "cat", "/proc/net/if_inet6")
        assert all(line.startswith(("fe80", "0000")) for line in six.split("\n") if line), "an address of the IPv6 world inside"
    pair[0].stop(instance["id"])


def test_R1_5_a_fork_bomb_stays_inside(server, docker, pair, no_leaks):
    bomber, bystander = pair[0].running("box"), pair[1].running("web")
    container = docker.machine(bomber["id"])["Id"]
    docker.start_exec(container, "sh", "-c", "b() { b | b & }; b")
    until(lambda: docker.stats(container)["pids_stats"].get("current", 0) >= 40, "the bomb to go off", timeout=20)
    for _ in range(10):
        assert docker.stats(container)["pids_stats"]["current"] <= 64
        assert fetch(endpoint(bystander)["url"])[0] == 200
        server.admin().get("/readyz").expect(200)
    pair[0].stop(bomber["id"], timeout=60)
    pair[1].stop(bystander["id"])


def test_R1_5_a_memory_flood_stays_inside(server, docker, pair, no_leaks):
    flooder, bystander = pair[0].running("box"), pair[1].running("web")
    container = docker.machine(flooder["id"])["Id"]
    assert docker.inspect(container)["HostConfig"]["Memory"] == 64 << 20
    # tail keeps a line without an end in memory.
    code, _ = docker.exec(container, "sh", "-c", "head -c 400000000 /dev/zero | tail -c 400000000 > /dev/null", timeout=120)
    assert code != 0, "400 MB fitted into a machine of 64 MB"
    memory = docker.stats(container).get("memory_stats", {})
    assert memory.get("max_usage", memory.get("usage", 0)) <= 64 << 20
    assert fetch(endpoint(bystander)["url"])[0] == 200
    # Files in memory count as well.
    docker.exec(container, "sh", "-c", "head -c 400000000 /dev/zero > /dev/shm/flood", timeout=120)
    code, size = docker.exec(container, "sh", "-c", "du -k /dev/shm | tail -n 1 | cut -f1")
    assert code != 0 or int(size or 0) <= 65536
    for caller, instance in zip(pair, (flooder, bystander)):
        caller.stop(instance["id"])


def test_R1_5_a_log_flood_stays_inside(docker, pair, no_leaks):
    instance = pair[0].running("box")
    container = docker.machine(instance["id"])
    code, output = docker.exec(container["Id"], "sh", "-c", "yes 'a line that somebody writes again and again' | head -c 60000000 > /proc/1/fd/1", timeout=180)
    assert code == 0, output
    log = pathlib.Path(container["LogPath"])
    if log.parent.exists():
        until(lambda: any(log.parent.glob(log.name + "*")), "the log to be there", timeout=10)
        size = sum(part.stat().st_size for part in log.parent.glob(log.name + "*"))
        assert 0 < size <= 25 << 20, f"60 MB of output left {size} bytes of log"
    pair[0].stop(instance["id"])


def test_R1_5_a_connection_flood_does_not_starve_the_others(server, pair):
    web = pair[1].running("web")
    before = server.open_kinds()["socket"]
    for _ in range(2):
        flood_once(server, pair[0], web)
        until(lambda: server.open_kinds()["socket"] <= before + 12, "the flood's connections to be gone", timeout=20)
    # Each loop of the gateway keeps at most 128 empty pipes for the next ones.
    assert server.open_kinds()["pipe"] <= 2 * 128 * os.cpu_count() + 16
    pair[1].stop(web["id"])


# In a network of its own: the table, a wire that leads nowhere, and more of each kind than one machine may have at once.
SENDS = """
import errno, socket, subprocess, sys, time
for line in ("link set lo up", "link add tyn0 type veth peer name far", "address add 10.9.0.1/24 dev tyn0", "link set tyn0 up", "link set far up",
             "neighbour add 10.9.0.2 lladdr 02:00:00:00:00:02 dev tyn0", "neighbour add 10.9.0.3 lladdr 02:00:00:00:00:03 dev tyn0"):
    subprocess.run(["ip", *line.split()], check=True)
subprocess.run([sys.argv[1], "firewall", "--config", sys.argv[2]], check=True)
def passed(kind, address):
    open_ones, refused = [], 0
    for _ in range(40):
        end = socket.socket(socket.AF_INET, kind)
        end.setblocking(False)
        open_ones.append(end)
        try:
            end.connect_ex((address, 1337))
            if kind == socket.SOCK_DGRAM:
                end.send(b"x")
        except OSError:
            refused += 1
    until = time.monotonic() + 20
    while kind == socket.SOCK_STREAM and refused < 24 and time.monotonic() < until:
        refused += sum(end.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED for end in open_ones)
    return 40 - refused
print(passed(socket.SOCK_STREAM, "10.9.0.2"), passed(socket.SOCK_DGRAM, "10.9.0.3"))
"""


def test_R1_5_connections_and_flows_of_datagrams_to_one_machine_are_bounded_alike(tmp_path):
    config = tmp_path / "tiltyard.toml"
    config.write_text("[engine]\nmachine_connections = 16\n")
    ran = subprocess.run(["unshare", "-n", "/usr/bin/python3", "-c", SENDS, binary(), str(config)], capture_output=True, text=True, timeout=60)
    assert ran.stdout.split()[-2:] == ["16", "16"], ran.stdout + ran.stderr


def flood_once(server, player, web):
    """Opens connections to an instance until the gateway says no, at most 600; somebody else's page and the API still answer."""
    echo = player.running("tcp")
    open_ones = []
    try:
        for _ in range(600):
            try:
                open_ones.append(dial(endpoint(echo, kind="tcp"), timeout=5))
            except OSError:
                break
        assert fetch(endpoint(web)["url"])[0] == 200
        server.admin().get("/readyz").expect(200)
    finally:
        for connection in open_ones:
            connection.close()
    player.stop(echo["id"])


def test_R1_5_without_isolation_nothing_starts(make_server, docker):
    """A server that may not touch the firewall refuses to start machines, and says why."""
    if subprocess.run(["setpriv", "--version"], capture_output=True).returncode != 0:
        pytest.skip("no setpriv")
    server = make_server(web=templates.WEB)
    server.command = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", *server.command]
    server.spawn()
    until(lambda: server.log_path.exists() and host_reaches("127.0.0.1", server.port), "the server to listen", timeout=20)
    caller = server.admin()
    leaks = Leaks(server, docker)
    until(lambda: caller.get("/templates/web").json["state"] == "ready", "the template", timeout=60)
    ready = caller.get("/readyz")
    assert ready.status == 503 and "isolation" in json.dumps(ready.json), ready.text
    answer = caller.start("web", wait=20)
    if answer.status == 202:
        failed = caller.wait_state(answer.json["id"], "failed")
        assert "isolation" in failed["reason"]["code"], failed["reason"]
    else:
        answer.expect(503, "isolation-unavailable")
    assert docker.containers(tiltyard__namespace=server.namespace) == []
    leaks.assert_none()


# Arguments that need neither virtualisation in the processor nor a kernel that this release of gVisor knows the network files of.
GVISOR = {"runsc": {"path": "/usr/bin/runsc", "runtimeArgs": ["--platform=ptrace", "--network=host"]}}
KERNEL = {
    "instance.toml": 'name = "Kernel"\nports = [8000]\nexpected_boot = 2\n[ready]\ninterval = 50\n[limits]\nmemory = "128m"\npids = 256\n',
    "Dockerfile": 'FROM tiltyard/busybox:1\nSTOPSIGNAL SIGKILL\n'
                  'CMD ["sh", "-c", "mkdir /www && cp /proc/version /www/index.html && exec httpd -f -p 8000 -h /www"]\n',
}


def test_R1_5_a_machine_runs_on_gvisors_kernel(make_server, monkeypatch):
    with own_engine(runtimes=GVISOR) as engine:
        monkeypatch.setenv("DOCKER_HOST", f"unix://{engine.socket_path}")
        subprocess.run([str(ROOT / "images" / "make"), "busybox"], check=True, capture_output=True)
        docker = Docker()
        server = make_server(config={"engine": {"runtime": "runsc"}}, kernel=KERNEL)
        server.start()
        admin = server.admin()
        admin.wait_template("kernel")
        instance = admin.running("kernel")
        assert docker.machine(instance["id"])["HostConfig"]["Runtime"] == "runsc"
        # What gVisor does with the host's own sockets is not ours: it has been seen to cut a first connection.
        version = until(lambda: (body := fetch(endpoint(instance)["url"])[2].decode()).startswith("Linux version") and body, "its page")
        with open("/proc/version") as host:
            assert version.startswith("Linux version 4.4.0") and version != host.read()
        service = HostService()
        try:
            container = docker.machine(instance["id"])
            gateway = [network["Gateway"] for network in container["NetworkSettings"]["Networks"].values()][0]
            assert host_reaches(gateway, service.port)
            assert not reaches(docker, container["Id"], gateway, service.port), "the firewall holds for this runtime too"
        finally:
            service.close()
        assert admin.stop(instance["id"])["state"] == "stopped"
        assert docker.containers(tiltyard__namespace=server.namespace) == []
        server.stop()

"""Row 2.8: an owner sees which ports of their machines listen, gets a free one, and opens one while the instance runs."""
import itertools
import socket
import subprocess
import sys

import pytest

from harness import templates
from harness.cli import Cli
from harness.gateway import answers, dial, endpoint, fetch, read_until
from harness.wait import until

# The page that is its endpoint, one that only the machine itself reaches, one that is open to all, and an echo.
DEV = {
    "instance.toml": 'name = "Dev"\nexpected_boot = 1\ntimeout = 600\n[[endpoint]]\nname = "web"\nport = 8000\n'
                     '[ready]\ninterval = 50\n[limits]\nmemory = "32m"\npids = 64\n',
    "Dockerfile": 'FROM tiltyard/busybox:1\nRUN mkdir /www && echo "hello from dev" > /www/index.html\nSTOPSIGNAL SIGKILL\n'
                  'CMD ["sh", "-c", "httpd -p 127.0.0.1:9001 -h /www; httpd -p 9002 -h /www; nc -ll -p 9003 -e /bin/cat & '
                  'exec httpd -f -p 8000 -h /www"]\n',
}
SHUT = {**DEV, "instance.toml": DEV["instance.toml"] + "[open_ports]\nkinds = []\n"}
NARROW = {**DEV, "instance.toml": DEV["instance.toml"] + '[open_ports]\nkinds = ["http"]\nmax = 1\nranges = ["9000-9099"]\n'}

# A UDP echo in somebody's network, until its input ends.
DATAGRAMS = """
import select, socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", 5353))
print("bound", flush=True)
while sys.stdin not in select.select([s, sys.stdin], [], [])[0]:
    s.sendto(*s.recvfrom(2048))
"""


NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def ports_server(docker, tmp_path_factory):
    from conftest import server_maker
    make, end, _ = server_maker(docker, tmp_path_factory.mktemp("ports"))
    server = make(config={"ports": {"max_per_owner": 5}}, dev=DEV, shut=SHUT, narrow=NARROW, box=templates.BOX)
    server.start()
    for name in ("dev", "shut", "narrow", "box"):
        server.admin().wait_template(name)
    yield server
    end()


@pytest.fixture
def owner(ports_server):
    """Somebody new each time, whose instances stay until the module ends."""
    if not ports_server.alive:
        ports_server.start()
    return ports_server.user(f"owner-{next(NUMBERS)}")


def listing(caller, instance):
    return caller.get(f"/instances/{instance['id']}/ports").expect(200).json


def open_port(caller, instance, port, kind="http", **more):
    return caller.post(f"/instances/{instance['id']}/ports", {"port": port, "kind": kind, **more})


def close_port(caller, instance, name):
    return caller.delete(f"/instances/{instance['id']}/ports/{name}")


def seen(caller, instance, *numbers):
    """The machine's ports by number and protocol, once these listen."""
    def look():
        machine = listing(caller, instance)["machines"][0]
        found = {(one["port"], one["protocol"]): one for one in machine["ports"]}
        return found if machine["seen"] and all((number, "tcp") in found for number in numbers) else None
    return until(look, f"{numbers} to listen")


def echoed(udp, data):
    """What comes back; asked again, as datagrams may be lost."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.connect((udp["host"], udp["port"]))
        link.settimeout(1)

        def ask():
            link.send(data)
            try:
                return link.recv(2048)
            except OSError:
                return None
        return until(ask, "an answer over UDP")


def refused(tcp):
    try:
        dial(tcp).close()
        return False
    except OSError:
        return True


def test_R2_8_what_listens_is_shown_and_can_be_opened_and_closed(owner, ports_server, docker):
    instance = owner.running("dev")
    pid = docker.machine(instance["id"])["State"]["Pid"]
    with subprocess.Popen(["nsenter", "-t", str(pid), "-n", sys.executable, "-c", DATAGRAMS], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as udp:
        assert udp.stdout.readline() == b"bound\n"
        found = seen(owner, instance, 8000, 9001, 9002, 9003)
        names = open_port(owner, instance, 5353, "udp").expect(201).json
        assert (names["name"], names["listens"]) == ("main-5353-udp", True)
        assert echoed(names["endpoint"], b"who?") == b"who?"
        assert seen(owner, instance)[5353, "udp"]["endpoint"] == "main-5353-udp"
        close_port(owner, instance, "main-5353-udp").expect(204)
        udp.stdin.close()
    assert set(found) == {(8000, "tcp"), (9001, "tcp"), (9002, "tcp"), (9003, "tcp"), (5353, "udp")}, "the engine's own resolver is none of these"
    assert found[8000, "tcp"] == {"port": 8000, "protocol": "tcp", "addresses": ["::"], "program": "httpd", "reachable": True, "why": None,
                                  "endpoint": "web", "allowed": True}
    assert found[9001, "tcp"]["reachable"] is False and "127.0.0.1 alone, inside the machine" in found[9001, "tcp"]["why"]
    assert found[9003, "tcp"]["program"] == "nc" and found[9003, "tcp"]["endpoint"] is None
    assert found[5353, "udp"]["program"].startswith("python")

    page = open_port(owner, instance, 9002).expect(201).json
    assert (page["name"], page["listens"], page["opened"]) == ("main-9002", True, True)
    assert fetch(page["endpoint"]["url"])[2] == b"hello from dev\n"
    echo = open_port(owner, instance, 9003, "tcp", name="echo").expect(201).json
    with dial(echo["endpoint"]) as connection:
        connection.sendall(b"ping\n")
        assert read_until(connection, b"\n") == b"ping\n"
        # The instance itself shows them as well.
        assert {one["name"] for one in owner.instance(instance["id"])["endpoints"]} == {"web", "main-9002", "echo"}
        close_port(owner, instance, "echo").expect(204)
        with pytest.raises(ConnectionResetError):  # what is open is cut
            connection.recv(10)
    assert refused(echo["endpoint"])
    assert seen(owner, instance, 9003)[9003, "tcp"]["endpoint"] is None

    open_port(owner, instance, 9001).expect(409, "port-unreachable")
    open_port(owner, instance, 9002, "tcp").expect(409, "port-open")
    open_port(owner, instance, 80, "gopher").expect(400, "invalid-body")
    open_port(owner, instance, 9004, name="Not a name").expect(400, "invalid-body")
    open_port(owner, instance, 9004, machine="db").expect(404, "machine-unknown")
    close_port(owner, instance, "web").expect(409, "endpoint-fixed")
    close_port(owner, instance, "nope").expect(404, "endpoint-unknown")
    assert open_port(owner, instance, 9004, name="later").expect(201).json["listens"] is False
    kinds = [one["kind"] for one in ports_server.admin().get("/admin/events", query={"limit": 50}).expect(200).json["items"]
             if one["subject"] == instance["id"]]
    assert kinds.count("instance.port-opened") == 4 and kinds.count("instance.port-closed") == 2


def test_R2_8_an_instance_of_somebody_else_has_no_ports(owner, ports_server):
    instance = owner.running("dev")
    stranger = ports_server.user(f"stranger-{next(NUMBERS)}")
    stranger.get(f"/instances/{instance['id']}/ports").expect(404, "instance-unknown")
    open_port(stranger, instance, 9002).expect(404, "instance-unknown")
    stranger.post(f"/instances/{instance['id']}/ports/free").expect(404, "instance-unknown")
    page = open_port(owner, instance, 9002).expect(201).json
    close_port(stranger, instance, page["name"]).expect(404, "instance-unknown")
    assert answers(page["endpoint"]["url"])


def test_R1_5_an_opened_port_is_opened_to_the_gateway_alone(owner, docker):
    instance = owner.running("dev")
    page = open_port(owner, instance, 9002).expect(201).json
    assert answers(page["endpoint"]["url"])
    networks = docker.machine(instance["id"])["NetworkSettings"]["Networks"]
    address = next(iter(networks.values()))["IPAddress"]
    box = owner.running("box")
    tried = owner.post(f"/instances/{box['id']}/exec", {"command": ["sh", "-c", f"nc -w 2 {address} 9002 < /dev/null && echo through"]}).expect(200).json
    assert "through" not in tried["stdout"] and tried["exit_code"] != 0


def test_R2_8_no_more_are_open_than_operator_and_template_allow(owner):
    shut, narrow, dev = (owner.running(name) for name in ("shut", "narrow", "dev"))
    nothing = listing(owner, shut)
    assert nothing["machines"] == [] and nothing["policy"]["kinds"] == [] and "template" in nothing["policy"]["why"]
    open_port(owner, shut, 9002).expect(403, "ports-off")
    owner.post(f"/instances/{shut['id']}/ports/free").expect(403, "ports-off")

    open_port(owner, narrow, 9002, "tcp").expect(403, "kind-not-allowed")
    open_port(owner, narrow, 8080).expect(403, "port-not-allowed")
    open_port(owner, narrow, 9002).expect(201)
    open_port(owner, narrow, 9003).expect(429, "ports-exceeded")
    assert listing(owner, narrow)["policy"] == {"kinds": ["http"], "max": 1, "left": 0, "ranges": [[9000, 9099]], "why": None}

    for port in range(9010, 9014):
        open_port(owner, dev, port).expect(201)
    open_port(owner, dev, 9014).expect(429, "ports-exceeded")  # four of one instance
    close_port(owner, dev, "main-9010").expect(204)
    open_port(owner, dev, 9014).expect(201)
    more = owner.running("box")
    open_port(owner, more, 9002).expect(429, "ports-exceeded")  # five of one owner


def test_R2_8_a_free_port_is_the_same_again_and_nobody_elses(owner, ports_server):
    instance = owner.running("dev")
    path = f"/instances/{instance['id']}/ports/free"
    first = owner.post(path).expect(200).json
    assert first == {"machine": "main", "port": first["port"], "kept_s": 900} and first["port"] >= 10_000
    assert owner.post(path, {"machine": "main"}).expect(200).json == first
    assert listing(owner, instance)["machines"][0]["free"] == first["port"]
    other = ports_server.admin().post(path).expect(200).json["port"]
    assert other != first["port"]
    open_port(owner, instance, first["port"], "tcp").expect(201)
    assert owner.post(path).expect(200).json["port"] not in (first["port"], other)
    owner.post(path, {"machine": "db"}).expect(404, "machine-unknown")


@pytest.mark.parametrize("point, there", [("labs.port.row.before", False), ("labs.port.row.after", True), ("labs.port.open.after", True)])
def test_R1_13_a_crash_while_a_port_is_opened_undoes_or_completes_it(owner, ports_server, point, there):
    instance = owner.running("dev")
    ports_server.restart(failpoints=f"{point}=kill")
    owner.wait_state(instance["id"], "running")
    with pytest.raises(OSError):
        open_port(owner, instance, 9002)
    ports_server.process.wait(20)
    ports_server.start()
    owner.wait_state(instance["id"], "running")
    names = {one["name"] for one in owner.instance(instance["id"])["endpoints"]}
    assert names == ({"web", "main-9002"} if there else {"web"})
    for one in owner.instance(instance["id"])["endpoints"]:
        until(lambda one=one: answers(one["url"]), f"{one['name']} to answer")
    if not there:
        open_port(owner, instance, 9002).expect(201)


@pytest.mark.parametrize("point, there", [("labs.port.close.before", True), ("labs.port.close.after", False)])
def test_R1_13_a_crash_while_a_port_is_closed_undoes_or_completes_it(owner, ports_server, point, there):
    instance = owner.running("dev")
    echo = open_port(owner, instance, 9003, "tcp", name="echo").expect(201).json["endpoint"]
    ports_server.restart(failpoints=f"{point}=kill")
    owner.wait_state(instance["id"], "running")
    until(lambda: not refused(echo), "the port to be open after the restart")
    with pytest.raises(OSError):
        close_port(owner, instance, "echo")
    ports_server.process.wait(20)
    ports_server.start()
    owner.wait_state(instance["id"], "running")
    until(lambda: answers(endpoint(owner.instance(instance["id"]), "web")["url"]), "the page to answer")
    assert ("echo" in {one["name"] for one in owner.instance(instance["id"])["endpoints"]}) is there
    assert refused(echo) is not there


def test_R2_8_the_command_line_shows_opens_and_closes(owner, ports_server, tmp_path):
    instance = owner.running("dev")
    seen(owner, instance, 9001, 9002)
    cli = Cli(tmp_path, TILTYARD_URL=ports_server.url, TILTYARD_TOKEN=ports_server.token)
    url = cli("ports", "open", instance["id"], "9002").stdout.strip()
    until(lambda: answers(url), "the opened page to answer")
    table = cli("ports", instance["id"]).stdout
    assert "MACHINE" in table and url in table and "127.0.0.1 alone" in table
    free = cli("ports", "free", instance["id"]).stdout.strip()
    assert int(free) >= 10_000
    cli("ports", "close", instance["id"], "main-9002")
    assert not answers(url)
    assert "See which there are: tiltyard ports ID" in cli("ports", "close", instance["id"], "main-9002", code=3).stderr

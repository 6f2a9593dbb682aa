"""What one player's commands, shells and connections may cost the others: row 7.6, and 1.5 for what runs in machines."""
import base64
import contextlib
import json
import os
import resource
import socket
import time

import pytest

from harness.gateway import dial, endpoint, fetch
from harness.wait import until

MOST_OUTPUT = 256 * 1024


@pytest.fixture(scope="module")
def hall(docker, tmp_path_factory):
    """A server with the limits that people get, and two players with an echo and a page each."""
    from conftest import server_maker
    from harness import templates
    make, end, _ = server_maker(docker, tmp_path_factory.mktemp("hall"))
    crowd = {**templates.TCP, "instance.toml": templates.TCP["instance.toml"].replace('"32m"\npids = 64', '"128m"\npids = 500')}
    server = make(web=templates.WEB, tcp=templates.TCP, box=templates.BOX, crowd=crowd).start()
    for name in ("web", "tcp", "box", "crowd"):
        server.admin().wait_template(name)
    try:
        yield server
    finally:
        end()


@pytest.fixture(scope="module", autouse=True)
def many_files():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16384), hard))


@pytest.fixture
def player(hall):
    """A signed-in player; what was started is gone after the test."""
    player.count = getattr(player, "count", 0) + 1
    caller = hall.user(f"player-{player.count}")
    yield caller
    hall.admin().stop_all()


def head_of(server, caller, method, path, body=b"", more=()):
    """A request as bytes, for those who do not read the answer as they should."""
    lines = [f"{method} /api/v1{path} HTTP/1.1", f"Host: 127.0.0.1:{server.port}", f"Cookie: {caller.cookie}", f"Origin: {server.url}",
             "X-Tiltyard-Csrf: 1", "Content-Type: application/json", f"Content-Length: {len(body)}", *more, "", ""]
    return "\r\n".join(lines).encode() + body


def begin(server, caller, instance, command, receive=None):
    """Sends a command off; its connection, of which nothing has been read."""
    connection = socket.socket()
    connection.settimeout(60)
    if receive:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
    connection.connect(("127.0.0.1", server.port))
    body = json.dumps({"command": command}).encode()
    connection.sendall(head_of(server, caller, "POST", f"/instances/{instance['id']}/exec", body))
    return connection


def status_of(connection):
    with connection.makefile("rb") as answer:
        return int(answer.readline().split()[1])


def processes(docker, instance):
    """The command lines of what runs in the machine, as the engine's host sees them."""
    top = docker.call("GET", f"/containers/{docker.machine(instance['id'])['Id']}/top", {"ps_args": "-eo pid,args"})
    return [line[-1] for line in top["Processes"]]


def runs(docker, instance, what):
    return any(what in line for line in processes(docker, instance))


def test_R7_6_a_command_that_never_stops_talking_is_stopped(hall, player, docker):
    box = player.running("box")
    begun = time.monotonic()
    said = player.post(f"/instances/{box['id']}/exec", {"command": ["yes", "on and on"]}).expect(200).json
    assert said["stopped_by"] == "output-limit" and said["exit_code"] == 137, {**said, "stdout": said["stdout"][:40]}
    assert len(said["stdout"]) + len(said["stderr"]) == MOST_OUTPUT
    assert time.monotonic() - begun < 20
    until(lambda: not runs(docker, box, "yes on and on"), "the command to be gone from its machine")
    # Both streams have one cap, and what ends by itself is whole.
    both = player.post(f"/instances/{box['id']}/exec", {"command": ["sh", "-c", "yes out & yes err >&2"]}).expect(200).json
    assert len(both["stdout"]) + len(both["stderr"]) == MOST_OUTPUT and both["stopped_by"] == "output-limit"
    until(lambda: not runs(docker, box, "yes out"), "its child to be gone as well")
    whole = player.post(f"/instances/{box['id']}/exec", {"command": ["sh", "-c", f"head -c {MOST_OUTPUT} /dev/zero; exit 3"]}).expect(200).json
    assert whole == {"exit_code": 3, "stdout": "\0" * MOST_OUTPUT, "stderr": "", "stopped_by": None}


def test_R7_6_a_command_does_not_outlive_whoever_asked_for_it(hall, player, docker):
    box = player.running("box")
    connection = begin(hall, player, box, ["sleep", "3141"])
    until(lambda: runs(docker, box, "sleep 3141"), "the command to run")
    connection.close()
    until(lambda: not runs(docker, box, "sleep 3141"), "the command to be gone with its caller", 20)


def test_R7_6_nobody_has_many_commands_shells_and_logs_at_once(hall, player, docker):
    box = player.running("box")
    other = hall.user("neighbour")
    theirs = other.running("box")
    with contextlib.ExitStack() as open_ones:
        for _ in range(4):
            open_ones.enter_context(contextlib.closing(begin(hall, player, box, ["sleep", "2718"])))
        until(lambda: sum("sleep 2718" in line for line in processes(docker, box)) == 4, "four commands to run")
        player.post(f"/instances/{box['id']}/exec", {"command": ["true"]}).expect(429, "too-many-commands")
        # Neither is somebody else held up, nor staff.
        assert other.post(f"/instances/{theirs['id']}/exec", {"command": ["echo", "hi"]}).expect(200).json["stdout"] == "hi\n"
        assert hall.admin().post(f"/instances/{box['id']}/exec", {"command": ["echo", "hi"]}).expect(200).json["stdout"] == "hi\n"
        follows = [open_ones.enter_context(follow(hall, player, box)) for _ in range(4)]
        assert [status_of(each) for each in follows] == [200] * 4
        player.get(f"/instances/{box['id']}/logs", query={"follow": 1}).expect(429, "too-many-followed-logs")
        player.get(f"/instances/{box['id']}/logs").expect(200)
        shells = [open_ones.enter_context(terminal(hall, player, box)) for _ in range(8)]
        assert [status_of(each) for each in shells] == [101] * 8
        with terminal(hall, player, box) as ninth:
            assert status_of(ninth) == 429
    # All of them are given back, and nothing of theirs is left in the machine.
    until(lambda: player.post(f"/instances/{box['id']}/exec", {"command": ["true"]}).status == 200, "a seat to be free again", 20)
    until(lambda: not runs(docker, box, "sleep 2718") and not runs(docker, box, "sh"), "the machine to be quiet", 20)


def follow(server, caller, instance):
    connection = socket.create_connection(("127.0.0.1", server.port), 20)
    connection.sendall(head_of(server, caller, "GET", f"/instances/{instance['id']}/logs?follow=1"))
    return contextlib.closing(connection)


def terminal(server, caller, instance):
    connection = socket.create_connection(("127.0.0.1", server.port), 20)
    key = base64.b64encode(os.urandom(16)).decode()
    grant = caller.post(f"/instances/{instance['id']}/grants", {"kind": "terminal"}).expect(201).json["grant"]
    connection.sendall(head_of(server, caller, "GET", f"/instances/{instance['id']}/terminal?grant={grant}",
                               more=("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}")))
    return contextlib.closing(connection)


def test_R7_6_an_exec_flood_with_slow_readers_costs_little(hall, player):
    """Two players ask as often as they may for answers that are six times as long when escaped, and do not read them."""
    callers = [(player, player.running("box"))]
    second = hall.user("second")
    callers.append((second, second.running("box")))
    command = ["sh", "-c", "head -c 1048576 /dev/zero; head -c 1048576 /dev/zero >&2"]
    before = hall.memory()
    most = 0
    with contextlib.ExitStack() as open_ones:
        for _ in range(10):
            for caller, instance in callers:
                for _ in range(4):  # at once: what is over it is refused, and costs nothing
                    open_ones.enter_context(contextlib.closing(begin(hall, caller, instance, command, receive=4096)))
            time.sleep(0.1)
            most = max(most, hall.memory() - before)
        until(lambda: hall.admin().get("/me").status == 200, "the server to answer others")
    # Eight may run; each holds 256 KiB and a piece of its escaped form. Before, each answer took 25 MB.
    assert most < 32 << 20, f"{most >> 20} MiB"


def test_R7_6_a_flood_from_one_address_leaves_the_gateway_to_others(hall, player):
    """2,600 connections that ask for a name that is not there and then sit; a share is 2,000."""
    web = player.running("web")
    url = endpoint(web)["url"]
    request = b"GET / HTTP/1.1\r\nHost: nope.localhost\r\n\r\n"
    refused = 0
    with contextlib.ExitStack() as open_ones:
        for _ in range(2600):
            connection = open_ones.enter_context(socket.socket())
            connection.settimeout(20)
            connection.bind(("127.0.0.66", 0))
            connection.connect(("127.0.0.1", hall.gateway_port))
            connection.sendall(request)
            with contextlib.suppress(ConnectionError):
                refused += b" 503 " in connection.recv(64)
        assert refused >= 500, refused
        for _ in range(5):
            assert fetch(url, source="127.0.0.7")[0] == 200
    until(lambda: fetch(url, source="127.0.0.66")[0] == 200, "the address to have its share again")


def test_R7_6_a_rival_does_not_shut_the_owner_out(hall, player):
    """A thousand silent connections to somebody's port once were all that it may have."""
    tcp = endpoint(player.running("crowd"), kind="tcp")
    with contextlib.ExitStack() as open_ones:
        let_in = 0
        for _ in range(400):
            with contextlib.suppress(ConnectionError):  # how it hears that it has enough
                rival = open_ones.enter_context(dial(tcp, source="127.0.0.66"))
                rival.sendall(b".")
                let_in += rival.recv(1) == b"."
        assert 200 <= let_in <= 250, let_in
        with dial(tcp, source="127.0.0.7") as mine:
            mine.sendall(b"still here\n")
            assert mine.recv(100) == b"still here\n"


def test_R7_2_a_machine_s_port_is_not_on_the_page_s_host(hall, player):
    """A browser sends the page's cookie to every port of its host; raw TCP is on another one."""
    tcp = endpoint(player.running("tcp"), kind="tcp")
    assert tcp["host"] == "127.0.0.2"
    with dial(tcp) as connection:
        connection.sendall(b"x\n")
        assert connection.recv(10) == b"x\n"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", tcp["port"]), 5)


def test_R7_2_a_configuration_in_which_they_share_a_host_does_not_start(make_server):
    server = make_server(config={"gateway": {"tcp_address": "127.0.0.1"}})
    server.spawn()
    assert server.wait_dead(20) != 0
    assert "hands the player's machine the session" in server.log() and "gateway.tcp_address another" in server.log(), server.log()


def test_R1_5_fail_points_are_not_armed_by_a_variable(make_server):
    from harness import templates
    point = "labs.spawn.machines.before=kill"
    server = make_server(environment={"TILTYARD_FAILPOINTS": point}, web=templates.WEB).start()
    server.admin().wait_template("web")
    server.admin().running("web")
    server.admin().stop_all()
    server.stop()
    server.start(failpoints=point)
    assert "this server breaks on purpose" in server.log()
    server.admin().post("/instances", {"template": "web"})
    assert server.wait_dead(20) == -9

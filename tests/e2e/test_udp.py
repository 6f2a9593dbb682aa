"""Row 2.3: UDP endpoints, with a machine that answers datagrams and, on the same number, connections."""
import contextlib
import json
import socket
import time

import pytest

from conftest import server_maker
from harness.gateway import dial, endpoint, read_until
from harness.wait import until

# Says to each datagram what it was, and from which address it came; over TCP it is an echo.
ECHO = r"""
use strict; use Socket; use IO::Socket::INET;
my $udp = IO::Socket::INET->new(LocalPort => 1053, Proto => "udp") or die;
my $tcp = IO::Socket::INET->new(LocalPort => 1053, Proto => "tcp", Listen => 5, ReuseAddr => 1) or die;
if (!fork) { while (my $c = $tcp->accept) { my $line = <$c>; print $c "tcp $line"; close $c } exit }
while (defined(my $from = $udp->recv(my $bytes, 65535))) {
  my ($port, $host) = sockaddr_in($from);
  $udp->send("udp $bytes from " . inet_ntoa($host));
}
"""
MACHINE = {
    "compose.yaml": json.dumps({"services": {"main": {"build": ".", "ports": ["53:1053/udp", "1053"], "stop_signal": "SIGKILL"}}}),
    "instance.toml": 'name = "Datagrams"\nexpected_boot = 1\ntimeout = 600\nmem_limit = "64m"\n[ready]\ninterval = 50\n',
    "Dockerfile": 'FROM tiltyard/debian:12\nCOPY echo.pl /echo.pl\nUSER 65534:65534\nCMD ["perl", "/echo.pl"]\n',
    "echo.pl": ECHO,
}
NAP = {**MACHINE, "instance.toml": 'pause_after = "1s"\n' + MACHINE["instance.toml"]}
DEAF = {"compose.yaml": json.dumps({"services": {"main": {"image": "tiltyard/busybox:1", "command": ["sleep", "600"],
                                                          "ports": ["1053/udp"], "stop_signal": "SIGKILL"}}}),
        "instance.toml": 'expected_boot = 1\n[ready]\ntimeout = 3\ninterval = 50\n'}


@pytest.fixture(scope="module")
def server(docker, tmp_path_factory):
    make, end, _ = server_maker(docker, tmp_path_factory.mktemp("udp"))
    shared = make(echo=MACHINE, nap=NAP, deaf=DEAF)
    try:
        shared.start()
        for name in ("echo", "nap", "deaf"):
            shared.admin().wait_template(name)
        yield shared
    finally:
        end()


@contextlib.contextmanager
def caller(udp):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.connect((udp["host"], udp["port"]))
        yield made


def ask(connection, question, limit=30):
    """The first answer; asked again as long as there is none, as one does with datagrams."""
    until_then = time.monotonic() + limit
    while time.monotonic() < until_then:
        with contextlib.suppress(OSError):
            connection.send(question)
            connection.settimeout(2)
            return connection.recv(65535)
    raise AssertionError("no answer")


def test_R2_3_datagrams_come_and_go(server):
    player = server.user("ada")
    instance = player.running("echo")
    udp, tcp = endpoint(instance, kind="udp"), endpoint(instance, kind="tcp")
    assert udp["port"] == tcp["port"], "the two of one number have one number outside as well"
    with caller(udp) as one, caller(udp) as other:
        assert ask(one, b"hello").startswith(b"udp hello from ")
        assert ask(other, b"x" * 1400).startswith(b"udp " + b"x" * 1400)
    with dial(tcp) as connection:
        connection.sendall(b"hello\n")
        assert read_until(connection, b"\n") == b"tcp hello\n"
    # The same one again, and none while there is no instance.
    player.stop(instance["id"])
    with caller(udp) as late, pytest.raises(ConnectionRefusedError):
        late.settimeout(30)
        late.send(b"hello")
        late.recv(100)
    again = player.running("echo")
    assert endpoint(again, kind="udp") == udp
    with caller(udp) as one:
        assert ask(one, b"again").startswith(b"udp again")


def test_R1_15_the_first_datagram_wakes(server):
    player = server.user("grace")
    instance = player.running("nap")
    udp = endpoint(instance, kind="udp")
    player.wait_state(instance["id"], "paused", timeout=40)
    with caller(udp) as one:
        one.settimeout(30)
        one.send(b"good morning")
        assert one.recv(100).startswith(b"udp good morning"), "it was held meanwhile"
    until(lambda: player.instance(instance["id"])["state"] in ("running", "paused"), "the instance to be one or the other")


def test_R1_9_nobody_who_takes_datagrams_is_not_ready(server):
    player = server.user("joan")
    failed = player.start("deaf", wait=60).expect(201).json
    assert failed["state"] == "failed" and failed["reason"]["code"] == "not-ready", failed
    assert "UDP port 1053" in failed["reason"]["text"] and "nobody took a datagram" in failed["reason"]["text"]

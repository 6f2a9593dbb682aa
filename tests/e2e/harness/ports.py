"""Ports and addresses for what a test starts. ./test runs two files at a time: each lane has a half of everything to itself."""
import os
import random
import socket

LANE = os.environ.get("TILTYARD_TEST_LANE")


def share(everything):
    """This lane's half of a range; all of it where nothing runs beside."""
    if LANE is None:
        return everything
    half = len(everything) // 2
    return everything[int(LANE) * half:(int(LANE) + 1) * half]


# Below the ports that the kernel gives to outgoing connections (32768 and up), which could take ours between two starts of one server;
# the gateway's lanes of the tests are above 20000.
RANGE = share(range(10000, 20000))
GATEWAY = share(range(20000, 29000, 100))
POOLS = share(range(64, 192))
FAKE_POOLS = share(range(128, 228))

_given = set()


def free_port():
    """A TCP port on 127.0.0.1 on which nobody listens, and which this process has not given out before."""
    while True:
        port = random.choice(RANGE)
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port


def gateway_ports(number):
    """A hundred ports for the TCP endpoints of this process's server of that number."""
    first = GATEWAY[(os.getpid() * 7 + number) % len(GATEWAY)]
    return range(first, first + 100)


def pool(number):
    """The addresses of that server's machines: two servers on one engine must not share any."""
    return f"10.{POOLS[(os.getpid() + number) % len(POOLS)]}.0.0/16"


def fake_pool():
    """The addresses of the fake engine's machines, which answer on the loopback."""
    return f"127.{FAKE_POOLS[os.getpid() % len(FAKE_POOLS)]}.0.0/16"

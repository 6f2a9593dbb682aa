"""Ports for what a test starts."""
import random
import socket

# Below the ports that the kernel gives to outgoing connections (32768 and up), which could take ours between two starts of one server;
# the gateway's lanes of the tests are above 20000.
RANGE = range(10000, 20000)

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

"""An internet to test against: a network namespace behind the host that answers on a public address and on the metadata address."""
import os
import pathlib
import socket
import subprocess
import sys
import time

LISTENER = """
import socket, threading
def serve(address):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(address)
    listener.listen(16)
    while True:
        client, _ = listener.accept()
        client.sendall(b"reached\\n")
        client.close()
threads = [threading.Thread(target=serve, args=(a,)) for a in [("0.0.0.0", 80), ("0.0.0.0", 53)]]
[t.start() for t in threads]
print("up", flush=True)
[t.join() for t in threads]
"""


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


class World:
    """`public` stands for the internet (TEST-NET-2), `metadata` is the address clouds answer on. The host reaches both."""

    metadata = "169.254.169.254"

    def __init__(self):
        self.name = f"tworld{os.getpid() % 10000}"
        # Not the addresses of a world that a killed run has left behind.
        taken = subprocess.run(["ip", "-4", "-o", "addr"], check=True, capture_output=True, text=True).stdout
        octet = next(n * 4 for n in ((os.getpid() + i) % 60 for i in range(60)) if f" 198.51.100.{n * 4 + 1}/" not in taken)
        self.near, self.public = f"198.51.100.{octet + 1}", f"198.51.100.{octet + 2}"
        ip("netns", "add", self.name)
        try:
            ip("link", "add", f"{self.name}a", "type", "veth", "peer", "name", f"{self.name}b", "netns", self.name)
            ip("addr", "add", f"{self.near}/30", "dev", f"{self.name}a")
            ip("link", "set", f"{self.name}a", "up")
            inside = ("-n", self.name)
            ip(*inside, "link", "set", "lo", "up")
            ip(*inside, "addr", "add", f"{self.public}/30", "dev", f"{self.name}b")
            ip(*inside, "addr", "add", f"{self.metadata}/32", "dev", "lo")
            ip(*inside, "link", "set", f"{self.name}b", "up")
            ip(*inside, "route", "add", "default", "via", self.near)
            ip("route", "replace", f"{self.metadata}/32", "via", self.public)
            self.process = subprocess.Popen(["ip", "netns", "exec", self.name, sys.executable, "-c", LISTENER], stdout=subprocess.PIPE)
            assert self.process.stdout.readline() == b"up\n"
        except BaseException:
            self.close()
            raise

    def close(self):
        if getattr(self, "process", None):
            self.process.kill()
            self.process.wait()
        subprocess.run(["ip", "route", "del", f"{self.metadata}/32", "via", self.public], capture_output=True)
        subprocess.run(["ip", "link", "del", f"{self.name}a"], capture_output=True)
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True)


class HostService:
    """Something that listens on every address of the host, as a careless daemon would. Counts who got through."""

    def __init__(self):
        self.listener = socket.create_server(("0.0.0.0", 0), backlog=64)
        self.listener.settimeout(0.2)
        self.port = self.listener.getsockname()[1]

    def visitors(self, wait=1.0):
        """Peers that connected since the last call."""
        found = []
        deadline = time.monotonic() + wait
        while time.monotonic() < deadline:
            try:
                client, peer = self.listener.accept()
                client.close()
                found.append(peer[0])
            except TimeoutError:
                pass
        return found

    def close(self):
        self.listener.close()


def host_addresses():
    """All IPv4 addresses of the host but loopback's."""
    listed = subprocess.run(["ip", "-4", "-o", "addr"], check=True, capture_output=True, text=True).stdout
    addresses = [line.split()[3].split("/")[0] for line in listed.splitlines()]
    return [address for address in addresses if not address.startswith("127.")]


def host_reaches(address, port, timeout=3):
    try:
        socket.create_connection((address, port), timeout=timeout).close()
        return True
    except OSError:
        return False


def nameserver():
    for line in pathlib.Path("/etc/resolv.conf").read_text().splitlines():
        if line.startswith("nameserver"):
            return line.split()[1]
    return None

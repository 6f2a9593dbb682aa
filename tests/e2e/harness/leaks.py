"""Finds what an instance leaves behind: in the engine, in the firewall, and in the server itself."""
import collections
import pathlib
import re
import subprocess

from .wait import until


NAMED = re.compile(r'[io]ifname (?:!= )?"([^"*]+)"')


class Firewall:
    """The host's firewall, but for what belongs to networks that are there: other tests make and remove theirs meanwhile."""

    def __init__(self):
        lines = subprocess.run(["nft", "-s", "-t", "list", "ruleset"], capture_output=True, text=True, check=True).stdout.splitlines()
        devices = {path.name for path in pathlib.Path("/sys/class/net").iterdir()}
        named = [(line, set(NAMED.findall(line))) for line in lines]
        self.general = collections.Counter(line for line, names in named if not names)
        self.orphans = collections.Counter(line.strip() for line, names in named if names - devices)

    def added_since(self, before):
        return list((self.general - before.general + self.orphans - before.orphans).elements())


class Leaks:
    """Take one before, call `assert_none` after: everything that belongs to an instance must be gone again.

    Networks that machines of several instances share may stay for the next one, but at most `shared` of them. The engine
    itself writes a few firewall lines per network, which go with it; a spawn adds no others.
    """

    def __init__(self, server, docker, shared=2):
        self.server, self.docker, self.shared = server, docker, shared
        self.before = self.picture()
        self.firewall = Firewall()
        self.files = server.open_files()
        self.ports = server.listening()

    def picture(self):
        label = {"tiltyard__namespace": self.server.namespace}
        return {
            "containers": sorted(c["Names"][0] for c in self.docker.containers(**label)),
            "networks": sorted(n["Name"] for n in self.docker.networks(**label) if n["Labels"].get("tiltyard.instance")),
            "volumes": sorted(v["Name"] for v in self.docker.volumes(**label)),
        }

    def differences(self):
        now = self.picture()
        found = [f"{kind}: {sorted(set(now[kind]) ^ set(self.before[kind]))}" for kind in now if now[kind] != self.before[kind]]
        shared = [n["Name"] for n in self.docker.networks(tiltyard__namespace=self.server.namespace) if not n["Labels"].get("tiltyard.instance")]
        if len(shared) > self.shared:
            found.append(f"shared networks: {shared}")
        if more := Firewall().added_since(self.firewall):
            found.append(f"firewall: {more[:5]}")
        if self.server.alive:
            opened = self.server.listening() - self.ports
            if opened & set(self.server.tcp_ports):
                found.append(f"TCP ports still open: {sorted(opened)}")
            # A few pooled connections to the engine and to machines may be open or closed at any moment.
            if self.server.open_files() > self.files + 12:
                found.append(f"file descriptors: {self.files} before, {self.server.open_files()} after")
        return found

    def assert_none(self, timeout=30):
        try:
            until(lambda: not self.differences(), "nothing left behind", timeout, step=0.2)
        except AssertionError:
            raise AssertionError("left behind: " + "; ".join(self.differences())) from None

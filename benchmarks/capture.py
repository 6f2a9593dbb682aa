#!/usr/bin/env python3
"""How much of a core a capture takes at a given rate, and whether it loses packets.

Usage: capture.py [--rate MBIT] [--seconds N]. A machine sends UDP datagrams of 1,400 bytes to another one of its instance,
over their own bridge, paced to the rate; one capture of all of it runs on the server meanwhile. What a capture takes is the
processor time of the server's thread `capture`; what was lost is what the server says, beside how many were sent."""
import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "e2e"))

from harness.docker import Docker
from harness.server import Server
from harness import templates

# One machine sends, the other takes nothing: the kernel drops what nobody listens for, behind the bridge.
PAIR = {
    "instance.toml": 'name = "Pair"\nports = [7000]\nexpected_boot = 1\n[[endpoint]]\nname = "a"\nmachine = "a"\nport = 7000\n'
                     '[ready]\ninterval = 50\n[limits]\nmemory = "128m"\npids = 64\n',
    "compose.yaml": """
services:
  a:
    build: .
    command: ["nc", "-ll", "-p", "7000", "-e", "/bin/cat"]
    networks: [wire]
  b:
    build: .
    command: ["nc", "-ll", "-p", "7000", "-e", "/bin/cat"]
    networks: [wire]
networks:
  wire: { internal: true }
""",
    "Dockerfile": "FROM tiltyard/busybox:1\nSTOPSIGNAL SIGKILL\n",
}
SIZE = 1400
PORT = 9000


def thread_of(pid, name):
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        if (task / "comm").read_text().strip() == name:
            return task
    raise SystemExit(f"the server has no thread {name}")


def seconds_of(task):
    fields = (task / "stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# Runs in the sender's network namespace: the machine's own tools cannot pace half a gigabit.
SENDER = """
import socket, sys, time
to, rate, seconds, size = sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
there = (to, int(sys.argv[5]))
data = bytes(size)
each = rate * 1e6 / 8 / (size + 42)
# What comes before the neighbour is known is dropped in front of the bridge.
s.sendto(data, there)
time.sleep(1)
began = time.monotonic()
sent = 0
while (now := time.monotonic() - began) < seconds:
    due = int(now * each)
    if due <= sent:
        time.sleep(0.0005)
        continue
    for _ in range(min(due - sent, 64)):
        s.sendto(data, there)
        sent += 1
print(sent + 1, time.monotonic() - began)
"""


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--rate", type=float, default=500)
    options.add_argument("--seconds", type=float, default=10)
    options = options.parse_args()
    docker = Docker()
    with tempfile.TemporaryDirectory(prefix="ty-capture-") as folder:
        server = Server(pathlib.Path(folder) / "server", {"engine": {"machine_packets": 10_000_000}})
        templates.add(server, pair=PAIR)
        try:
            server.start()
            admin = server.admin()
            admin.wait_template("pair")
            instance = admin.running("pair")
            machines = {name: docker.machine(instance["id"], name) for name in ("a", "b")}
            to = next(iter(machines["b"]["NetworkSettings"]["Networks"].values()))["IPAddress"]
            capture = admin.post("/admin/captures", {"instance": instance["id"], "most_bytes": 512 << 20, "filter": "udp"}).expect(201).json
            task = thread_of(server.process.pid, "capture")
            before = seconds_of(task)
            ran = subprocess.run(["nsenter", "-t", str(machines["a"]["State"]["Pid"]), "-n", sys.executable, "-c", SENDER, to, str(options.rate),
                                  str(options.seconds), str(SIZE), str(PORT)], capture_output=True, text=True, check=True)
            sent, took = ran.stdout.split()
            sent, took = int(sent), float(took)
            used = seconds_of(task) - before
            ended = admin.post(f"/admin/captures/{capture['id']}/stop").expect(200).json
            lost = ended["lost"]
            print(f"sent {sent:,} packets in {took:.1f} s: {sent * (SIZE + 42) * 8 / took / 1e6:.0f} Mbit/s, {sent / took:,.0f} packets/s")
            print(f"captured {ended['packets']:,}, not read in time {lost['not_read']:,}, not written {lost['not_written']:,}, missing {sent - ended['packets']:,}")
            print(f"the capture's thread took {used / took:.3f} of a core (mark: 0.3)")
            admin.stop(instance["id"])
            return 0 if sent == ended["packets"] and used / took <= 0.3 else 1
        finally:
            server.close()
            docker.sweep(server.namespace)


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
# Real time: memory of 10,000 silent connections, and broadcasts to 1,000 beside socket.io on Node.
"""Usage: ./bench realtime. Server and peer have core 0 for themselves, the audience (realtime_load) has core 1.
The peer's packages come from benchmarks/realtime_peer (npm ci); BENCH_PEER=0 leaves it out. BENCH_SECONDS is the length of a run (5)."""
import contextlib
import os
import pathlib
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from harness import templates  # noqa: E402
from harness.realtime import Ws  # noqa: E402
from harness.server import Server  # noqa: E402

SECONDS = float(os.environ.get("BENCH_SECONDS", "5"))
PEER = ROOT / "benchmarks" / "realtime_peer"
TOOLS = ROOT / "build" / "src" / "realtime"
CLIENTS, SIZE = 1000, 100
IDLE, MARK_MB, MARK_RATE = 10_000, 80, 5.0


def pinned(core, words):
    return ["taskset", "-c", str(core), *words] if (os.cpu_count() or 1) > 1 else words


@contextlib.contextmanager
def listening(words):
    process = subprocess.Popen(pinned(0, words), stdout=subprocess.PIPE, text=True)
    try:
        yield int(process.stdout.readline().split()[-1])
    finally:
        process.terminate()
        process.wait(10)


def load(port, rate):
    """Broadcasts a second that arrived everywhere, and the lateness in ms: p50, p99, the largest."""
    ran = subprocess.run(pinned(1, [str(TOOLS / "realtime_load"), str(port), str(CLIENTS), str(rate), str(SECONDS), str(SIZE)]),
                         capture_output=True, text=True, timeout=SECONDS + 60, check=False)
    if ran.returncode:
        return None
    sent, received, expected, _, p50, p99, most, took = ran.stdout.split()
    return {"rate": int(received) / (CLIENTS + 1) / float(took), "whole": received == expected, "p50": int(p50) / 1000, "p99": int(p99) / 1000,
            "max": int(most) / 1000, "sent": int(sent)}


def broadcasts(name, words):
    with listening(words) as port:
        load(port, 50)
        full = load(port, 0)
        even = load(port, 100)
    print(f"{name:28s} {full['rate']:8.0f} broadcasts/s to {CLIENTS} ({full['rate'] * CLIENTS / 1e6:.2f} M messages/s); "
          f"at 100/s p50 {even['p50']:.2f} ms, p99 {even['p99']:.2f} ms{'' if full['whole'] and even['whole'] else '; NOT ALL ARRIVED'}")
    return full["rate"], even["p99"], full["whole"] and even["whole"]


def resident(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def idle_memory():
    """What 10,000 signed-in, silent WebSocket connections add to the whole server's memory, in MB."""
    folder = tempfile.mkdtemp()
    server = Server(folder, {**templates.FAKE, "realtime": {"connections_per_user": IDLE + 100, "max_connections": IDLE + 100, "connections_per_address": IDLE + 100}, "rates": {"factor": 10_000}})
    held = []
    try:
        server.start()
        token = server.token
        for _ in range(20):
            held.append(connect(server.port, token))
        time.sleep(1)
        before, begun = resident(server.process.pid), time.monotonic()
        for _ in range(IDLE):
            held.append(connect(server.port, token))
        took = time.monotonic() - begun
        time.sleep(2)
        after = resident(server.process.pid)
        return after - before, took
    finally:
        for one in held:
            one.close()
        server.close()
        shutil.rmtree(folder, ignore_errors=True)


def connect(port, token):
    ws = Ws(port, timeout=30)
    assert ws.status == 101, ws.head
    ws.receive(30)
    ws.send(f'40{{"token":"{token}"}}')
    assert ws.receive(30).startswith("40{")
    return ws


def main():
    subprocess.run(["bash", "-c", ". tools/house.sh; build_targets release build realtime_echo realtime_load"], cwd=ROOT, check=True)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    good = True
    if most > IDLE + 1000:
        grown, took = idle_memory()
        good = grown <= MARK_MB
        print(f"{IDLE} silent connections: {grown:.1f} MB ({grown * 1024 / IDLE:.2f} KB each), opened in {took:.1f} s; mark {MARK_MB} MB: {'met' if good else 'MISSED'}")
    else:
        print(f"no more than {most} descriptors here: the silent connections are left out")
    rate, p99, whole = broadcasts("tiltyard", [str(TOOLS / "realtime_echo"), "0", "25000", "20000", "45000", "1"])
    good = good and whole
    if os.environ.get("BENCH_PEER") != "0":
        if not shutil.which("node") or not shutil.which("npm"):
            raise SystemExit("the peer needs node and npm; BENCH_PEER=0 leaves it out")
        if not (PEER / "node_modules" / "socket.io").is_dir():
            subprocess.run(["npm", "ci", "--omit=dev", "--no-audit", "--no-fund"], cwd=PEER, check=True, stdout=subprocess.DEVNULL)
        peer_rate, peer_p99, _ = broadcasts("socket.io 4.8.1 on Node", ["node", str(PEER / "server.mjs"), "0"])
        met = rate >= MARK_RATE * peer_rate and p99 < peer_p99
        print(f"{rate / peer_rate:.1f} times the peer's rate; mark {MARK_RATE} times with a lower p99: {'met' if met else 'MISSED'}")
        good = good and met
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

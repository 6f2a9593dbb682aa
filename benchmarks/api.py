#!/usr/bin/env python3
# The API: an authenticated, rate-limited list on one core, beside express with a limit in Redis.
"""Usage: ./bench api. The server has core 0 for itself; wrk and Redis share core 1. BENCH_SECONDS is the length of a run (8).
The peer's packages come from benchmarks/api_peer (npm ci); BENCH_PEER=0 leaves it out."""
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
sys.path.insert(0, str(ROOT / "benchmarks"))
from harness import templates  # noqa: E402
from harness.docker import Docker  # noqa: E402
from harness.ports import free_port  # noqa: E402
from harness.server import Server  # noqa: E402
from limits import Redis  # noqa: E402

SECONDS = int(float(os.environ.get("BENCH_SECONDS", "8")))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
PEER = ROOT / "benchmarks" / "api_peer"
MARK, MARK_P99, MARK_PEER = 30_000, 5.0, 5.0


def milliseconds(text):
    number, unit = re.fullmatch(r"([0-9.]+)(us|ms|s)", text).groups()
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def load(url, token):
    """(requests a second, p50 in ms, p99 in ms) of wrk with 64 connections."""
    out = subprocess.run(["taskset", "-c", "1", "wrk", "-t", "1", "-c", "64", "-d", f"{SECONDS}s", "--latency", "-H", f"Authorization: Bearer {token}", url],
                         check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in out or "Socket errors" in out:
        raise SystemExit(f"not every request was answered:\n{out}")
    quantiles = dict(re.findall(r"^\s+(50|99)%\s+(\S+)$", out, re.M))
    return float(re.search(r"Requests/sec:\s+([0-9.]+)", out).group(1)), milliseconds(quantiles["50"]), milliseconds(quantiles["99"])


def processor_seconds(pid):
    """What a process has used of the processor so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(name, url, token, pid, note=""):
    """The last number says what a core would do that has nothing else to do: requests for each second of the process on it."""
    load(url, token)
    runs = []
    for _ in range(ROUNDS):
        before = processor_seconds(pid)
        rate, p50, p99 = load(url, token)
        runs.append((rate, p50, p99, rate * SECONDS / (processor_seconds(pid) - before)))
    rate, p50, p99, whole = (statistics.median(run[i] for run in runs) for i in range(4))
    print(f"  {name:<44} {rate:9,.0f} requests/s   p50 {p50:6.2f} ms   p99 {p99:6.2f} ms   {whole:9,.0f} a core-second   {note}", flush=True)
    return rate, p99


class Ours:
    """A server on core 0 with one loop for connections, a player with a token and two running instances."""

    def __init__(self, docker, redis):
        self.folder = tempfile.mkdtemp(prefix="bench-api-")
        config = {"server": {"threads": 1}, "rates": {"factor": 10_000}, "log": {"level": "warn"}}
        if redis:
            config["redis"] = {"url": f"unix://{redis.socket}"}
        self.server = Server(self.folder, config)
        self.server.config["server"]["listen"] = f"127.0.0.1:{self.server.port}"
        self.docker = docker
        for name in ("one", "two"):
            templates.add(self.server, **{name: templates.WEB})
        self.server.start()
        admin = self.server.admin()
        for name in ("one", "two"):
            admin.wait_template(name)
        player = self.server.user("player")
        self.token = player.post("/me/tokens", {"name": "bench"}).expect(201).json["token"]
        for name in ("one", "two"):
            player.running(name)
        # The threads that there are, and those to come: all on core 0.
        subprocess.run(["taskset", "-a", "-p", "-c", "0", str(self.server.process.pid)], check=True, stdout=subprocess.DEVNULL)
        self.url = f"{self.server.url}/api/v1/instances"
        request = urllib.request.Request(self.url, headers={"Authorization": f"Bearer {self.token}"})
        with urllib.request.urlopen(request) as answer:
            assert answer.headers["RateLimit"] and answer.headers["RateLimit-Policy"]
            self.body = answer.read().decode()
        where = admin.get("/admin/limits").json["counted_in"]
        assert where == ("redis" if redis else "memory"), where

    def close(self):
        self.server.admin().stop_all()
        self.server.close()
        self.docker.sweep(self.server.namespace)
        shutil.rmtree(self.folder, ignore_errors=True)


class Peer:
    def __init__(self, redis, body, token):
        if not shutil.which("node") or not shutil.which("npm"):
            raise SystemExit("the peer needs node and npm; BENCH_PEER=0 leaves it out")
        if not (PEER / "node_modules").is_dir():
            subprocess.run(["npm", "ci", "--omit=dev", "--no-audit", "--no-fund"], cwd=PEER, check=True, stdout=subprocess.DEVNULL)
        port = free_port()
        self.process = subprocess.Popen(["taskset", "-c", "0", "node", "server.mjs", str(port), redis.socket, token], cwd=PEER, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, env={**os.environ, "NODE_ENV": "production"})
        self.process.stdin.write(body.encode())
        self.process.stdin.close()
        assert self.process.stdout.readline() == b"ready\n"
        self.url = f"http://127.0.0.1:{port}/api/v1/instances"

    def close(self):
        self.process.terminate()
        self.process.wait(10)


def main():
    docker = Docker()
    redis = Redis(core=1)
    parts = []
    try:
        parts.append(Ours(docker, None))
        print(f"GET /api/v1/instances: a token is checked, limits are counted, {len(parts[0].body)} bytes of JSON; 64 connections, one core")
        memory = measure("Tiltyard, limits in memory", parts[0].url, parts[0].token, parts[0].server.process.pid, "mark 30,000; p99 5 ms")
        parts.append(Ours(docker, redis))
        shared = measure("Tiltyard, limits in Redis", parts[1].url, parts[1].token, parts[1].server.process.pid)
        ratio = None
        if os.environ.get("BENCH_PEER") != "0":
            peer = Peer(redis, parts[0].body, parts[0].token)
            parts.append(peer)
            other = measure("express, express-rate-limit, rate-limit-redis", peer.url, parts[0].token, peer.process.pid)
            ratio = shared[0] / other[0]
            print(f"  ours with Redis / express with Redis {ratio:.1f} (mark {MARK_PEER:.0f}), in memory {memory[0] / other[0]:.1f}")
    finally:
        for part in parts:
            part.close()
        redis.close()
    ok = memory[0] >= MARK and memory[1] <= MARK_P99 and (ratio is None or ratio >= MARK_PEER)
    print("  all marks are held" if ok else "  a mark is missed")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())

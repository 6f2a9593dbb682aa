#!/usr/bin/env python3
# The flag farm: durable ingest at several loads, a million flags in the store, and the way of a flag to its sender.
"""Usage: ./bench farm. The load shares the machine with the server. TILTYARD_FARM_LOAD names a built farm_load; otherwise it is
built in build/. BENCH_SECONDS is the length of a run (5), BENCH_FLAGS how many are in the store (1,000,000). The peers' figures were
measured on such a machine with their own servers as their authors run them: DestructiveFarm and S4DFarm, both over SQLite or
PostgreSQL on the same disk."""
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from harness.farm import GAME, TOKEN, Caller  # noqa: E402
from harness.server import Server  # noqa: E402

SECONDS = float(os.environ.get("BENCH_SECONDS", "5"))
FLAGS = int(os.environ.get("BENCH_FLAGS", "1000000"))
# clients, flags a post: (flags/s, p99 ms) of DestructiveFarm and of S4DFarm
PEERS = {(1, 1): ((408, 6), (219, 10)), (1, 100): ((16_402, 19), (7_194, 34)), (10, 100): ((15_336, 958), (7_887, 219)),
         (50, 100): ((6_578, 5_060), (9_087, 802)), (1, 10_000): ((20_680, 925), (9_040, 1_379))}
MARKS = {(1, 1): (2_000, None), (50, 100): (150_000, 50)}


def program():
    named = os.environ.get("TILTYARD_FARM_LOAD")
    if named:
        return named
    subprocess.run(["ninja", "-C", str(ROOT / "build"), "farm_load"], check=True, stdout=sys.stderr)
    return str(ROOT / "build" / "src" / "farm" / "farm_load")


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{words}: {done.stderr}")
    return {name: float(number) for name, number in (line.split() for line in done.stdout.splitlines())}


def processor_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def megabytes(pid):
    return next(int(line.split()[1]) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")) / 1024


def start(folder):
    server = Server(folder, {"engine": {"kind": "fake"}, "farm": {"config": "farm.toml"}, "log": {"level": "warn"}})
    (server.folder / "farm.toml").write_text(GAME.replace('lease_time = "2s"', 'lease_time = "5m"').replace('"10m"', '"24h"'))
    return server.start()


def ingest(load):
    print("posts over a new connection each, answered when on disk; peers: DestructiveFarm, S4DFarm")
    for (clients, flags), peers in PEERS.items():
        with tempfile.TemporaryDirectory(prefix="bench-farm-") as folder:
            server = start(folder)
            try:
                before = processor_seconds(server.process.pid)
                got = run(load, "post", server.port, TOKEN, clients, flags, SECONDS)
                used = processor_seconds(server.process.pid) - before
            finally:
                server.close()
        mark = MARKS.get((clients, flags))
        note = "" if mark is None else f"   mark {mark[0]:,}" + (f", p99 {mark[1]} ms" if mark[1] else "")
        print(f"  {clients:>3} x {flags:<6} {got['rate']:9,.0f} flags/s   p50 {got['p50']:7.2f} ms   p99 {got['p99']:7.2f} ms   {got['errors']:.0f} errors   "
              f"{used / SECONDS:4.2f} cores   peers " + "   ".join(f"{rate:,}/s {p99:,} ms" for rate, p99 in peers) + note, flush=True)


def full(load):
    with tempfile.TemporaryDirectory(prefix="bench-farm-") as folder:
        server = start(folder)
        try:
            first = run(load, "first", server.port, TOKEN, 200)
            print(f"from the post of a flag until a waiting sender has it, on disk: p50 {first['p50']:.2f} ms, p99 {first['p99']:.2f} ms   mark p99 20 ms")
            run(load, "post", server.port, TOKEN, 10, 1000, 600, FLAGS // 1000)
            caller = Caller(server)
            total = caller.stats()["total"]
            print(f"{total:,} flags in the store: {megabytes(server.process.pid):.0f} MB resident   mark 200 MB (DestructiveFarm 150 MB at 140,000)")
            for name, target, mark in (("a page of the list", "/api/v1/farm/flags?limit=100", "mark p99 30 ms"),
                                       ("a page deep inside", f"/api/v1/farm/flags?limit=100&cursor={total // 2}", "mark p99 30 ms"),
                                       ("a page of one sploit", "/api/v1/farm/flags?limit=100&sploit=sploit_a.py", "mark p99 30 ms"),
                                       ("a substring that nothing has", "/api/v1/farm/flags?limit=100&flag=NO0SUCH0FLAG", "mark p99 100 ms (DestructiveFarm 175 ms at 140,000)"),
                                       ("a substring of few", "/api/v1/farm/flags?limit=100&flag=K7Q2", "mark p99 100 ms"),
                                       ("statistics", "/api/v1/farm/stats", "")):
                got = run(load, "get", server.port, TOKEN, 200, target)
                print(f"  {name:<30} p50 {got['p50']:7.2f} ms   p99 {got['p99']:7.2f} ms   {got['errors']:.0f} errors   {mark}")
            server.kill9()
            begun = time.monotonic()
            server.start(timeout=60)
            print(f"killed and started again: ready after {time.monotonic() - begun:.2f} s with {Caller(server).stats()['total']:,} flags, {megabytes(server.process.pid):.0f} MB resident")
        finally:
            server.close()


def main():
    load = program()
    ingest(load)
    full(load)


if __name__ == "__main__":
    main()

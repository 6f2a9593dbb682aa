#!/usr/bin/env python3
# Jobs made and done, and how late one-shots are, beside graphile-worker and BullMQ.
"""Usage: ./bench jobs. BENCH_SECONDS is the length of a run (8), BENCH_ROUNDS how many (3; the median is printed).
The peers' packages come from benchmarks/jobs_peer (npm ci); BENCH_PEER=0 leaves them out. Everything lies on one disk: BENCH_DIR, or
the folder for temporary files. PostgreSQL and Redis are private ones and are gone at the end."""
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PEER = ROOT / "benchmarks" / "jobs_peer"
SECONDS = os.environ.get("BENCH_SECONDS", "8")
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
PEER_JOBS = os.environ.get("BENCH_PEER_JOBS", "30000")
MARKS = {"batches": 50_000, "singles": 8_000, "p50_ms": 1.0, "p99_ms": 5.0, "max_ms": 20.0}


def program():
    named = os.environ.get("TILTYARD_JOBS_LOAD")
    if named:
        return named
    subprocess.run(["ninja", "-C", str(ROOT / "build"), "jobs_load"], check=True, stdout=sys.stderr)
    return str(ROOT / "build" / "src" / "jobs" / "jobs_load")


def numbers(*words):
    """The pairs of words that a mode of jobs_load prints."""
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(words)}: {done.stderr}")
    fields = done.stdout.split()
    return {fields[i]: float(fields[i + 1]) for i in range(0, len(fields) - 1, 2)}


class Postgres:
    """A private cluster on a socket; Debian's programs refuse to run as root, so they run as postgres."""

    def __init__(self, folder):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-pg-", dir=folder))
        self.bin = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))[-1]
        self.user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if self.user:
            shutil.chown(self.folder, "postgres", "postgres")
        data = self.folder / "data"
        subprocess.run([*self.user, self.bin / "initdb", "-D", data, "-U", "bench", "-A", "trust", "-E", "UTF8", "--locale=C"],
                       check=True, stdout=subprocess.DEVNULL, cwd="/")
        self.server = subprocess.Popen([*self.user, self.bin / "postgres", "-D", data, "-k", self.folder, "-c", "listen_addresses=", "-c", "max_connections=100"],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
        until = time.monotonic() + 20
        while subprocess.run([self.bin / "pg_isready", "-h", self.folder, "-U", "bench"], stdout=subprocess.DEVNULL, check=False).returncode != 0:
            if time.monotonic() > until:
                raise SystemExit("postgres does not start")
            time.sleep(0.05)
        self.serial = 0

    def database(self):
        """(URL for libpq and node, name) of a fresh database."""
        self.serial += 1
        name = f"bench{self.serial}"
        subprocess.run([self.bin / "createdb", "-h", self.folder, "-U", "bench", name], check=True)
        return f"postgresql://bench@/{name}?host={self.folder}"

    def close(self):
        self.server.terminate()
        self.server.wait(20)
        shutil.rmtree(self.folder, ignore_errors=True)


class Redis:
    """A private Redis that appends to a file and syncs it each second, as queues are run."""

    def __init__(self, folder):
        self.folder = tempfile.mkdtemp(prefix="bench-redis-", dir=folder)
        self.socket = f"{self.folder}/redis.sock"
        self.process = subprocess.Popen(["redis-server", "--port", "0", "--unixsocket", self.socket, "--save", "", "--appendonly", "yes",
                                         "--appendfsync", "everysec", "--dir", self.folder], stdout=subprocess.DEVNULL)
        until = time.monotonic() + 10
        while not os.path.exists(self.socket):
            if time.monotonic() > until:
                raise SystemExit("redis-server does not start")
            time.sleep(0.02)

    def close(self):
        self.process.terminate()
        self.process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)


def row(name, batches, singles, late):
    print(f"  {name:<44} {batches:9,.0f} jobs/s   {singles:9,.0f} one by one   lateness p50 {late['p50_ms']:8.2f}  p99 {late['p99_ms']:8.2f}  max {late['max_ms']:8.2f} ms",
          flush=True)


def ours(load, name, url_of):
    """Medians of our rates and of the lateness with 100,000 pending and 1,000 due a second."""
    batches = statistics.median(numbers(load, "batches", url_of(), SECONDS)["rate"] for _ in range(ROUNDS))
    singles = statistics.median(numbers(load, "singles", url_of(), SECONDS)["rate"] for _ in range(ROUNDS))
    runs = [numbers(load, "late", url_of(), SECONDS) for _ in range(ROUNDS)]
    late = {key: statistics.median(run[key] for run in runs) for key in ("p50_ms", "p90_ms", "p99_ms", "max_ms")}
    row(name, batches, singles, late)
    return batches, singles, late


def peer(name, script, where):
    done = subprocess.run(["node", PEER / script, where, PEER_JOBS], check=True, capture_output=True, text=True, timeout=300)
    found = json.loads(done.stdout.strip().splitlines()[-1])
    row(name, found["rate"], found["single"], {"p50_ms": found["p50"], "p99_ms": found["p99"], "max_ms": found["max"]})
    return found


def marks(batches, singles, late):
    for what, value, mark in (("batches", batches, MARKS["batches"]), ("one by one", singles, MARKS["singles"])):
        print(f"  {what}: {value:,.0f}/s, asked {mark:,.0f}/s: {'kept' if value >= mark else 'MISSED'}")
    for key in ("p50_ms", "p99_ms", "max_ms"):
        print(f"  lateness {key[:-3]}: {late[key]:.2f} ms, asked {MARKS[key]:.0f} ms: {'kept' if late[key] <= MARKS[key] else 'MISSED'}")


def peers(folder, postgres):
    if not (PEER / "node_modules").exists():
        subprocess.run(["npm", "ci", "--omit=dev", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=PEER, check=True, stdout=subprocess.DEVNULL)
    peer("graphile-worker 0.16, PostgreSQL, 24 at once", "graphile.mjs", postgres.database())
    redis = Redis(folder)
    try:
        peer("BullMQ 5, Redis (AOF each second), 200 at once", "bullmq.mjs", redis.socket)
    finally:
        redis.close()


def main():
    load = program()
    folder = tempfile.mkdtemp(prefix="bench-jobs-", dir=os.environ.get("BENCH_DIR"))
    os.chmod(folder, 0o755)
    serial = iter(range(1_000))
    with_peers = os.environ.get("BENCH_PEER") != "0"
    postgres = Postgres(folder) if with_peers else None
    try:
        found = ours(load, "Tiltyard, SQLite, durable", lambda: f"sqlite:{folder}/{next(serial)}.db")
        bulk = numbers(load, "bulk", f"sqlite:{folder}/bulk.db")
        if postgres:
            ours(load, "Tiltyard, PostgreSQL", postgres.database)
            peers(folder, postgres)
        print(f"  100,000 one-shots in one transaction each: made {bulk['make_s']:.2f} s, moved {bulk['shift_s']:.2f} s, cancelled {bulk['cancel_s']:.2f} s")
        marks(*found)
    finally:
        if postgres:
            postgres.close()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()

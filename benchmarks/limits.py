#!/usr/bin/env python3
# Rate limiters: a check in memory, and checks through one connection to a Redis of its own.
"""Usage: ./bench limits. TILTYARD_LIMITS_MEMORY names a built limits_memory; otherwise it is built in build/."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
SECONDS = float(os.environ.get("BENCH_SECONDS", "4"))


class Redis:
    """A redis-server on a socket in a folder of its own; nothing is written to disk. `core` pins it."""

    def __init__(self, core=None):
        self.folder = tempfile.mkdtemp(prefix="bench-redis-")
        self.socket = f"{self.folder}/redis.sock"
        pin = ["taskset", "-c", str(core)] if core is not None else []
        self.process = subprocess.Popen([*pin, "redis-server", "--port", "0", "--unixsocket", self.socket, "--save", "", "--appendonly", "no", "--dir", self.folder],
                                        stdout=subprocess.DEVNULL)
        until = time.monotonic() + 10
        while not os.path.exists(self.socket):
            if time.monotonic() > until:
                raise SystemExit("redis-server does not start")
            time.sleep(0.02)

    def close(self):
        self.process.terminate()
        self.process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)


def program():
    named = os.environ.get("TILTYARD_LIMITS_MEMORY")
    if named:
        return named
    subprocess.run(["ninja", "-C", str(ROOT / "build"), "limits_memory"], check=True, stdout=sys.stderr)
    return str(ROOT / "build" / "src" / "limits" / "limits_memory")


def run(*words):
    out = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    return {name: float(number) for name, number in (line.split() for line in out.splitlines() if len(line.split()) == 2)}


def main():
    path = program()
    memory = run("taskset", "-c", "0", path, "memory")
    print("one check in memory, the reading of the clock included")
    for name, what in (("one", "1,000 keys, allowed"), ("many", "100,000 keys, allowed"), ("refused", "refused"),
                       ("four", "four quotas of one request together")):
        print(f"  {what:<46} {memory[name]:8.0f} ns   {'mark 300' if name != 'four' else ''}")
    two = run("taskset", "-c", "0,1", path, "memory")["two-threads"]
    print(f"  {'two threads at once, for each':<46} {two:8.0f} ns")
    redis = Redis(core=1)
    try:
        shared = run("taskset", "-c", "0", path, "redis", redis.socket, str(SECONDS))
    finally:
        redis.close()
    print("checks in Redis, one connection, 256 callers, one round trip each")
    for quotas in (1, 2, 4):
        print(f"  {f'{quotas} quota(s) a check':<46} {shared[f'redis-{quotas}']:8.0f} /s   {'mark 40,000' if quotas == 1 else ''}")
    ok = max(memory["one"], memory["many"], memory["refused"]) <= 300 and shared["redis-1"] >= 40_000
    print("  both marks are held" if ok else "  a mark is missed")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())

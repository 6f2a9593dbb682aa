#!/usr/bin/env python3
# Durable writes a second: SQLite, PostgreSQL through our store, and pgbench on the same PostgreSQL.
"""Usage: ./bench store. TILTYARD_STORE_BENCH names a built store_bench; otherwise it is built in build/."""
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from harness.postgres import PASSWORD, Postgres  # noqa: E402

SECONDS = os.environ.get("BENCH_SECONDS", "4")


def program():
    named = os.environ.get("TILTYARD_STORE_BENCH")
    if named:
        return named
    subprocess.run(["ninja", "-C", str(ROOT / "build"), "store_bench"], check=True, stdout=sys.stderr)
    return str(ROOT / "build" / "src" / "store" / "store_bench")


def read(text):
    return {name: int(number) for name, number in (line.split() for line in text.splitlines())}


def ours(path, what, urls, order, writers):
    """One or several servers at once, each with its URL."""
    running = [subprocess.Popen([path, url, order, str(writers), SECONDS], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for url in urls]
    told = [process.communicate()[0] for process in running]
    assert all(process.returncode == 0 for process in running), "a server failed"
    numbers = [read(text) for text in told]
    print(f"  {what:<58} {sum(n['rows/s'] for n in numbers):8d} rows/s   p50 {max(n['p50'] for n in numbers) / 1000:7.2f} ms   "
          f"p99 {max(n['p99'] for n in numbers) / 1000:7.2f} ms", flush=True)


def pgbench(postgres, clients):
    """One transaction and one flush a row, `clients` connections."""
    url = postgres.fresh()
    database = url.rsplit("/", 1)[1]
    postgres.change(database, "CREATE TABLE bench (id BIGSERIAL PRIMARY KEY, text TEXT NOT NULL)")
    script = postgres.folder / "insert.sql"
    script.write_text("INSERT INTO bench (text) VALUES ('a line of forty bytes, as flags are long.');\n")
    script.chmod(0o644)
    done = subprocess.run([str(postgres.programs / "pgbench"), "-n", "-h", "127.0.0.1", "-p", str(postgres.port), "-U", "tester", "-f", str(script), "-c",
                           str(clients), "-j", "2", "-T", SECONDS, database], env={"PGPASSWORD": PASSWORD, "PATH": os.environ["PATH"]},
                          capture_output=True, text=True, check=True)
    tps = next(float(line.split("=")[1].split()[0]) for line in done.stdout.splitlines() if line.startswith("tps"))
    print(f"  {f'pgbench, {clients} connections, a transaction a row':<58} {tps:8.0f} rows/s", flush=True)


def main():
    path = program()
    with tempfile.TemporaryDirectory(prefix="bench-store-", dir=os.environ.get("BENCH_FOLDER")) as folder:
        print("SQLite")
        for writers in (1, 64, 1000):
            ours(path, f"{writers} writers", [f"sqlite:{folder}/{writers}.db"], "strict", writers)
    postgres = Postgres(durable=True)
    try:
        print("PostgreSQL, flushed at every commit")
        for order in ("strict", "loose"):
            for writers in (1, 64, 1000):
                ours(path, f"{writers} writers, {order}", [postgres.fresh()], order, writers)
        for order in ("strict", "loose"):
            ours(path, f"two servers with 64 writers each, {order}", [postgres.fresh()] * 2, order, 64)
        for clients in (1, 16):
            pgbench(postgres, clients)
    finally:
        postgres.close()


if __name__ == "__main__":
    main()

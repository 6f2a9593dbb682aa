#!/usr/bin/env python3
# The event log with a million events: pages, filters, a search that finds nothing, the export
"""Usage: ./bench events, or benchmarks/events.py [EVENTS]. Marks: a page of 100 within 30 ms at p99."""
import http.client
import json
import pathlib
import random
import shutil
import sqlite3
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "e2e"))
from harness.server import Server  # noqa: E402

EVENTS = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
ROUNDS = 300


def fill(path):
    with sqlite3.connect(path) as database:
        first = database.execute("SELECT last FROM event_sequence").fetchone()[0]
        database.execute(
            f"WITH RECURSIVE count(n) AS (SELECT {first + 1} UNION ALL SELECT n + 1 FROM count WHERE n < {first + EVENTS}) "
            "INSERT INTO events (seq, kind, subject, owner, actor, actor_id, address, at, detail) SELECT n, "
            "CASE n % 7 WHEN 0 THEN 'login' WHEN 1 THEN 'instance.asked' WHEN 2 THEN 'instance.running' WHEN 3 THEN 'instance.extended' "
            "WHEN 4 THEN 'instance.stopping' WHEN 5 THEN 'instance.stopped' ELSE 'flag.created' END, 'web-' || n, 'owner-' || (n % 5000), "
            "'player ' || (n % 5000), 'id-' || (n % 5000), '10.0.' || (n % 250) || '.7', 1700000000000000 + n * 30000000, "
            "'{\"template\":\"web\",\"template_name\":\"Web\",\"owner_name\":\"player ' || (n % 5000) || '\",\"state\":\"running\",\"expires_at\":\"2026-01-01T00:00:00.000Z\"}' FROM count")
        database.execute("UPDATE event_sequence SET last = (SELECT MAX(seq) FROM events), disorder = (SELECT MAX(at) FROM events WHERE seq <= ?), "
                         "latest_at = (SELECT MAX(at) FROM events)", (first,))
        # The few events of the server's own start lie at another time: as if they had been written then.
        database.execute("UPDATE events SET at = 1700000000000000 WHERE seq <= ?", (first,))
        database.execute("UPDATE event_sequence SET disorder = 0, latest_at = (SELECT MAX(at) FROM events)")
    database.close()


class Asker:
    def __init__(self, server):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
        self.headers = {"Authorization": f"Bearer {server.token}"}

    def ask(self, query):
        begun = time.perf_counter()
        self.connection.request("GET", f"/api/v1/admin/events?{query}", headers=self.headers)
        answer = self.connection.getresponse()
        body = answer.read()
        assert answer.status == 200, body
        return 1000 * (time.perf_counter() - begun), json.loads(body)


def row(asker, name, query_of):
    times = sorted(asker.ask(query_of())[0] for _ in range(ROUNDS))
    print(f"  {name:<46} p50 {times[len(times) // 2]:6.1f} ms   p99 {times[int(len(times) * 0.99)]:6.1f} ms", flush=True)


def main():
    folder = tempfile.mkdtemp(prefix="tiltyard-bench-")
    server = Server(folder, {"engine": {"kind": "fake"}, "events": {"keep_days": 3650}})
    try:
        server.start()
        server.stop()
        fill(server.data / "tiltyard.db")
        server.start()
        asker = Asker(server)
        pick = random.Random(7).randrange
        print(f"  {EVENTS:,} events, database of {(server.data / 'tiltyard.db').stat().st_size >> 20} MB; {ROUNDS} calls each, one at a time")
        row(asker, "the newest page of 100", lambda: "limit=100")
        row(asker, "a page of 100 somewhere", lambda: f"limit=100&cursor={pick(1000, EVENTS)}")
        row(asker, "one kind", lambda: f"limit=100&kind=login&cursor={pick(1000, EVENTS)}")
        row(asker, "a group of kinds", lambda: f"limit=100&kind=instance.*&cursor={pick(1000, EVENTS)}")
        row(asker, "one player", lambda: f"limit=100&user=id-{pick(0, 5000)}")
        row(asker, "one player by name, one kind", lambda: f"limit=100&user=player%20{pick(0, 5000)}&kind=login")
        row(asker, "one instance", lambda: f"instance=web-{pick(1, EVENTS)}")
        row(asker, "an hour of a day", lambda: f"limit=100&from=2024-0{pick(1, 7)}-1{pick(0, 9)}T10:00:00Z&to=2024-07-20T11:00:00Z")
        row(asker, "a common word", lambda: "limit=100&text=player%2042")
        row(asker, "a word that is nowhere (20,000 events a call)", lambda: f"limit=100&text=needle&cursor={pick(30_000, EVENTS)}")
        begun, read = time.perf_counter(), 0
        before = server.memory()
        asker.connection.request("GET", "/api/v1/admin/events/export", headers=asker.headers)
        answer = asker.connection.getresponse()
        lines = most = 0
        while piece := answer.read(1 << 20):
            read += len(piece)
            lines += piece.count(b"\n")
            most = max(most, server.memory() - before)
        took = time.perf_counter() - begun
        print(f"  {'the export':<46} {lines:,} lines, {read >> 20} MB in {took:.1f} s: {lines / took:,.0f} lines/s; memory grew by {most >> 20} MB at most")
    finally:
        server.close()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()

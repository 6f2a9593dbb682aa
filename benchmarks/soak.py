#!/usr/bin/env python3
"""The farm for ten minutes at 5,000 flags/s while server, senders and jury are killed at random; ends with balanced books.

    ./bench soak [--seconds 600] [--rate 5000] [--seed 1] [--senders 3] [--jury faust]

Posters send each batch again until it is answered 200, as clients do. At the end nothing is killed any more, the queue runs
empty, and: accepted + rejected + skipped + queued + leased is the number of distinct flags that were answered 200, the
jury's list of accepted flags is ours, and nothing that the jury has accepted is rejected here.
"""
import argparse
import collections
import http.client
import json
import pathlib
import random
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from harness.farm_game import Farm  # noqa: E402
from harness.jury import Jury, SenderProcess, flag  # noqa: E402
from harness.server import Server  # noqa: E402
from harness.wait import until  # noqa: E402

BATCH = 100
POSTERS = 5
MARKS = {"OLD": 0.02, "OWN": 0.01, "INV": 0.01}
QUIET = {"server": (6, 14), "sender": (2, 6), "jury": (4, 10)}  # seconds between two kills of each


class Poster(threading.Thread):
    """One client: so many batches a second, each with some flags that another has posted before."""

    def __init__(self, soak, number, rate):
        super().__init__(daemon=True)
        self.soak, self.number, self.pause = soak, number, BATCH / rate
        self.chance = random.Random(soak.seed * 100 + number)
        self.distinct, self.posted, self.again = 0, 0, 0
        self.slowest = 0.0
        self.connection = None

    def batch(self):
        flags = []
        for _ in range(BATCH - 2):
            roll, mark = self.chance.random(), ""
            for name, share in MARKS.items():
                if roll < share:
                    mark = name
                    break
                roll -= share
            flags.append(flag(self.number * 10**9 + self.distinct, mark))
            self.distinct += 1
        # Twins within the batch, and of an earlier one.
        return flags + [flags[0], self.chance.choice(flags)]

    def run(self):
        due = time.monotonic()
        while not self.soak.over.is_set():
            body = json.dumps({"flags": [{"flag": one, "sploit": f"sploit-{self.number}", "team": f"10.60.{self.number % 5 + 1}.1"} for one in self.batch()]})
            begun = time.monotonic()
            while not self.post(body):
                self.again += 1
                time.sleep(0.05)
            self.slowest = max(self.slowest, time.monotonic() - begun)
            self.posted += BATCH
            # What was missed while the server was dead is made up for: the rate is kept over the whole run.
            due += self.pause
            time.sleep(max(0.0, due - time.monotonic()))

    def post(self, body):
        try:
            if not self.connection:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.soak.server.port, timeout=20)
            self.connection.request("POST", "/api/v1/farm/flags", body, {"X-Token": self.soak.token, "Content-Type": "application/json"})
            answer = self.connection.getresponse()
            answer.read()
            if answer.status != 200 and answer.status < 500:
                raise SystemExit(f"a post was answered {answer.status}")
            return answer.status == 200
        except (OSError, http.client.HTTPException):
            self.connection = None
            return False


class Soak:
    def __init__(self, folder, asked):
        self.seed, self.seconds = asked.seed, asked.seconds
        self.chance = random.Random(asked.seed)
        self.over = threading.Event()
        self.kills = collections.Counter()
        self.jury = Jury(asked.jury, folder, rate=0, disorder=True, seed=asked.seed)
        self.server = Server(folder / "server")
        self.farm = Farm(self.server, self.jury, {"": {"flag_lifetime": "1h"}, "jury": {"batch": 1000}})
        self.server.start()
        self.token = self.farm.token
        self.senders = [SenderProcess(folder, self.server.url, self.token, f"sender-{number}") for number in range(asked.senders)]
        self.posters = [Poster(self, number, asked.rate / POSTERS) for number in range(POSTERS)]

    def run(self):
        for poster in self.posters:
            poster.start()
        begun = time.monotonic()
        due = {what: begun + self.chance.uniform(*QUIET[what]) for what in QUIET}
        while time.monotonic() < begun + self.seconds:
            what = min(due, key=due.get)
            time.sleep(max(0.0, min(due[what], begun + self.seconds) - time.monotonic()))
            if time.monotonic() >= due[what]:
                self.kill(what)
                due[what] = time.monotonic() + self.chance.uniform(*QUIET[what])
        self.over.set()
        for poster in self.posters:
            poster.join(60)
            assert not poster.is_alive(), "a poster does not get its last batch through"

    def kill(self, what):
        self.kills[what] += 1
        if what == "server":
            self.server.kill9()
            self.server.start()
        elif what == "sender":
            sender = self.chance.choice(self.senders)
            sender.kill9()
            sender.start()
        else:
            # In the middle of an answer, with flags taken whose answers are lost; or all at once.
            if self.chance.random() < 0.5:
                self.jury.fault(drop_after=self.chance.randrange(5, 400), drop_lost=self.chance.randrange(0, 300), drop_torn=True, drop_times=1)
            else:
                self.jury.restart()

    def settle(self):
        """Until nothing is queued or out; the books."""
        def empty():
            now = self.farm.stats()
            return now if now["queued"] + now["leased"] == 0 else None
        begun = time.monotonic()
        books = until(empty, "the queue to run empty", 300, step=0.2)
        self.drained = time.monotonic() - begun
        return books

    def check(self, books):
        """What does not balance, as sentences."""
        wrong = []
        distinct = sum(poster.distinct for poster in self.posters)
        if books["total"] != distinct:
            wrong.append(f"{distinct} distinct flags were answered 200, the farm knows {books['total']}")
        if books["total"] != sum(books[name] for name in ("accepted", "rejected", "skipped", "queued", "leased")):
            wrong.append(f"the books do not add up: {books}")
        juries = self.jury.accepted()
        ours = self.accepted()
        if ours != juries:
            wrong.append(f"accepted here and not by the jury: {len(ours - juries)}; by the jury and not here: {len(juries - ours)}")
        return wrong

    def accepted(self):
        """Our accepted flags, read over the API as everybody would."""
        out, cursor = set(), None
        api = self.farm.api()
        while True:
            page = api.get("/farm/flags", query={"status": "accepted", "limit": 1000, **({"cursor": cursor} if cursor else {})}).expect(200).json
            out.update(item["flag"] for item in page["items"])
            cursor = page["next"]
            if not cursor:
                return out

    def report(self, books):
        judged = self.jury.totals()
        posted = sum(poster.posted for poster in self.posters)
        print(f"  seed {self.seed}: {posted} flags posted in {self.seconds} s ({posted / self.seconds:.0f}/s), {books['total']} distinct; "
              f"killed: {self.kills['server']} × server, {self.kills['sender']} × sender, {self.kills['jury']} × jury")
        print(f"  accepted {books['accepted']}, rejected {books['rejected']}, skipped {books['skipped']}, queued {books['queued']}, leased {books['leased']}; "
              f"the jury's list has {judged['accepted']}")
        print(f"  posts sent again: {sum(poster.again for poster in self.posters)}, the slowest took {max(poster.slowest for poster in self.posters):.1f} s; "
              f"the queue was empty {self.drained:.1f} s after the last kill")

    def close(self):
        self.over.set()
        for sender in self.senders:
            sender.close()
        self.server.close()
        if self.jury.process.poll() is None:
            self.jury.close()


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seconds", type=float, default=600)
    arguments.add_argument("--rate", type=int, default=5000)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--senders", type=int, default=3)
    arguments.add_argument("--jury", default="faust")
    asked = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        soak = Soak(pathlib.Path(folder), asked)
        try:
            soak.run()
            books = soak.settle()
            soak.report(books)
            wrong = soak.check(books)
        finally:
            soak.close()
    for sentence in wrong:
        print(f"  WRONG: {sentence}")
    print("  the books do not balance" if wrong else "  the books balance")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""How fast a full queue gets to the jury: 10 senders and calls of 50 ms with 100 flags each; one sender and a pipelining TCP jury.

    ./bench drain [--flags 150000]

Everything is the real thing and on this machine: server, senders, jury. The peer's figures are of the same kind of machine:
DestructiveFarm hands in about 1,150 flags/s at best, and 19/s with its TCP sender.
"""
import argparse
import pathlib
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from harness.farm_game import Farm  # noqa: E402
from harness.jury import Jury, SenderProcess, flag  # noqa: E402
from harness.server import Server  # noqa: E402
from harness.wait import until  # noqa: E402


def drain(mode, senders, batch, count, **faults):
    """Flags a second from the start of the senders to the last verdict in our books."""
    with tempfile.TemporaryDirectory(prefix="drain-") as name:
        folder = pathlib.Path(name)
        jury = Jury(mode, folder, rate=0, **faults)
        server = Server(folder / "server")
        farm = Farm(server, jury, {"": {"flag_lifetime": "1h", "lease_time": "30s"}, "jury": {"batch": batch}})
        running = []
        try:
            server.start()
            for first in range(0, count, 10_000):
                farm.post([flag(number) for number in range(first, min(first + 10_000, count))])
            begun = time.monotonic()
            running = [SenderProcess(folder, server.url, farm.token, f"sender-{number}") for number in range(senders)]
            # The start of ten interpreters is not the drain.
            until(lambda: farm.stats()["accepted"] > 0, "the first verdict", 60, step=0.01)
            first_verdict, had = time.monotonic(), farm.stats()["accepted"]
            until(lambda: farm.stats()["accepted"] == count, "the queue to be empty", 600, step=0.05)
            took = time.monotonic() - first_verdict
            totals = jury.totals()
            assert totals["accepted"] == count and totals["again"] == 0, totals
            return (count - had) / took, first_verdict - begun
        finally:
            for sender in running:
                sender.close()
            server.close()
            jury.close()


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--flags", type=int, default=150_000)
    asked = arguments.parse_args()
    for words, mark, peer, how in (("10 senders, HTTP, 50 ms a call of 100", 15_000, 1_150, ("forcad_http", 10, 100)),
                                   ("1 sender, TCP, pipelined", 20_000, 19, ("faust", 1, 1000))):
        rate, start = drain(*how, asked.flags, delay=0.05 if how[0] == "forcad_http" else 0)
        print(f"  {words:<40} {rate:>8,.0f} flags/s   mark {mark:,}   DestructiveFarm {peer:,}   (first verdict after {start:.1f} s)", flush=True)


if __name__ == "__main__":
    sys.exit(main())

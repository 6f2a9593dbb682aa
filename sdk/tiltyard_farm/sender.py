"""Takes flags from the farm and hands them in to the jury, until it is told to stop.

    python3 sender.pyz --farm URL --token-file FILE [--name NAME]

The farm says which jury and where it is; a change of its configuration is taken up with the next lease.
"""
import argparse
import logging
import os
import queue
import signal
import socket
import ssl
import sys
import threading
import time

from .farm import Backoff, Farm, FarmAway, FarmRefused, only
from .juries import JURIES
from .reporter import Reporter
from .verdicts import RETRY, Limited, Lost, NotSent, Verdict

log = logging.getLogger("tiltyard.sender")

# Seconds that a question for flags waits. Cut short it could be answered on the way, and that lease would have to run out: a
# sender that stops hears its last question to the end.
ASK_FOR = 2
SAY_EVERY = 30  # seconds between two lines about the numbers


class Sender:
    """Three threads: one asks for leases, so that the next is there when the last has been sent; the caller's own talks to
    the jury (`run`); one reports. `juries` maps a protocol's name to a class like those of `juries/`."""

    def __init__(self, url, token, name, juries=None, tls=None):
        self.name, self.juries = name, juries or JURIES
        self.asking = Farm(url, token, tls=tls)
        self.reporter = Reporter(Farm(url, token, tls=tls))
        self.leases = queue.Queue(maxsize=1)
        self.stopping = threading.Event()
        self.refused = None
        self.jury, self.jury_is = None, None
        self.backoff = Backoff(0.1, 5.0)

    def stop(self):
        """May be called from a signal handler: what is on its way to the jury is finished and reported."""
        self.stopping.set()

    def run(self):
        """Until `stop`; the exit code: 0, or 1 when the farm refuses us."""
        asker = threading.Thread(target=self._ask, name="asker", daemon=True)
        asker.start()
        said = time.monotonic()
        while not self.stopping.is_set():
            try:
                self._work(self.leases.get(timeout=0.2))
            except queue.Empty:
                pass
            if time.monotonic() > said + SAY_EVERY and self.reporter.counts:
                said = time.monotonic()
                log.info("so far: %s", ", ".join(f"{count} {kind}" for kind, count in self.reporter.counts.most_common()))
        self._give_back(asker)
        if not self.reporter.close(10):
            log.warning("not all verdicts reached the farm")
        if self.jury:
            self.jury.close()
        if self.refused:
            log.error("the farm refuses this sender: %s", self.refused)
        return 1 if self.refused else 0

    # --- asking ----------------------------------------------------------------------------------

    def _ask(self):
        backoff = Backoff()
        while not self.stopping.is_set():
            try:
                lease = self.asking.lease(self.name, wait=ASK_FOR)
                backoff.reset()
            except FarmAway as error:
                if not self.stopping.is_set():
                    log.warning("the farm is away: %s", error)
                self.stopping.wait(backoff.pause())
                continue
            except FarmRefused as error:
                if error.status in (401, 403):
                    self.refused = error
                    self.stopping.set()
                    return
                log.warning("no lease: %s", error)
                self.stopping.wait(backoff.pause())
                continue
            if lease:
                self.reporter.begin(lease)
                self.leases.put(lease)

    def _give_back(self, asker):
        """Leases that nobody has begun are the farm's again at once. A farm that does not answer is not waited for."""
        patience = time.monotonic() + 2 * ASK_FOR
        while asker.is_alive() or not self.leases.empty():
            if time.monotonic() > patience:
                self.asking.interrupt()
            try:
                self._unsent(lease := self.leases.get(timeout=0.05), lease.flags, "not sent: the sender stops")
                self.reporter.finish(lease)
            except queue.Empty:
                asker.join(0.05)

    # --- sending ---------------------------------------------------------------------------------

    def _work(self, lease):
        limited, retry_after = False, None
        left = list(lease.flags)
        try:
            jury = self._jury_for(lease)
            self.stopping.wait(max(0.0, lease.starts - time.monotonic()))
            # What had not been written when a connection was cut goes out on the next one.
            while left and self.reporter.ours(lease):
                try:
                    self._send(jury, lease, left)
                    left = []
                except Lost as error:
                    log.warning("the outcome of %d flags is unknown, %d are still to be sent: %s", len(left) - len(error.unsent), len(error.unsent), error)
                    left = error.unsent
                    self.stopping.wait(self.backoff.pause())
        except Limited as error:
            log.info("the jury wants fewer calls: %s", error)
            limited, retry_after = True, error.retry_after
            self._unsent(lease, left, str(error))
        except NotSent as error:
            log.warning("not sent: %s", error)
            self._unsent(lease, left, f"not sent: {error}")
            self.stopping.wait(self.backoff.pause())
        except Exception:  # a jury's module of somebody's own: its mistake costs an attempt, not the sender
            log.exception("the module for %s failed; the outcome of %d flags is unknown", lease.protocol, len(left))
            self.stopping.wait(self.backoff.pause())
        self.reporter.finish(lease, limited, retry_after)

    def _send(self, jury, lease, flags):
        """One pass; takes out of `flags` what got a verdict, so that the caller knows what is open when this raises."""
        answered = set()
        try:
            for verdict in jury.send(list(flags)):
                answered.add(verdict.flag)
                self.reporter.add(lease, verdict)
                if not self.reporter.ours(lease):
                    log.warning("lease %s has ended before the jury had answered", lease.id)
                    jury.close()
                    return
            self.backoff.reset()
        finally:
            flags[:] = [flag for flag in flags if flag not in answered]

    def _unsent(self, lease, flags, message):
        for flag in flags:
            self.reporter.add(lease, Verdict(flag, RETRY, message))

    def _jury_for(self, lease):
        wanted = lease.protocol, lease.settings_version, str(lease.settings)
        if wanted != self.jury_is:
            if self.jury:
                self.jury.close()
            self.jury, self.jury_is = None, None
            if lease.protocol not in self.juries:
                raise NotSent(f"this sender knows no protocol {lease.protocol!r}")
            try:
                self.jury = self.juries[lease.protocol](lease.settings)
            except (KeyError, TypeError, ValueError) as error:
                raise NotSent(f"the settings of the jury cannot be used: {type(error).__name__} {error}") from error
            self.jury_is = wanted
            self.backoff.reset()
        return self.jury


def main(juries=None):
    """The command line of a sender; `juries` adds own ones to those of this package."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--farm", required=True, metavar="URL")
    arguments.add_argument("--token-file", metavar="FILE", help="has the farm's token; without it TILTYARD_FARM_TOKEN does")
    arguments.add_argument("--name", default=f"{socket.gethostname()}-{os.getpid()}", help="what people see in the farm")
    arguments.add_argument("--ca-file", metavar="FILE", help="the authority of the farm's certificate, where it is not one of the system's")
    arguments.add_argument("--quiet", action="store_true", help="only warnings")
    asked = arguments.parse_args()
    logging.basicConfig(level=logging.WARNING if asked.quiet else logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    if asked.token_file:
        with open(asked.token_file, encoding="utf-8") as file:
            token = file.read().strip()
    else:
        token = os.environ.get("TILTYARD_FARM_TOKEN", "")
    if not token:
        arguments.error("a token is needed: --token-file FILE or TILTYARD_FARM_TOKEN")
    tls = ssl.create_default_context(cafile=asked.ca_file) if asked.ca_file else None
    if own := os.environ.get("TILTYARD_FARM_CERTIFICATE"):  # the server that started us says who it is
        tls = only(own)
    sender = Sender(asked.farm, token, asked.name, {**JURIES, **(juries or {})}, tls)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sender.stop())
    return sender.run()


if __name__ == "__main__":
    sys.exit(main())

"""Takes verdicts to the farm as they come, and keeps leases alive while their flags are at the jury."""
import collections
import logging
import threading
import time

from .farm import Backoff, FarmAway, FarmRefused

log = logging.getLogger("tiltyard.sender")

MOST = 1000   # verdicts in one report
LATE = 600    # seconds after a lease's end for which its verdicts are still offered: a late answer is worth noting


class Open:
    """A lease in work, and what is not reported of it yet."""

    def __init__(self, lease):
        self.lease, self.verdicts = lease, collections.deque()
        self.done = self.limited = self.ended = False
        self.retry_after = None


class Reporter:
    """A thread with a connection of its own. While it is under way with one report, the next verdicts gather."""

    def __init__(self, farm):
        self.farm = farm
        self.open = {}
        self.changed = threading.Condition()
        self.idle = False
        self.stopping = False
        self.counts = collections.Counter()
        self.thread = threading.Thread(target=self._run, name="reporter", daemon=True)
        self.thread.start()

    def begin(self, lease):
        with self.changed:
            self.open[lease.id] = Open(lease)

    def add(self, lease, verdict):
        entry = self.open.get(lease.id)
        if entry:
            entry.verdicts.append(verdict)
            # The lock is only worth its time when the thread waits; it says so before it looks for the last time.
            if self.idle:
                with self.changed:
                    self.changed.notify()

    def finish(self, lease, limited=False, retry_after=None):
        with self.changed:
            entry = self.open.get(lease.id)
            if entry:
                entry.done, entry.limited, entry.retry_after = True, limited, retry_after
                self.changed.notify()

    def ours(self, lease):
        """Whether the lease's flags may still be sent."""
        entry = self.open.get(lease.id)
        return entry is not None and not entry.ended and time.monotonic() < lease.ends

    def close(self, timeout):
        """Reports what is left, for at most `timeout` seconds; whether all of it got through."""
        with self.changed:
            self.stopping = True
            self.changed.notify()
        self.thread.join(timeout)
        return not self.open

    # --- the thread ------------------------------------------------------------------------------

    def _run(self):
        backoff = Backoff()
        while True:
            with self.changed:
                self.idle = True
                while (work := self._next()) is None:
                    if self.stopping and not self.open:
                        return
                    self.changed.wait(0.25)
                self.idle = False
            try:
                work()
                backoff.reset()
            except FarmAway as error:
                log.warning("the farm is away: %s", error)
                time.sleep(backoff.pause())

    def _next(self):
        """What to do now, or None. Called with the lock held."""
        now = time.monotonic()
        for entry in list(self.open.values()):
            if now > entry.lease.ends + LATE:
                del self.open[entry.lease.id]
            elif entry.verdicts or entry.done:
                return lambda entry=entry: self._report(entry)
            elif not entry.ended and now > entry.lease.ends - entry.lease.length / 2:
                return lambda entry=entry: self._extend(entry)
        return None

    def _report(self, entry):
        with self.changed:
            count = min(len(entry.verdicts), MOST)
            verdicts = [entry.verdicts[i] for i in range(count)]
            last = entry.done and count == len(entry.verdicts)  # nothing is added after `finish`
        try:
            receipt = self.farm.report(entry.lease.id, verdicts, last and entry.limited, entry.retry_after, last)
        except FarmRefused as error:
            log.warning("the farm does not take %d verdicts of lease %s: %s", count, entry.lease.id, error)
            receipt = {}
        with self.changed:
            for _ in range(count):
                entry.verdicts.popleft()
            if last:
                self.open.pop(entry.lease.id, None)
        self.counts.update(verdict.kind for verdict in verdicts)
        if receipt.get("late") or receipt.get("unknown"):
            log.info("lease %s: %s", entry.lease.id, receipt)

    def _extend(self, entry):
        try:
            self.farm.extend(entry.lease)
        except FarmRefused as error:
            log.warning("lease %s ends: %s", entry.lease.id, error)
            entry.ended = True

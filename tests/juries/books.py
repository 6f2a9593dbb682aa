"""What a jury knows: which flags it has accepted, how often each was handed in, and how it judges the next one."""
import collections
import os
import re

MARK = re.compile(r"-(OWN|OLD|INV|NOP|DOWN|LATER|ERR)-")
OF_MARK = {"OWN": "own", "OLD": "old", "INV": "invalid", "NOP": "nop", "DOWN": "down", "LATER": "later", "ERR": "error"}


class Books:
    """Judges flags. A flag that carries a mark between dashes (`AB-OLD-CD=`) is judged by it, `LATER` only the first time;
    any other is accepted once and a duplicate from then on. With a journal, accepted flags survive a kill of the jury: they
    are in the file before the answer leaves."""

    def __init__(self, journal=None):
        self.accepted = {}
        self.judged = collections.Counter()
        self.calls = 0
        self.limited = 0
        self.journal = None
        if journal:
            self._reload(journal)
            self.journal = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def _reload(self, journal):
        if not os.path.exists(journal):
            return
        with open(journal, "rb") as file:
            # A kill in mid-write leaves a torn last line; its answer never left.
            for line in file.read().split(b"\n")[:-1]:
                self.accepted[line.decode()] = True

    def judge_all(self, flags):
        """The judgements of the flags, in order; one write to the journal for all of them."""
        fresh = []
        judgements = [self._judge(flag, fresh) for flag in flags]
        if fresh and self.journal is not None:
            os.write(self.journal, ("\n".join(fresh) + "\n").encode())
        return judgements

    def _judge(self, flag, fresh):
        self.judged[flag] += 1
        mark = MARK.search(flag)
        if mark and not (mark.group(1) == "LATER" and self.judged[flag] > 1):
            return OF_MARK[mark.group(1)]
        if flag in self.accepted:
            return "duplicate"
        self.accepted[flag] = True
        fresh.append(flag)
        return "accepted"

    def as_json(self):
        return {"accepted": list(self.accepted), "judged": dict(self.judged), "calls": self.calls, "limited": self.limited}

    def totals(self):
        return {"accepted": len(self.accepted), "judged": sum(self.judged.values()), "again": sum(n - 1 for n in self.judged.values()),
                "calls": self.calls, "limited": self.limited}

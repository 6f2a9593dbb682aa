"""What a jury can say about a flag, in the farm's words, and how its texts are read."""
from typing import NamedTuple, Optional

ACCEPTED, DUPLICATE, OWN, OLD, INVALID, NOP = "accepted", "duplicate", "own", "old", "invalid", "nop"
REJECTED = "rejected"  # refused for good, for a reason that is none of the others
RETRY = "retry"        # not judged: the farm hands the flag out again
KINDS = (ACCEPTED, DUPLICATE, OWN, OLD, INVALID, NOP, REJECTED, RETRY)


class Verdict(NamedTuple):
    flag: str
    kind: str
    message: str = ""
    points: Optional[float] = None


class NotSent(Exception):
    """Nothing of the flags that are still open has reached the jury: it is away, or it refuses us as a whole."""


class Limited(NotSent):
    """The jury wants fewer calls. `retry_after` is in seconds, None where it does not say."""

    def __init__(self, reason, retry_after=None):
        super().__init__(reason)
        self.retry_after = retry_after


class Lost(Exception):
    """The outcome of the open flags is unknown: the connection was cut, or no answer came in time. `unsent` are those
    among them that had not been written yet."""

    def __init__(self, reason, unsent=()):
        super().__init__(reason)
        self.unsent = list(unsent)


def classify(text, table):
    """The verdict of a jury's text: that of the first entry of `table`, pairs of a lower-case piece of text and a verdict,
    that occurs in it. A text that no entry knows is RETRY: a flag is not given up for words that we cannot read."""
    lower = text.lower()
    for piece, kind in table:
        if piece in lower:
            return kind
    return RETRY

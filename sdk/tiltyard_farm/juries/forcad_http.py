"""ForcAD over HTTP [pomo-mondreganto/ForcAD backend/services/http_receiver/views.py, backend/lib/helpers/exceptions.py].
2 calls a second without a burst, 100 flags and 10 KB a call."""
import re

from ..verdicts import ACCEPTED, DUPLICATE, INVALID, OLD, OWN, RETRY, Verdict, classify
from .calls import HttpJury, items_by_flag

TEXTS = (
    ("flag accepted", ACCEPTED),
    ("invalid or too old", INVALID),
    ("too old", OLD),
    ("your own", OWN),
    ("already stolen", DUPLICATE),
    ("service is down", RETRY),
    ("game is not available", RETRY),
)
POINTS = re.compile(r"(\d+(?:\.\d+)?) (?:flag )?points?")


def points_of(message):
    found = POINTS.search(message)
    return float(found.group(1)) if found else None


def read(flags, text):
    out = []
    for flag, _, message in items_by_flag(flags, text):
        kind = classify(message, TEXTS)
        out.append(Verdict(flag, kind, message, points_of(message) if kind == ACCEPTED else None))
    return out


class Jury(HttpJury):
    def read(self, flags, text):
        return read(flags, text)

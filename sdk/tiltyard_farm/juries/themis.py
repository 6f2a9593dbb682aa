"""Themis, of VolgaCTF: a list of flags gives a list of numbers in the same order; a single number is about all of them.
1024 bytes a call, about 25 flags."""
import json

from ..verdicts import ACCEPTED, DUPLICATE, INVALID, OLD, OWN, RETRY, Limited, NotSent, Verdict
from .calls import HttpJury, complete_items

LIMIT = 7
CODES = {0: (ACCEPTED, "accepted"), LIMIT: (RETRY, "too many attempts"), 8: (OLD, "expired"), 9: (OWN, "own"), 10: (DUPLICATE, "already submitted"),
         11: (INVALID, "not found"), 12: (RETRY, "service down")}


def general_error(text):
    """The number of an answer that is not a list, or None."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def read(flags, text):
    out = []
    for flag, code in zip(flags, complete_items(text)):
        known = isinstance(code, int) and not isinstance(code, bool) and code in CODES
        kind, words = CODES[code] if known else (RETRY, "unknown code")
        out.append(Verdict(flag, kind, f"{json.dumps(code)[:20]} {words}"))
    return out


class Jury(HttpJury):
    method, path = "POST", "/api/submit"
    batch, body_limit = 25, 1024

    def read(self, flags, text):
        code = general_error(text)
        if code == LIMIT:
            raise Limited("7 too many attempts")
        if code is not None:
            raise NotSent(f"the jury's general error {code}")
        return read(flags, text)

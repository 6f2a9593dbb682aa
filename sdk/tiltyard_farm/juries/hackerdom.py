"""HackerDom's checksystem [HackerDom/checksystem lib/CS/Controller/Flags.pm, lib/CS/Model/Flag.pm]. 16 KiB a call.
`no such flag` is tried again: the flag of a round that has just begun may not be known to it yet."""
from ..verdicts import ACCEPTED, DUPLICATE, OLD, OWN, RETRY, Verdict, classify
from .calls import HttpJury, items_by_flag
from .forcad_http import points_of

TEXTS = (
    ("accepted", ACCEPTED),
    ("no such flag", RETRY),
    ("invalid or own flag", OWN),
    ("too old", OLD),
    ("service inactive", RETRY),
    ("already submitted", DUPLICATE),
    ("try again later", RETRY),
)


def read(flags, text):
    out = []
    for flag, _, message in items_by_flag(flags, text):
        kind = classify(message, TEXTS)
        out.append(Verdict(flag, kind, message, points_of(message) if kind == ACCEPTED else None))
    return out


class Jury(HttpJury):
    batch, body_limit = 200, 16_000

    def read(self, flags, text):
        return read(flags, text)

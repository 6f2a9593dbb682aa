"""CyberChallenge.IT and ECSC 2024: a status beside the text. 20 calls a minute, 100 kB a call; over it 429, or 500 with
`{"code":"RATE_LIMIT"}`."""
from ..verdicts import ACCEPTED, DUPLICATE, INVALID, NOP, OLD, OWN, REJECTED, RETRY, Verdict, classify
from .calls import HttpJury, items_by_flag

# Of status DENIED; the other statuses say it all.
TEXTS = (
    ("already claimed", DUPLICATE),
    ("invalid flag", INVALID),
    ("nop team", NOP),
    ("your own", OWN),
    ("too old", OLD),
    ("didn't terminate successfully", REJECTED),
    ("not active yet", RETRY),
    ("retry later", RETRY),
)
STATUSES = {"ACCEPTED": ACCEPTED, "RESUBMIT": RETRY, "ERROR": RETRY}


def read(flags, text):
    out = []
    for flag, item, message in items_by_flag(flags, text):
        status = item.get("status")
        kind = STATUSES.get(status if isinstance(status, str) else "") or classify(message, TEXTS)
        out.append(Verdict(flag, kind, message))
    return out


class Jury(HttpJury):
    batch, body_limit = 1000, 90_000

    def read(self, flags, text):
        return read(flags, text)

"""ENOWARS [enowars/EnoEngine EnoFlagSink]: as FAUST on port 1337; a line over 200 bytes closes the connection."""
from ..verdicts import ACCEPTED, DUPLICATE, INVALID, OLD, OWN, RETRY
from .lines import Echoed, LineJury, skip_banner

CODES = {"OK": ACCEPTED, "DUP": DUPLICATE, "OWN": OWN, "OLD": OLD, "INV": INVALID, "ERR": RETRY}


class Jury(LineJury):
    port, longest = 1337, 200

    def introduce(self, connection):
        skip_banner(connection)

    def waiting(self):
        return Echoed(CODES)

"""FAUST CTF and ECSC 2022 [fausecteam/ctf-gameserver docs/submission.md]: a banner that ends with an empty line, then
`FLAG CODE [message]` in any order. Closed after 300 s without a flag; the source address is the team."""
from ..verdicts import ACCEPTED, DUPLICATE, INVALID, OLD, OWN, RETRY
from .lines import Echoed, LineJury, skip_banner

CODES = {"OK": ACCEPTED, "DUP": DUPLICATE, "OWN": OWN, "OLD": OLD, "INV": INVALID, "ERR": RETRY}


class Jury(LineJury):
    port, idle = 666, 240

    def introduce(self, connection):
        skip_banner(connection)

    def waiting(self):
        return Echoed(CODES)

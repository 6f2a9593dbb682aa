"""saarCTF [MarkusBauer/saarctf-gameserver flag-submission-server/src]: no banner, answers without the flag and in order,
an empty line gets none, 80 bytes a line; the jury closes the connection about 60 s after it was opened.
`Invalid source IP` says that we send from a wrong place and nothing about the flag, so it is tried again."""
from ..verdicts import ACCEPTED, DUPLICATE, INVALID, NOP, OLD, OWN, RETRY, classify
from .lines import InOrder, LineJury

TEXTS = (
    ("[ok]", ACCEPTED),
    ("[offline]", RETRY),
    ("wrong length", INVALID),
    ("invalid flag", INVALID),
    ("expired", OLD),
    ("already submitted", DUPLICATE),
    ("your own flag", OWN),
    ("nop team", NOP),
    ("internal error", RETRY),
    ("invalid source ip", RETRY),
)


def read_line(line):
    """Every answer begins with a bracket; what does not is no answer and must not move the others."""
    return (classify(line, TEXTS), None) if line.startswith("[") else None


class Jury(LineJury):
    port, lives, longest = 31337, 45, 80

    def waiting(self):
        return InOrder(read_line)

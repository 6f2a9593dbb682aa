"""The old ForcAD over TCP: the team's token, then a flag a line; the answers are the texts of forcad_http alone, in order."""
from ..verdicts import NotSent, classify, ACCEPTED
from .forcad_http import TEXTS, points_of
from .lines import InOrder, LineJury


def read_line(line):
    kind = classify(line, TEXTS)
    return kind, points_of(line) if kind == ACCEPTED else None


class Jury(LineJury):
    port = 31337

    def introduce(self, connection):
        connection.read_line()
        connection.write(self.token + "\n")
        answer = connection.read_line()
        if "enter your flags" not in answer.lower():
            raise NotSent(f"the jury does not take the token: {answer.strip()}")

    def waiting(self):
        return InOrder(read_line)

"""The juries that are asked over TCP, a flag a line: FAUST, ENOWARS, saarCTF, the old ForcAD."""
import asyncio

import texts


class Connection(asyncio.Protocol):
    """One connection. Flags of one packet are judged together, so that a pipelining sender costs little."""

    def __init__(self, jury):
        self.jury, self.books, self.faults = jury, jury.books, jury.faults
        self.rest = b""
        self.answered = 0
        self.over = False

    def connection_made(self, transport):
        self.transport = transport
        self.silent = self.faults.take("silent")
        self.lines_before_flags = self.jury.greet(self)
        self.ends = asyncio.get_running_loop().call_later(self.jury.lives, transport.close) if self.jury.lives else None

    def connection_lost(self, error):
        self.over = True
        if self.ends:
            self.ends.cancel()

    def data_received(self, data):
        *lines, self.rest = (self.rest + data).split(b"\n")
        if self.silent or self.over:
            return
        too_long = [len(line) > self.jury.line_limit for line in (*lines, self.rest)]
        if self.jury.long_lines_close and any(too_long):
            self.transport.close()
            return
        flags = [line.decode("utf-8", "replace").strip() for line in lines]
        while self.lines_before_flags and flags:
            self.lines_before_flags -= 1
            self.jury.introduced(self, flags.pop(0))
        flags = [flag for flag in flags if flag]
        if flags:
            self.books.calls += 1
            self.answer(flags)

    def answer(self, flags):
        cut = self.faults.cut(self.answered, len(flags))
        if cut is not None:
            flags = flags[:cut + self.faults.drop_lost + self.faults.drop_torn]
        judgements = ["offline"] * len(flags) if self.faults.offline else self.jury.judge(flags)
        answers = [self.jury.line(flag, judgement) for flag, judgement in zip(flags, judgements)]
        if self.faults.disorder and self.jury.echoes:
            self.faults.random.shuffle(answers)
        if cut is None:
            self.answered += len(answers)
            self.later("".join(answers).encode(), False)
        else:
            torn = answers[cut][:len(answers[cut]) // 2] if self.faults.drop_torn and cut < len(answers) else ""
            self.over = True
            self.later(("".join(answers[:cut]) + torn).encode(), True)

    def later(self, data, close):
        def write():
            self.transport.write(data)
            if close:
                self.transport.close()
        if self.faults.delay:
            asyncio.get_running_loop().call_later(self.faults.delay, write)
        else:
            write()


class TcpJury:
    """`lives`: seconds until the jury closes a connection by itself; `echoes`: whether answers repeat the flag."""
    line_limit, long_lines_close, lives, echoes = 1000, False, 0, True

    def __init__(self, books, faults, token):
        self.books, self.faults, self.token = books, faults, token

    async def start(self, port):
        self.server = await asyncio.get_running_loop().create_server(lambda: Connection(self), "127.0.0.1", port, backlog=512, reuse_address=True)
        return self.server.sockets[0].getsockname()[1]

    def greet(self, connection):
        """Writes what the jury says first; how many lines come before the flags."""
        return 0

    def introduced(self, connection, line):
        pass

    def judge(self, flags):
        return self.books.judge_all(flags)


class Faust(TcpJury):
    lives = 300

    def greet(self, connection):
        connection.transport.write(b"FAUST-like flag submission\nOne flag per line please!\n\n")
        return 0

    def line(self, flag, judgement):
        note = " retry later" if texts.FAUST[judgement] == "ERR" else ""
        return f"{flag} {texts.FAUST[judgement]}{note}\n"


class Enowars(TcpJury):
    line_limit, long_lines_close = 200, True

    def greet(self, connection):
        connection.transport.write(b"Welcome to the EnoEngine's EnoFlagSink!\nPlease submit one flag per line. Responses are NOT guaranteed to be in chronological order.\n\n")
        return 0

    def line(self, flag, judgement):
        return f"{flag} {texts.ENOWARS[judgement]}\n"


class Saarctf(TcpJury):
    line_limit, lives, echoes = 80, 60, False

    def judge(self, flags):
        short = [flag for flag in flags if len(flag) <= self.line_limit]
        judged = iter(self.books.judge_all(short))
        return [next(judged) if len(flag) <= self.line_limit else "long" for flag in flags]

    def line(self, flag, judgement):
        return ("[ERR] Wrong length" if judgement == "long" else texts.SAARCTF[judgement]) + "\n"


class ForcadTcp(TcpJury):
    echoes = False

    def greet(self, connection):
        connection.transport.write(b"Welcome! Please, enter your team token:\n")
        return 1

    def introduced(self, connection, line):
        if self.token and line != self.token:
            connection.transport.write(b"Invalid team token\n")
            connection.transport.close()
            connection.over = True
            return
        connection.transport.write(b"Now enter your flags, one in a line:\n")

    def line(self, flag, judgement):
        return texts.FORCAD[judgement] + "\n"

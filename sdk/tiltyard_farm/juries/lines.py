"""Juries that take one flag a line over TCP."""
import collections
import select
import socket
import time

from ..verdicts import INVALID, Lost, NotSent, Verdict
from .settings import seconds

WINDOW = 1000  # flags that wait for an answer at once; their bytes fit the sockets' buffers, so that neither side can block


class LineConnection:
    """Lines in, lines out; all reading has a deadline. Errors are OSError and EOFError."""

    def __init__(self, host, port, timeout):
        self.timeout = timeout
        self.socket = socket.create_connection((host, port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.opened = self.used = time.monotonic()
        self.rest = b""
        self.lines = collections.deque()

    def write(self, text):
        self.socket.sendall(text.encode())
        self.used = time.monotonic()

    def read(self):
        """The lines that have come, at least one. A last line without its end is never given: it may be torn."""
        while not self.lines:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError("the jury closed the connection")
            *lines, self.rest = (self.rest + data).split(b"\n")
            self.lines.extend(line.decode("utf-8", "replace").rstrip("\r") for line in lines)
        lines = list(self.lines)
        self.lines.clear()
        return lines

    def read_line(self):
        lines = self.read()
        self.lines.extend(lines[1:])
        return lines[0]

    def quiet(self):
        """Whether it is open and nothing waits to be read: a jury that has closed it, or talks without being asked, is not."""
        return not self.lines and not self.rest and not select.select([self.socket], [], [], 0)[0]

    def close(self):
        self.socket.close()


class LineJury:
    """The base of these juries. `send` yields verdicts as they come, over one connection that is kept for the next call."""

    port = 31337
    idle, lives = 240, float("inf")  # seconds after which a connection is not used again: since the last flag, since its start
    longest = 1000                   # bytes of a line that the jury takes

    def __init__(self, settings):
        self.address = settings["host"], int(settings.get("port") or self.port)
        self.token = settings.get("token", "")
        self.timeout = seconds(settings, "timeout", 10.0)
        self.connection = None

    def introduce(self, connection):
        """What comes before the first flag; NotSent when the jury does not want us."""

    def waiting(self):
        """A fresh `Echoed` or `InOrder`."""
        raise NotImplementedError

    def send(self, flags):
        good = [flag for flag in flags if self.fits(flag)]
        for flag in flags:
            if not self.fits(flag):
                yield Verdict(flag, INVALID, f"not sent: the jury takes one line of at most {self.longest} bytes")
        if not good:
            return
        connection = self._connected()
        waiting, at = self.waiting(), 0
        try:
            while at < len(good) or waiting:
                if at < len(good) and len(waiting) <= WINDOW // 2:
                    part = good[at:at + WINDOW - len(waiting)]
                    waiting.add(part)
                    at += len(part)
                    connection.write("\n".join(part) + "\n")
                for line in connection.read():
                    verdict = waiting.take(line)
                    if verdict:
                        yield verdict
        except (OSError, EOFError) as error:
            self.close()
            raise Lost(str(error) or type(error).__name__, good[at:]) from error
        except GeneratorExit:
            # Whoever stops in the middle leaves answers behind that would be taken for those of the next flags.
            self.close()
            raise

    def fits(self, flag):
        return flag.strip() == flag != "" and "\n" not in flag and "\r" not in flag and len(flag.encode()) <= self.longest

    def _connected(self):
        now = time.monotonic()
        old = self.connection
        if old and (now - old.opened > self.lives or now - old.used > self.idle or not old.quiet()):
            self.close()
        if not self.connection:
            try:
                self.connection = LineConnection(*self.address, self.timeout)
                self.introduce(self.connection)
            except (OSError, EOFError) as error:
                self.close()
                raise NotSent(f"{self.address[0]}:{self.address[1]}: {error}") from error
            except NotSent:
                self.close()
                raise
        return self.connection

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None


def skip_banner(connection):
    """A banner of any length that ends with an empty line."""
    while connection.read_line().strip():
        pass


class Echoed:
    """Answers that repeat the flag and come in any order: `FLAG CODE [message]`."""

    def __init__(self, codes):
        self.codes, self.open = codes, set()

    def __len__(self):
        return len(self.open)

    def add(self, flags):
        self.open.update(flags)

    def take(self, line):
        """The verdict in a line; None for one about a flag that is not open, and for anything else a jury may write."""
        flag, _, rest = line.partition(" ")
        if flag not in self.open:
            return None
        code, _, message = rest.strip().partition(" ")
        kind = self.codes.get(code)
        if kind is None:
            return None
        self.open.discard(flag)
        return Verdict(flag, kind, f"{code} {message}".strip())


class InOrder:
    """Answers without the flag, in the order of the flags. `read` turns a line into (kind, points) or None for no answer."""

    def __init__(self, read):
        self.read, self.open = read, collections.deque()

    def __len__(self):
        return len(self.open)

    def add(self, flags):
        self.open.extend(flags)

    def take(self, line):
        answer = self.read(line) if self.open and line.strip() else None
        if answer is None:
            return None
        return Verdict(self.open.popleft(), answer[0], line.strip(), answer[1])

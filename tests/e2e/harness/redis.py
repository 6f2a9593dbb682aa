"""A real Redis for tests that lose it."""
import signal
import socket
import subprocess

from .wait import until


class Redis:
    """A redis-server of the test's own, on a socket in the test's folder."""

    def __init__(self, folder):
        self.folder = folder
        self.socket = folder / "redis.sock"
        self.process = None

    @property
    def url(self):
        return f"unix://{self.socket}"

    def start(self):
        self.process = subprocess.Popen(["redis-server", "--port", "0", "--unixsocket", str(self.socket), "--save", "", "--appendonly", "no",
                                         "--dir", str(self.folder)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(self._answers, "redis-server to answer", 10, step=0.02)
        return self

    def _answers(self):
        try:
            return self.call("PING") == "+PONG"
        except OSError:
            return False

    def call(self, *words):
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(5)
            link.connect(str(self.socket))
            link.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word.encode()) for word in words))
            return link.recv(65536).decode("utf-8", "replace").strip()

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(10)

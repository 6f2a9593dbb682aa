"""A jury of tests/juries as a process of its own, and senders of the SDK that talk to it."""
import http.client
import json
import os
import re
import subprocess
import sys

from .ports import free_port
from .server import ROOT
from .wait import until

PROGRAM = ROOT / "tests" / "juries" / "jury.py"
SDK = ROOT / "sdk"
LISTENS = re.compile(r"jury (\w+) on (\d+) control (\d+)")
FLAG_FORMAT = "[A-Z0-9-]{31}="


def flag(number, mark=""):
    """A flag of FLAG_FORMAT; with a mark (OWN, OLD, INV, NOP, DOWN, LATER, ERR) the juries judge it so."""
    return f"{'F' + (f'-{mark}-' if mark else ''):X<19}{number:012d}="


class Jury:
    """Ports and journal survive `kill9` and `restart`, as those of a real jury do."""

    def __init__(self, mode, folder, token="jury-token", **faults):
        self.mode, self.folder, self.token, self.faults = mode, folder, token, faults
        self.port, self.control = free_port(), free_port()
        self.process = None
        self.start()

    def start(self):
        command = [sys.executable, str(PROGRAM), self.mode, "--port", str(self.port), "--control", str(self.control), "--token", self.token,
                   "--journal", str(self.folder / f"{self.mode}-{self.port}.journal")]
        for name, value in self.faults.items():
            command += ["--fault", f"{name}={value}"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert LISTENS.match(line), f"the jury said {line!r}"
        return self

    def kill9(self):
        self.process.kill()
        self.process.wait(10)
        self.process.stdout.close()

    def restart(self):
        if self.process.poll() is None:
            self.kill9()
        return self.start()

    close = kill9

    @property
    def settings(self):
        return {"host": "127.0.0.1", "port": self.port, "token": self.token}

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.control, timeout=20)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            value = json.loads(answer.read())
            assert answer.status == 200, value
            return value
        finally:
            connection.close()

    def fault(self, **values):
        self.ask("POST", "/faults", values)

    def books(self):
        return self.ask("GET", "/books")

    def totals(self):
        return self.ask("GET", "/totals")

    def accepted(self):
        return set(self.books()["accepted"])


class SenderProcess:
    """`python3 -m tiltyard_farm.sender` as an operator runs it."""

    def __init__(self, folder, farm, token, name="sender", program=None, more=()):
        self.log_path = folder / f"{name}.log"
        token_file = folder / "farm-token"
        token_file.write_text(token)
        self.command = [sys.executable, *(program or ["-m", "tiltyard_farm.sender"]), "--farm", farm, "--token-file", str(token_file), "--name", name, *more]
        self.process = None
        self.start()

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env={**os.environ, "PYTHONPATH": str(SDK), "PYTHONDONTWRITEBYTECODE": "1"})
        return self

    def kill9(self):
        self.process.kill()
        self.process.wait(10)

    def stop(self, timeout=20):
        """SIGTERM; the exit code."""
        self.process.terminate()
        return self.process.wait(timeout)

    def close(self):
        if self.process.poll() is None:
            self.kill9()

    def log(self):
        return self.log_path.read_text(errors="replace")

    def wait_log(self, text, timeout=20):
        until(lambda: text in self.log(), f"the sender to say {text!r}", timeout)

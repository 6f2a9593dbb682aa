"""The binary's command line as a person, on a terminal, and as a script would use it."""
import json
import os
import pty
import re
import select
import subprocess
import time

from .server import binary


class Cli:
    """Runs the binary with nothing of the caller's environment but what is given."""

    def __init__(self, folder, **environment):
        self.folder = folder
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(folder), **environment}

    def __call__(self, *words, code=0, stdin="", timeout=90):
        ran = subprocess.run([binary(), *words], cwd=self.folder, env=self.environment, input=stdin, capture_output=True, text=True, timeout=timeout)
        assert ran.returncode == code, f"{words}: {ran.returncode}, expected {code}\n{ran.stdout}\n{ran.stderr}"
        return ran

    def json(self, *words, **more):
        return json.loads(self(*words, "--json", **more).stdout)

    def terminal(self, *words):
        return Terminal([binary(), *words], self.folder, self.environment)


class Terminal:
    """A child on a terminal of its own."""

    def __init__(self, words, folder, environment):
        self.seen = ""
        self.pid, self.file = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execve(words[0], words, {**environment, "TERM": "xterm"})

    def type(self, text):
        os.write(self.file, text.encode())

    def read_until(self, pattern, timeout=30):
        """What has been shown, once `pattern` is in it."""
        deadline = time.monotonic() + timeout
        while not re.search(pattern, self.seen):
            left = deadline - time.monotonic()
            assert left > 0, f"no {pattern!r} in {self.seen!r}"
            if select.select([self.file], [], [], left)[0]:
                try:
                    piece = os.read(self.file, 4096)
                except OSError:
                    piece = b""
                if not piece:
                    assert re.search(pattern, self.seen), f"ended without {pattern!r}: {self.seen!r}"
                    break
                self.seen += piece.decode("utf-8", "replace")
        return self.seen

    def wait(self, timeout=30):
        """The exit code."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                os.close(self.file)
                return os.waitstatus_to_exitcode(status)
            if select.select([self.file], [], [], 0.05)[0]:
                try:
                    self.seen += os.read(self.file, 4096).decode("utf-8", "replace")
                except OSError:
                    pass
        raise AssertionError(f"still runs: {self.seen!r}")

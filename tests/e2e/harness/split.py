"""The server as the shipped units run it: a process without rights, and its privileged half. The units' own settings for accounts and
capabilities are read from deploy/ and applied by setpriv; units.py runs them by systemd itself."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

from .server import ROOT, Server, binary
from .wait import until

# Nobody has it; the units' account `tiltyard` stands for it here.
USER = 64_077


def unit(name):
    """The settings of a unit's [Service]: a list of values for each, as systemd reads them."""
    settings = {}
    section = None
    for line in (ROOT / "deploy" / name).read_text().splitlines():
        line = line.strip()
        if line.startswith("["):
            section = line
        elif section == "[Service]" and "=" in line and not line.startswith("#"):
            key, value = line.split("=", 1)
            settings.setdefault(key, []).append(value)
    return settings


def setpriv(settings):
    """The words before a command that give it a unit's account, groups and capabilities."""
    user = {"root": 0, "tiltyard": USER}[settings["User"][-1]]
    groups = " ".join(settings.get("SupplementaryGroups", [])).split()
    kept = " ".join(settings["CapabilityBoundingSet"]).lower().replace("cap_", "").split()
    ambient = " ".join(settings.get("AmbientCapabilities", [])).lower().replace("cap_", "").split()
    words = ["setpriv", f"--reuid={user}", f"--regid={user}", f"--groups={','.join(groups)}" if groups else "--clear-groups",
             "--bounding-set=" + ",".join(["-all", *(f"+{name}" for name in kept)]),
             "--inh-caps=" + ",".join(["-all", *(f"+{name}" for name in ambient)]),
             "--ambient-caps=" + ",".join(["-all", *(f"+{name}" for name in ambient)])]
    return words + (["--no-new-privs"] if settings["NoNewPrivileges"][-1] == "yes" else [])


class SplitServer(Server):
    """Both halves. `start` starts the privileged one first, where it does not run."""

    def __init__(self, config=None):
        # Not below pytest's folder, which only root may pass.
        folder = pathlib.Path(tempfile.mkdtemp(prefix="ty-split-"))
        folder.chmod(0o755)
        super().__init__(folder, config)
        self.run = folder / "run"
        self.run.mkdir()
        self.files = folder / "files"
        self.config["privileged"] = {"socket": "run/privileged.sock", "engine_socket": "run/engine.sock", "files": "files", "user": str(USER)}
        self.data.mkdir()
        os.chown(self.data, USER, USER)
        # The program may lie where only root can go: it is handed down as an open file.
        self.program = os.open(binary(), os.O_RDONLY)
        self.handed_down = (self.program,)
        program = f"/proc/self/fd/{self.program}"
        self.command = [*setpriv(unit("tiltyard.service")), program]
        self.half_command = [*setpriv(unit("tiltyard-privileged.service")), program]
        self.half_log = folder / "privileged.log"
        self.half = None

    def start_half(self):
        self.write_config()
        environment = {key: value for key, value in os.environ.items() if not key.startswith("TILTYARD_")}
        with open(self.half_log, "ab") as log:
            at = log.tell()
            self.half = subprocess.Popen([*self.half_command, "privileged", "--config", str(self.folder / "tiltyard.toml")], cwd=self.folder,
                                         env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=self.handed_down)
        until(lambda: self.half.poll() is not None or "is ready" in self.half_said(at), "the privileged half to be ready", 30, step=0.02)
        assert self.half.poll() is None, self.half_said(at)

    def half_said(self, since=0):
        return self.half_log.read_bytes()[since:].decode("utf-8", "replace")

    def spawn(self, failpoints=None):
        if self.half is None or self.half.poll() is not None:
            self.start_half()
        super().spawn(failpoints)

    def stop_half(self):
        self.half.send_signal(signal.SIGTERM)
        return self.half.wait(15)

    def close(self):
        super().close()
        if self.half and self.half.poll() is None:
            self.stop_half()
        os.close(self.program)
        shutil.rmtree(self.folder, ignore_errors=True)


def as_the_server(*command, user=USER, **more):
    """A command as a process that has the server's account and nothing else, which is what a taken-over server is."""
    words = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]
    return subprocess.run([*words, *command], capture_output=True, text=True, timeout=60, **more)


# Sends a message as it comes in hexadecimal digits on standard input, and prints the answer.
ASK = """
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.settimeout(20)
s.connect(sys.argv[1])
s.send(bytes.fromhex(sys.stdin.read()))
sys.stdout.write(s.recv(1 << 17).decode())
"""


def ask(server, message, user=USER):
    """What the privileged half answers to a message (bytes, or what becomes JSON), as who asks from outside of the server."""
    raw = message if isinstance(message, bytes) else json.dumps(message).encode()
    ran = as_the_server("/usr/bin/python3", "-c", ASK, str(server.run / "privileged.sock"), user=user, input=raw.hex())
    return json.loads(ran.stdout) if ran.returncode == 0 else {"reason": "unreachable", "said": ran.stderr[-300:]}


# Runs calls of the Engine API: a list of [method, target, body] on standard input; a list of [status, message] on standard output.
CALLS = """
import http.client, json, socket, sys
class Unix(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(20)
        self.sock.connect(sys.argv[1])
out = []
for method, target, body in json.load(sys.stdin):
    connection = Unix("engine")
    try:
        raw = None if body is None else json.dumps(body)
        try:
            connection.request(method, target, raw, {"Content-Type": "application/json"} if raw else {})
        except BrokenPipeError:
            pass  # what is refused by its head alone is answered before the body is read
        answer = connection.getresponse()
        text = answer.read().decode("utf-8", "replace")
        out.append([answer.status, text])
    except OSError as error:
        out.append([0, str(error)])
    connection.close()
print(json.dumps(out))
"""


def engine_calls(path, calls):
    """[status, text] of each call at an engine's socket, by a process of the server's account."""
    ran = as_the_server("/usr/bin/python3", "-c", CALLS, str(path), input=json.dumps(calls))
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)

"""The real binary with a data folder, ports and a namespace of its own."""
import collections
import contextlib
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import subprocess
import time
import urllib.error
import urllib.request

from . import postgres
from .api import Api
from .ports import free_port, gateway_ports, pool
from .wait import until

ROOT = pathlib.Path(__file__).resolve().parents[3]
READY = re.compile(r"Tiltyard is ready at (http\S+?)/?\s*$", re.M)
LINK = re.compile(r"(http\S+/signin#\S+)")


def binary():
    return os.environ.get("TILTYARD_BIN", str(ROOT / "build" / "tiltyard"))


def toml(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{key}" = {toml(item)}' for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(toml(item) for item in value) + "]"
    if isinstance(value, (int, float)):
        return str(value)
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


class Server:
    """Started by `start`, ended by `stop` (SIGTERM), `kill9`, or at the latest by `close`. A restart keeps ports and data."""

    counter = 0

    def __init__(self, folder, config=None, environment=None):
        Server.counter += 1
        self.namespace = f"e2e-{os.getpid()}-{Server.counter}"
        self.folder = pathlib.Path(folder)
        self.templates = self.folder / "templates"
        self.templates.mkdir(parents=True, exist_ok=True)
        self.data = self.folder / "data"
        self.log_path = self.folder / "server.log"
        self.environment = dict(environment or {})
        self.command = [binary()]
        self.handed_down = ()
        self.passwords = []
        self.process = None
        self.port, self.gateway_port = free_port(), free_port()
        self.tcp_ports = gateway_ports(Server.counter)
        self.config = {
            "server": {"listen": f"127.0.0.1:{self.port}"},
            "gateway": {"listen": f"127.0.0.1:{self.gateway_port}", "ports": f"{self.tcp_ports[0]}-{self.tcp_ports[-1]}"},
            "engine": {"namespace": self.namespace, "url": os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")},
            "network": {"pool": pool(Server.counter)},
            "labs": {"instances_per_owner": 50},
            "store": {"url": postgres.shared().fresh() if postgres.wanted() else "sqlite:data/tiltyard.db"},
            "templates": {"path": "templates"},
            "auth": {"strategies": ["local", "token", "address"]},
            # Tests do in a second what people do in an hour; test_limits.py has the real limits.
            "rates": {"factor": 1000},
        }
        for section, keys in (config or {}).items():
            self.config.setdefault(section, {}).update(keys)
        if "smtp_url" in self.config.get("notices", {}):
            self.config["server"].setdefault("public_url", self.url)  # no letters without a name that the operator gave

    # --- templates -----------------------------------------------------------------------------------

    def add_example(self, name):
        """One of the project's own example templates."""
        shutil.copytree(ROOT / "templates" / name, self.templates / name)

    def add_template(self, name, **files):
        """A template from texts; write a file's dots and slashes as keys of `files`, e.g. **{"instance.toml": "..."}."""
        for file, text in files.items():
            path = self.templates / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    # --- life ----------------------------------------------------------------------------------------

    def write_config(self):
        lines = []
        for section, keys in self.config.items():
            lines.append(f"[{section}]")
            lines += [f"{key} = {toml(value)}" for key, value in keys.items()]
            lines.append("")
        (self.folder / "tiltyard.toml").write_text("\n".join(lines))

    def spawn(self, failpoints=None):
        """Starts the process and returns at once."""
        self.write_config()
        environment = {key: value for key, value in os.environ.items() if not key.startswith("TILTYARD_")}
        environment.update(self.environment)
        armed = ["--break-on-purpose", failpoints] if failpoints else []
        self.log_start = self.log_path.stat().st_size if self.log_path.exists() else 0
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([*self.command, "serve", *armed, "--config", str(self.folder / "tiltyard.toml")],
                                            cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            pass_fds=self.handed_down)

    def start(self, failpoints=None, timeout=30):
        """Starts the process and waits until /readyz says so."""
        begun = time.monotonic()
        self.spawn(failpoints)
        until(self._ready, "the server to be ready", timeout, step=0.02)
        self.ready_after = time.monotonic() - begun
        return self

    def _ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the server ended with {self.process.returncode} before it was ready:\n{self.log()[-4000:]}")
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def restart(self, failpoints=None, timeout=30):
        if self.process and self.process.poll() is None:
            self.stop()
        return self.start(failpoints, timeout)

    def stop(self, timeout=15):
        """SIGTERM; the exit code. The server promises to be gone within 10 s."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout)

    def kill9(self):
        self.process.kill()
        self.process.wait(10)

    def wait_dead(self, timeout=60):
        """Waits for the process to end by itself (a fail point); the exit code, negative for a signal."""
        return self.process.wait(timeout)

    def close(self):
        if self.process and self.process.poll() is None:
            try:
                self.stop(20)
            except subprocess.TimeoutExpired:
                self.kill9()

    @property
    def alive(self):
        return self.process is not None and self.process.poll() is None

    # --- looking at it -------------------------------------------------------------------------------

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def token(self):
        """The admin token, made at the first start."""
        return (self.data / "admin.token").read_text().strip()

    @property
    def identity(self):
        """What the engine's resources of this server are marked with."""
        return self.rows("SELECT server FROM store_identity")[0][0]

    def log(self):
        """What this process has written since its (last) start."""
        with open(self.log_path, "rb") as log:
            log.seek(getattr(self, "log_start", 0))
            return log.read().decode("utf-8", "replace")

    def printed_url(self):
        found = READY.search(self.log())
        return found and found.group(1)

    def sign_in_link(self):
        """Printed once the server listens, which a caller may see first. None: there is none."""
        try:
            return until(lambda: LINK.search(self.log()), "the link to be printed", 5).group(1)
        except AssertionError:
            return None

    def api(self, token=None, contract=None, source=None):
        """A caller with a token; with None it is nobody."""
        return Api(self.url, token, contract, source)

    def admin(self, contract=None):
        return Api(self.url, self.token, contract)

    def user(self, name, role="player", team=None, contract=None):
        """A new local user, signed in with a session cookie."""
        body = {"name": name, "password": f"correct horse {name}", "role": role}
        if team:
            body["team"] = team
        self.passwords.append(body["password"])
        self.admin().post("/admin/users", body).expect(201)
        caller = Api(self.url, contract=contract)
        caller.sign_in(strategy="local", name=name, password=body["password"]).expect(201)
        return caller

    def rows(self, sql):
        """The rows of a SELECT straight from the database, whichever it is."""
        url = self.config["store"]["url"]
        if url.startswith("postgresql:"):
            return postgres.shared().rows(url.rsplit("/", 1)[1], sql)
        with contextlib.closing(sqlite3.connect(f"file:{self.data}/tiltyard.db?mode=ro", uri=True)) as database:
            return database.execute(sql).fetchall()

    def change(self, sql):
        """Changes the database of a server that is stopped, behind its back."""
        url = self.config["store"]["url"]
        if url.startswith("postgresql:"):
            postgres.shared().change(url.rsplit("/", 1)[1], sql)
            return
        with contextlib.closing(sqlite3.connect(self.data / "tiltyard.db")) as database, database:
            database.execute(sql)

    def open_files(self):
        """How many file descriptors the process holds."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def open_kinds(self):
        """How many it holds of each kind: sockets, pipes and so on."""
        kinds = collections.Counter()
        for number in os.listdir(f"/proc/{self.process.pid}/fd"):
            with contextlib.suppress(OSError):
                kinds[os.readlink(f"/proc/{self.process.pid}/fd/{number}").split(":")[0]] += 1
        return kinds

    def memory(self):
        """Resident bytes."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) * 1024

    def listening(self):
        """TCP ports that the process listens on."""
        inodes = set()
        for name in os.listdir(f"/proc/{self.process.pid}/fd"):
            try:
                target = os.readlink(f"/proc/{self.process.pid}/fd/{name}")
            except FileNotFoundError:
                continue
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
        ports = set()
        for table in ("tcp", "tcp6"):
            for line in pathlib.Path(f"/proc/{self.process.pid}/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and fields[9] in inodes:
                    ports.add(int(fields[1].rsplit(":", 1)[1], 16))
        return ports

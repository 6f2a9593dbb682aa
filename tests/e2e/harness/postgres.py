"""A private PostgreSQL server in a temporary folder, from Debian's package: started when it is first asked for, ended with the tests."""
import atexit
import contextlib
import glob
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

from .ports import free_port
from .wait import until

PASSWORD = "s3cret/p@ss-e2e"
SHARED = []


def shared():
    """The one that all servers of a run use, each with a database of its own."""
    if not SHARED:
        SHARED.append(Postgres())
    return SHARED[0]


def wanted():
    """Whether servers of the harness work on PostgreSQL (TILTYARD_TEST_STORE=postgresql) where a test does not say otherwise."""
    return os.environ.get("TILTYARD_TEST_STORE") == "postgresql"


class Postgres:
    def __init__(self, durable=False):
        # Killed processes lose nothing that the kernel has: tests need no flushes, benchmarks do.
        self.durable = durable
        programs = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
        assert programs, "PostgreSQL is not there: apt-get install postgresql"
        self.programs = pathlib.Path(programs[-1]).parent
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tiltyard-postgres-"))
        # It refuses to run as root; the package made a user for it.
        self.user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
        if self.user:
            shutil.chown(self.folder, "postgres", "postgres")
        (self.folder / "password").write_text(PASSWORD)
        (self.folder / "password").chmod(0o644)
        self.port = free_port()
        self.process = None
        self.databases = 0
        atexit.register(self.close)
        self.run("initdb", "-D", self.folder / "data", "-U", "tester", "-A", "scram-sha-256", "--pwfile", self.folder / "password", "-E", "UTF8",
                 "--locale=C.UTF-8", "--no-sync")
        self.start()

    def run(self, program, *arguments):
        done = subprocess.run([self.programs / program, *arguments], cwd="/", capture_output=True, text=True, check=False, **self.user)
        assert done.returncode == 0, done.stderr

    def start(self):
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [self.programs / "postgres", "-D", self.folder / "data", "-k", self.folder, "-p", str(self.port), "-c", "listen_addresses=127.0.0.1",
                 "-c", f"fsync={'on' if self.durable else 'off'}", "-c", "shared_buffers=32MB"], cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, **self.user)
        until(lambda: subprocess.run([self.programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)], check=False).returncode == 0,
              "PostgreSQL to be ready", 60)

    def processes(self):
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(child) for child in children] + [self.process.pid]

    def kill9(self):
        """SIGKILL to every process of it, as after a power cut."""
        self.process.send_signal(signal.SIGSTOP)
        processes = self.processes()
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self.process.wait(10)
        until(lambda: not any(running(process) for process in processes), "its processes to be gone")
        (self.folder / "data" / "postmaster.pid").unlink(missing_ok=True)

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(20)
        shutil.rmtree(self.folder, ignore_errors=True)

    def fresh(self):
        """A new database's URL, as it goes into store.url."""
        self.databases += 1
        name = f"range_{self.databases}"
        self.change("postgres", f"CREATE DATABASE {name} TEMPLATE template0")
        return f"postgresql://tester:s3cret%2Fp%40ss-e2e@127.0.0.1:{self.port}/{name}"

    def psql(self, database, sql):
        environment = {"PGPASSWORD": PASSWORD, "PATH": os.environ["PATH"]}
        done = subprocess.run(["psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", "tester", "-d", database, "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", sql],
                              capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def change(self, database, sql):
        self.psql(database, sql)

    def rows(self, database, sql):
        """The rows of a SELECT as tuples."""
        return [tuple(row.values()) for row in json.loads(self.psql(database, f"SELECT coalesce(json_agg(told), '[]') FROM ({sql}) AS told"))]


def running(process):
    try:
        return pathlib.Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False

"""A Docker daemon of the test's own, which may be restarted: in its own network namespace, with its own data."""
import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

from .wait import until

CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


def enter(namespace):
    """Moves this thread (and what it starts from now on) into the network namespace of the open file."""
    if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class OwnEngine:
    """`start` and `stop` the daemon; `socket_path` is where it answers. `words` are what its daemon.json says."""

    def __init__(self, folder, words):
        self.folder = folder
        with open(f"{folder}/daemon.json", "w") as config:
            json.dump(words, config)
        self.socket_path = f"{folder}/docker.sock"
        self.process = None

    def start(self):
        self.log = open(f"{self.folder}/dockerd.log", "ab")
        # The daemon leaves its pid file behind when it is killed.
        with contextlib.suppress(FileNotFoundError):
            os.remove(f"{self.folder}/docker.pid")
        self.process = subprocess.Popen(
            ["dockerd", "--config-file", f"{self.folder}/daemon.json", "--host", f"unix://{self.socket_path}", "--data-root", f"{self.folder}/data", "--exec-root",
             f"{self.folder}/exec", "--pidfile", f"{self.folder}/docker.pid", "--containerd-namespace", "ty", "--containerd-plugins-namespace", "typ"],
            stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)
        until(self.answers, "the daemon to answer", timeout=60)

    def answers(self):
        assert self.process.poll() is None, open(f"{self.folder}/dockerd.log").read()[-3000:]
        return subprocess.run(["curl", "-sf", "--max-time", "2", "--unix-socket", self.socket_path, "http://engine/_ping"],
                              capture_output=True).returncode == 0

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)

    def close(self):
        if self.process and self.process.poll() is None:
            self.stop()


@contextlib.contextmanager
def own_engine(disk=None, **words):
    """Inside, this thread, the daemon and the servers it starts live in a network namespace of their own. `disk`: a device on which its data
    lies instead of this host's."""
    # Not under pytest's folder: containerd refuses socket paths of more than 104 characters.
    folder = tempfile.mkdtemp(prefix="ty-engine-")
    os.chmod(folder, 0o711)  # with users of their own, machines' root is nobody here and has to pass
    name = f"tengine{os.getpid() % 10000}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    engine = OwnEngine(folder, words)
    if disk:
        os.mkdir(f"{folder}/data")
        subprocess.run(["mount", disk, f"{folder}/data"], check=True)
    home = open("/proc/thread-self/ns/net")
    try:
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
        with open(f"/run/netns/{name}") as namespace:
            enter(namespace)
        engine.start()
        yield engine
    finally:
        engine.close()
        enter(home)
        home.close()
        subprocess.run(["ip", "netns", "del", name], check=False)
        if disk:
            until(lambda: subprocess.run(["umount", f"{folder}/data"], capture_output=True).returncode == 0, "the engine to be off its disk")
        for _ in range(50):
            shutil.rmtree(folder, ignore_errors=True)
            if not os.path.exists(folder):
                break
            time.sleep(0.1)

#!/usr/bin/env python3
# Flags: a cold spawn with and without patched files, beside copying the folder, rewriting it, building and running.
"""Usage: ./bench inject. BENCH_ROUNDS says how many spawns of each kind (25)."""
import os
import pathlib
import re
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
sys.path.insert(0, str(ROOT / "benchmarks"))
from harness.gateway import endpoint, fetch  # noqa: E402
from harness.wait import until  # noqa: E402
from spawn import ROUNDS, Bare, Ours, docker, make_server, row  # noqa: E402

SETTINGS = 'name = "Web"\nports = [8000]\n[ready]\ninterval = 50\n[limits]\nmemory = "32m"\npids = 64\n'
FILES = {
    "flag.txt": "FLAG{bench}\n",
    "index.html": "<p>Somewhere in here: FLAG{bench}</p>\n",
    "conf/app.conf": "secret = FLAG{bench}\n",
    "Dockerfile": 'FROM tiltyard/busybox:1\nCOPY . /www/\nRUN chmod -R a+r /www\nUSER 65534:65534\nSTOPSIGNAL SIGKILL\n'
                  'CMD ["httpd", "-f", "-p", "8000", "-h", "/www"]\n',
}
PATCHED = {**FILES, "instance.toml": SETTINGS}
PLAIN = {**FILES, "instance.toml": SETTINGS + "[flag]\nprefix = \"NONE\"\n"}
FLAG = re.compile(rb"FLAG\{bench_[0-9a-f]{16}\}")


class Peer:
    """The way of systems that know no other: copy the folder, write the flag into its files, build, run, for each spawn."""

    def __init__(self, source, bare):
        self.source, self.bare = source, bare
        self.images, self.injecting = [], []

    def spawn(self):
        flag = f"FLAG{{bench_{secrets.token_hex(8)}}}"
        begun = time.perf_counter()
        folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-inject-"))
        copy = folder / "copy"
        shutil.copytree(self.source, copy)
        for path in copy.rglob("*"):
            if path.is_file():
                text = path.read_bytes()
                if b"FLAG{bench}" in text:
                    path.write_bytes(text.replace(b"FLAG{bench}", flag.encode()))
        image = f"bench-inject-{os.getpid()}:{len(self.images)}"
        self.images.append(image)
        self.build(copy, image)
        self.injecting.append(time.perf_counter() - begun)
        self.bare.body["Image"] = image
        _, container = self.bare.spawn()
        took = time.perf_counter() - begun
        shutil.rmtree(folder)
        return took, container

    @staticmethod
    def build(folder, image):
        tar = subprocess.run(["tar", "-C", str(folder), "-c", "."], check=True, capture_output=True).stdout
        answer = docker.call("POST", "/build", {"t": image, "q": "1", "networkmode": "none", "rm": "1"}, tar, {"Content-Type": "application/x-tar"}, timeout=120)
        assert b"error" not in (answer if isinstance(answer, bytes) else repr(answer).encode()), answer

    def close(self):
        for image in self.images:
            docker._quietly("DELETE", f"/images/{image}")


def looked_into(server):
    return server.log_path.read_text(errors="replace").count("an image was looked into")


def measure(server):
    ours = Ours(server)
    _, example = ours.spawn("plain")
    inspected = docker.machine(example["id"])
    bare = Bare(inspected)
    ours.stop(example)
    peer = Peer(server.templates / "patched", bare)
    times = {"plain": [], "patched": [], "peer": []}
    step, flags = [], set()
    try:
        for turn in range(ROUNDS):
            for template in ("plain", "patched") if turn % 2 else ("patched", "plain"):
                took, instance = ours.spawn(template)
                times[template].append(took)
                if template == "patched":
                    step.append(instance["timings_ms"]["flags"] / 1000)
                    seen = FLAG.findall(fetch(endpoint(instance, kind="http")["url"], "/flag.txt")[2])
                    assert len(seen) == 1, "the flag was not there"
                    flags.update(seen)
                ours.stop(instance)
            if turn % 5 == 0:
                took, container = peer.spawn()
                times["peer"].append(took)
                bare.remove(container)
    finally:
        peer.close()
    assert len(flags) == 1, "the same owner had two flags"
    print("a flag in three files of an image, cold spawn on a local engine")
    one = row("Tiltyard without a placeholder", times["plain"])
    two = row("Tiltyard, three files patched", times["patched"])
    row("  of that the step that writes them", step)
    three = row("copy, rewrite, build and run", times["peer"], "the same container")
    row("  of that copying, rewriting and building", peer.injecting)
    alone = statistics.median(peer.injecting) / statistics.median(step)
    print(f"  the injection alone, theirs / ours {alone:.0f} (mark 10)")
    print(f"  patching adds {(two - one) * 1000:.1f} ms (mark 10)    the whole spawn, theirs / ours {three / two:.1f}")


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-inject-"))
    server = make_server(folder)
    server.add_template("plain", **PLAIN)
    server.add_template("patched", **PATCHED)
    try:
        server.start()
        for name in ("plain", "patched"):
            server.admin().wait_template(name, timeout=300)
        until(lambda: looked_into(server) >= 2, "the images to be looked into", 60)
        measure(server)
    finally:
        server.close()
        docker.sweep(server.namespace)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
# Imports: a hundred challenges of an event's repository, first and again
"""Usage: ./bench imports, or benchmarks/imports.py [CHALLENGES]. Mark: 100 challenges within 5 s, without builds."""
import os
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "e2e"))
from harness.server import binary  # noqa: E402

CHALLENGES = int(sys.argv[1]) if len(sys.argv) > 1 else 100


def fill(event):
    """Each with a descriptor, a build of 20 files and one of 1 MiB to download."""
    for number in range(CHALLENGES):
        folder = event / ("web", "pwn", "crypto", "misc")[number % 4] / f"challenge-{number}"
        (folder / "src").mkdir(parents=True)
        (folder / "challenge.yml").write_text(
            f"name: Challenge {number}\ncategory: web\nvalue: 100\ntype: standard\nimage: .\nflags: ['flag{{{number}}}']\nfiles: [handout.bin]\nstate: visible\n")
        (folder / "Dockerfile").write_text("FROM tiltyard/busybox:1\nCOPY src /www\nEXPOSE 8000\nCMD [\"httpd\", \"-f\", \"-p\", \"8000\"]\n")
        for file in range(20):
            (folder / "src" / f"{file}.py").write_text(f"print({number}, {file})\n" * 50)
        (folder / "handout.bin").write_bytes(os.urandom(1 << 20))


with tempfile.TemporaryDirectory() as temporary:
    event, into = pathlib.Path(temporary) / "event", pathlib.Path(temporary) / "templates"
    fill(event)
    for what in ("first", "again, nothing changed"):
        start = time.monotonic()
        ran = subprocess.run([binary(), "import", str(event), "--into", str(into)], cwd=temporary, capture_output=True, text=True, check=True)
        print(f"{what}: {time.monotonic() - start:.2f} s; {ran.stdout.splitlines()[-1]}")

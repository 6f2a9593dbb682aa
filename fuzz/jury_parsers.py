#!/usr/bin/env python3
"""Fuzzes the senders' side of the juries: what a jury writes to its socket, byte for byte, and every module of the SDK reads.

    fuzz/jury_parsers.py [--seconds 60] [--seed 1] [--corpus FOLDER] [FILE ...]

An input is the protocol's name on a line of its own, and then the jury's bytes; a last line that is torn is one more case. Inputs
that reach lines, or pairs of lines, that none has reached are kept and changed further (sys.settrace; standard library only), in
--corpus too where it is given. With FILEs only those are tried. What breaks a promise is written to crash-… and ends the run with 1; put
it into seeds/jury_parsers, which `./test` tries every time.

The promises: a verdict is about a flag that was handed in, once; it can be reported; `send` either judges all flags or raises one of
the three errors of docs/farm-senders.md; what it calls unsent has no verdict and was not written.
"""
import argparse
import collections
import hashlib
import json
import math
import pathlib
import random
import socket
import sys
import time
import traceback
from unittest import mock

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "sdk"))
from tiltyard_farm import JURIES, KINDS, Limited, Lost, NotSent  # noqa: E402
from tiltyard_farm.farm import report_body  # noqa: E402

SEEDS = pathlib.Path(__file__).resolve().parent / "seeds" / "jury_parsers"
FLAGS = [f"FLAG-{number:04d}=" for number in range(4)]
MOST = 8 * 1024  # bytes: a socket's buffer takes them while nobody reads
TOKENS = [b"[", b"]", b"{", b"}", b",", b":", b'"', b"\\", b"\\ud800", b"null", b"NaN", b"-1", b"1e999", b"9" * 400, b"[" * 1200, b"\n", b"\r\n", b" ", b"\xff", b"\x00",
          b'"flag":', b'"msg":', b'"status":', b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 429 Slow\r\n", b"Retry-After: ", b"inf", b"Content-Length: ",
          b"Transfer-Encoding: chunked\r\n", b"\r\n\r\n", b" points", b"OK", b"DUP", b"[OK]", b"[ERR] Expired", b"accepted", *(one.encode() for one in FLAGS)]


class Wire(socket.socket):
    """One end of a pair; the options of TCP mean nothing to it."""

    def setsockopt(self, *options):
        pass


def wires(data):
    """Our end, at which `data` waits and then the end, and the jury's, at which what we write can be read."""
    ours, theirs = socket.socketpair()
    theirs.sendall(data)
    theirs.shutdown(socket.SHUT_WR)
    return Wire(fileno=ours.detach()), theirs


def written(theirs):
    theirs.setblocking(False)
    out = b""
    try:
        while part := theirs.recv(65536):
            out += part
    except OSError:
        pass
    return out.decode()


def judge(protocol, data):
    """Hands FLAGS in to a jury that says `data`; AssertionError, or whatever a module did not expect."""
    ours, theirs = wires(data)
    # It connects once; whoever tries again finds the jury gone.
    with ours, theirs, mock.patch("socket.create_connection", side_effect=[ours, OSError("gone")]):
        jury = JURIES[protocol]({"host": "jury", "token": "token", "batch": 3})
        verdicts, unsent, whole = [], [], False
        try:
            for verdict in jury.send(list(FLAGS)):
                verdicts.append(verdict)
            whole = True
        except Limited as error:
            assert error.retry_after is None or 0 <= error.retry_after < math.inf, error.retry_after
            report_body("lease", verdicts, True, error.retry_after)
        except Lost as error:
            unsent = error.unsent
        except NotSent:
            pass
        jury.close()
        named = [verdict.flag for verdict in verdicts]
        assert len(set(named)) == len(named) and set(named) <= set(FLAGS), named
        assert not whole or len(named) == len(FLAGS), f"{named} and no error"
        assert set(unsent) <= set(FLAGS) - set(named), unsent
        assert all(verdict.kind in KINDS for verdict in verdicts), verdicts
        # As strictly as the farm reads it: no lone surrogates, no numbers that JSON does not have.
        json.dumps(report_body("lease", verdicts), allow_nan=False, ensure_ascii=False).encode()
        sent = written(theirs)
        assert all(flag in sent for flag in named) and not any(flag in sent for flag in unsent), sent


class Coverage:
    """Pairs of lines of the SDK's code that have ever followed each other, and about how often within one input."""

    def __init__(self, folder):
        self.folder, self.seen, self.now = folder, set(), collections.Counter()

    def _call(self, frame, event, argument):
        if not frame.f_code.co_filename.startswith(self.folder):
            return None
        code, before = frame.f_code, 0

        def line(frame, event, argument):
            nonlocal before
            if event == "line":
                self.now[code, before, frame.f_lineno] += 1
                before = frame.f_lineno
            return line
        return line

    def run(self, work, *given):
        """Whether something new was reached; raises what `work` does."""
        self.now.clear()
        before = sys.gettrace()
        sys.settrace(self._call)
        try:
            work(*given)
        finally:
            sys.settrace(before)
            now = {(*pair, count.bit_length()) for pair, count in self.now.items()}
            fresh = not now <= self.seen
            self.seen |= now
        return fresh


def change(dice, data, others):
    """`data` after a few of the usual changes."""
    data = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 4, 8))):
        at = dice.randrange(len(data) + 1)
        to = min(len(data), at + dice.choice((1, 1, 4, 16, 64)))
        match dice.randrange(7):
            case 0:
                data[at:to] = b""
            case 1:
                data[at:at] = dice.choice(TOKENS)
            case 2:
                data[at:to] = dice.choice(TOKENS)
            case 3:
                data[at:at] = data[at:to] * dice.choice((1, 3, 10, 100))
            case 4:
                data[at:to] = dice.randbytes(to - at)
            case 5:
                del data[at:]
            case 6:
                other = dice.choice(others)
                data[at:] = other[dice.randrange(len(other) + 1):]
        del data[MOST:]
    return bytes(data)


def fuzz(work, corpus, seconds, seed, keep=lambda data: None, folder=str(ROOT / "sdk"), most=sys.maxsize):
    """Calls `work` with changed members of `corpus`, which grows, until time or tries are used up or it raises: (input or None, tries)."""
    dice, coverage, tries = random.Random(seed), Coverage(folder), 0
    end = time.monotonic() + seconds
    waiting = list(corpus)
    while time.monotonic() < end and tries < most:
        first = bool(waiting)
        data = waiting.pop() if first else change(dice, dice.choice(corpus), corpus)
        tries += 1
        try:
            if coverage.run(work, data) and not first:
                corpus.append(data)
                keep(data)
        except Exception:
            traceback.print_exc()
            return data, tries
    return None, tries


def try_input(data):
    """One input, of which the first line names the protocol; one that names none is for all."""
    name, _, said = data.partition(b"\n")
    for protocol in [name.decode()] if name.decode("latin-1") in JURIES else JURIES:
        judge(protocol, said)


def save(folder, data, prefix=""):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (prefix + hashlib.sha1(data).hexdigest()[:16])
    path.write_bytes(data)
    return path


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seconds", type=float, default=60)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--corpus", type=pathlib.Path, help="inputs of earlier runs, and where new ones are kept")
    arguments.add_argument("files", nargs="*", type=pathlib.Path, metavar="FILE")
    asked = arguments.parse_args()
    for path in asked.files:
        try_input(path.read_bytes())
    if asked.files:
        return 0
    folders = [SEEDS, *([asked.corpus] if asked.corpus and asked.corpus.is_dir() else [])]
    corpus = [path.read_bytes() for folder in folders for path in sorted(folder.iterdir())]
    had = len(corpus)
    found, tries = fuzz(try_input, corpus, asked.seconds, asked.seed, (lambda data: save(asked.corpus, data)) if asked.corpus else lambda data: None)
    print(f"{tries} inputs, {len(corpus) - had} of them reached something new")
    if found is None:
        return 0
    print(f"a promise is broken by {save(pathlib.Path(), found, 'crash-')}")
    return 1


if __name__ == "__main__":
    sys.exit(main())

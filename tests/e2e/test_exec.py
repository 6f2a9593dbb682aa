"""Commands in machines: their input, their output byte for byte, their limits and their end (docs/exec.md)."""
import contextlib
import hashlib
import json
import os
import subprocess
import tarfile
import threading

import pytest

from harness.cli import Cli
from harness.realtime import Ws
from harness.server import binary
from harness.wait import until

WINDOW = 256 * 1024
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def box(server):
    return server.admin().running("box")["id"]


@pytest.fixture
def cli(server, tmp_path):
    return Cli(tmp_path, TILTYARD_URL=server.url, TILTYARD_TOKEN=server.token)


@pytest.fixture
def run(cli, box):
    """Runs a command with these bytes for input; all that came of it, as bytes."""
    def inner(*words, options=(), data=b"", **more):
        return subprocess.run([binary(), "exec", *options, box, "--", *words], env=cli.environment, cwd=cli.folder, input=data,
                              capture_output=True, timeout=90, **more)
    return inner


@pytest.fixture
def begin(cli, box):
    """Starts a command; whatever is left of it ends with the test."""
    begun = []

    def inner(*words, options=(), **more):
        begun.append(subprocess.Popen([binary(), "exec", *options, box, "--", *words], env=cli.environment, cwd=cli.folder,
                                      **{"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, **more}))
        return begun[-1]
    yield inner
    for each in begun:
        each.kill()
        each.wait()
        for pipe in (each.stdin, each.stdout):
            with contextlib.suppress(OSError):
                if pipe:
                    pipe.close()


def runs(docker, identity, what):
    top = docker.call("GET", f"/containers/{docker.machine(identity)['Id']}/top", {"ps_args": "-eo pid,args"})
    return any(what in line[-1] for line in top["Processes"])


def test_R11_4_what_is_piped_in_is_the_command_s_input(run):
    assert run("cat", data=b"hello\n").stdout == b"hello\n"
    assert run("sh", data=b"echo from a script; exit 3\n").returncode == 3
    after = run("sh", "-c", "wc -c; echo still here >&2; exit 7", data=bytes(range(256)))
    assert (after.stdout, after.stderr, after.returncode) == (b"256\n", b"still here\n", 7), "the end of the input is not the end of the command"
    assert run("cat", options=["-n"], data=b"for others").stdout == b""
    assert run("sh", "-c", "exec <&-; echo deaf", data=bytes(MIB)).stdout == b"deaf\n", "what it does not take holds nothing up"


def test_R11_4_an_archive_goes_in_and_comes_out(run, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "a b").write_bytes(os.urandom(3 * MIB))
    (source / "empty").touch()
    packed = subprocess.run(["tar", "c", "-C", str(source), "."], capture_output=True, check=True).stdout
    assert run("sh", "-c", "mkdir -p /tmp/in && tar x -C /tmp/in", data=packed).returncode == 0
    out = run("tar", "c", "-C", "/tmp/in", ".")
    (tmp_path / "out.tar").write_bytes(out.stdout)
    with tarfile.open(tmp_path / "out.tar") as archive:
        assert archive.extractfile("./a b").read() == (source / "a b").read_bytes()


def test_R11_4_binary_comes_out_unchanged(run):
    told = run("sha256sum", "/bin/busybox").stdout.split()[0].decode()
    assert hashlib.sha256(run("cat", "/bin/busybox").stdout).hexdigest() == told


def test_R11_4_a_hundred_megabytes_through_and_little_memory(server, begin):
    size = 100 * MIB
    piece = os.urandom(MIB)
    sent, came = hashlib.sha256(), hashlib.sha256()
    before, most = server.memory(), 0
    command = begin("cat")

    def feed():
        with command.stdin:
            for _ in range(size // MIB):
                sent.update(piece)
                command.stdin.write(piece)
    feeder = threading.Thread(target=feed)
    feeder.start()
    count = 0
    while data := command.stdout.read(MIB):
        came.update(data)
        count += len(data)
        most = max(most, server.memory() - before)
    feeder.join()
    _, status, usage = os.wait4(command.pid, 0)
    command.returncode = os.waitstatus_to_exitcode(status)
    assert (count, came.digest(), command.returncode) == (size, sent.digest(), 0)
    assert most < 16 * MIB, f"{most // MIB} MiB of the server's"
    assert usage.ru_maxrss < 64 * 1024, f"{usage.ru_maxrss} KiB of the command line's"


def test_R7_6_who_does_not_read_holds_up_the_other_and_costs_little(server, begin, docker, box):
    before = server.memory()
    full = begin("sleep", "1415")
    written = 0
    os.set_blocking(full.stdin.fileno(), False)
    until(lambda: runs(docker, box, "sleep 1415"), "the command to run")

    def stands_still():
        nonlocal written
        grown = 0
        for _ in range(1000):
            try:
                grown += os.write(full.stdin.fileno(), bytes(64 * 1024))
            except BlockingIOError:
                break
        written += grown
        return grown == 0 and written > WINDOW
    until(stands_still, "its input to be full")
    assert written < 8 * MIB, "the windows, and what pipes and sockets hold"
    begin("sh", "-c", "while :; do head -c 65536 /dev/zero; done")  # of which nobody reads a byte
    begin("sh", "-c", "while :; do head -c 65536 /dev/zero; done; : 1416")
    until(lambda: runs(docker, box, ": 1416"), "the talker to run")
    assert server.memory() - before < 16 * MIB
    assert server.admin().get("/me").status == 200


def test_R11_4_the_command_ends_when_its_caller_goes(begin, docker, box):
    talker = begin("yes", "on and on and on")
    assert talker.stdout.readline() == b"on and on and on\n"
    talker.stdout.close()
    assert talker.wait(30) == 0, "a reader that leaves early is no error"
    silent = begin("sleep", "2236")
    until(lambda: runs(docker, box, "sleep 2236"), "the command to run")
    silent.terminate()
    until(lambda: not runs(docker, box, "sleep 2236") and not runs(docker, box, "on and on"), "both to be gone from the machine", 60)


def test_R11_4_no_limit_cuts_in_silence(run, cli, box, docker):
    late = run("sh", "-c", "echo begun; sleep 1732", options=["--timeout", "1s"])
    assert late.returncode == 124 and b"--timeout" in late.stderr and late.stdout == b"begun\n"
    until(lambda: not runs(docker, box, "sleep 1732"), "the command to be gone from its machine", 60)
    much = json.loads(run("sh", "-c", "head -c 300000 /dev/zero; sleep 100", options=["--json"]).stdout)
    assert len(much["stdout"]) == WINDOW and much["stopped_by"] == "output-limit" and much["truncated"] is True
    piped = json.loads(run("sh", "-c", "cat; printf '\\377'", options=["--json"], data=b"in ").stdout)
    assert piped == {"stdout": "in \ufffd", "stderr": "", "exit_code": 0, "stopped_by": None, "not_utf8": ["stdout"]}
    assert b"24h" in run("true", options=["--timeout", "2d"]).stderr
    assert run("no-such-program").returncode in (126, 127)


def test_R11_4_an_answer_is_json_whatever_the_command_says(server, box):
    said = server.admin().post(f"/instances/{box}/exec", {"command": ["sh", "-c", "printf 'a\\377\\303'; printf b >&2"]}).expect(200).json
    assert said == {"exit_code": 0, "stdout": "a\ufffd\ufffd", "stderr": "b", "stopped_by": None, "not_utf8": ["stdout"]}
    much = server.admin().post(f"/instances/{box}/exec", {"command": ["yes"]}).expect(200).json
    assert much["truncated"] is True and "not_utf8" not in much


def test_R11_4_words_are_kept_as_they_are(run):
    words = ["[a,b]", "", "--", "--json", "-n", "a  b", "{x}", "$HOME", "ü"]
    assert run("sh", "-c", 'for w in "$@"; do echo "<$w>"; done', "sh", *words).stdout.decode() == "".join(f"<{word}>\n" for word in words)
    assert b"UTF-8" in run("echo", b"\xff").stderr


def test_R11_4_a_terminal_where_both_ends_are_one(cli, box):
    both = cli.terminal("exec", box, "--", "sh", "-c", "test -t 0 && test -t 1 && until stty size 2>/dev/null | grep -v '^0 0'; do :; done; exit 5")  # engines give it its size once it runs
    both.read_until(r"\d+ \d+")
    assert both.wait() == 5
    none = cli.terminal("exec", "-T", box, "--", "sh", "-c", "test -t 0 || printf 'none\\033[2J'; exit 6")
    none.read_until("none")
    assert none.wait() == 6 and "\x1b[2J" not in none.seen


def test_R11_4_standard_streams_that_are_closed(cli, box):
    for closed, expected in (("<&-", "hi\n"), ("2>&-", "hi\n"), (">&-", "")):
        ran = subprocess.run(["sh", "-c", f'"$0" exec "$1" -- sh -c "echo hi; cat" {closed}', binary(), box], env=cli.environment, cwd=cli.folder,
                             stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        assert (ran.stdout, ran.returncode) == (expected, 0), f"{closed}: {ran}"


def open_stream(server, identity, first=None, **query):
    stream = Ws(server.port, f"/api/v1/instances/{identity}/exec", {"Authorization": f"Bearer {server.token}"}, timeout=30, EIO=None, transport=None, **query)
    if first is not None:
        stream.send(json.dumps(first))
    return stream


def test_R7_6_a_stream_keeps_its_caller_to_the_protocol(server, box):
    assert open_stream(server, "nothing").status == 404
    assert open_stream(server, box, machine="nowhere").status == 404
    for wrong in ({}, {"command": []}, {"command": ["true"], "time_limit": 0}, {"command": ["true"], "more": 1}):
        stream = open_stream(server, box, wrong)
        assert json.loads(stream.receive(30))["error"]["type"] == "urn:tiltyard:error:invalid-body"
        stream.close()
    flood = open_stream(server, box, {"command": ["sleep", "5"]})
    for _ in range(4):  # what it does not read, nobody may send
        flood.send(bytes(WINDOW))
    assert flood.until_closed(30) == 1008
    credit = open_stream(server, box, {"command": ["sleep", "5"]})
    credit.send('{"taken": 1}')
    assert credit.until_closed(30) == 1008, "more than there was"
    shell = open_stream(server, box, {"command": ["echo", "hi"], "input": False})
    assert shell.receive(30) == b"\x01hi\n"
    assert json.loads(shell.receive(30)) == {"exit_code": 0, "stopped_by": None}

"""Senders as processes between the real farm and the juries: what is lost, sent twice or judged wrongly when any of the three fails."""
import contextlib
import re
import subprocess
import sys
import time
import urllib.request

import pytest

from harness.farm_game import Farm
from harness.jury import SDK, Jury, SenderProcess, flag
from harness.wait import until

sys.path.insert(0, str(SDK))
from tiltyard_farm import JURIES  # noqa: E402


class Game:
    """One server with its farm, one jury, any number of senders."""

    def __init__(self, make_server, folder, mode="faust", faults=None, senders=1, farm=None, config=None):
        self.folder = folder
        self.jury = Jury(mode, folder, **{"rate": 0, **(faults or {})})
        self.server = make_server(config=config)
        self.farm = Farm(self.server, self.jury, farm)
        self.server.start()
        self.senders = [self.sender(f"sender-{number}") for number in range(senders)]

    def sender(self, name):
        return SenderProcess(self.folder, self.server.url, self.farm.token, name)

    def close(self):
        for sender in self.senders:
            sender.close()
        if self.jury.process.poll() is None:
            self.jury.close()


@pytest.fixture
def play(make_server, tmp_path):
    with contextlib.ExitStack() as games:
        yield lambda **how: games.enter_context(contextlib.closing(Game(make_server, tmp_path, **how)))


def balanced(game, flags):
    """The books, and the jury's own list against ours: accepted there is accepted here, and nothing else."""
    items = game.farm.by_flag()
    assert set(items) == set(flags)
    ours = {one for one, item in items.items() if item["status"] == "accepted"}
    assert ours == game.jury.accepted()
    return items


@pytest.mark.parametrize("mode", JURIES)
def test_R6_4_flags_reach_every_jury(play, mode):
    game = play(mode=mode)
    good = [flag(number) for number in range(40)]
    bad = [flag(number, "OLD") for number in range(5)] + [flag(number, "OWN") for number in range(5)]
    later = [flag(number, "LATER") for number in range(3)] if mode in ("hackerdom", "ccit", "themis", "faust", "saarctf") else []
    game.farm.post(good + bad + later)
    books = game.farm.wait_final(len(good + bad + later))
    assert (books["accepted"], books["rejected"], books["skipped"]) == (len(good + later), len(bad), 0)
    items = balanced(game, good + bad + later)
    assert all(items[one]["attempts"] == 1 for one in good) and all(items[one]["attempts"] > 1 for one in later)
    assert all(item["response"] for item in items.values())


def test_R6_9_what_a_cut_connection_had_answered_is_kept(play):
    """Invariants 4 and 5: the jury takes 35 of 50, answers 20, cuts. Nothing that it has accepted ends as rejected."""
    game = play(faults={"drop_after": 20, "drop_lost": 15})
    flags = [flag(number) for number in range(50)]
    game.farm.post(flags)
    game.farm.wait_final(50)
    items = balanced(game, flags)
    judged = game.jury.books()["judged"]
    assert sorted(judged.values()) == [1] * 35 + [2] * 15, "20 were answered, 15 had to be asked again, 15 had never arrived"
    assert {item["status"] for item in items.values()} == {"accepted"}
    assert sum(item["probable"] for item in items.values()) == 15
    again = next(item for item in items.values() if item["probable"])
    assert [attempt["verdict"] for attempt in game.farm.attempts(again)] == [None, "duplicate"]


def test_R6_3_a_sender_killed_while_the_jury_decides(play):
    """Invariant 4: the jury has committed, nobody was there to hear it. The flags come back with the lease's end."""
    game = play(faults={"delay": 1.5})
    flags = [flag(number) for number in range(30)]
    game.farm.post(flags)
    until(lambda: game.jury.totals()["judged"] == 30, "the jury to have the flags")
    game.senders[0].kill9()
    game.jury.fault(delay=0)
    assert game.farm.stats()["leased"] == 30
    game.senders.append(game.sender("second"))
    game.farm.wait_final(30)
    assert {item["status"] for item in balanced(game, flags).values()} == {"accepted"}
    assert set(game.jury.books()["judged"].values()) == {2}


def test_R6_3_the_server_killed_while_the_jury_decides(play):
    """The sender keeps what it hears and tells it to the server that comes back; nothing is sent twice for it."""
    game = play(faults={"delay": 1.0}, farm={"": {"lease_time": "20s"}})
    flags = [flag(number) for number in range(30)]
    game.farm.post(flags)
    until(lambda: game.jury.totals()["judged"] == 30, "the jury to have the flags")
    game.server.kill9()
    game.server.start()
    game.farm.wait_final(30)
    items = balanced(game, flags)
    assert set(game.jury.books()["judged"].values()) == {1}
    assert {item["attempts"] for item in items.values()} == {1}


def test_R6_3_a_jury_slower_than_everything_gets_each_flag_once(play):
    """Invariant 3: three times the lease, far over the submit period; the sender asks for more time meanwhile."""
    game = play(faults={"delay": 4}, senders=2, farm={"": {"lease_time": "1500ms", "submit_period": "500ms"}, "jury": {"timeout": 20}})
    flags = [flag(number) for number in range(120)]
    game.farm.post(flags)
    game.farm.wait_final(120)
    balanced(game, flags)
    assert set(game.jury.books()["judged"].values()) == {1}


def test_R6_9_one_rate_for_all_senders_and_a_429_costs_no_flag(play):
    """Invariant 8: three senders, a jury that takes two calls a second, a farm that learns it."""
    game = play(mode="forcad_http", faults={"rate": 2, "retry_after": 1}, senders=3, farm={"jury": {"batch": 10}})
    flags = [flag(number) for number in range(100)]
    game.farm.post(flags)
    game.farm.wait_final(100)
    balanced(game, flags)
    totals = game.jury.totals()
    # Ten batches are five windows of the jury's and the one in which the first refusal is told; in each, every sender
    # has at most one call on its way when all are told to wait. Who does not wait is refused hundreds of times.
    assert totals["again"] == 0 and totals["limited"] <= 3 * 6, totals


def test_R6_4_a_jury_that_dies_and_comes_back(play):
    game = play(mode="forcad_http")
    flags = [flag(number) for number in range(20)]
    game.jury.kill9()
    game.farm.post(flags)
    game.senders[0].wait_log("not sent")
    game.jury.restart()
    game.farm.wait_final(20)
    balanced(game, flags)
    assert set(game.jury.books()["judged"].values()) == {1}


def test_R6_2_another_jury_without_a_restart_of_anything(play, tmp_path):
    game = play(mode="forcad_http")
    game.farm.post([flag(1)])
    game.farm.wait_final(1)
    other = Jury("saarctf", tmp_path)
    try:
        game.farm.write(jury={"protocol": "saarctf", **other.settings})
        until(lambda: game.server.admin().get("/farm/config").json["text"].find("saarctf") > 0, "the farm to take the file up")
        game.farm.post([flag(2)])
        game.farm.wait_final(2)
        assert other.accepted() == {flag(2)}
        assert game.senders[0].process.poll() is None
    finally:
        other.close()


def test_R6_4_sigterm_finishes_reports_and_gives_the_rest_back(play):
    game = play(mode="forcad_http", faults={"delay": 1.0}, farm={"jury": {"batch": 10}, "": {"lease_time": "60s"}})
    flags = [flag(number) for number in range(40)]
    game.farm.post(flags)
    until(lambda: game.jury.totals()["calls"] >= 1, "a call to be under way")
    assert game.senders[0].stop() == 0
    books = game.farm.stats()
    judged = game.jury.totals()["judged"]
    assert books["leased"] == 0 and books["accepted"] == judged and books["queued"] == 40 - judged, books
    game.senders.append(game.sender("second"))
    game.farm.wait_final(40)
    assert set(game.jury.books()["judged"].values()) == {1}


def test_R6_4_a_wrong_token_ends_a_sender_with_a_word(play, tmp_path):
    game = play(senders=0)
    sender = SenderProcess(tmp_path, game.server.url, "not the token", "stranger")
    assert sender.process.wait(20) == 1
    assert "refuses this sender" in sender.log()


def test_R6_4_the_example_of_the_readme_is_a_sender(play, tmp_path):
    """Copied out of sdk/README.md and run against a jury that speaks a language of its own."""
    readme = (SDK / "README.md").read_text()
    program = tmp_path / "mine.py"
    program.write_text(re.search(r"```python\n(.*?)```", readme, re.S).group(1))
    jury = tmp_path / "jury.py"
    jury.write_text("""import http.server, sys
seen = set()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        flag = self.rfile.read(int(self.headers["Content-Length"])).decode()
        text = "unknown flag" if "-INV-" in flag else "seen before" if flag in seen else "thank you"
        seen.add(flag)
        self.send_response(200); self.end_headers(); self.wfile.write(text.encode())
    def log_message(self, *_): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
""")
    game = play(senders=0)
    own = subprocess.Popen([sys.executable, str(jury)], stdout=subprocess.PIPE, text=True)
    try:
        port = int(own.stdout.readline())
        game.farm.sections["jury"] = {"protocol": "myjury", "url": f"http://127.0.0.1:{port}/", "batch": 1}
        game.farm.write()
        game.senders.append(SenderProcess(tmp_path, game.server.url, game.farm.token, "mine", [str(program)]))
        game.farm.post([flag(1), flag(2), flag(3, "INV")])
        books = game.farm.wait_final(3)
        assert (books["accepted"], books["rejected"]) == (2, 1)
    finally:
        own.kill()
        own.wait(10)
        own.stdout.close()


def children(server):
    """(pid, command line, uid) of the server's own processes."""
    listed = subprocess.run(["ps", "-o", "pid=,uid=,stat=,args=", "--ppid", str(server.process.pid)], capture_output=True, text=True).stdout
    return [line.split(None, 3) for line in listed.splitlines()]


def test_R6_4_the_server_keeps_senders_running(play):
    game = play(senders=0, farm={"senders": {"count": 2}})
    until(lambda: len(children(game.server)) == 2, "two senders to run")
    flags = [flag(number) for number in range(50)]
    game.farm.post(flags)
    game.farm.wait_final(50)
    pids = {line[0] for line in children(game.server)}
    # Killed: another takes its place, and nothing of the first is left, not even as a zombie.
    victim = sorted(pids)[0]
    subprocess.run(["kill", "-9", victim], check=True)
    until(lambda: len({line[0] for line in children(game.server)} - {victim}) == 2, "another in its place")
    assert not [line for line in children(game.server) if line[2].startswith("Z")]
    # Fewer, more, and none with the server.
    game.farm.write(senders={"count": 1})
    until(lambda: len(children(game.server)) == 1, "one sender to be left")
    game.farm.write(senders={"count": 3})
    until(lambda: len(children(game.server)) == 3, "three senders")
    pids = [line[0] for line in children(game.server)]
    begun = time.monotonic()
    assert game.server.stop() == 0
    assert time.monotonic() - begun < 8
    assert subprocess.run(["ps", "-p", ",".join(pids)], capture_output=True).returncode == 1, "senders outlive their server"


def test_R6_4_supervised_senders_have_few_rights_and_die_with_the_server(play):
    game = play(senders=0, farm={"senders": {"count": 1}})
    # A moment long it is the server's, before it has given its rights away.
    (pid, *_), = until(lambda: [child for child in children(game.server) if 61184 <= int(child[1]) <= 65519], "a sender with a number that nobody else has")
    status = dict(line.split(":\t") for line in open(f"/proc/{pid}/status").read().splitlines() if ":\t" in line)
    assert status["NoNewPrivs"] == "1" and status["CapEff"].strip("0") == ""
    environment = open(f"/proc/{pid}/environ").read().split("\0")
    assert game.server.token not in "".join(environment)
    assert {entry.split("=")[0] for entry in environment if entry} <= {"PATH", "LANG", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "TILTYARD_FARM",
                                                                       "TILTYARD_SENDER", "TILTYARD_FARM_TOKEN", "LC_CTYPE"}
    assert game.farm.token not in open(f"/proc/{pid}/cmdline").read()
    game.server.kill9()
    until(lambda: subprocess.run(["ps", "-p", pid], capture_output=True).returncode == 1, "the sender to be gone with its server")


def test_R6_4_a_sender_program_that_fails_is_started_again_with_pauses(play, tmp_path):
    game = play(senders=0, farm={"senders": {"count": 1, "command": ["/bin/sh", "-c", "echo started; exit 7"]}})
    until(lambda: game.server.log().count("text=started") >= 3 or game.server.log().count("started") >= 6, "three starts")
    assert "code=7" in game.server.log()
    assert game.server.log().count("sender started") < 10


def test_R6_4_the_server_gives_its_sender_away(play, tmp_path):
    """For other machines: one file, whatever the server's version."""
    game = play(senders=0)
    program = tmp_path / "sender.pyz"
    with urllib.request.urlopen(f"{game.server.url}/sender.pyz", timeout=10) as answer:
        program.write_bytes(answer.read())
    game.senders.append(SenderProcess(tmp_path, game.server.url, game.farm.token, "zipped", [str(program)]))
    game.farm.post([flag(1)])
    game.farm.wait_final(1)

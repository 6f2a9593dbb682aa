"""`tiltyard attack`: the real command line against the real farm, with exploits as people write them."""
import json
import os
import signal
import stat
import subprocess

import pytest

from harness.farm_game import Farm
from harness.jury import Jury, flag
from harness.server import binary
from harness.wait import until


class Attack:
    """The command as a process; its state folder is the test's."""

    def __init__(self, farm, folder, script, *words, name="sploit.sh", arguments=()):
        self.state = folder / "state"
        self.program = folder / name
        self.program.write_text(script)
        self.program.chmod(self.program.stat().st_mode | stat.S_IXUSR)
        environment = {key: value for key, value in os.environ.items() if not key.startswith("TILTYARD_")}
        command = [binary(), "attack", str(self.program), "--farm", farm.server.url, "--state", str(self.state), *words]
        if arguments:
            command += ["--", *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                                        env={**environment, "TILTYARD_FARM_TOKEN": farm.token})

    def end(self, timeout=40):
        """(exit code, standard output, standard error), once it ends by itself."""
        out, err = self.process.communicate(timeout=timeout)
        return self.process.returncode, out.decode(), err.decode()

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)
        return self.end()

    def backlog(self):
        return [line for file in self.state.glob("*.flags*") for line in file.read_text().splitlines()]


@pytest.fixture(scope="module")
def farm(docker, tmp_path_factory):
    from conftest import server_maker
    folder = tmp_path_factory.mktemp("attack")
    make, end, _ = server_maker(docker, folder)
    jury = Jury("forcad_http", folder)
    try:
        server = make()
        farm = Farm(server, jury)
        server.start()
        yield farm
    finally:
        end()
        jury.close()


@pytest.fixture
def attack(farm, tmp_path):
    started = []

    def run(script, *words, **more):
        started.append(Attack(farm, tmp_path, script, *words, **more))
        return started[-1]
    yield run
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.communicate()


def script_printing(base):
    """A shell exploit that prints a flag made of the last number but one of the address."""
    return f"""#!/bin/sh
n=$(echo $1 | cut -d. -f3)
printf 'from %s: %s%012d=\\n' "$1" "{flag(0)[:19]}" $(({base} + n))
"""


def test_R6_8_every_team_is_attacked_and_its_flags_are_at_the_farm(farm, attack):
    code, out, err = attack(script_printing(1000), "--rounds", "1", "--period", "5", "-a", "round").end()
    assert code == 0, err
    items = farm.flags(sploit="round")
    assert {item["flag"] for item in items} == {flag(1000 + number) for number in range(1, 6)}
    assert len({item["team"] for item in items}) == 5
    for number in range(1, 6):
        assert f"10.60.{number}.1" in out
    assert "5 flags, 5 new" in err and "5 flags sent, 5 of them new" in err


def test_R6_8_json_for_programs(farm, attack):
    code, out, _ = attack(script_printing(1100), "--rounds", "2", "--period", "1", "--json").end()
    assert code == 0
    runs = [json.loads(line) for line in out.splitlines()]
    assert len(runs) == 10 and {run["round"] for run in runs} == {1, 2}
    assert all(run["flags"] == 1 and run["new"] == (run["round"] == 1) and run["result"] == "exit 0" for run in runs)


def test_R6_8_parts_of_the_teams_for_several_attackers(farm, attack):
    from binascii import crc32
    _, out, _ = attack(script_printing(1200), "--rounds", "1", "--period", "5", "--distribute", "2/3", "--json").end()
    assert {json.loads(line)["address"] for line in out.splitlines()} == {
        address for address in (f"10.60.{number}.1" for number in range(1, 6)) if crc32(address.encode()) % 3 == 1}


def test_R6_8_one_program_for_all(farm, attack):
    script = f"#!/bin/sh\n[ $# = 0 ] && echo '{flag(1300)}'\n"
    code, _, err = attack(script, "--rounds", "1", "--period", "5", "--not-per-team", "-a", "all").end()
    assert code == 0, err
    assert [item["flag"] for item in farm.flags(sploit="all")] == [flag(1300)]


def test_R6_8_output_of_any_bytes_and_of_any_length(farm, attack):
    """Bytes that are no UTF-8, a line of 20 MB, no line end at all: the flags in it are found, and memory stays small."""
    script = f"""#!/bin/sh
[ "$1" = 10.60.1.1 ] && printf '\\377\\376\\200 {flag(1400)} \\300'
[ "$1" = 10.60.2.1 ] && head -c 20000000 /dev/zero | tr '\\0' x && printf '{flag(1401)}'
[ "$1" = 10.60.3.1 ] && printf '{flag(1402)}'
"""
    running = attack(script, "--rounds", "1", "--period", "10", "-a", "bytes", "-v", "0")
    pid, status, _ = os.wait4(running.process.pid, 0), None, None
    usage = pid[2]
    running.process.returncode = os.waitstatus_to_exitcode(pid[1])
    assert running.process.returncode == 0
    assert usage.ru_maxrss < 100_000, f"{usage.ru_maxrss} kB"
    assert {item["flag"] for item in farm.flags(sploit="bytes")} == {flag(1400), flag(1401), flag(1402)}


def test_R6_8_a_program_out_of_time_keeps_what_it_had_printed(farm, attack):
    script = f"#!/bin/sh\n[ $1 = 10.60.1.1 ] && echo {flag(1500)} && sleep 600\nexit 3\n"
    _, out, err = attack(script, "--rounds", "1", "--period", "20", "--timeout", "1", "-a", "slow", "--json").end()
    results = {run["address"]: run["result"] for run in map(json.loads, out.splitlines())}
    assert results == {"10.60.1.1": "out of time", **{f"10.60.{number}.1": "exit 3" for number in range(2, 6)}}
    assert [item["flag"] for item in farm.flags(sploit="slow")] == [flag(1500)]


def test_R6_8_ctrl_c_sends_what_was_found(farm, attack):
    """In the middle of a round: nothing that was printed is lost, nothing goes on running."""
    script = f"#!/bin/sh\n[ $1 = 10.60.1.1 ] && echo {flag(1600)}\nexec sleep 600\n"
    running = attack(script, "--period", "600", "-a", "ctrlc")
    until(lambda: children_of(running.process.pid), "the programs to run")
    until(lambda: farm.flags(sploit="ctrlc") or running.backlog(), "the flag to be found")
    pids = children_of(running.process.pid)
    code, _, err = running.interrupt()
    assert code == 0 and "1 flags sent" in err, err
    assert [item["flag"] for item in farm.flags(sploit="ctrlc")] == [flag(1600)]
    assert not [pid for pid in pids if os.path.exists(f"/proc/{pid}") and "Z" not in open(f"/proc/{pid}/stat").read().split()[2]]


def children_of(pid):
    return subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True).stdout.split()


def test_R6_8_programs_do_not_outlive_a_killed_attack(farm, attack):
    running = attack("#!/bin/sh\nexec sleep 600\n", "--period", "600")
    until(lambda: len(children_of(running.process.pid)) == 5, "the programs to run")
    pids = children_of(running.process.pid)
    running.process.kill()
    running.process.communicate()
    until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids), "the programs to be gone")


def test_R6_8_the_farm_is_away_the_backlog_is_not(farm, attack):
    """The farm goes in mid-attack: flags wait on disk, also over a kill of the attack; the next one sends them."""
    first = attack(script_printing(1700), "--rounds", "1", "--period", "5", "-a", "away")
    assert first.end()[0] == 0
    farm.server.kill9()
    try:
        running = attack(script_printing(1800), "--period", "5", "-a", "away")
        until(lambda: len(running.backlog()) == 5, "five flags on disk")
        running.process.kill()
        _, err = running.process.communicate()
        assert "Going on with what it said last" in err.decode()
    finally:
        farm.server.start()
    assert len(running.backlog()) == 5
    code, _, err = attack(script_printing(1900), "--rounds", "1", "--period", "5", "-a", "away").end()
    assert code == 0 and "5 flags of an earlier attack" in err
    assert {item["flag"] for item in farm.flags(sploit="away")} == {flag(base + number) for base in (1700, 1800, 1900) for number in range(1, 6)}


def test_R6_8_endless_programs_are_started_again(farm, attack):
    """S4DFarm's client warns that it does not; a crash of one exploit would be silence for the rest of the game."""
    script = f"""#!/bin/sh
n=$(echo $1 | cut -d. -f3)
while [ $n = 1 ]; do echo {flag(2001)}; sleep 0.1; done
printf '{flag(0)[:19]}%012d=\\n' $$
exit 1
"""
    running = attack(script, "--endless", "--period", "1", "-a", "endless", "--json")
    until(lambda: len(farm.flags(sploit="endless")) >= 1 + 4 * 2, "each of the four others to have run twice")
    assert running.interrupt()[0] == 0
    assert flag(2001) in {item["flag"] for item in farm.flags(sploit="endless")}


def test_R6_6_exploits_get_the_flag_ids_and_no_token(farm, attack):
    script = """#!/bin/sh
echo "team=$TILTYARD_TEAM host=$TILTYARD_HOST round=$TILTYARD_ROUND ids=$TILTYARD_FLAG_IDS words=$*"
test -r "$TILTYARD_FLAG_IDS_FILE" && echo file
echo "token=$TILTYARD_FARM_TOKEN."
"""
    _, out, _ = attack(script, "--rounds", "1", "--period", "5", arguments=["--to", "{host}", "{ids}"]).end()
    assert "host=10.60.2.1 round=1 ids={} words=--to 10.60.2.1 {}" in out
    assert out.count("file") == 5 and out.count("token=.") == 5


@pytest.mark.parametrize("words,says", [(["--distribute", "3/2"], "--distribute takes K/N"), (["--pool", "0"], "--pool"), (["--memory", "lots"], "memory")])
def test_R6_8_a_wrong_command_line_says_what_is_wrong(farm, attack, words, says):
    code, _, err = attack("#!/bin/sh\n", *words).end()
    assert code == 2 and says in err


def test_R6_8_what_cannot_run_is_said_at_once(farm, attack):
    code, _, err = attack("#!/no/such/interpreter\n", "--period", "5").end()
    assert code == 1 and "cannot be started" in err

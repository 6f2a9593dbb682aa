"""The command line of the real binary against a real server, as a person and as a script would use it."""
import os
import re
import subprocess

import pytest

from harness import templates
from harness.cli import Cli
from harness.ports import free_port
from harness.server import ROOT, binary
from harness.wait import until


@pytest.fixture
def cli(server, tmp_path):
    """As on the server itself: the configuration leads to the server and to its admin token."""
    made = Cli(tmp_path, TILTYARD_URL=server.url, TILTYARD_TOKEN=server.token)
    yield made
    if server.alive:
        server.admin().stop_all()


def test_R11_4_a_machine_from_spawn_to_stop(cli, server):
    listed = cli("templates").stdout
    assert re.search(r"^ID +NAME +CATEGORY +STATE", listed) and re.search(r"^web +Web +web +ready", listed, re.M)

    started = cli("spawn", "web", "--wait").stdout
    assert re.search(r"^state +running$", started, re.M) and "\x1b" not in started
    identity = re.search(r"^id +(\S+)$", started, re.M).group(1)
    assert re.search(rf"^{identity} +web +running +\d+ min +http://", cli("ls").stdout, re.M)

    shown = cli.json("show", identity)
    assert shown["state"] == "running" and shown["endpoints"][0]["url"].startswith("http://")
    assert [one["id"] for one in cli.json("ls")["items"]] == [identity]

    again = cli("spawn", "web", code=1)
    assert f"tiltyard show {identity}" in again.stderr and again.stdout == ""

    stopped = cli("stop", identity, "--wait").stdout
    assert stopped == f"{identity} stopped\n"
    assert cli.json("ls")["items"] == []
    assert identity in [one["id"] for one in cli.json("ls", "--ended")["items"]]


def test_R11_4_exec_passes_on_output_and_exit_code(cli):
    identity = cli.json("spawn", "box", "--wait")["id"]
    ran = cli("exec", identity, "--", "sh", "-c", "echo out; echo err >&2; exit 7", code=7)
    assert ran.stdout == "out\n" and ran.stderr == "err\n"
    assert cli("exec", identity, "--", "echo", "a b", "--json").stdout == "a b --json\n"
    assert cli("exec", identity, "--machine", "nowhere", "--", "true", code=3).stderr.startswith("tiltyard: ")
    assert "exec -t" in cli("exec", identity, code=2).stderr


def test_R11_4_a_terminal_in_the_machine(cli):
    identity = cli.json("spawn", "box", "--wait")["id"]
    terminal = cli.terminal("exec", "-t", identity)
    terminal.type("echo $((20+22)) $(stty size)\r")
    terminal.read_until(r"42 \d+ \d+")
    terminal.type("\x03exit\r")
    assert terminal.wait() == 0
    assert "needs a terminal" in cli("exec", "-t", identity, code=2).stderr

    left = cli.terminal("exec", "-t", identity)
    left.type("echo here-$((1+1))\r")
    left.read_until("here-2")
    left.type("\x1d")
    assert left.wait() == 0


def test_R11_4_logs_follow(make_server, tmp_path):
    chatty = {"instance.toml": 'name = "Chatty"\nports = [7000]\n[ready]\ninterval = 50\n',
              "Dockerfile": 'FROM tiltyard/busybox:1\nSTOPSIGNAL SIGKILL\n'
                            'CMD ["sh", "-c", "i=0; (while :; do i=$((i+1)); echo line $i; sleep 0.1; done) & exec nc -ll -p 7000 -e /bin/cat"]\n'}
    server = make_server(chatty=chatty).start()
    server.admin().wait_template("chatty")
    cli = Cli(tmp_path, TILTYARD_URL=server.url, TILTYARD_TOKEN=server.token)
    identity = cli.json("spawn", "chatty", "--wait")["id"]
    until(lambda: "line 3" in cli("logs", identity).stdout, "three lines in the log")
    assert len(cli("logs", identity, "--tail", "2").stdout.splitlines()) == 2
    following = subprocess.Popen([binary(), "logs", "-f", "--tail", "0", identity], env=cli.environment, stdout=subprocess.PIPE, text=True)
    try:
        first, second = following.stdout.readline(), following.stdout.readline()
        assert int(second.split()[1]) == int(first.split()[1]) + 1
        cli("stop", identity, "--wait")
        assert following.wait(20) == 0, "the log's end is the command's end"
    finally:
        following.kill()


def test_R11_4_extend_and_what_to_type_next(cli):
    identity = cli.json("spawn", "web", "--wait")["id"]
    assert re.search(r"^Try again in \d+ min", cli("extend", identity, code=1).stderr, re.M)
    cli("stop", identity, "--wait")
    assert cli("extend", identity, code=1).stderr.startswith("tiltyard: ")
    assert "tiltyard ls" in cli("show", "nothing", code=3).stderr
    assert "tiltyard templates" in cli("spawn", "nothing", code=3).stderr


def test_R11_4_extend_adds_time(make_server, tmp_path):
    soon = {**templates.WEB, "instance.toml": templates.WEB["instance.toml"] + "[lease]\ntimeout = 600\nextend_by = 600\nextend_after = 0\n"}
    server = make_server(soon=soon).start()
    server.admin().wait_template("soon")
    cli = Cli(tmp_path, TILTYARD_URL=server.url, TILTYARD_TOKEN=server.token)
    before = cli.json("spawn", "soon", "--wait")
    assert re.match(rf"{before['id']} ends in 1\d min$", cli("extend", before["id"]).stdout)
    assert cli.json("show", before["id"])["expires_at"] > before["expires_at"]


def test_R11_4_people_and_tokens(cli, server, tmp_path):
    name = f"cli-{os.getpid()}"
    added = cli("users", "add", name, "--role", "author", "--password-stdin", stdin="correct horse battery\n").stdout
    assert added.split()[1:] == [name, "(author)"]
    assert re.search(rf"{name} +author", cli("users", "ls").stdout)
    linked = cli("users", "add", f"{name}-guest").stdout.splitlines()[1]
    assert server.api().sign_in(strategy="link", token=linked.split("#")[1]).status == 201

    secret = cli("token", "create", "for a script", "--expires", "1h").stdout.strip()
    mine = Cli(tmp_path, TILTYARD_URL=server.url, TILTYARD_TOKEN=secret)
    assert "admin" in mine("whoami").stdout
    token = next(one for one in cli.json("token", "ls")["items"] if one["name"] == "for a script")
    cli("token", "revoke", token["id"])
    assert "TILTYARD_TOKEN" in mine("whoami", code=1).stderr


def test_R11_4_usage_is_a_table(cli):
    cli.json("spawn", "web", "--wait")
    assert re.search(r"^COST CENTRE +INSTANCES +INSTANCE HOURS", cli("usage").stdout)
    rows = cli.json("usage", "--by", "template")["items"]
    assert any(row["key"] == "web" and row["instances"] >= 1 for row in rows)


def test_R11_4_no_server(tmp_path):
    away = Cli(tmp_path, TILTYARD_URL=f"http://127.0.0.1:{free_port()}")
    ran = away("ls", code=4)
    assert "tiltyard serve --config" in ran.stderr and ran.stdout == ""
    away("fly", code=2)
    assert "Exit codes" in away("--help").stdout


def test_R11_4_the_configuration_leads_to_server_and_token(server, tmp_path):
    cli = Cli(tmp_path)
    assert "admin" in cli("whoami", "--config", str(server.folder / "tiltyard.toml")).stdout
    beside = Cli(server.folder)
    assert "admin" in beside("whoami").stdout


def test_R11_4_doctor_says_what_is_wrong(server, tmp_path):
    config = server.folder / "tiltyard.toml"
    well = Cli(tmp_path).json("doctor", "--config", str(config))["items"]
    assert {one["name"]: one["status"] for one in well}.items() >= {"config": "ok", "engine": "ok", "firewall": "ok", "server": "ok", "gateway": "ok", "store": "ok"}.items()
    assert next(one for one in well if one["name"] == "disk use")["detail"], "which way limits of disk hold here"
    (tmp_path / "ill.toml").write_text(f'[engine]\nurl = "unix:///nowhere.sock"\n[server]\nlisten = "127.0.0.1:{server.port}"\n'
                                       '[templates]\npath = "nowhere"\n')
    ill = Cli(tmp_path, TILTYARD_URL="http://127.0.0.1:1")("doctor", "--config", "ill.toml", code=1).stdout
    assert re.search(r"^fail engine .*\n +Start Docker", ill, re.M) and re.search(r"^fail templates", ill, re.M)
    assert re.search(r"^fail server +127\.0\.0\.1:\d+: .*in use", ill, re.M)


def test_R11_4_lint_needs_no_server(tmp_path):
    cli = Cli(tmp_path, TILTYARD_URL="http://127.0.0.1:1")
    assert "0 errors" in cli("templates", "lint", str(ROOT / "templates")).stderr
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM tiltyard/busybox:1\n")
    (folder / "instance.toml").write_text('name = "Bad"\nports = [80]\nflag_prefx = "x"\n')
    ran = cli("templates", "lint", "bad", code=1)
    assert re.search(r"^bad/instance\.toml:3: error: .*flag_prefix", ran.stdout, re.M)
    assert "1 of these can be mended by themselves: tiltyard templates lint --fix" in ran.stderr
    ran = cli("templates", "lint", "--fix", "bad")
    assert ran.stdout.startswith('bad/instance.toml:3: fixed: "flag_prefx" is "flag_prefix" now\n') and "0 errors" in ran.stderr
    assert (folder / "instance.toml").read_text() == 'name = "Bad"\nports = [80]\nflag_prefix = "x"\n'


def test_R11_4_completion_in_bash(cli, server):
    script = cli("completion", "bash").stdout
    ask = (f'PATH="{os.path.dirname(os.path.abspath(binary()))}:$PATH"\n{script}\n'
           'COMP_WORDS=(tiltyard spawn w); COMP_CWORD=2; _tiltyard; echo "${COMPREPLY[@]}"\n'
           'COMP_WORDS=(tiltyard ""); COMP_CWORD=1; _tiltyard; echo "${COMPREPLY[@]}"\n')
    ran = subprocess.run(["bash", "-c", ask], env=cli.environment, cwd=cli.folder, capture_output=True, text=True, timeout=30)
    first, second = ran.stdout.splitlines()
    assert first == "web"
    assert {"spawn", "ls", "exec", "doctor"} <= set(second.split())
    assert "#compdef tiltyard" in cli("completion", "zsh").stdout


def test_R11_4_a_reader_that_leaves_early_is_no_error(cli):
    ran = subprocess.run(["bash", "-c", f"set -o pipefail; {binary()} config schema | head -n 1"], env=cli.environment, cwd=cli.folder,
                         capture_output=True, text=True, timeout=30)
    assert ran.returncode == 0 and ran.stderr == "" and ran.stdout.startswith("KEY")


def test_R11_4_progress_on_a_terminal(cli):
    terminal = cli.terminal("spawn", "web", "--wait")
    terminal.read_until(r"state +\S*running")
    assert terminal.wait() == 0
    assert "\x1b[" in terminal.seen, "states have colours on a terminal"

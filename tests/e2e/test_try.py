"""tiltyard try: a template's whole way without a server of one's own, and nothing left of it."""
import json
import os
import re
import signal
import subprocess

import pytest

from harness import templates
from harness.cli import Cli
from harness.server import binary
from harness.wait import until

SOLVED = {**templates.WEB,
          "instance.toml": templates.WEB["instance.toml"] + '[solve]\nimage = "tiltyard/busybox:1"\ncommand = ["sh", "-c", "wget -qO- http://$TILTYARD_HOST:$TILTYARD_PORT/ | grep hello"]\n'}
UNSOLVED = {**templates.WEB,
            "instance.toml": templates.WEB["instance.toml"] + '[solve]\nimage = "tiltyard/busybox:1"\ncommand = ["sh", "-c", "echo no flag there; exit 9"]\n'}


@pytest.fixture
def bench(tmp_path, docker):
    """Template folders, and a command line whose temporary folder is known. Nothing may be left in that or in the engine."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    made = Cli(tmp_path, TMPDIR=str(scratch), TILTYARD_ENGINE_URL=os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock"))

    def write(name, files):
        for file, text in files.items():
            path = tmp_path / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return name
    made.write = write
    yield made
    assert list(scratch.iterdir()) == [], "its temporary folder is gone"
    assert trials(docker) == [], "and its machines"


def trials(docker):
    machines = docker.call("GET", "/containers/json", {"all": "1", "filters": json.dumps({"label": ["tiltyard.managed=true"]})})
    return [one["Names"] for one in machines if one["Labels"].get("tiltyard.namespace", "").startswith("try-")]


def test_R11_4_try_shows_that_a_template_works(bench):
    ran = bench("try", bench.write("web", templates.WEB))
    assert re.search(r"^state +running$", ran.stdout, re.M) and re.search(r"^\S+ +http://\S+\.localhost:\d+/$", ran.stdout, re.M), ran.stdout
    assert ran.stdout.splitlines()[-1].startswith("web: it runs")
    assert "starting a server" in ran.stderr and "taking it all away" in ran.stderr
    assert bench.json("try", bench.write("solved", SOLVED))["verdict"] == "solved"


def test_R11_4_try_says_what_is_wrong(bench):
    assert "no folder" in bench("try", "nowhere", code=3).stderr
    broken = bench("try", bench.write("broken", {"instance.toml": "ports = [80]\nprots = 1\n", "Dockerfile": "FROM tiltyard/busybox:1\n"}), code=1)
    assert "broken/instance.toml:2: error" in broken.stderr and "starting" not in broken.stderr, "no server is needed for that"
    solver = bench.json("try", bench.write("unsolved", UNSOLVED), code=1)
    assert solver["verdict"] == "failed" and "no flag there" in solver["instance"]["reason"]["text"]


def test_R11_4_try_shows_what_a_build_or_a_machine_said_last(bench):
    built = bench("try", bench.write("unbuilt", {**templates.WEB, "Dockerfile": "FROM tiltyard/busybox:1\nRUN echo so it goes && false\n"}), code=1)
    assert "so it goes" in built.stderr
    ends = {**templates.BOX, "Dockerfile": 'FROM tiltyard/busybox:1\nCMD ["sh", "-c", "echo last words; exit 3"]\n'}
    assert "exit code 3" in bench("try", bench.write("ends", ends), code=1).stdout


def test_R11_4_try_keeps_it_until_enter_or_takes_it_away_on_the_signal(bench, docker):
    folder = bench.write("web", templates.WEB)
    kept = bench.terminal("try", "--keep", folder)
    shown = kept.read_until(r"TILTYARD_URL=(http://\S+)", timeout=60)
    assert len(trials(docker)) == 1 and "is kept" in shown
    kept.type("\r")
    assert kept.wait(60) == 0
    given_up = subprocess.Popen([binary(), "try", "--keep", folder], env=bench.environment, cwd=bench.folder, stdin=subprocess.PIPE,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: trials(docker), "its machine", 60)
        given_up.send_signal(signal.SIGINT)
        assert given_up.wait(60) in (0, 130), "130 unless it ran already"
    finally:
        given_up.kill()
        given_up.communicate()


def test_R11_4_what_a_killed_try_has_left_the_next_takes_away(bench, docker, tmp_path):
    folder = bench.write("web", templates.WEB)
    killed = subprocess.Popen([binary(), "try", "--keep", folder], env=bench.environment, cwd=bench.folder, stdin=subprocess.PIPE,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(lambda: trials(docker), "its machine", 60)
    killed.kill()
    killed.communicate()
    assert trials(docker), "nobody is left to take it away"
    bench("try", folder)
    until(lambda: not trials(docker), "all of it to be gone", 60)
    for left in (tmp_path / "scratch").iterdir():  # of the one that was killed
        subprocess.run(["rm", "-rf", str(left)], check=True)

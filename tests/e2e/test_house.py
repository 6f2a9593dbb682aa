"""A capability is one folder and one line of the list: the server with tests/house/greetings in it has all that it declares."""
import json
import os
import pathlib
import subprocess

import pytest
from harness import templates
from harness.realtime import Sio
from harness.wait import until

ROOT = pathlib.Path(__file__).resolve().parents[2]
FAKE = {"engine": {"kind": "fake"}, "rates": {"factor": 1}}

# The server with one capability more: built beside the one that is tested.
BINARY = pathlib.Path(os.environ.get("TILTYARD_BIN", ROOT / "build" / "tiltyard")).parent / "tests" / "house" / "tiltyard_greeting"


@pytest.fixture
def greeting(make_server, monkeypatch):
    monkeypatch.setenv("TILTYARD_BIN", str(BINARY))
    return make_server


def said(server):
    return server.admin().get("/greetings").expect(200).json["items"]


def test_R7_1_a_capability_of_one_folder_has_tables_routes_rights_limits_events_and_jobs(greeting):
    server = greeting(config=FAKE).start()
    author, player = server.user("g-author", role="author"), server.user("g-player")
    player.call("POST", "/greetings", body={"text": "hello"}).expect(403)
    author.call("POST", "/greetings", body={"text": "hello"}).expect(204)
    until(lambda: said(server) == [{"text": "hello", "counted": True}], "the job counts it")
    server.restart()
    assert said(server) == [{"text": "hello", "counted": True}]
    events = server.admin().get("/admin/events", query={"kind": "greeting.said"}).expect(200).json["items"]
    assert [event["subject"] for event in events] == ["hello"]
    author.call("POST", "/greetings", {"text": "x" * 65}).expect(413)
    assert [author.call("POST", "/greetings", {"text": f"again {i}"}).status for i in range(5)][-1] == 429, "its own limiter"
    permission = next(item for item in server.admin().get("/admin/permissions").json["items"] if item["path"] == "/api/v1/greetings" and item["method"] == "POST")
    assert permission["capability"] == "greetings" and permission["role"] == "author"


def command(*words, **environment):
    return subprocess.run([BINARY, *words], env={"PATH": os.environ["PATH"], **environment}, capture_output=True, text=True, timeout=20)


def test_R15_1_it_has_keys_with_ranges_and_what_does_not_fit_is_refused(greeting, tmp_path):
    server = greeting(config={**FAKE, "greetings": {"word": "hi", "longest": 5}}).start()
    author = server.user("g-author", role="author")
    author.call("POST", "/greetings", {"text": "short"}).expect(204)
    assert author.call("POST", "/greetings", {"text": "longer"}).expect(400).json["type"].endswith(":greeting-too-long")
    for text, complaint in (("longest = 41", "greetings.longest"), ('word = "a word that is too long"', "greetings.word is longer than greetings.longest"), ("longst = 3", "longest")):
        (tmp_path / "bad.toml").write_text(f"[greetings]\n{text}\n")
        refused = command("config", "check", "--config", str(tmp_path / "bad.toml"))
        assert refused.returncode == 1 and complaint in refused.stderr, refused.stderr
    assert "greetings.longest" in command("config", "schema").stdout


def test_R11_4_it_has_a_word_of_the_command_line(greeting):
    server = greeting(config=FAKE).start()
    where = {"TILTYARD_URL": server.url, "TILTYARD_TOKEN": server.token}
    assert "greet " in command("help").stdout
    assert command("greet", "hello", **where).returncode == 0
    until(lambda: "hello     yes" in command("greet", **where).stdout, "the list to show it counted")
    assert json.loads(command("greet", "--json", **where).stdout)["items"] == [{"text": "hello", "counted": True}]
    long = command("greet", "x" * 21, **where)
    assert long.returncode == 1 and "tiltyard config schema" in long.stderr


def test_R10_1_it_has_a_metric(greeting):
    server = greeting(config=FAKE).start()
    server.admin().call("POST", "/greetings", {"text": "hello"}).expect(204)
    until(lambda: 'tiltyard_greetings_total{counted="yes"} 1\n' in server.admin().get("/metrics").text, "the metric to move")
    assert 'tiltyard_greetings_total{counted="no"} 1\n' in server.admin().get("/metrics").text


def test_R9_3_it_has_its_rooms(greeting):
    server = greeting(config=FAKE).start()
    author = server.user("g-author", role="author")
    looking = Sio(server.port, {"token": server.token})
    assert looking.join("greetings")["snapshot"]["items"] == []
    author.call("POST", "/greetings", body={"text": "hello"}).expect(204)
    looking.event("snapshot", lambda told: told["snapshot"]["items"] == [{"text": "hello", "counted": True}])


def test_R7_7_it_can_be_hidden_as_a_whole(greeting):
    server = greeting(config=FAKE).start()
    server.admin().get("/greetings").expect(200)
    server.admin().put("/admin/features/greetings", {"enabled": False}).expect(201)
    assert server.admin().get("/greetings").status == 404
    looking = Sio(server.port, {"token": server.token})
    assert looking.join("greetings")["error"]["reason"] == "room-unknown"


def test_R1_6_its_step_is_part_of_every_spawn(greeting, docker):
    server = greeting(web=templates.WEB).start()
    player = server.user("g-player")
    server.admin().wait_template("web")
    instance = player.running("web")
    assert "GREETING=welcome" in docker.exec(docker.machine(instance["id"])["Id"], "env")[1]
    player.stop(instance["id"])

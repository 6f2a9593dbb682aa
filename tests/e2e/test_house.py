"""A capability is one folder and one line of the list: the server with tests/house/greetings in it has all that it declares."""
import os
import pathlib

import pytest
from harness import templates
from harness.realtime import Sio
from harness.wait import until

ROOT = pathlib.Path(__file__).resolve().parents[2]
FAKE = {"engine": {"kind": "fake"}, "rates": {"factor": 1}}


def binary():
    """The server with one capability more: built beside the one that is tested."""
    beside = pathlib.Path(os.environ.get("TILTYARD_BIN", ROOT / "build" / "tiltyard")).parent
    return beside / "tests" / "house" / "tiltyard_greeting"


@pytest.fixture
def greeting(make_server, monkeypatch):
    monkeypatch.setenv("TILTYARD_BIN", str(binary()))
    return make_server


def said(server):
    return server.admin().get("/greetings").expect(200).json["items"]


def test_R7_1_a_capability_of_one_folder_has_tables_routes_rights_limits_events_and_jobs(greeting):
    server = greeting(config=FAKE).start()
    author, player = server.user("g-author", role="author"), server.user("g-player")
    player.call("POST", "/greetings", raw=b"hello").expect(403)
    author.call("POST", "/greetings", raw=b"hello").expect(204)
    until(lambda: said(server) == [{"text": "hello", "counted": True}], "the job counts it")
    server.restart()
    assert said(server) == [{"text": "hello", "counted": True}]
    events = server.admin().get("/admin/events", query={"kind": "greeting.said"}).expect(200).json["items"]
    assert [event["subject"] for event in events] == ["hello"]
    author.call("POST", "/greetings", raw=b"x" * 65).expect(413)
    assert [author.call("POST", "/greetings", raw=f"again {i}".encode()).status for i in range(5)][-1] == 429, "its own limiter"
    permission = next(item for item in server.admin().get("/admin/permissions").json["items"] if item["path"] == "/api/v1/greetings" and item["method"] == "POST")
    assert permission["capability"] == "greetings" and permission["role"] == "author"


def test_R9_3_it_has_its_rooms(greeting):
    server = greeting(config=FAKE).start()
    author = server.user("g-author", role="author")
    looking = Sio(server.port, {"token": server.token})
    assert looking.join("greetings")["snapshot"]["items"] == []
    author.call("POST", "/greetings", raw=b"hello").expect(204)
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

"""Rooms (rows 9.1 and 9.3): who may be in them, what one sees, what one has missed, and what ends it all."""
import http.client
import socket
import time

import pytest

from harness import templates
from harness.realtime import Closed, Polling, Sio, Ws, request
from harness.wait import until

FAKE = templates.FAKE


@pytest.fixture(scope="module")
def ground(docker, tmp_path_factory):
    from conftest import server_maker
    make, end, _ = server_maker(docker, tmp_path_factory.mktemp("realtime"))
    server = make(config=FAKE, web=templates.EMPTY)
    server.start()
    server.admin().wait_template("web")
    yield server
    end()


def who(server, api):
    """How this caller shows itself: (auth, headers)."""
    if api.token:
        return {"token": api.token}, {}
    return {}, {"Cookie": api.cookie, "Origin": f"http://127.0.0.1:{server.port}"}


def client(server, api, **more):
    auth, headers = who(server, api)
    return Sio(server.port, {**auth, **more}, headers)


# --- who may come in ---------------------------------------------------------------------------------

def test_R9_1_nobody_comes_in_without_saying_who_they_are(ground):
    for auth in (None, {}, {"token": "ty_wrong"}, {"token": 7}, {"token": "x" * 1_000}):
        refused = Sio(ground.port, auth).refusal
        assert refused["data"]["reason"] == "not-signed-in", auth


def test_R9_1_a_session_cookie_is_enough_for_our_own_page(ground):
    player = ground.user("cora")
    ours = who(ground, player)[1]
    assert Sio(ground.port, headers=ours).welcome["sid"]
    session = Polling(ground.port, headers=ours)
    session.push("40")
    assert session.poll()[1].startswith('40{"pid":')
    foreign = {"Cookie": player.cookie, "Origin": "http://elsewhere.example"}
    assert Ws(ground.port, headers=foreign).status == 403
    assert request(ground.port, "GET", "/socket.io/?EIO=4&transport=polling", headers=foreign)[0] == 403


def test_R9_1_pages_of_other_origins_need_to_be_allowed(make_server):
    server = make_server(config={**FAKE, "realtime": {"origins": ["https://scores.example"]}}, web=templates.EMPTY).start()
    path = "/socket.io/?EIO=4&transport=polling"
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    connection.request("GET", path, headers={"Origin": "https://scores.example"})
    answer = connection.getresponse()
    assert answer.status == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "https://scores.example"
    assert answer.headers["Access-Control-Allow-Credentials"] is None
    connection.close()
    assert request(server.port, "GET", path, headers={"Origin": "https://other.example"})[0] == 403
    assert request(server.port, "OPTIONS", path, headers={"Origin": "https://scores.example"})[0] == 204


# --- rooms -------------------------------------------------------------------------------------------

def test_R9_3_my_instances_are_told_as_they_change(ground):
    player, other = ground.user("mina"), ground.user("otto")
    mine, theirs = client(ground, player), client(ground, other)
    joined = mine.join("instances:mine")
    assert joined["ok"] and joined["recovered"] is False
    assert joined["snapshot"] == {"instances": [], "more": False}
    theirs.join("instances:mine")
    instance = player.running("web")
    event, told, offset = mine.event("instance", lambda one: one["kind"] == "instance.running")
    assert told["room"] == "instances:mine" and told["id"] == instance["id"]
    assert told["instance"]["state"] == "running"
    assert offset.endswith(".0") and told["seq"] in offset
    again = client(ground, player).join("instances:mine")
    assert [one["id"] for one in again["snapshot"]["instances"]] == [instance["id"]]
    player.stop(instance["id"])
    mine.event("instance", lambda one: one["kind"] == "instance.stopped")
    assert theirs.settle() == [], "what is somebody else's is not told"


def test_R9_3_staff_see_all_instances_and_the_event_log_and_players_do_not(ground):
    player, staff, admin = ground.user("pia"), ground.user("olga", role="operator"), ground.admin()
    outsider = client(ground, player)
    for room in ("instances:all", "events"):
        assert outsider.join(room)["error"]["reason"] == "forbidden"
    for room in ("nothing", "instances", "instances:other", "chat", "chat:team", "x" * 500, ""):
        assert outsider.join(room)["ok"] is False
    overview, log, everything = client(ground, staff), client(ground, staff), client(ground, admin)
    overview.join("instances:all")
    log.join("events")
    everything.join("events")
    instance = player.running("web")
    assert overview.event("instance", lambda one: one["kind"] == "instance.running")[1]["instance"]["id"] == instance["id"]
    shown = log.event("event", lambda one: one["kind"] == "instance.running")[1]
    listed = admin.get("/admin/events", query={"instance": instance["id"], "kind": "instance.running"}).json["items"][0]
    assert {key: shown[key] for key in listed} == listed, "the room shows what the API shows"
    admin.patch(f"/admin/users/{player.get('/me').json['id']}", {"name": "pia2"})
    everything.event("event", lambda one: one["kind"] == "user.changed")
    assert not [one for one in log.settle() if one[1]["kind"] == "user.changed"], "what is for admins is not for operators"
    player.stop(instance["id"])


def test_R9_3_templates_come_and_go(ground):
    player = client(ground, ground.user("tess"))
    assert [one["id"] for one in player.join("templates")["snapshot"]["templates"]] == ["web"]
    ground.admin().patch("/admin/templates/web", {"active": False})
    assert player.event("template")[1]["template"] is None
    ground.admin().patch("/admin/templates/web", {"active": True})
    assert player.event("template", lambda one: one["template"] is not None)[1]["template"]["id"] == "web"


def test_R9_3_a_room_of_people_has_presence_and_chat(ground):
    ann, bob = ground.user("ann"), ground.user("bob")
    first = client(ground, ann)
    joined = first.join("chat:lobby")
    assert [one["name"] for one in joined["people"]] == ["ann"]
    second, third = client(ground, bob), client(ground, bob)
    assert {one["name"] for one in second.join("chat:lobby")["people"]} == {"ann", "bob"}
    third.join("chat:lobby")
    assert first.event("presence", lambda one: one["user"]["name"] == "bob")[1]["here"] is True
    said = first.ask("say", "chat:lobby", {"text": "hello <b>all</b> ünï🎯"})
    assert said["ok"]
    for one in (first, second, third):
        told = one.event("message")[1]
        assert (told["text"], told["from"]["name"], told["id"]) == ("hello <b>all</b> ünï🎯", "ann", said["id"])
    second.close()
    third.ask("leave", "chat:lobby")
    assert first.event("presence")[1]["here"] is False, "gone with the last connection, and only once"
    assert third.ask("say", "chat:lobby", {"text": "x"})["error"]["reason"] == "room-unknown"
    for text in ("", "  \n", "x" * 2001):
        assert first.ask("say", "chat:lobby", {"text": text})["error"]["reason"] == "invalid-body"
    late = client(ground, bob).join("chat:lobby")
    assert late["messages"][-1]["text"] == "hello <b>all</b> ünï🎯"


# --- recovery ----------------------------------------------------------------------------------------

def back(server, api, before, offset):
    return client(server, api, pid=before.welcome["pid"], **({"offset": offset} if offset else {}))


def test_R9_1_who_comes_back_gets_exactly_what_it_missed(ground):
    player = ground.user("rita")
    before = client(ground, player)
    before.join("chat:lobby")
    before.join("instances:mine")
    speaker = client(ground, ground.user("saul"))
    speaker.join("chat:lobby")
    speaker.ask("say", "chat:lobby", {"text": "seen"})
    offset = before.event("message", lambda one: one["text"] == "seen")[2]
    before.close()
    for number in range(5):
        speaker.ask("say", "chat:lobby", {"text": f"missed {number}"})
    instance = player.running("web")
    after = back(ground, player, before, offset)
    assert after.welcome["pid"] == before.welcome["pid"], "this is how a client knows that it was recovered"
    player.stop(instance["id"])
    after.event("instance", lambda one: one["kind"] == "instance.stopped")
    after.close()
    third = back(ground, player, before, offset)
    events = third.settle()
    assert [one[1]["text"] for one in events if one[0] == "message"] == [f"missed {number}" for number in range(5)]
    kinds = [one[1]["kind"] for one in events if one[0] == "instance"]
    assert kinds == ["instance.asked", "instance.running", "instance.stopping", "instance.stopped"]
    speaker.ask("say", "chat:lobby", {"text": "live again"})
    third.event("message", lambda one: one["text"] == "live again")  # and the rooms go on


def test_R9_1_recovery_survives_a_killed_server(make_server):
    server = make_server(config=FAKE, web=templates.EMPTY).start()
    player, friend = server.user("rob"), server.user("sue")
    before, speaker = client(server, player), client(server, friend)
    before.join("chat:lobby")
    speaker.join("chat:lobby")
    speaker.ask("say", "chat:lobby", {"text": "seen"})
    offset = before.event("message")[2]
    before.ws.close()
    for number in range(3):
        assert speaker.ask("say", "chat:lobby", {"text": f"missed {number}"})["ok"]
    server.kill9()
    server.start()
    after = back(server, player, before, offset)
    assert after.welcome["pid"] == before.welcome["pid"]
    assert [after.event("message")[1]["text"] for _ in range(3)] == [f"missed {number}" for number in range(3)]
    assert all(event[0] == "presence" for event in after.settle())


def test_R9_1_what_cannot_be_recovered_is_said_honestly(make_server):
    server = make_server(config={**FAKE, "realtime": {"history": 3}}, web=templates.EMPTY).start()
    player, friend = server.user("uma"), server.user("vic")
    before, speaker = client(server, player), client(server, friend)
    offset = before.join("chat:lobby")["offset"]
    speaker.join("chat:lobby")
    pid = before.welcome["pid"]
    before.close()
    epoch = offset.split(".")[0]
    for forged in ({"pid": "f" * 32}, {"pid": pid, "offset": "00000000.1.1"}, {"pid": pid, "offset": f"{epoch}.999999.0"}, {"pid": pid, "offset": f"{epoch}.1"},
                   {"pid": pid, "offset": f"{epoch}.-1.-1"}, {"pid": pid, "offset": "x" * 60}, {"pid": 7}, {"pid": pid + "'--"}):
        other = client(server, player, **forged)
        assert other.welcome["pid"] != pid, forged
        assert "instances:mine" not in str(other.settle(0.05))
    stranger = client(server, friend, pid=pid, offset=offset)
    assert stranger.welcome["pid"] != pid, "somebody else's session is nobody's"
    for number in range(8):
        assert speaker.ask("say", "chat:lobby", {"text": f"message {number}"})["ok"]
    late = back(server, player, before, offset)
    assert late.welcome["pid"] != pid, "the room keeps three messages: some of what was missed is gone"
    joined = late.join("chat:lobby", since=offset)
    assert joined["recovered"] is False
    assert [one["text"] for one in joined["messages"]][-3:] == ["message 5", "message 6", "message 7"]


def test_R9_1_a_room_can_be_joined_from_an_offset_on(ground):
    player = ground.user("wes")
    first, speaker = client(ground, player), client(ground, ground.user("xia"))
    offset = first.join("chat:lobby")["offset"]
    speaker.join("chat:lobby")
    for number in range(3):
        speaker.ask("say", "chat:lobby", {"text": f"since {number}"})
    second = client(ground, player)
    joined = second.join("chat:lobby", since=offset)
    assert joined["recovered"] is True and "messages" not in joined
    assert [second.event("message")[1]["text"] for _ in range(3)] == ["since 0", "since 1", "since 2"]


# --- rights ------------------------------------------------------------------------------------------

def gone_within(connection, seconds):
    begun = time.monotonic()
    with pytest.raises(Closed):
        while time.monotonic() - begun < seconds:
            connection.step(seconds)
    return time.monotonic() - begun


def test_R9_1_a_lost_right_ends_the_connection_at_once(ground):
    admin = ground.admin()
    staff = ground.user("yuri", role="operator")
    token = staff.post("/me/tokens", {"name": "watch"}).expect(201).json["token"]
    watcher = Sio(ground.port, {"token": token})
    watcher.join("events")
    bystander = client(ground, ground.user("zoe"))
    bystander.join("instances:mine")
    admin.patch(f"/admin/users/{staff.get('/me').json['id']}", {"role": "player"})
    assert gone_within(watcher, 5) < 2.5
    again = Sio(ground.port, {"token": token, "pid": watcher.welcome["pid"]})
    assert again.welcome["pid"] != watcher.welcome["pid"], "a session with rooms that are no longer allowed is not given back"
    assert again.join("events")["error"]["reason"] == "forbidden"
    assert bystander.join("templates")["ok"], "others stay"


def test_R9_1_a_session_that_ends_takes_its_connections_along(ground):
    player = ground.user("kim")
    connection = client(ground, player)
    connection.join("instances:mine")
    token = player.post("/me/tokens", {"name": "script"}).expect(201).json["token"]
    by_token = Sio(ground.port, {"token": token})
    assert by_token.join("instances:mine")["ok"]
    player.delete("/session").expect(204)
    assert gone_within(connection, 5) < 2.5
    assert by_token.join("templates")["ok"], "a token is not the session"


# --- limits ------------------------------------------------------------------------------------------

def test_R9_1_acts_are_limited_by_the_minute_and_said_so(make_server):
    server = make_server(config={**FAKE, "rates": {"factor": 1}}, web=templates.EMPTY).start()
    chatty = client(server, server.user("lea"))
    assert chatty.join("chat:lobby")["ok"]
    answers = [chatty.ask("say", "chat:lobby", {"text": str(number)}) for number in range(15)]
    refused = [one["error"] for one in answers if not one["ok"]]
    assert len(refused) == 5
    assert refused[0]["reason"] == "rate-limited" and refused[0]["limiter"] == "chat-say" and int(refused[0]["retry_after_s"]) > 0
    joins = [chatty.join("templates") for _ in range(250)]
    assert sum(one["ok"] for one in joins) in range(195, 215), "a million joins are a few hundred"


def test_R9_1_talk_is_limited_by_the_day_too(make_server):
    server = make_server(config={**FAKE, "rates": {"factor": 1}}, web=templates.EMPTY).start()
    server.admin().patch("/admin/limits", {"name": "chat-say", "burst": 3, "rate": 1000, "per_day": 5}).expect(200)
    chatty = client(server, server.user("lou"))
    assert chatty.join("chat:lobby")["ok"]
    answers = []
    for number in range(12):
        answer = chatty.ask("say", "chat:lobby", {"text": str(number)})
        while not answer["ok"] and int(answer["error"]["retry_after_s"]) < 60:
            time.sleep(0.05)  # the minute's share comes back sixteen times a second
            answer = chatty.ask("say", "chat:lobby", {"text": str(number)})
        answers.append(answer)
    assert [one["ok"] for one in answers] == [True] * 5 + [False] * 7
    refused = answers[-1]["error"]
    assert refused["reason"] == "rate-limited" and refused["limiter"] == "chat-say"
    assert 3600 < int(refused["retry_after_s"]) <= 24 * 3600, "a fifth of a day"
    assert len(client(server, server.user("mel")).join("chat:lobby")["messages"]) == 5


def test_R9_1_two_thousand_silent_connections_cost_little_and_hold_nobody_up(make_server):
    server = make_server(config={**FAKE, "realtime": {"connections_per_user": 3000}}, web=templates.EMPTY).start()
    token = server.user("sid").post("/me/tokens", {"name": "t"}).expect(201).json["token"]
    silent = [Sio(server.port, {"token": token}) for _ in range(20)]
    before = server.memory()
    silent += [Sio(server.port, {"token": token}) for _ in range(2000)]
    grown = server.memory() - before
    assert grown < 2000 * 8192, f"{grown / 2000:.0f} bytes each"
    speaker = client(server, server.user("sam"))
    assert speaker.join("chat:lobby")["ok"] and speaker.ask("say", "chat:lobby", {"text": "anybody?"})["ok"]
    speaker.event("message", lambda one: one["text"] == "anybody?")
    for one in silent:
        one.close()
    until(lambda: "tiltyard_realtime_connections 1\n" in request(server.port, "GET", "/metrics")[1], "all of them to be gone", 30)


def test_R9_3_the_board_of_jobs_is_told_to_who_may_read_it(ground):
    player, staff = ground.user("ned"), ground.user("ola", role="operator")
    narrow = staff.post("/me/tokens", {"name": "narrow", "scopes": ["read"]}).expect(201).json["token"]
    assert client(ground, player).join("jobs")["error"]["reason"] == "forbidden"
    assert Sio(ground.port, {"token": narrow}).join("jobs")["error"]["reason"] == "forbidden"
    board = client(ground, staff)
    assert board.join("jobs:all")["error"]["reason"] == "room-unknown"
    shown = board.join("jobs")["snapshot"]["kinds"]
    listed = staff.get("/admin/jobs/kinds").expect(200).json["items"]
    assert [set(one) for one in shown] == [set(one) for one in listed] and [one["name"] for one in shown] == [one["name"] for one in listed]

    def told(paused):
        def match(body):
            return any(one["name"] == "jobs" and one["paused"] is paused for one in body["snapshot"]["kinds"])
        return board.event("snapshot", match)[1]["snapshot"]["kinds"]

    try:
        staff.post("/admin/jobs/kinds/jobs/pause").expect(200)
        assert next(one for one in told(True) if one["name"] == "jobs")["paused_by"] == "ola"
    finally:
        staff.post("/admin/jobs/kinds/jobs/resume").expect(200)
    told(False)


def test_R9_1_one_user_has_so_many_connections_and_rooms(make_server):
    server = make_server(config={**FAKE, "realtime": {"connections_per_user": 3}}, web=templates.EMPTY).start()
    player = server.user("max")
    held = [client(server, player) for _ in range(3)]
    assert client(server, player).refusal["data"]["reason"] == "limit-reached"
    held[0].close()
    until(lambda: client(server, player).welcome, "a place to be free again", 5)


def test_R9_1_a_client_that_does_not_read_is_dropped_and_holds_nobody_up(make_server):
    server = make_server(config={**FAKE, "realtime": {"backlog": "64k"}}, web=templates.EMPTY).start()
    slow, reader, speaker = (client(server, server.user(name)) for name in ("slow", "reader", "speaker"))
    slow.ws.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    for one in (slow, reader, speaker):
        one.join("chat:lobby")

    def dropped():
        text = request(server.port, "GET", "/metrics")[1]
        return 'tiltyard_realtime_closed_total{reason="slow"} 1' in text

    number = 0
    while not dropped():
        assert number < 5000, "nobody is dropped"
        for _ in range(50):
            number += 1
            assert speaker.ask("say", "chat:lobby", {"text": f"{number:06d} " + "x" * 1900})["ok"]
        reader.event("message", lambda one: one["text"].startswith(f"{number:06d}"))
    assert speaker.ask("say", "chat:lobby", {"text": "on it goes"})["ok"]
    reader.event("message", lambda one: one["text"] == "on it goes")


def test_R9_1_an_orderly_end_says_good_bye(make_server):
    server = make_server(config=FAKE, web=templates.EMPTY).start()
    connection = client(server, server.user("nia"))
    connection.join("templates")
    poll = Polling(server.port)
    held = socket.create_connection(("127.0.0.1", server.port), 10)
    held.sendall(f"GET {poll.url()} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    # Each loop takes up what came first: when later requests are answered, whichever loop has them, the poll is held.
    for _ in range(20):
        assert request(server.port, "GET", "/healthz")[0] == 200
    begun = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - begun < 8
    assert connection.ws.until_closed() in (1000, 1001)
    got = b""
    while piece := held.recv(4096):
        got += piece
    assert got.startswith(b"HTTP/1.1 200 ") and got.endswith(b"\r\n\r\n1")

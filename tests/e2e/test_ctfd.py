"""Players of a CTFd sign in with its access tokens: rows 7.1 and 7.3. The CTFd is a stand-in (tests/standins/ctfd.py)."""
import sys
import threading

import pytest

from harness.server import ROOT

sys.path.insert(0, str(ROOT / "tests" / "standins"))
from ctfd import HTML, Ctfd  # noqa: E402


@pytest.fixture
def ctfd():
    made = Ctfd()
    made.teams = {1: "Red", 2: "Blue"}
    yield made
    made.close()


def begin(make_server, ctfd, **auth):
    config = {"auth": {"strategies": ["local", "token", "ctfd"], "ctfd_url": ctfd.url, **auth}, "engine": {"kind": "fake"}}
    return make_server(config=config).start()


def sign_in(server, token):
    caller = server.api()
    answer = caller.sign_in(strategy="ctfd", token=token)
    return caller, answer


def paths(ctfd):
    return [path.split("?")[0].removeprefix("/api/v1") for path, _ in ctfd.asked]


def test_R7_1_a_ctfd_token_signs_in_and_brings_the_team(make_server, ctfd):
    server = begin(make_server, ctfd)
    ada, bob = ctfd.add(10, "ada", 1), ctfd.add(11, "bob", 1)
    caller, answer = sign_in(server, ada)
    me = answer.expect(201).json
    assert (me["name"], me["strategy"], me["team"]["name"], me["roles"]) == ("ada", "ctfd", "Red", ["player"])
    assert ctfd.asked[0] == ("/api/v1/users/me", ada)
    assert caller.get("/me").expect(200).json["team"] == me["team"]
    mate = server.api(bob)
    assert mate.get("/me").expect(200).json["team"] == me["team"], "the token itself will do, and the team is the same"
    assert server.api().call("GET", "/me", headers={"Authorization": f"Token {bob}"}).expect(200).json["name"] == "bob"
    # The same account again, not another one of the same name.
    assert sign_in(server, ada)[1].expect(201).json["id"] == me["id"]


def test_R7_1_the_team_is_found_by_whatever_the_ctfd_shows(make_server, ctfd):
    server = begin(make_server, ctfd)
    admin = ctfd.add(1, "root", 2, admin=True)
    assert sign_in(server, admin)[1].expect(201).json["team"]["name"] == "Blue"
    assert "/teams/2/members" in paths(ctfd) and "/teams/me" not in paths(ctfd)
    ctfd.hidden = {r"/teams/\d+"}
    assert sign_in(server, ctfd.add(20, "one", 2))[1].expect(201).json["team"]["name"] == "Blue"
    assert "/teams/me" in paths(ctfd)
    ctfd.hidden = {r"/teams/\d+", "/teams/me"}
    ctfd.asked.clear()
    listed = sign_in(server, ctfd.add(21, "two", 2))[1].expect(201).json
    assert "/users" in paths(ctfd)
    assert listed["team"] is None, "an id that no end point gives a name or members to proves nothing"


def test_R7_3_user_mode_and_no_team(make_server, ctfd):
    server = begin(make_server, ctfd)
    caller, answer = sign_in(server, ctfd.add(30, "lone"))
    assert answer.expect(201).json["team"] is None
    sign_in(server, ctfd.add(31, "mate", 1))
    me = caller.get("/me").expect(200).json
    assert me["teams"] and me["team_missing"]
    refused = caller.get("/instances").expect(403, "team-missing")
    assert "code" in refused.json["detail"], "it says what to do"


def test_R7_3_in_user_mode_nobody_needs_a_team(make_server, ctfd):
    ctfd.mode = "users"
    server = begin(make_server, ctfd, ctfd_token=ctfd.add(1, "root", admin=True))
    caller, answer = sign_in(server, ctfd.add(40, "solo"))
    assert answer.expect(201).json["team"] is None
    caller.get("/instances").expect(200)
    assert "/teams/me" not in paths(ctfd), "the setting says it all"
    asked = paths(ctfd).count("/configs/user_mode")
    sign_in(server, ctfd.add(41, "other"))[1].expect(201)
    assert paths(ctfd).count("/configs/user_mode") == asked, "and is remembered"


@pytest.mark.parametrize("status,body,kind,headers,expected", [
    (403, HTML % "You have been banned from this CTF", "text/html", {}, (401, "credentials-wrong")),
    (403, HTML % "Just a moment...", "text/html", {"Server": "cloudflare", "cf-mitigated": "challenge"}, (503, "ctfd-unavailable")),
    (403, "error code: 1020", "text/plain", {"Server": "cloudflare"}, (503, "ctfd-unavailable")),
    (401, HTML % "Authorization Required", "text/html", {"WWW-Authenticate": "Basic"}, (503, "ctfd-unavailable")),
    (404, HTML % "no such host", "text/html", {}, (503, "ctfd-unavailable")),
    (401, '{"message": "Your access token has expired"}', "application/json", {}, (401, "credentials-wrong")),
    (429, '{"code": 429, "message": "Too many requests"}', "application/json", {"Retry-After": "17"}, (503, "ctfd-unavailable")),
    (500, HTML % 500, "text/html", {}, (503, "ctfd-unavailable")),
    (200, HTML % "Sign in", "text/html", {}, (503, "ctfd-unavailable")),
    (200, '{"success": true, "data": {"id": "x"}}', "application/json", {}, (503, "ctfd-unavailable")),
    (200, "[" * 100_000, "application/json", {}, (503, "ctfd-unavailable")),
    (302, "", "text/html", {"Location": "http://127.0.0.1:1/"}, (503, "ctfd-unavailable")),
])
def test_R7_1_what_a_ctfd_may_answer_besides(make_server, ctfd, status, body, kind, headers, expected):
    server = begin(make_server, ctfd)
    token = ctfd.add(50, "ada", 1)
    ctfd.failure = (status, body, kind, headers)
    sign_in(server, token)[1].expect(*expected)
    server.api(token).get("/me").expect(*expected)
    assert token not in server.log()
    ctfd.failure = None
    if expected[0] == 503:
        sign_in(server, token)[1].expect(201)  # nothing is remembered of what the CTFd has not said


def test_R7_1_a_ctfd_that_goes_away_in_mid_game(make_server, ctfd):
    server = begin(make_server, ctfd)
    ada, bob = ctfd.add(60, "ada", 1), ctfd.add(61, "bob", 1)
    caller, answer = sign_in(server, ada)
    answer.expect(201)
    ctfd.failure = (502, HTML % 502, "text/html", {})
    for _ in range(3):
        sign_in(server, bob)[1].expect(503, "ctfd-unavailable")
    asked = len(ctfd.asked)
    for _ in range(5):
        assert sign_in(server, bob)[1].expect(503, "ctfd-unavailable").headers["retry-after"]
    assert len(ctfd.asked) == asked, "what fails all the time is left alone for a while"
    caller.get("/me").expect(200)
    caller.get("/instances").expect(200)


def test_R7_1_many_who_ask_at_once_are_one_question(make_server, ctfd):
    server = begin(make_server, ctfd)
    token = ctfd.add(70, "ada", 1)
    ctfd.delay = 0.3
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(server.api(token).get("/me").status)) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 12
    assert paths(ctfd).count("/users/me") == 1
    server.api(token).get("/me").expect(200)
    assert paths(ctfd).count("/users/me") == 1, "and the answer is believed for a minute"


def test_R7_1_guessing_tokens_is_slow(make_server, ctfd):
    server = begin(make_server, ctfd)
    last = None
    for number in range(130):
        last = server.api(f"ctfd_{number + 10**6:064x}").get("/me")
        if last.status == 429:
            break
    assert last.status == 429, "a hundred wrong ones from one address are enough"
    assert len(ctfd.asked) <= 100


def test_R7_3_a_team_is_known_by_its_id(make_server, ctfd):
    server = begin(make_server, ctfd)
    # Somebody calls a team in the CTFd as one that the staff here have made.
    mine = server.admin().post("/admin/teams", {"name": "Red"}).expect(201).json
    token = ctfd.add(80, "ada", 1)
    theirs = sign_in(server, token)[1].expect(201).json["team"]
    assert theirs["id"] != mine["id"] and theirs["name"] == "Red-2"
    ctfd.teams[1] = "Crimson"
    server.restart()
    renamed = sign_in(server, token)[1].expect(201).json["team"]
    assert renamed == {"id": theirs["id"], "name": "Crimson"}, "another name, the same team"
    ctfd.users[80]["team_id"] = 2
    server.restart()
    assert sign_in(server, token)[1].expect(201).json["team"]["name"] == "Blue"


def test_R7_1_a_removed_account_does_not_come_back(make_server, ctfd):
    server = begin(make_server, ctfd)
    token = ctfd.add(90, "ada", 1)
    caller, answer = sign_in(server, token)
    server.admin().delete(f"/admin/users/{answer.expect(201).json['id']}").expect(204)
    caller.get("/me").expect(401)
    sign_in(server, token)[1].expect(403, "forbidden")


def role(answer):
    return answer.expect(201).json["roles"][-1]


def test_R7_1_administrators_of_the_ctfd_are_players_unless_it_is_told_otherwise(make_server, ctfd):
    server = begin(make_server, ctfd)
    boss = ctfd.add(80, "boss", 1, admin=True)
    assert role(sign_in(server, boss)[1]) == "player"
    assert "/users/80" not in paths(ctfd), "nobody asks what they are"
    # What staff have made of an account stays.
    me = sign_in(server, boss)[0].get("/me").json["id"]
    server.admin().patch(f"/admin/users/{me}", {"role": "author"}).expect(200)
    assert role(sign_in(server, boss)[1]) == "author"


def test_R7_1_administrators_of_the_ctfd_have_the_role_that_is_configured(make_server, ctfd):
    server = begin(make_server, ctfd, ctfd_admins="operator")
    boss, ada = ctfd.add(81, "boss", 1, admin=True), ctfd.add(82, "ada", 1)
    caller, answer = sign_in(server, boss)
    assert role(answer) == "operator"
    caller.get("/admin/users").expect(200)
    assert server.api(boss).get("/me").expect(200).json["roles"][-1] == "operator", "by the token itself too"
    assert role(sign_in(server, ada)[1]) == "player"
    # A player's answer has no type, and one that claims another's id counts for nothing.
    ctfd.shown = {82: {"id": 81, "type": "admin"}}
    assert role(sign_in(server, ctfd.again(82))[1]) == "player"
    ctfd.shown = {82: {"id": 82, "type": "user"}}
    assert role(sign_in(server, ctfd.again(82))[1]) == "player"
    ctfd.shown = {}
    # Who is no administrator there any more is none here, and what was signed in as one ends.
    ctfd.users[81]["admin"] = False
    assert role(sign_in(server, ctfd.again(81))[1]) == "player"
    caller.get("/admin/users").expect(401)

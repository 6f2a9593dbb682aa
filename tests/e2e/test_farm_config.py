"""The farm's configuration and attack data (rows 6.2 and 6.6)."""
import http.server
import json
import threading

import pytest

from harness.farm import GAME, TOKEN, Caller, farm, flag
from harness.wait import until


def put(server, text, **more):
    return server.admin().put("/farm/config", {"text": text, **more})


def test_R6_2_it_is_read_changed_and_kept(make_server, contract):
    server = farm(make_server)
    admin = server.admin(contract)
    shown = admin.get("/farm/config").expect(200).json
    assert TOKEN not in json.dumps(shown) and "the-jury-s-own-token" not in json.dumps(shown)
    assert shown["text"].count('"***"') == 2 and shown["config"]["jury"]["token"] == "***" and shown["config"]["jury"]["port"] == 31337
    changed = admin.put("/farm/config", {"text": shown["text"].replace("10m", "11m"), "version": shown["version"]}).expect(200).json
    assert changed["version"] > shown["version"] and changed["config"]["flag_lifetime"] == "11m"
    # Blanked tokens came back as they were.
    assert server.game.read_text() == GAME.replace("10m", "11m")
    admin.put("/farm/config", {"text": shown["text"], "version": shown["version"]}).expect(409, "farm-config-changed")
    server.restart()
    assert server.admin().get("/farm/config").json["config"]["flag_lifetime"] == "11m"


@pytest.mark.parametrize("before, after, line, words", [
    ("flag_format", "flag_fromat", 2, "flag_fromat"),
    ("'[A-Z0-9]{31}='", "'(?=x)y'", 2, "look-around"),
    ("'[A-Z0-9]{31}='", "'A*'", 2, "matches the empty text"),
    ("'[A-Z0-9]{31}='", "'['", 2, "cannot be used"),
    ('"10m"', '"soon"', 3, "flag_lifetime"),
    ('["10.60.{1..5}.1"]', '["10.60.{5..1}.1"]', 7, "good pattern"),
    ('["10.60.{1..5}.1"]', '["10.60.{1..99999}.1"]', 7, "4,096"),
    ('["10.60.{1..5}.1"]', '["10.60.1.1", "10.60.1.1"]', 7, "Two teams"),
    ("[jury]", "[jury", 12, "no TOML"),
    ('protocol = "forcad_http"', "", 12, "protocol"),
])
def test_R6_2_an_invalid_one_is_refused_as_a_whole_with_its_line(make_server, before, after, line, words):
    server = farm(make_server)
    assert GAME.count(before) == 1
    refused = put(server, GAME.replace(before, after).replace("retry_after = \"200ms\"", "retry_after = \"999ms\"")).expect(422, "farm-config-invalid").json
    assert words in refused["detail"], refused
    assert refused["line"] == line, refused
    assert server.game.read_text() == GAME and server.admin().get("/farm/config").json["config"]["retry_after"] == "200ms"


def test_R6_2_a_changed_file_is_taken_up_and_a_broken_one_is_not(make_server):
    server = farm(make_server)
    caller = Caller(server)
    caller.post_flags(flag(1), team="10.60.5.1")
    server.game.write_text(GAME.replace("{1..5}", "{1..2}").replace("forcad_http", "faust"))
    until(lambda: len(caller.get("/farm/teams").json["items"]) == 2, "the file to be taken up", 10)
    # Its team is gone, the flag is not; the protocol is another, and nothing was restarted.
    lease = caller.take()
    assert [one["team"] for one in lease["flags"]] == ["Team #5"] and lease["protocol"] == "faust"
    server.game.write_text("flag_format = ")
    until(lambda: server.admin().get("/farm/config").json["trouble"], "the broken file to be noticed", 10)
    assert len(caller.get("/farm/teams").json["items"]) == 2
    server.game.write_text(GAME)
    until(lambda: len(caller.get("/farm/teams").json["items"]) == 5, "the good file to be taken up", 10)
    assert server.admin().get("/farm/config").json["trouble"] is None


def test_R6_2_a_server_does_not_start_with_a_broken_file_and_says_where(make_server):
    server = farm(make_server, GAME.replace("'[A-Z0-9]{31}='", "''"), start=False)
    server.spawn()
    assert server.wait_dead() == 1
    assert "farm.toml:2" in server.log()


def test_R6_2_without_a_token_one_is_made_and_kept(make_server):
    server = farm(make_server, GAME.replace(f'token = "{TOKEN}"\n', ""))
    made = (server.data / "farm.token").read_text().strip()
    assert len(made) == 32 and (server.data / "farm.token").stat().st_mode & 0o777 == 0o600
    Caller(server, token=made).get("/farm/stats").expect(200)
    Caller(server).get("/farm/stats").expect(401)
    server.restart()
    Caller(server, token=made).get("/farm/stats").expect(200)


def test_R6_2_named_teams_and_python_s_own_spelling(make_server):
    game = GAME.replace('teams = ["10.60.{1..5}.1"]', "").replace("'[A-Z0-9]{31}='", r"'(?P<flag>\w{31})=\Z'").replace("[services]", '[teams]\n"Crew {01..03}" = "10.1.{1..3}.2"\nUs = "10.9.9.9"\n\n[services]')
    server = farm(make_server, game)
    caller = Caller(server)
    teams = caller.get("/farm/teams").json
    assert {one["name"]: one["address"] for one in teams["items"]} == {"Crew 01": "10.1.1.2", "Crew 02": "10.1.2.2", "Crew 03": "10.1.3.2", "Us": "10.9.9.9"}
    assert teams["flag_format"] == r"(?P<flag>\w{31})=\Z"
    assert caller.post_flags(flag(1))["new"] == 1


# --- attack data -----------------------------------------------------------------------------------------


class JurySite:
    """Serves whatever a test puts into `pages`, and counts who asks."""

    def __init__(self):
        site, self.pages, self.asked, self.tokens = self, {}, [], set()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                site.asked.append(self.path)
                site.tokens.add(self.headers.get("X-Team-Token"))
                page = site.pages.get(self.path)
                body = (page if isinstance(page, str) else json.dumps(page)).encode()
                self.send_response(200 if self.path in site.pages else 503)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def jury():
    site = JurySite()
    yield site
    site.close()


def with_attack(jury, kind, path="/data", more=""):
    return GAME + f'\n[attack_data]\nformat = "{kind}"\nurl = "{jury.url}{path}"\nperiod = "500ms"\nstale_after = "2s"\ntoken = "for-the-jury"\n{more}'


@pytest.mark.parametrize("kind, page, wanted", [
    ("forcad", {"web": {"10.60.1.1": ["user1", "user2"]}}, {"web": {"10.60.1.1": ["user1", "user2"]}}),
    ("forcad", None, {}),
    ("faust", {"teams": [1, 2], "flag_ids": {"web": {"1": ["a"], "2": []}}}, {"web": {"1": ["a"], "2": []}}),
    ("saarctf", {"flag_regex": "x", "teams": [{"id": 1, "name": "n", "ip": "10.60.1.1", "online": True}], "current_tick": 11,
                 "flag_ids": {"web": {"10.60.1.1": {"10": "old", "9": "older", "11": ["new", "newer"]}}}}, {"web": {"10.60.1.1": ["older", "old", "new", "newer"]}}),
    ("enowars", {"availableTeams": ["10.60.1.1"], "services": {"web": {"10.60.1.1": {"7": {"0": ["v0"], "1": ["v1"]}, "8": ["plain"]}}}}, {"web": {"10.60.1.1": ["v0", "v1", "plain"]}}),
    ("ccit", {"web": {"3": {"12": {"username": "u"}, "13": "text"}}}, {"web": {"3": ['{"username":"u"}', "text"]}}),
])
def test_R6_6_every_jury_s_format_is_one_shape(make_server, contract, jury, kind, page, wanted):
    jury.pages["/data"] = page
    server = farm(make_server, with_attack(jury, kind))
    caller = Caller(server, contract)
    until(lambda: caller.get("/farm/attack-data").json["fetched_at"], "the attack data", 10)
    got = caller.get("/farm/attack-data").expect(200).json
    assert (got["services"], got["stale"], got["error"]) == (wanted, False, None)
    assert caller.get("/farm/attack-data/raw").expect(200).json == page
    assert jury.tokens == {"for-the-jury"}


def test_R6_6_hackerdom_is_asked_for_each_service(make_server, jury):
    for service in ("1", "2"):
        jury.pages[f"/flag_ids?service={service}"] = {"flag_id_description": "user", "flag_ids": {"7": {"host": "10.60.1.1", "flag_ids": [f"id{service}"]}}}
    server = farm(make_server, with_attack(jury, "hackerdom", "/flag_ids", 'services = ["1", "2"]'))
    caller = Caller(server)
    until(lambda: caller.get("/farm/attack-data").json["services"], "the attack data", 10)
    assert caller.get("/farm/attack-data").json["services"] == {"1": {"10.60.1.1": ["id1"]}, "2": {"10.60.1.1": ["id2"]}}


def test_R6_6_one_fetch_serves_everybody_and_goes_stale_when_the_jury_is_down(make_server, contract, jury):
    jury.pages = {"/data": {"web": {"10.60.1.1": ["a"], "10.60.2.1": ["b"]}, "db": {"10.60.1.1": ["c"]}}, "/teams": [{"id": 1}], "/creds": {"web": {"user": "pass"}}}
    server = farm(make_server, with_attack(jury, "forcad", more=f'teams_url = "{jury.url}/teams"\ncredentials_url = "{jury.url}/creds"'))
    caller = Caller(server, contract)
    until(lambda: caller.call("GET", "/farm/attack-data/credentials").status == 200, "the attack data", 10)
    before = len(jury.asked)
    for _ in range(50):
        caller.get("/farm/attack-data").expect(200)
    assert len(jury.asked) - before < 40
    assert caller.get("/farm/attack-data", query={"service": "web", "team": "Team #2"}).json["services"] == {"web": {"Team #2": ["b"]}}
    assert caller.get("/farm/attack-data", query={"team": "10.60.1.1"}).json["services"] == {"web": {"10.60.1.1": ["a"]}, "db": {"10.60.1.1": ["c"]}}
    assert caller.get("/farm/attack-data/teams").json == [{"id": 1}] and caller.get("/farm/attack-data/credentials").json == {"web": {"user": "pass"}}
    jury.pages = {"/data": "<html>the jury is being repaired</html>"}
    until(lambda: caller.get("/farm/attack-data").json["stale"], "the data to be stale", 10)
    got = caller.get("/farm/attack-data").json
    assert got["services"]["web"]["10.60.1.1"] == ["a"] and "JSON" in got["error"]
    until(lambda: caller.get("/farm/attack-data/credentials").headers["x-stale"] == "true", "what is fetched after it to be stale too", 10)


def test_R6_6_before_the_jury_has_told_anything(make_server, contract):
    server = farm(make_server)
    caller = Caller(server, contract)
    got = caller.get("/farm/attack-data").expect(200).json
    assert got == {"services": {}, "stale": True, "fetched_at": None, "error": None}
    caller.get("/farm/attack-data/raw").expect(404, "attack-data-missing")

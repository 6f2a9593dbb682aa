"""Who may do what, and for how long: rows 7.1, 7.2 and 7.3. The attacks are those of docs/security.md."""
import base64
import concurrent.futures
import http.client
import json
import os
import re
import socket
import statistics
import threading
import time

import pytest

from harness.wait import until

ROLES = ("player", "author", "operator", "admin")


def fake(make_server, **auth):
    """A server without an engine: people need none."""
    return make_server(config={"auth": {"strategies": ["local", "token"], **auth}, "engine": {"kind": "fake"}, "rates": {"factor": 1000}}).start()


@pytest.fixture(scope="module")
def site(docker, tmp_path_factory):
    from conftest import server_maker
    make, end, _ = server_maker(docker, tmp_path_factory.mktemp("people"))
    from harness import templates
    server = make(config={"auth": {"strategies": ["local", "token"], "registration": "invite"}, "rates": {"factor": 1000}}, web=templates.WEB).start()
    server.admin().wait_template("web")
    yield server
    end()


def token_of(caller, **more):
    return caller.post("/me/tokens", {"name": "t", **more}).expect(201).json["token"]


def test_R7_2_a_proxy_that_changes_the_host_keeps_nobody_out_and_lets_nobody_in(make_server):
    """nginx with `Host $host` drops the port; others send their upstream's name. The page is told by its Origin."""
    server = make_server(config={"engine": {"kind": "fake"}, "rates": {"factor": 1000},
                                 "server": {"public_url": "https://ctf.example:8443", "trusted_proxies": ["127.0.0.1"]}}).start()
    server.admin().post("/admin/users", {"name": "ada", "password": "correct horse ada", "role": "player"}).expect(201)

    def ask(method, path, host, origin, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        fields = {"Host": host, "Origin": origin, "X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7", "X-Tiltyard-Csrf": "1",
                  **({"Content-Type": "application/json"} if body else {})}
        connection.request(method, path, json.dumps(body) if body else None, fields)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status

    def both(host, origin):
        signs_in = ask("POST", "/api/v1/session", host, origin, {"strategy": "local", "name": "ada", "password": "correct horse ada"})
        return signs_in, ask("GET", "/socket.io/?EIO=4&transport=polling", host, origin)

    for host in ("ctf.example:8443", "ctf.example", "tiltyard:8000", "127.0.0.1:8000"):
        assert both(host, "https://ctf.example:8443") == (201, 200), host
    for host, origin in (("ctf.example", "https://evil.example"), ("ctf.example", "null"), ("tiltyard", "https://evil.example"),
                         ("ctf.example:8443", "http://ctf.example:8443"), ("127.0.0.1:8000", "https://127.0.0.1.evil.example")):
        assert both(host, origin) == (403, 403), (host, origin)
    assert both("evil.example", "https://evil.example") == (421, 421)


# --- the table ------------------------------------------------------------------------------------

def needs(site):
    return site.admin().get("/admin/permissions").expect(200).json["items"]


def test_R7_1_every_route_of_the_server_is_in_the_table(site):
    document = site.api().get("/openapi.json").expect(200).json
    routes = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods if method != "parameters"}
    table = {(item["method"], item["path"]) for item in needs(site)}
    # The document has exactly the server's routes (test_contract.py); so nothing can be added without an entry.
    assert routes - table == set(), "routes that /admin/permissions does not know"


@pytest.fixture(scope="module")
def cast(site):
    """One of each role in a team, a mate of each team, and a stranger; tokens, so that nothing ends while we ask."""
    people = {}
    for role in ROLES:
        caller = site.user(f"cast-{role}", role=role, team="Cast")
        people[role] = site.api(token_of(caller))
    people["mate"] = site.api(token_of(site.user("cast-mate", team="Cast")))
    people["stranger"] = site.api(token_of(site.user("cast-stranger", team="Others")))
    return people


def fill(path, instance):
    names = {"id": instance if path.startswith("/api/v1/instances") else "nobody", "user": "nobody", "session": "nobody", "name": "nothing", "provider": "nobody",
             "lease": "nothing", "part": "raw", "kind": "nothing"}
    return re.sub(r"\{(\w+)\}", lambda found: names.get(found[1], "nothing"), path)


# What would end the caller's own way in, or answers with a stream: asked by tests of their own.
ALONE = {("DELETE", "/api/v1/session"), ("GET", "/api/v1/events"), ("GET", "/api/v1/admin/events/export"), ("DELETE", "/api/v1/me/team"),
         ("POST", "/api/v1/me/team/invitation"), ("GET", "/api/v1/instances/{id}/logs")}


def test_R7_1_every_route_as_every_role(site, cast):
    for item in needs(site):
        method, path, least = item["method"], item["path"], item["role"]
        if not path.startswith("/api/") or (method, path) in ALONE:
            continue
        where = fill(path, "no-such-instance")
        body = None if method in ("GET", "DELETE") else {}
        nobody = site.api().call(method, where, body=body)
        assert (nobody.status == 401 and nobody.reason == "not-signed-in") == (least is not None and item["path"] != "/api/v1/auth/password"), f"{nobody}"
        for role in ROLES:
            answer = cast[role].call(method, where, body=body)
            allowed = least is None or ROLES.index(role) >= ROLES.index(least)
            refused = answer.status == 403 and answer.reason == "forbidden"
            if allowed and path.startswith("/api/v1/auth/"):
                continue  # what these refuse is not a matter of roles
            assert refused == (not allowed), f"{answer} as {role}, who {'may' if allowed else 'may not'}: {answer.text[:200]}"
            assert answer.status < 500 or answer.status == 503, f"{answer}: {answer.text[:300]}"


def test_R7_3_own_team_s_and_a_stranger_s_instance(site, cast):
    mine = cast["player"].start("web").expect(201).json["id"]
    routes = [item for item in needs(site) if item["whose"] == "owner" and item["path"].startswith("/api/v1/instances/{id}")]
    assert len(routes) >= 6
    for item in sorted(routes, key=lambda one: one["method"] == "DELETE"):
        where = fill(item["path"], mine)
        whole = {"exec": {"command": ["true"]}, "ports": {"port": 8000, "kind": "http"}, "grants": {"kind": "terminal"}}
        body = None if item["method"] in ("GET", "DELETE") else whole.get(item["path"].rsplit("/", 1)[1], {})
        stranger = cast["stranger"].call(item["method"], where, body=body)
        absent = cast["stranger"].call(item["method"], fill(item["path"], "no-such-instance"), body=body)
        assert (stranger.status, stranger.reason) == (404, "instance-unknown") == (absent.status, absent.reason), f"{stranger}"
        assert {**stranger.json, "trace_id": 0, "instance": 0} == {**absent.json, "trace_id": 0, "instance": 0}, "nothing tells that it is there"
        if item["path"].count("{") > 1:
            continue  # they name a part of it that there is not, for nobody
        for who in ("mate", "operator", "admin"):
            answer = cast[who].call(item["method"], where, body=body)
            # A part that this instance has not got is none for anybody.
            assert answer.status != 404 or answer.reason == "desktop-none", f"{item['method']} {where} as {who}"
    assert cast["author"].get(f"/instances/{mine}").status == 200, "in the team"
    listed = [one["id"] for one in cast["mate"].get("/instances").expect(200).json["items"]]
    assert mine in listed
    assert mine not in [one["id"] for one in cast["stranger"].get("/instances").expect(200).json["items"]]
    cast["stranger"].get("/instances", query={"owner": "all"}).expect(403, "forbidden")


def test_R7_1_tokens_do_what_their_scopes_say(site):
    maker = site.user("scoped", role="operator")
    asked = {"read": ("GET", "/me", None), "instances": ("POST", "/instances", {"template": "nothing"}),
             "account": ("GET", "/me/tokens", None), "admin": ("GET", "/admin/users", None)}
    for scope in asked:
        caller = site.api(token_of(maker, scopes=[scope]))
        assert maker.get("/me/tokens").json["items"][-1]["scopes"] == [scope]
        for other, (method, path, body) in asked.items():
            answer = caller.call(method, path, body=body)
            assert (answer.status == 403 and answer.reason == "scope-missing") == (other != scope), f"{answer} with {scope}"
    # No token is a way to more than it can do itself.
    narrow = site.api(token_of(maker, scopes=["account"]))
    narrow.post("/me/tokens", {"name": "more", "scopes": ["account", "admin"]}).expect(403, "scope-missing")
    made = site.api(narrow.post("/me/tokens", {"name": "same"}).expect(201).json["token"])
    made.get("/admin/users").expect(403, "scope-missing")
    session = site.api()
    session.sign_in(strategy="token", token=token_of(maker, scopes=["read"])).expect(201)
    session.get("/admin/users").expect(403, "scope-missing")
    maker.post("/me/tokens", {"name": "x", "scopes": ["king"]}).expect(400, "invalid-body")
    maker.post("/me/tokens", {"name": "x", "scopes": []}).expect(400, "invalid-body")


def test_R7_1_a_token_in_the_address_is_refused(site):
    token = token_of(site.user("address-bar"))
    for name in ("token", "access_token"):
        site.api().get("/me", query={name: token}).expect(400, "token-in-query")
        site.api(token).get("/me", query={name: token}).expect(400, "token-in-query")
    assert token not in site.log()


# --- teams ----------------------------------------------------------------------------------------

def test_R7_3_teams_by_code_and_out_again_at_once(site):
    captain, recruit = site.user("captain", team="Ships"), site.user("recruit")
    recruit.get("/instances").expect(403, "team-missing")
    assert recruit.get("/me").json["team_missing"]
    code = captain.post("/me/team/invitation").expect(201).json["code"]
    recruit.post("/me/team", {"code": "wrong-code"}).expect(403, "invitation-wrong")
    before = recruit.cookie
    joined = recruit.post("/me/team", {"code": code.upper().replace("-", " ")}).expect(204)
    recruit.cookie = joined.headers["set-cookie"].split(";")[0]
    assert recruit.cookie != before, "other rights, another cookie"
    site.api().call("GET", "/me", headers={"Cookie": before}).expect(401)
    ship = captain.start("web").expect(201).json["id"]
    recruit.get(f"/instances/{ship}").expect(200)
    assert [one["name"] for one in recruit.get("/me/team").expect(200).json["people"]] == ["captain", "recruit"]
    recruit.post("/me/team", {"code": code}).expect(409, "team-already")
    left = recruit.delete("/me/team").expect(204)
    recruit.cookie = left.headers["set-cookie"].split(";")[0]
    recruit.get(f"/instances/{ship}").expect(403, "team-missing")
    # A new code replaces the old one.
    captain.post("/me/team/invitation").expect(201)
    recruit.post("/me/team", {"code": code}).expect(403, "invitation-wrong")


def test_R7_3_staff_manage_teams(site):
    staff = site.api(token_of(site.user("team-staff", role="operator")))
    team = staff.post("/admin/teams", {"name": "Managed"}).expect(201).json
    staff.post("/admin/teams", {"name": "MANAGED"}).expect(409, "team-exists")
    member = site.user("managed")
    user = member.get("/me").json["id"]

    def back():
        member.get("/me").expect(401)  # other rights, another session
        member.sign_in(strategy="local", name="managed", password="correct horse managed").expect(201)
    staff.put(f"/admin/teams/{team['id']}/members/{user}").expect(204)
    back()
    assert member.get("/me").json["team"]["name"] == "Managed"
    staff.patch(f"/admin/teams/{team['id']}", {"name": "Renamed"}).expect(200)
    assert member.get("/me").json["team"]["name"] == "Renamed"
    machine = member.start("web").expect(201).json["id"]
    staff.delete(f"/admin/teams/{team['id']}/members/{user}").expect(204)
    back()
    member.get(f"/instances/{machine}").expect(403, "team-missing")
    staff.delete(f"/admin/teams/{team['id']}").expect(403, "forbidden")
    site.admin().delete(f"/admin/teams/{team['id']}").expect(204)
    site.admin().wait_state(machine, "stopped", timeout=20)


@pytest.mark.parametrize("mode,status", [("off", 200), ("auto", 200), ("on", 403)])
def test_R7_3_whether_teams_count(make_server, mode, status):
    server = fake(make_server, teams=mode)
    lone = server.user("lone")
    lone.get("/instances").expect(status)
    member = server.user("member", team="Red")
    me = member.get("/me").json
    assert (me["team"] is None) == (mode == "off")
    lone.get("/instances").expect(200 if mode == "off" else 403)
    if mode == "auto":
        server.admin().patch(f"/admin/users/{me['id']}", {"team": None}).expect(200)
        lone.get("/instances").expect(200)


# --- sessions -------------------------------------------------------------------------------------

def test_R7_2_sessions_are_listed_and_end_one_by_one(site):
    here = site.user("sessions")
    there = site.api()
    there.call("POST", "/session", body={"strategy": "local", "name": "sessions", "password": "correct horse sessions"},
               headers={"User-Agent": "Phone/1.0"}).expect(201)
    there.sign_in(strategy="local", name="sessions", password="correct horse sessions").expect(201)
    listed = here.get("/me/sessions").expect(200).json["items"]
    assert len(listed) == 3 and [one["current"] for one in listed].count(True) == 1
    assert "Phone/1.0" in [one["agent"] for one in listed]
    cookie = here.cookie.split("=", 1)[1]
    assert all(cookie not in json.dumps(one) for one in listed)
    # A stranger's session cannot be named.
    other = site.user("sessions-other")
    theirs = other.get("/me/sessions").json["items"][0]["id"]
    here.delete(f"/me/sessions/{theirs}").expect(404, "session-unknown")
    mine = next(one["id"] for one in there.get("/me/sessions").json["items"] if one["current"])
    here.delete(f"/me/sessions/{mine}").expect(204)
    there.get("/me").expect(401)
    here.delete("/me/sessions").expect(204)
    assert len(here.get("/me/sessions").json["items"]) == 1
    # Staff see where somebody is signed in, admins end it.
    user = here.get("/me").json["id"]
    assert len(site.admin().get(f"/admin/users/{user}/sessions").expect(200).json["items"]) == 1
    site.admin().delete(f"/admin/users/{user}/sessions").expect(204)
    here.get("/me").expect(401)


def test_R7_2_everybodys_sessions_end_at_once(make_server):
    server = fake(make_server)
    players = [server.user(f"night-{number}") for number in range(3)]
    boss = server.user("night-boss", role="admin")
    kept = token_of(players[0])
    players[1].delete("/admin/sessions").expect(403)
    assert boss.delete("/admin/sessions").expect(200).json["ended"] >= 3
    for player in players:
        player.get("/me").expect(401)
    boss.get("/me").expect(200)
    server.api(kept).get("/me").expect(200)
    events = server.admin().get("/admin/events", query={"kind": "sessions.ended"}).expect(200).json["items"]
    assert len(events) == 1 and events[0]["detail"]["sessions"] >= 3


def stream(site, caller, path="/api/v1/events"):
    """An open event stream; reading it ends when the server ends it."""
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)
    connection.request("GET", path, headers={"Cookie": caller.cookie} if caller.cookie else {"Authorization": f"Bearer {caller.token}"})
    answer = connection.getresponse()
    assert answer.status == 200
    return connection, answer


def ended_after(answer, act, most=5.0):
    """How long after `act` the stream was over, in seconds."""
    first = answer.readline()
    assert first
    over = threading.Event()

    def read():
        try:
            while answer.readline():
                pass
        except (http.client.HTTPException, OSError):
            pass
        over.set()
    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    assert not over.wait(1.5), "it lasts as long as the right to it"
    act()
    begun = time.monotonic()
    assert over.wait(most), f"the stream still goes on {most} s after"
    return time.monotonic() - begun


@pytest.mark.parametrize("what", ["sign-out", "revoked", "role", "team", "put in", "taken out", "password", "deleted"])
def test_R7_2_streams_end_with_the_session(site, what):
    caller = site.user(f"streams-{what}", team="Streams")
    user = caller.get("/me").json["id"]
    admin = site.admin()
    teams = {one["name"]: one["id"] for one in admin.get("/admin/teams").expect(200).json["items"]}
    if "Harbour" not in teams:
        teams["Harbour"] = admin.post("/admin/teams", {"name": "Harbour"}).expect(201).json["id"]
    acts = {"sign-out": lambda: caller.delete("/session").expect(204),
            "revoked": lambda: admin.delete(f"/admin/users/{user}/sessions").expect(204),
            "role": lambda: admin.patch(f"/admin/users/{user}", {"role": "author"}).expect(200),
            "team": lambda: admin.patch(f"/admin/users/{user}", {"team": "Elsewhere"}).expect(200),
            "put in": lambda: admin.put(f"/admin/teams/{teams['Harbour']}/members/{user}").expect(204),
            "taken out": lambda: admin.delete(f"/admin/teams/{teams['Streams']}/members/{user}").expect(204),
            "password": lambda: admin.patch(f"/admin/users/{user}", {"password": "quite another password"}).expect(200),
            "deleted": lambda: admin.delete(f"/admin/users/{user}").expect(204)}
    connection, answer = stream(site, caller)
    took = ended_after(answer, acts[what])
    connection.close()
    assert took < 2.5, took


def test_R7_2_a_token_s_stream_ends_with_the_token(site):
    maker = site.user("streams-token", team="Streams")
    made = maker.post("/me/tokens", {"name": "stream"}).expect(201).json
    connection, answer = stream(site, site.api(made["token"]))
    ended_after(answer, lambda: maker.delete(f"/me/tokens/{made['id']}").expect(204))
    connection.close()


def test_R7_2_what_would_let_others_stay_asks_who_it_is(make_server):
    server = fake(make_server, proof_for="6s")
    caller = server.user("stale")
    cookie = caller.cookie
    script = server.api(token_of(caller))
    connection, events = stream(server, caller)
    table = [item for item in needs(server) if item["whose"] == "self" and (item["method"], item["path"]) not in ALONE and item["path"] != "/api/v1/me/proof"]
    assert sum(item["proof"] for item in table) >= 4
    assert until(lambda: caller.delete("/me/tokens/nobody").status == 403, "the sign-in to be old", 20)
    for item in table:
        answer = caller.call(item["method"], fill(item["path"], "x"), body=None if item["method"] in ("GET", "DELETE") else {})
        assert (answer.status == 403 and answer.reason == "sign-in-again") == item["proof"], f"{answer}"
    script.delete("/me/tokens/nobody").expect(404)  # a token is a proof with every request
    proof = caller.get("/me").expect(200).json["proof"]
    assert proof["ways"] == ["local"] and proof["until"]
    caller.post("/me/proof", {"strategy": "local", "password": "not the password"}).expect(401, "credentials-wrong")
    caller.delete("/me/sessions").expect(403, "sign-in-again")
    caller.post("/me/proof", {"strategy": "local", "password": "correct horse stale"}).expect(204)
    caller.delete("/me/sessions").expect(204)
    assert caller.cookie == cookie and caller.get("/me").expect(200)
    assert events.readline(), "what runs on the session goes on"
    connection.close()
    noted = server.admin().get("/admin/events", query={"kind": "login"}).expect(200).json["items"]
    assert noted[0]["detail"] == {"strategy": "local", "again": True}


def websocket(site, path, cookie, origin):
    """The status of an upgrade, and the socket."""
    probe = socket.create_connection(("127.0.0.1", site.port), timeout=20)
    lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{site.port}", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
             f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}", f"Cookie: {cookie}"] + ([f"Origin: {origin}"] if origin else [])
    probe.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    head = b""
    while b"\r\n\r\n" not in head:
        piece = probe.recv(4096)
        if not piece:
            break
        head += piece
    return int(head.split()[1]), probe


def granted(caller, instance):
    """What a browser's way into a machine begins with."""
    return "?grant=" + caller.post(f"/instances/{instance['id']}/grants", {"kind": "terminal"}).expect(201).json["grant"]


def test_R7_2_a_terminal_asks_for_its_origin_and_ends_with_the_session(site):
    caller = site.user("terminal", team="Terminals")
    instance = caller.start("web").expect(201).json
    path = f"/api/v1/instances/{instance['id']}/terminal"
    for origin in (None, "https://evil.example"):
        status, probe = websocket(site, path + granted(caller, instance), caller.cookie, origin)
        probe.close()
        assert status == 403
    status, probe = websocket(site, path + granted(caller, instance), caller.cookie, site.url)
    assert status == 101
    user = caller.get("/me").json["id"]
    site.admin().delete(f"/admin/users/{user}/sessions").expect(204)
    begun = time.monotonic()
    probe.settimeout(5)
    received = b""
    while True:
        piece = probe.recv(4096)
        if not piece:
            break
        received += piece
        if b"\x03\xf0" in received:  # close code 1008
            break
    probe.close()
    assert time.monotonic() - begun < 3


def test_R7_2_a_terminal_ends_when_staff_take_its_owner_out_of_the_team(site):
    caller = site.user("evicted", team="Landlords")
    me = caller.get("/me").json
    instance = caller.start("web").expect(201).json
    path = f"/api/v1/instances/{instance['id']}/terminal"
    status, probe = websocket(site, path + granted(caller, instance), caller.cookie, site.url)
    assert status == 101
    site.admin().delete(f"/admin/teams/{me['team']['id']}/members/{me['id']}").expect(204)
    probe.settimeout(20)
    received = b""
    while b"\x03\xf0" not in received:  # close code 1008
        piece = probe.recv(4096)
        assert piece, "it ends with a reason"
        received += piece
    probe.close()
    assert websocket(site, path, caller.cookie, site.url)[0] == 401, "the session is over"
    caller.sign_in(strategy="local", name="evicted", password="correct horse evicted").expect(201)
    assert websocket(site, path, caller.cookie, site.url)[0] == 403, "and a new one has no right to the machine"
    caller.get(f"/instances/{instance['id']}").expect(403, "team-missing")


def test_R7_2_session_fixation(site):
    planted = "A" * 43
    caller = site.api()
    site.user("fixed")
    answer = caller.call("POST", "/session", body={"strategy": "local", "name": "fixed", "password": "correct horse fixed"},
                         headers={"Cookie": f"tiltyard={planted}"}).expect(201)
    fresh = answer.headers["set-cookie"].split(";")[0]
    assert planted not in fresh
    caller.get("/me", headers={"Cookie": f"tiltyard={planted}"}).expect(401)
    caller.get("/me", headers={"Cookie": fresh}).expect(200)
    for attribute in ("HttpOnly", "SameSite=Strict", "Path=/", "Max-Age="):
        assert attribute in answer.headers["set-cookie"]


# --- accounts of one's own ------------------------------------------------------------------------

def test_R7_1_invitations_make_accounts(site):
    staff = site.api(token_of(site.user("inviting", role="operator")))
    staff.post("/admin/invitations", {"role": "operator"}).expect(403, "forbidden")
    invitation = staff.post("/admin/invitations", {"team": "Invited", "uses": 2}).expect(201).json
    site.api().post("/auth/register", {"name": "guest", "password": "a long enough one"}).expect(403, "invitation-needed")
    site.api().post("/auth/register", {"name": "guest", "password": "a long enough one", "code": "nope"}).expect(403, "invitation-wrong")
    for name in ("guest-1", "guest-2"):
        made = site.api().post("/auth/register", {"name": name, "password": "a long enough one", "code": invitation["code"]}).expect(201)
        assert made.json["team"]["name"] == "Invited" and made.json["roles"] == ["player"]
        assert "tiltyard=" in made.headers["set-cookie"]
    site.api().post("/auth/register", {"name": "guest-3", "password": "a long enough one", "code": invitation["code"]}).expect(403, "invitation-wrong")
    assert invitation["id"] not in [one["id"] for one in staff.get("/admin/invitations").json["items"]], "used up"
    again = staff.post("/admin/invitations", {}).expect(201).json
    staff.delete(f"/admin/invitations/{again['id']}").expect(204)
    site.api().post("/auth/register", {"name": "guest-4", "password": "a long enough one", "code": again["code"]}).expect(403, "invitation-wrong")


@pytest.mark.parametrize("mode,reason", [("off", "registration-off"), ("open", None)])
def test_R7_1_registration(make_server, mode, reason):
    server = fake(make_server, registration=mode)
    answer = server.api().post("/auth/register", {"name": "new", "password": "a long enough one", "email": "new@example.org"})
    if reason:
        answer.expect(403, reason)
        return
    answer.expect(201)
    server.api().post("/auth/register", {"name": "NEW", "password": "a long enough one"}).expect(409, "user-exists")
    # An address that is known already answers as one that is not.
    second = server.api().post("/auth/register", {"name": "second", "password": "a long enough one", "email": "NEW@example.org"}).expect(201)
    assert second.json["email"] is None
    server.api().call("POST", "/auth/register", body={"name": "x", "password": "a long enough one"}, headers={"Origin": "https://evil.example"}).expect(403, "csrf")


# --- attacks --------------------------------------------------------------------------------------

def test_R7_1_names_are_not_told_by_message_or_time(make_server):
    server = fake(make_server)
    server.user("known")

    def once(name):
        begun = time.perf_counter()
        answer = server.api().post("/session", {"strategy": "local", "name": name, "password": "not the password"}).expect(401, "credentials-wrong")
        return time.perf_counter() - begun, {key: value for key, value in answer.json.items() if key not in ("trace_id", "instance")}
    known, unknown = [], []
    for round_ in range(5):
        known.append(once("known"))
        unknown.append(once(f"nobody-{round_}"))
    assert known[0][1] == unknown[0][1], "the same words"
    times = statistics.median(took for took, _ in known), statistics.median(took for took, _ in unknown)
    # A hash is 64 MiB of work: without it an unknown name would be answered a hundred times faster.
    assert 0.4 < times[0] / times[1] < 2.5, times


def test_R7_1_brute_force_meets_a_wall(make_server):
    server = fake(make_server)
    server.user("target")
    answers = [server.api().post("/session", {"strategy": "local", "name": "target", "password": f"guess number {n}"}).status for n in range(12)]
    assert answers[:10] == [401] * 10 and answers[10:] == [429] * 2
    server.api().post("/session", {"strategy": "local", "name": "target", "password": "correct horse target"}).expect(429)


EVIL = ["x'; drop table users; --", "\" or 1=1 --", "a\nlevel=info msg=\"signed in\" user=admin", "a\r\nSet-Cookie: x=y", "%s%s%n", "\u202eadmin", "{0}", "a\x00b"]


@pytest.mark.parametrize("name", EVIL)
def test_R7_1_names_inject_nothing(site, name):
    before = len(site.log().splitlines())
    site.api().post("/session", {"strategy": "local", "name": name, "password": "whatever it is"}).expect(401)
    answer = site.admin().post("/admin/users", {"name": name, "role": "player"})
    assert answer.status in (201, 400)
    if answer.status == 201:
        assert site.admin().get("/admin/users", query={"limit": 1000}).text.count(json.dumps(name)[1:-1]) >= 1, "kept as it is, as a text"
    for key in ("cursor", "q"):
        assert site.admin().get("/admin/users", query={key: name}).status == 200
    time.sleep(0)
    for line in site.log().splitlines()[before:]:
        assert not line.startswith(("level=info msg=\"signed in\"", "Set-Cookie")), line
    site.admin().get("/admin/users").expect(200)


def test_R7_1_argon2_blocks_no_loop(make_server):
    server = fake(make_server)
    for number in range(12):
        server.user(f"storm-{number}")
    caller = server.api(token_of(server.user("calm")))
    caller.get("/me").expect(200)

    def sign_in(number):
        body = {"strategy": "local", "name": f"storm-{number % 12}", "password": f"correct horse storm-{number % 12}"}
        return server.api().post("/session", body, timeout=120).status
    times = []
    with concurrent.futures.ThreadPoolExecutor(100) as pool:
        storm = [pool.submit(sign_in, number) for number in range(100)]
        # One kept connection, so that what is measured is the server and not this program's threads.
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        while not all(each.done() for each in storm) and len(times) < 5000:
            begun = time.perf_counter()
            connection.request("GET", "/api/v1/me", headers={"Authorization": f"Bearer {caller.token}"})
            connection.getresponse().read()
            times.append(time.perf_counter() - begun)
            time.sleep(0.005)
        connection.close()
        answers = [each.result() for each in storm]
    assert set(answers) <= {201, 503, 429}, answers
    assert answers.count(201) >= 90, answers
    assert len(times) > 100
    times.sort()
    p99 = times[int(len(times) * 0.99)]
    print(f"{len(times)} other calls under 100 sign-ins: p50 {times[len(times) // 2] * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms")
    # The mark is 20 ms, and a quiet machine shows 5; a hash on a loop would show 100 and more even there.
    assert p99 < 0.06, "a hash was on a loop"


def test_R9_4_people_s_doings_are_recorded(site):
    admin = site.admin()
    caller = site.user("recorded")
    user = caller.get("/me").json["id"]
    token_of(caller)
    caller.delete("/session").expect(204)
    site.api().post("/session", {"strategy": "local", "name": "recorded", "password": "wrong wrong wrong"}).expect(401)

    def kinds():
        events = admin.get("/admin/events", query={"limit": 100}).expect(200).json["items"]
        return {event["kind"] for event in events if event.get("subject") == user or user in json.dumps(event)} | {
            event["kind"] for event in events if event["kind"] == "login.failed"}
    wanted = {"user.created", "login", "token.created", "logout", "login.failed"}
    assert until(lambda: wanted <= kinds(), f"{wanted} in the log", 10)

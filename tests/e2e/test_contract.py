"""The HTTP contract: every documented operation, every stable error reason, held against the server's own document."""
import http.client
import json
import socket

import pytest

from harness import templates
from harness.api import Api
from harness.gateway import endpoint, fetch
from harness.leaks import Leaks
from harness.server import ROOT


@pytest.fixture
def checked(server, contract):
    """The admin, each answer checked against the document."""
    caller = server.admin(contract)
    yield caller
    server.admin().stop_all()


@pytest.fixture
def player(server, contract, request):
    """A fresh player, signed in by cookie, each answer checked."""
    return server.user(f"p-{request.node.name[:40]}-{id(request) % 10000}", contract=contract)


# --- the document ------------------------------------------------------------------------------------


def test_R11_5_the_document_is_served_and_names_every_error_once(contract):
    reasons = contract.document["components"]["schemas"]["ProblemType"]["enum"]
    assert len(reasons) == len(set(reasons)) and all(reason.startswith("urn:tiltyard:error:") for reason in reasons)
    operations = [methods[m].get("operationId") for _, _, methods in contract.routes for m in methods if m != "parameters"]
    assert len(operations) == len(set(operations)) and all(operations)


def test_R11_5_the_file_and_the_served_document_are_the_same(contract):
    assert contract.document == json.loads((ROOT / "api" / "openapi.json").read_text())


def test_R11_5_every_documented_route_is_known_to_the_server(server, contract):
    for method, path in sorted(contract.operations()):
        concrete = path.replace("{id}", "no-such-thing")
        if concrete.endswith("/terminal"):
            continue
        answer = Api(server.url).call(method, concrete, headers={"Accept": "*/*"} if method == "GET" else None)
        if answer.kind == "application/problem+json":
            assert answer.reason not in ("route-unknown", "method-not-allowed"), f"{method} {path} is documented and not there"


def test_R11_5_every_operation_answers_as_documented(server, contract, checked, player):
    """One walk over all operations; the contract checks each answer as it comes."""
    Api(server.url, contract=contract).get("/auth").expect(200)
    for path in ("/healthz", "/readyz", "/metrics", "/openapi.json"):
        checked.get(path).expect(200)
    walk_realtime(server, contract)
    checked.get("/me").expect(200)
    player.put("/me/password", {"old": "wrong horse, wrong battery", "new": "a better phrase than before"}).expect(401, "credentials-wrong")
    token = player.post("/me/tokens", {"name": "script", "expires_in_s": 3600}).expect(201).json
    assert token["token"].startswith("ty_")
    listed = player.get("/me/tokens").expect(200).json["items"]
    assert [t["id"] for t in listed] == [token["id"]] and "token" not in listed[0]
    player.delete(f"/me/tokens/{token['id']}").expect(204)

    checked.get("/templates").expect(200)
    player.get("/templates/web").expect(200)
    instance = player.start("web").expect(201)
    assert instance.headers["location"].endswith(f"/api/v1/instances/{instance.json['id']}")
    identity = instance.json["id"]
    player.get("/instances").expect(200)
    player.get(f"/instances/{identity}").expect(200)
    checked.get("/instances", query={"owner": "all", "state": "running,starting", "limit": 1}).expect(200)
    player.get(f"/instances/{identity}/logs", query={"tail": 5}, headers={"Accept": "text/plain"}).expect(200)
    ran = player.post(f"/instances/{identity}/exec", {"command": ["sh", "-c", "echo out; echo err >&2; exit 3"]}).expect(200).json
    assert ran == {"exit_code": 3, "stdout": "out\n", "stderr": "err\n"}
    player.post(f"/instances/{identity}/extend").expect(409, "not-extendable-yet")

    walk_people(server, contract, checked, player)
    walk_farm(contract, checked)
    checked.get("/admin/usage", query={"by": "template"}).expect(200)
    user = checked.post("/admin/users", {"name": "walked", "role": "author", "team": "walkers"}).expect(201).json
    assert "/signin#" in user["sign_in_url"]
    checked.get("/admin/users").expect(200)
    checked.patch(f"/admin/users/{user['id']}", {"role": "player"}).expect(200)
    checked.delete(f"/admin/users/{user['id']}").expect(204)
    checked.patch("/admin/templates/box", {"max_instances": 50}).expect(200)
    checked.post("/admin/templates/tcp/rebuild").expect(202)
    checked.get("/admin/engines").expect(200)
    checked.get("/admin/pools").expect(200)
    walk_jobs(checked)
    checked.get("/admin/limits").expect(200)
    checked.patch("/admin/limits", {"name": "document", "burst": 70}).expect(200)
    checked.put("/admin/features/walked", {"enabled": True, "percent": 10}).expect(201)
    checked.get("/admin/features/walked").expect(200)
    checked.get("/admin/features").expect(200)
    player.get("/me/features").expect(200)
    checked.delete("/admin/features/walked").expect(204)
    checked.get("/admin/events", query={"limit": 5}).expect(200)
    checked.get("/admin/events/kinds").expect(200)
    checked.get("/admin/events/export", query={"kind": "system.*"}).expect(200)
    player.delete(f"/instances/{identity}", headers={"Prefer": "wait=30"}).expect(200)
    first_event(server, player)
    contract.called.add(("GET", "/api/v1/events"))
    player.delete("/session").expect(204)
    checked.delete("/admin/sessions").expect(200)

    # A terminal is a WebSocket; its own tests open it.
    contract.called.add(("GET", "/api/v1/instances/{id}/terminal"))
    server.admin().wait_template("tcp")
    assert contract.operations() - contract.called == set()


def walk_farm(contract, checked):
    """Every route of the flag farm on a server that has none; with one they are walked in test_farm.py."""
    paths = [(method, path) for method, path in contract.operations() if path.startswith("/api/v1/farm/") or path in ("/api/get_config", "/api/post_flags")]
    assert len(paths) == 16
    for method, path in paths:
        for name, value in (("{id}", "1"), ("{lease}", "nothing"), ("{part}", "raw")):
            path = path.replace(name, value)
        checked.call(method, path, {"lease": "nothing", "flags": [], "text": ""} if method != "GET" else None).expect(404, "farm-off")


def walk_realtime(server, contract):
    """The transport under Socket.IO; its own tests talk over it."""
    caller = Api(server.url, contract=contract)
    asked = {"EIO": "4", "transport": "polling"}
    session = json.loads(caller.get("/socket.io/", query=asked).expect(200).text[1:])["sid"]
    caller.call("POST", "/socket.io/", raw=b"40", query={**asked, "sid": session}).expect(200)
    caller.call("POST", "/socket.io/", raw=b"1", query={**asked, "sid": session}).expect(200)
    caller.get("/socket.io/", query={**asked, "sid": session}).expect(200)  # a poll that the close has overtaken, once
    caller.get("/socket.io/", query={**asked, "sid": session}).expect(400)
    caller.put("/socket.io/", query=asked).expect(400)
    caller.call("OPTIONS", "/socket.io/").expect(204)
    caller.get("/socket.io/", query=asked, headers={"Origin": "https://elsewhere.example"}).expect(403)


def walk_people(server, contract, checked, player):
    """Every route about accounts, teams, sessions and invitations; what it makes is gone at its end."""
    assert len(checked.get("/admin/permissions").expect(200).json["items"]) > 50
    nobody = Api(server.url, contract=contract)
    nobody.post("/auth/register", {"name": "walker", "password": "a long enough one"}).expect(403, "registration-off")
    nobody.post("/auth/reset", {"email": "walker@example.org"}).expect(403, "mail-off")
    nobody.put("/auth/password", {"token": "A" * 43, "new": "a long enough one"}).expect(401, "credentials-wrong")
    for way in ("start", "callback"):
        nobody.get(f"/auth/oidc/nobody/{way}").expect(303)
    player.post("/me/proof", {"strategy": "local", "password": "not the one"}).expect(401, "credentials-wrong")
    player.get("/me/sessions").expect(200)
    player.delete("/me/sessions").expect(204)
    player.delete("/me/sessions/nothing").expect(404, "session-unknown")
    player.patch("/me", {"email": "walker@example.org", "password": "not the one"}).expect(401, "credentials-wrong")
    player.get("/me/team").expect(404, "team-unknown")
    player.post("/me/team", {"code": "nothing"}).expect(403, "invitation-wrong")
    player.post("/me/team/invitation").expect(404, "team-unknown")
    player.delete("/me/team").expect(404, "team-unknown")
    invitation = checked.post("/admin/invitations", {"uses": 3}).expect(201).json
    checked.get("/admin/invitations").expect(200)
    checked.delete(f"/admin/invitations/{invitation['id']}").expect(204)
    user = checked.post("/admin/users", {"name": "teamed", "password": "a long enough one"}).expect(201).json
    team = checked.post("/admin/teams", {"name": "walked-team"}).expect(201).json
    checked.put(f"/admin/teams/{team['id']}/members/{user['id']}").expect(204)
    checked.get("/admin/teams").expect(200)
    assert checked.get(f"/admin/teams/{team['id']}").expect(200).json["people"][0]["id"] == user["id"]
    checked.patch(f"/admin/teams/{team['id']}", {"name": "walked-on"}).expect(200)
    checked.delete(f"/admin/teams/{team['id']}/members/{user['id']}").expect(204)
    checked.delete(f"/admin/teams/{team['id']}").expect(204)
    checked.get(f"/admin/users/{user['id']}/sessions").expect(200)
    checked.delete(f"/admin/users/{user['id']}/sessions/nothing").expect(404, "session-unknown")
    checked.delete(f"/admin/users/{user['id']}/sessions").expect(204)
    checked.delete(f"/admin/users/{user['id']}").expect(204)


def walk_jobs(checked):
    """The board of jobs: what a fresh server has, and every action on what is not there."""
    kinds = checked.get("/admin/jobs/kinds").expect(200).json["items"]
    assert "jobs" in [kind["name"] for kind in kinds]
    for state in ("waiting", "running", "failed", "done"):
        checked.get("/admin/jobs", query={"state": state, "limit": 5}).expect(200)
    checked.get("/admin/jobs", query={"state": "lost"}).expect(400, "invalid-query")
    checked.get("/admin/jobs/minutes").expect(200)
    checked.get("/admin/jobs/minutes", query={"kind": "no-such"}).expect(404, "kind-unknown")
    checked.get("/admin/jobs/17").expect(404, "job-unknown")
    for verb in ("cancel", "retry", "run-now"):
        checked.post(f"/admin/jobs/17/{verb}").expect(404, "job-unknown")
    assert checked.post("/admin/jobs/kinds/jobs/pause").expect(200).json["paused"] is True
    assert checked.post("/admin/jobs/kinds/jobs/resume").expect(200).json["paused"] is False
    checked.post("/admin/jobs/kinds/no-such/pause").expect(404, "kind-unknown")


def first_event(server, caller):
    """Reads the beginning of the event stream: (event, data) of the first event."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        connection.request("GET", "/api/v1/events", headers={"Cookie": caller.cookie, "Accept": "text/event-stream"})
        answer = connection.getresponse()
        assert answer.status == 200 and answer.getheader("Content-Type").startswith("text/event-stream")
        event = data = None
        while event is None or data is None:
            line = answer.readline().decode().rstrip("\r\n")
            if line.startswith("event:"):
                event = line[6:].strip()
            elif line.startswith("data:"):
                data = json.loads(line[5:])
        return event, data
    finally:
        connection.close()


def test_R11_5_the_event_stream_starts_with_the_whole_picture(server, player, contract):
    event, data = first_event(server, player)
    assert event in ("template", "instance")
    schema = {"template": "Template", "instance": "Instance"}[event]
    assert list(contract.complaints(data, {"$ref": f"#/components/schemas/{schema}"}, "$")) == []


# --- errors that the whole API shares ------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/me", "/templates", "/templates/web", "/instances", "/instances/x", "/events", "/admin/users", "/admin/engines"])
def test_R11_5_without_sign_in_everything_is_401(server, contract, path):
    Api(server.url, contract=contract).get(path).expect(401, "not-signed-in")


@pytest.mark.parametrize("token", ["", "ty_", "ty_0123456789abcdefghijklmnop", "x" * 5000, "ty_\u00e9"])
def test_R7_1_a_wrong_token_is_401(server, contract, token):
    header = {"Authorization": ("Bearer " + token).encode("latin-1", "replace")}
    assert Api(server.url, contract=contract).get("/me", headers=header).status in (401, 431)


def test_R11_5_unknown_routes_and_methods(checked):
    checked.get("/no/such/thing").expect(404, "route-unknown")
    checked.get("/api/v2/templates").expect(404, "route-unknown")
    answer = checked.call("PUT", "/templates").expect(405, "method-not-allowed")
    assert "GET" in answer.headers["allow"]
    checked.post("/instances/x/dance", {}).expect(404, "route-unknown")


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b'"web"', b'{"template": 7}', b"{}", b'{"template": null}', b"\xff\xfe{}",
                                 b'{"template": "web", "context": 5}', b"[" * 5000, b'{"template":"web"}trailing'])
def test_R11_5_bodies_that_make_no_sense_are_400(checked, raw):
    checked.post("/instances", raw=raw, headers={"Content-Type": "application/json"}).expect(400, "invalid-body")


def test_R11_5_a_body_that_is_too_large_is_413_and_the_server_lives(server, checked):
    body = b'{"template": "' + b"x" * (32 * 1024 * 1024) + b'"}'
    try:
        checked.post("/instances", raw=body, headers={"Content-Type": "application/json"}).expect(413, "body-too-large")
    except (BrokenPipeError, ConnectionResetError):
        pass  # the server may hang up before it has read what it will not take
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.putrequest("POST", "/api/v1/instances")
    connection.putheader("Authorization", f"Bearer {server.token}")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", str(1 << 40))
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 413 and json.loads(answer.read())["type"].endswith(":body-too-large")
    connection.close()
    checked.get("/healthz").expect(200)


@pytest.mark.parametrize("request_bytes, statuses", [
    (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", {400}),
    (b"POST /api/v1/instances HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", {400}),
    (b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", {400, 413, 414, 431}),
    (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-Header: y\r\n" * 20000 + b"\r\n", {400, 413, 431}),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 not http at all\r\n\r\n", {400}),
    (b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", {400, 505}),
    (b"GET /%00%ff/../../etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", {400, 404}),
])
def test_R11_5_malformed_requests_get_a_clean_answer(server, request_bytes, statuses):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        try:
            connection.sendall(request_bytes)
        except (BrokenPipeError, ConnectionResetError):
            pass
        answer = b""
        try:
            while b"\r\n" not in answer and (chunk := connection.recv(4096)):
                answer += chunk
        except ConnectionResetError:
            pass
    if answer:
        assert int(answer.split(b" ")[1]) in statuses, answer[:200]
    assert server.alive
    server.admin().get("/healthz").expect(200)


# --- instances -------------------------------------------------------------------------------------------


def test_R1_6_an_instance_lives_and_its_id_says_whose_it_is(server, player, no_leaks):
    before = player.get("/me").json["id"]
    instance = player.running("web")
    template, owner, random = instance["id"].rsplit("-", 2)
    assert template == "web" and len(owner) == 8 and len(random) == 8 and int(random, 16) >= 0
    assert instance["owner"]["id"] == before and instance["reason"] is None
    assert instance["started_at"] and instance["expires_at"] and instance["ended_at"] is None
    assert {m["state"] for m in instance["machines"]} == {"running"}
    assert instance["timings_ms"]["total"] > 0
    status, _, body = fetch(endpoint(instance)["url"])
    assert (status, body) == (200, b"hello from web\n")
    ended = player.stop(instance["id"])
    assert ended["state"] == "stopped" and ended["reason"]["code"] == "user" and ended["ended_at"]


def test_R1_6_an_admin_who_stops_somebody_elses_instance_is_the_reason(server, api, player, no_leaks):
    instance = player.running("web")
    api.stop(instance["id"])
    assert player.instance(instance["id"])["reason"]["code"] == "admin"


def test_R1_6_an_instance_that_never_answers_fails_with_the_reason_and_leaves_nothing(make_server, docker):
    server = make_server(silent=templates.never_ready()).start()
    caller = server.admin()
    caller.wait_template("silent")
    leaks = Leaks(server, docker)
    answer = caller.start("silent", wait=30)
    failed = caller.wait_state(answer.json["id"], "failed")
    assert failed["reason"]["code"] and failed["reason"]["text"], failed
    assert failed["endpoints"] == [] or failed["ended_at"]
    leaks.assert_none()
    # Its name is free again.
    caller.start("silent", wait=0).expect(202)


def test_R1_6_a_command_that_does_not_exist_fails_with_the_engines_words(make_server, docker):
    server = make_server(bad={**templates.BOX, "Dockerfile": 'FROM tiltyard/busybox:1\nCMD ["/no/such/program"]\n'}).start()
    caller = server.admin()
    caller.wait_template("bad")
    leaks = Leaks(server, docker)
    failed = caller.wait_state(caller.start("bad").json["id"], "failed")
    assert "no/such/program" in json.dumps(failed["reason"]), failed["reason"]
    leaks.assert_none()


def test_R1_6_somebody_elses_instance_does_not_exist(server, player, contract):
    other = server.user(f"other-{id(player)}", contract=contract)
    identity = player.running("web")["id"]
    try:
        other.get(f"/instances/{identity}").expect(404, "instance-unknown")
        other.delete(f"/instances/{identity}").expect(404, "instance-unknown")
        other.post(f"/instances/{identity}/extend").expect(404, "instance-unknown")
        other.post(f"/instances/{identity}/exec", {"command": ["id"]}).expect(404, "instance-unknown")
        other.get(f"/instances/{identity}/logs").expect(404, "instance-unknown")
        assert other.get("/instances").json["items"] == []
        other.get("/instances", query={"owner": "all"}).expect(403, "forbidden")
        assert player.instance(identity)["state"] == "running"
    finally:
        player.stop(identity)


def test_R1_7_the_same_template_twice_is_409_and_names_the_first(player):
    identity = player.running("web")["id"]
    answer = player.start("web").expect(409, "instance-exists")
    assert answer.json["instance_id"] == identity
    player.stop(identity)
    again = player.running("web")
    assert again["id"] != identity
    player.stop(again["id"])


def test_R1_7_unknown_inactive_broken_and_waiting_templates(make_server):
    server = make_server(web=templates.WEB, broken={"instance.toml": 'name = "Broken"\nports = "many"\n', "Dockerfile": "FROM scratch\n"},
                         waiting={**templates.WEB, "Dockerfile": 'FROM tiltyard/no-such-base:1\nCMD ["true"]\n'}).start()
    caller = server.admin()
    caller.start("nothing").expect(404, "template-unknown")
    caller.start("../../etc").expect(404, "template-unknown")
    caller.wait_template("broken", "broken")
    caller.start("broken").expect(409, "template-broken")
    shown = caller.wait_template("waiting", "waiting")
    assert "tiltyard/no-such-base:1" in shown["reason"]
    caller.start("waiting").expect(409, "template-not-ready")
    caller.wait_template("web")
    caller.patch("/admin/templates/web", {"active": False}).expect(200)
    player = server.user("somebody")
    player.start("web").expect(409, "template-inactive")
    caller.patch("/admin/templates/web", {"active": True}).expect(200)
    player.stop(player.running("web")["id"])


def test_R1_7_more_than_the_limit_is_429_with_the_numbers(make_server):
    server = make_server(config={"labs": {"instances_per_owner": 2}}, web=templates.WEB, tcp=templates.TCP, box=templates.BOX).start()
    player = server.user("keen")
    for name in ("web", "tcp", "box"):
        server.admin().wait_template(name)
    assert player.get("/me").json["limits"]["instances"] == 2
    player.running("web")
    player.running("tcp")
    answer = player.start("box").expect(429, "limit-reached")
    assert (answer.json["limit"], answer.json["current"]) == (2, 2)


def test_R1_8_leases_end_and_extend_as_the_policy_says(make_server):
    lease = "\n[lease]\ntimeout = 600\nextend_by = 300\nextend_after = 0\nmax_extensions = 1\n"
    brief = {**templates.WEB, "instance.toml": 'name = "Brief"\nports = [8000]\n[ready]\ninterval = 50\n' + lease}
    short = {**templates.WEB, "instance.toml": 'name = "Short"\nports = [8000]\n[ready]\ninterval = 50\n[lease]\ntimeout = 2\n'}
    server = make_server(brief=brief, short=short, web=templates.WEB).start()
    caller = server.admin()
    for name in ("brief", "short", "web"):
        caller.wait_template(name)
    instance = caller.running("brief")
    longer = caller.post(f"/instances/{instance['id']}/extend").expect(200).json
    assert longer["expires_at"] > instance["expires_at"] and longer["extendable_at"] is None
    caller.post(f"/instances/{instance['id']}/extend").expect(409, "extension-exhausted")
    caller.stop(instance["id"])
    caller.post(f"/instances/{instance['id']}/extend").expect(409, "lease-ended")
    instance = caller.running("web")
    answer = caller.post(f"/instances/{instance['id']}/extend").expect(409, "not-extendable-yet")
    assert answer.json["extendable_at"] == instance["extendable_at"] > instance["started_at"]
    expired = caller.wait_state(caller.running("short")["id"], "stopped", timeout=90)
    assert expired["reason"]["code"] == "expiry"


# --- people ------------------------------------------------------------------------------------------------


def test_R7_1_the_first_admin_signs_in_once_by_the_printed_link(make_server):
    server = make_server().start()
    link = server.sign_in_link()
    assert link and link.startswith(server.printed_url())
    assert Api(server.url).get("/auth").json["needs_setup"] is True
    token = link.split("#")[1]
    first = Api(server.url)
    assert first.sign_in(strategy="link", token=token).expect(201).json["roles"][-1:] == ["admin"] or "admin" in first.get("/me").json["roles"]
    Api(server.url).sign_in(strategy="link", token=token).expect(401, "credentials-wrong")
    first.put("/me/password", {"new": "a phrase nobody knows"}).expect(204)
    server.restart()
    assert server.sign_in_link() is None
    assert Api(server.url).get("/auth").json["needs_setup"] is False
    again = Api(server.url)
    again.sign_in(strategy="local", name=first.get("/me").json["name"], password="a phrase nobody knows").expect(201)
    first.get("/me").expect(200)  # sessions outlive the process


def test_R7_1_passwords_links_and_tokens(server, contract, request):
    admin = server.admin(contract)
    made = admin.post("/admin/users", {"name": "linked", "role": "player"}).expect(201).json
    user = Api(server.url, contract=contract)
    answer = user.sign_in(strategy="link", token=made["sign_in_url"].split("#")[1]).expect(201)
    assert "httponly" in answer.headers["set-cookie"].lower() and "samesite=strict" in answer.headers["set-cookie"].lower()
    assert user.get("/me").json["has_password"] is False
    user.put("/me/password", {"new": "short"}).expect(400, "invalid-body")
    user.put("/me/password", {"new": "long enough to keep"}).expect(204)
    Api(server.url, contract=contract).sign_in(strategy="local", name="linked", password="not that").expect(401, "credentials-wrong")
    Api(server.url, contract=contract).sign_in(strategy="local", name="nobody here", password="not that").expect(401, "credentials-wrong")
    token = user.post("/me/tokens", {"name": "script"}).expect(201).json
    script = Api(server.url, token["token"], contract)
    assert script.get("/me").expect(200).json["id"] == made["id"]
    assert user.get("/me/tokens").json["items"][0]["last_used_at"]
    admin.post("/admin/users", {"name": "linked"}).expect(409, "user-exists")
    user.delete(f"/me/tokens/{token['id']}").expect(204)
    script.get("/me").expect(401, "not-signed-in")
    admin.delete(f"/admin/users/{made['id']}").expect(204)
    user.get("/me").expect(401, "not-signed-in")


def test_R7_1_a_hall_signs_in_by_address(server, contract):
    here = Api(server.url, contract=contract)
    me = here.sign_in(strategy="address").expect(201).json
    assert me["kind"] == "address" and me["roles"] == ["player"]
    seat = Api(server.url, contract=contract, source="127.0.0.7")
    assert seat.sign_in(strategy="address").expect(201).json["id"] != me["id"]
    same = Api(server.url, contract=contract)
    assert same.sign_in(strategy="address").expect(201).json["id"] == me["id"]


def test_R7_1_a_strategy_that_is_off_lets_nobody_in(make_server):
    server = make_server(config={"auth": {"strategies": ["local", "token"]}}).start()
    assert Api(server.url).get("/auth").json["strategies"] == ["local", "token"]
    assert Api(server.url).sign_in(strategy="address").status == 403


def test_R7_1_roles_are_kept_apart(player, server):
    for method, path, body in [("GET", "/admin/users", None), ("POST", "/admin/users", {"name": "me too", "role": "admin"}),
                               ("GET", "/admin/usage", None), ("PATCH", "/admin/templates/web", {"active": False}),
                               ("POST", "/admin/templates/web/rebuild", None), ("GET", "/admin/engines", None), ("GET", "/admin/pools", None), ("GET", "/admin/events", None)]:
        player.call(method, path, body).expect(403, "forbidden")
    operator = server.user("an-operator", role="operator")
    operator.get("/admin/engines").expect(200)
    operator.get("/instances", query={"owner": "all"}).expect(200)


def test_R7_2_forged_requests_are_refused(player, server):
    player.post("/instances", {"template": "web"}, headers={"X-Tiltyard-Csrf": None}).expect(403, "csrf")
    player.post("/instances", {"template": "web"}, headers={"Origin": "https://elsewhere.example"}).expect(403, "csrf")
    player.post("/instances", {"template": "web"}, headers={"Origin": None, "Sec-Fetch-Site": "cross-site"}).expect(403, "csrf")
    # A machine's page lives on a host name beside ours: same site, another origin.
    player.post("/instances", {"template": "web"}, headers={"Origin": f"http://web.localhost:{server.gateway_port}"}).expect(403, "csrf")
    assert player.get("/instances").json["items"] == []

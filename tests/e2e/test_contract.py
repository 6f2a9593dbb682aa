"""The HTTP contract: every documented operation, every stable error reason, held against the server's own document."""
import collections
import http.client
import itertools
import json
import socket

import pytest

import walks
from harness import templates
from harness.api import Api
from harness.gateway import endpoint, fetch
from harness.leaks import Leaks
from harness.server import ROOT

WALKS = walks.found()
NUMBERS = itertools.count(1)


@pytest.fixture
def checked(server, contract):
    """The admin, each answer checked against the document."""
    caller = server.admin(contract)
    yield caller
    server.admin().stop_all()


@pytest.fixture
def player(server, contract):
    """A fresh player, signed in by cookie, each answer checked."""
    return server.user(f"player-{next(NUMBERS)}", contract=contract)


# --- the document ------------------------------------------------------------------------------------


def test_R11_5_the_document_is_served_and_names_every_error_once(contract):
    reasons = contract.document["components"]["schemas"]["ProblemType"]["enum"]
    assert len(reasons) == len(set(reasons)) and all(reason.startswith("urn:tiltyard:error:") for reason in reasons)
    operations = [methods[m].get("operationId") for _, _, methods in contract.routes for m in methods if m != "parameters"]
    assert len(operations) == len(set(operations)) and all(operations)


def test_R11_5_the_file_and_the_served_document_are_the_same(contract):
    assert contract.document == json.loads((ROOT / "api" / "openapi.json").read_text())


def test_R11_5_every_documented_route_is_known_to_the_server(server, contract):
    for method, path in sorted(contract.operations().values()):
        concrete = path.replace("{id}", "no-such-thing")
        if concrete.endswith("/terminal"):
            continue
        answer = Api(server.url).call(method, concrete, headers={"Accept": "*/*"} if method == "GET" else None)
        if answer.kind == "application/problem+json":
            assert answer.reason not in ("route-unknown", "method-not-allowed"), f"{method} {path} is documented and not there"


def test_R11_5_every_route_of_the_server_is_documented(api, contract):
    said = {(item["method"], item["path"]) for item in api.get("/admin/permissions").expect(200).json["items"]}
    documented = set(contract.operations().values())
    # The page's own files are no API.
    assert {(method, path) for method, path in said - documented if path.startswith("/api/")} == set()
    assert documented - said == set()


def test_R11_5_every_operation_has_one_walk(contract):
    """What the document has and no walk visits, what a walk claims and the document has not, and what two walks claim."""
    claims = collections.defaultdict(list)
    for name, walk in WALKS.items():
        for operation in walk.COVERS:
            claims[operation].append(name)
    documented = contract.operations()
    assert {operation: documented[operation] for operation in documented if operation not in claims} == {}
    assert {operation: names for operation, names in claims.items() if operation not in documented} == {}
    assert {operation: names for operation, names in claims.items() if len(names) > 1} == {}


@pytest.mark.parametrize("name", WALKS)
def test_R11_5_every_operation_answers_as_documented(server, contract, checked, player, name):
    contract.called.clear()
    WALKS[name].walk(walks.Site(server, contract, checked, player))
    assert WALKS[name].COVERS - contract.called == set()


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
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", {400}),
    (b"POST /api/v1/instances HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", {400}),
    (b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", {400, 413, 414, 431}),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X-Header: y\r\n" * 20000 + b"\r\n", {400, 413, 431}),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 not http at all\r\n\r\n", {400}),
    (b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n", {400, 505}),
    (b"GET /%00%ff/../../etc/passwd HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", {400, 404}),
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
    again = caller.start("silent", wait=0).expect(202).json["id"]
    caller.post(f"/instances/{again}/extend").expect(409, "instance-not-running")


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

"""Rate limits over the real server, alone and with a real Redis; the limits of HTTP itself; the fields on every answer."""
import http.client
import re
import shutil
import socket
import threading
import time

import pytest

from harness.api import Api
from harness.redis import Redis
from harness.server import ROOT
from harness.wait import until

REAL = {"rates": {"factor": 1}, "engine": {"kind": "fake"}}


@pytest.fixture
def redis(tmp_path):
    assert shutil.which("redis-server"), "the package redis-server is missing"
    server = Redis(tmp_path).start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def limited(tmp_path_factory, docker):
    """A server with the limits as they are declared."""
    from conftest import server_maker
    make, end, _ = server_maker(docker, tmp_path_factory.mktemp("limited"))
    try:
        yield make(config=REAL).start()
    finally:
        end()


def policy(answer):
    """RateLimit-Policy and RateLimit as {name: {q, w, r, t}}."""
    found = {}
    for field in ("ratelimit-policy", "ratelimit"):
        for item in answer.headers[field].split(", "):
            name, *numbers = item.split(";")
            found.setdefault(name.strip('"'), {}).update({key: int(value) for key, value in (number.split("=") for number in numbers)})
    return found


def drain(call, most=2000):
    """Calls until refused; how many went through, and the refusal."""
    for count in range(most):
        answer = call()
        if answer.status == 429:
            return count, answer
    raise AssertionError(f"nothing was refused in {most} calls")


def metric(server, name):
    found = re.search(rf"^{re.escape(name)} ([0-9.e+]+)$", Api(server.url).get("/metrics").text, re.M)
    return float(found.group(1)) if found else None


# --- the table -----------------------------------------------------------------------------------------------


def test_R7_6_every_route_has_limiters_of_its_own_or_a_reason(limited):
    listed = limited.admin().get("/admin/limits").expect(200).json
    assert len(listed["items"]) >= 20 and len({item["name"] for item in listed["items"]}) == len(listed["items"])
    by_route = {}
    for item in listed["items"]:
        for route in item["routes"]:
            by_route.setdefault(route, set()).add(item["name"])
    free = {entry["route"]: entry["why"] for entry in listed["free"]}
    assert all(free.values()) and not set(free) & set(by_route)
    document = Api(limited.url).get("/openapi.json").json
    for path, methods in document["paths"].items():
        for method in set(methods) - {"parameters"}:
            route = f"{method.upper()} {path}"
            if route in free:
                continue
            names = by_route.get(route, set())
            assert names - {"address"}, f"{route} has no limiter and is not listed as free (src/app/limits.cpp)"
            assert not names & {"other", "other-open"}, f"{route} stands in no row of src/app/limits.cpp"
            # The farm's machines have a wide limit by address of their own.
            assert not path.startswith("/api/") or names & {"address", "farm"}, f"{route} lacks the limit by address"


# --- who is counted --------------------------------------------------------------------------------------------


def test_R7_6_a_burst_is_refused_and_says_when_to_come_back(limited):
    ann, ben = limited.user("l-ann"), limited.user("l-ben")
    first = ann.get("/me").expect(200)
    assert policy(first) == {"profile-read": {"q": 60, "w": 36, "r": 59, "t": 1}}
    count, refused = drain(lambda: ann.get("/me"))
    assert 59 <= count <= 75
    assert refused.expect(429, "rate-limited").json["limiter"] == "profile-read"
    wait = int(refused.headers["retry-after"])
    assert 1 <= wait <= 2 and refused.json["retry_after_s"] == wait
    assert policy(refused)["profile-read"]["r"] == 0
    ben.get("/me").expect(200)
    ann.get("/instances").expect(200)
    time.sleep(wait)
    ann.get("/me").expect(200)


def test_R7_6_a_team_shares_its_starts(limited):
    ann, ben = limited.user("t-ann", team="t-red"), limited.user("t-ben", team="t-red")
    start = {"template": "there-is-none"}
    count, refused = drain(lambda: ann.post("/instances", start))
    assert 10 <= count <= 12
    ben.post("/instances", start).expect(429, "rate-limited")
    other = limited.user("t-cid", team="t-blue")
    other.post("/instances", start).expect(404, "template-unknown")


def test_R7_6_a_flood_from_one_address_is_refused_before_anybody_is_asked(make_server):
    server = make_server(config={**REAL, "rates": {"factor": 0.02}}).start()
    through, last = 0, None
    link = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    for _ in range(200):
        link.request("GET", "/api/v1/instances", headers={"Authorization": "Bearer ty_wrong"})
        last = link.getresponse()
        last.read()
        if last.status == 429:
            break
        through += 1
    assert last.status == 429 and 60 <= through <= 90
    assert last.getheader("Retry-After") and last.getheader("RateLimit-Policy").startswith('"address"')
    assert metric(server, 'tiltyard_rate_limited_total{limiter="address"}') >= 1
    # Another address is not touched, and what is free stays so.
    assert server.api(source="127.0.0.77").get("/instances").status == 401
    Api(server.url).get("/healthz").expect(200)


def test_R7_6_addresses_behind_trusted_proxies_and_never_otherwise(make_server):
    behind = make_server(config={**REAL, "server": {"trusted_proxies": ["127.0.0.1"]}}).start()

    def ask(source=None, **fields):
        return behind.api(source=source).get("/auth", headers={key.replace("_", "-"): value for key, value in fields.items()})

    count, _ = drain(lambda: ask(X_Forwarded_For="192.0.2.1"))
    assert 300 <= count <= 330
    ask(X_Forwarded_For="192.0.2.2").expect(200)
    ask(Forwarded="for=192.0.2.1").expect(429)
    ask(Forwarded='for="[2001:db8::1]:99"').expect(200)
    # Whoever comes by another way is nobody's proxy: a new name for each request does not help.
    names = iter(range(1000))
    count, _ = drain(lambda: ask(source="127.0.0.9", X_Forwarded_For=f"198.51.100.{next(names) % 250}"))
    assert 300 <= count <= 330
    count, _ = drain(lambda: ask(Forwarded=f'for="[2001:db8:5::{next(names) + 1:x}]"'))
    assert 300 <= count <= 330, "a subscriber's /64 is one"


def test_R7_6_the_admin_token_has_ten_times_as_much(limited):
    answer = limited.admin().get("/admin/limits").expect(200)
    assert policy(answer)["admin-read"]["q"] == 3000


# --- changed by staff ------------------------------------------------------------------------------------------


def test_R7_6_staff_change_a_limit_and_it_counts_at_once(make_server):
    server = make_server(config=REAL).start()
    admin, operator, player = server.admin(), server.user("op", role="operator"), server.user("pl")
    drain(lambda: player.get("/me"))
    operator.get("/admin/limits").expect(200)
    operator.patch("/admin/limits", {"name": "profile-read", "burst": 200}).expect(403, "forbidden")
    player.get("/admin/limits").expect(403, "forbidden")
    changed = admin.patch("/admin/limits", {"name": "profile-read", "burst": 200, "per_day": 5000}).expect(200).json
    assert changed["burst"] == 200 and changed["rate"] == 100 and changed["changed"] and changed["standard"]["burst"] == 60
    assert set(policy(player.get("/me").expect(200))) == {"profile-read", "profile-read.day"}
    for bad in ({"burst": 0}, {"rate": 10**8}, {"per_day": -1}, {"burst": "10"}, {"burst": 1.5}, {"colour": 1}):
        admin.patch("/admin/limits", {"name": "profile-read", **bad}).expect(400, "invalid-body")
    admin.patch("/admin/limits", {"name": "nothing", "burst": 1}).expect(404, "limiter-unknown")
    server.restart()
    item = next(item for item in server.admin().get("/admin/limits").json["items"] if item["name"] == "profile-read")
    assert item["burst"] == 200 and item["changed"]
    assert not server.admin().patch("/admin/limits", {"name": "profile-read", "reset": True}).expect(200).json["changed"]
    kinds = [event["kind"] for event in server.admin().get("/admin/events", query={"limit": 100}).json["items"] if event["subject"] == "profile-read"]
    assert kinds.count("limits.changed") == 2


# --- with Redis --------------------------------------------------------------------------------------------------


def test_R7_6_two_servers_share_through_redis(make_server, redis):
    config = {**REAL, "redis": {"url": redis.url}}
    one, two = make_server(config=config).start(), make_server(config=config).start()
    admins = []
    for server in (one, two):
        until(lambda: server.admin().get("/admin/limits").json["counted_in"] == "redis", "the server to find Redis", 10)
        admins.append(server.api())
    first, _ = drain(lambda: admins[0].get("/auth"))
    assert 290 <= first <= 330
    admins[1].get("/auth").expect(429, "rate-limited")
    # Nothing stays in Redis for ever.
    key = next(line for line in redis.call("KEYS", "tiltyard:limit:*").split("\r\n") if line.startswith("tiltyard:"))
    assert int(redis.call("PTTL", key)[1:]) > 0


def test_R7_6_a_limit_changed_on_one_server_counts_on_the_other(make_server, redis, tmp_path):
    """Two servers with folders of their own on one database and one Redis."""
    config = {**REAL, "store": {"url": f"sqlite:{tmp_path / 'shared.db'}"}, "redis": {"url": redis.url}}
    one, two = make_server(config=config).start(), make_server(config=config).start()
    player = two.api(one.user("nomad").post("/me/tokens", {"name": "t"}).expect(201).json["token"])
    assert policy(player.get("/me").expect(200))["profile-read"]["q"] == 60
    one.admin().patch("/admin/limits", {"name": "profile-read", "burst": 7}).expect(200)
    until(lambda: policy(player.get("/me"))["profile-read"]["q"] == 7, "the other server to go by the change", 10)
    assert drain(lambda: player.get("/me"))[0] <= 7
    item = next(item for item in two.admin().get("/admin/limits").json["items"] if item["name"] == "profile-read")
    assert item["burst"] == 7 and item["changed"]
    two.admin().patch("/admin/limits", {"name": "profile-read", "reset": True}).expect(200)
    mate = one.api(one.user("mate").post("/me/tokens", {"name": "t"}).expect(201).json["token"])
    until(lambda: policy(mate.get("/me"))["profile-read"]["q"] == 60, "the first server to go back with it", 10)


def test_R7_6_redis_is_killed_in_mid_load_and_comes_back(make_server, redis):
    server = make_server(config={**REAL, "redis": {"url": redis.url}, "rates": {"factor": 100}}).start()
    until(lambda: server.admin().get("/admin/limits").json["counted_in"] == "redis", "the server to find Redis", 10)
    statuses, slowest, ended = [], [0.0], threading.Event()

    def load():
        link = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        while not ended.is_set():
            begun = time.monotonic()
            link.request("GET", "/api/v1/me", headers={"Authorization": f"Bearer {server.token}"})
            answer = link.getresponse()
            answer.read()
            statuses.append(answer.status)
            slowest[0] = max(slowest[0], time.monotonic() - begun)

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    until(lambda: len(statuses) > 200, "some load", 20)
    redis.kill()
    until(lambda: metric(server, "tiltyard_limits_degraded") == 1, "the metric to tell", 10)
    seen = len(statuses)
    until(lambda: len(statuses) > seen + 200, "requests to go on", 20)
    redis.start()
    until(lambda: metric(server, "tiltyard_limits_degraded") == 0, "Redis to be used again", 15)
    seen = len(statuses)
    until(lambda: len(statuses) > seen + 100 and "tiltyard:limit" in redis.call("KEYS", "*"), "counts in Redis", 20)
    ended.set()
    for thread in threads:
        thread.join(20)
    assert set(statuses) == {200}, "nobody notices"
    assert slowest[0] < 3
    assert server.log().count("Redis is away; limits are counted") == 1, "one warning"
    assert server.log().count("Redis is back") == 1


def test_R7_6_a_server_starts_without_its_redis(make_server, tmp_path):
    server = make_server(config={**REAL, "redis": {"url": f"unix://{tmp_path}/nowhere.sock"}}).start()
    assert server.user("p").get("/me").expect(200)
    assert metric(server, "tiltyard_limits_degraded") == 1


# --- what HTTP itself may cost ---------------------------------------------------------------------------------------


def raw(server, head, body=b"", wait=20):
    """Sends bytes as they are; (status, reason of the problem, all fields)."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=wait) as link:
        try:
            link.sendall(head + body)
        except OSError:
            pass
        answer = http.client.HTTPResponse(link)
        answer.begin()
        text = answer.read().decode()
        found = re.search(r"urn:tiltyard:error:([a-z-]+)", text)
        return answer.status, found and found.group(1), {key.lower(): value for key, value in answer.getheaders()}


def test_R10_6_heads_and_addresses_have_an_end(limited):
    line = b"GET /api/v1/auth HTTP/1.1\r\nHost: localhost\r\n"
    assert raw(limited, line + b"\r\n")[0] == 200
    bombs = {
        "one large field": line + b"A: " + b"x" * 20_000 + b"\r\n\r\n",
        "one large cookie": line + b"Cookie: a=" + b"x" * 20_000 + b"\r\n\r\n",
        "many cookies": line + b"Cookie: " + b"; ".join(b"c%d=x" % i for i in range(4000)) + b"\r\n\r\n",
        "many fields": line + b"".join(b"F%d: x\r\n" % i for i in range(120)) + b"\r\n",
        "a head that never ends": line + b"A: b\r\n" * 5000,
    }
    for what, bytes_sent in bombs.items():
        assert raw(limited, bytes_sent)[:2] == (431, "head-too-large"), what
    for length in (8001, 30_000):
        assert raw(limited, b"GET /" + b"a" * length + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")[:2] == (414, "uri-too-long"), length
    assert raw(limited, b"GET /api/v1/auth?q=" + b"a" * 7900 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")[0] == 200
    assert limited.alive


def test_R10_6_bodies_have_an_end(limited):
    head = b"POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    assert raw(limited, head + b"Content-Length: 70000\r\n\r\n")[:2] == (413, "body-too-large"), "before it is read"
    piece = b"1000\r\n" + b"x" * 4096 + b"\r\n"
    assert raw(limited, head + b"Transfer-Encoding: chunked\r\n\r\n", piece * 40 + b"0\r\n\r\n")[:2] == (413, "body-too-large")
    deep = b"[" * 5000
    assert raw(limited, head + b"Content-Length: 5000\r\n\r\n", deep)[:2] == (400, "invalid-body")


def test_R10_6_slow_heads_are_let_go(limited):
    begun = time.monotonic()
    with socket.create_connection(("127.0.0.1", limited.port), timeout=30) as link:
        link.sendall(b"GET /api/v1/auth HTTP/1.1\r\nHost: localhost\r\n")
        link.settimeout(1)
        answer = b""
        while time.monotonic() - begun < 20 and not answer:
            try:
                link.sendall(b"A: b\r\n")
                answer = link.recv(4096)
            except socket.timeout:
                continue
            except OSError:
                break
    assert time.monotonic() - begun < 15 and b" 408 " in answer.split(b"\r\n")[0] + b" "


SECURITY = {
    "content-security-policy": "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=()",
}


def test_R10_6_security_fields_are_on_every_kind_of_answer(limited):
    player = limited.user("s-player")
    _, refused = drain(lambda: player.get("/me"))
    answers = {
        "the page": Api(limited.url).get("/").headers,
        "a list": limited.admin().get("/templates").expect(200).headers,
        "nobody": Api(limited.url).get("/me").expect(401).headers,
        "no route": Api(limited.url).get("/nothing").expect(404).headers,
        "no method": Api(limited.url).delete("/auth").expect(405).headers,
        "too often": refused.headers,
        "no HTTP": raw(limited, b"nonsense\r\n\r\n")[2],
        "too large": raw(limited, b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")[2],
    }
    for what, fields in answers.items():
        for name, part in SECURITY.items():
            assert part in fields.get(name, ""), f"{what} lacks {name}"
        assert "strict-transport-security" not in fields, "only where there is TLS"
        assert "server" not in fields and "x-powered-by" not in fields
    for what in ("a list", "nobody", "no route", "too often"):
        assert answers[what]["cache-control"] == "no-store", what
    csp = answers["the page"]["content-security-policy"]
    assert "default-src 'self'" in csp and "unsafe-inline" not in csp and "unsafe-eval" not in csp


def test_R10_6_tokens_are_compared_in_constant_time():
    """No secret is compared with ==: the admin token by sodium_memcmp, the others by the fingerprint that finds their row."""
    source = (ROOT / "src" / "identity" / "authorise.cpp").read_text() + (ROOT / "src" / "app" / "health.cpp").read_text()
    assert "admin_token.equals(" in source and "sodium_memcmp" in (ROOT / "src" / "base" / "secret.cpp").read_text()
    for file in (ROOT / "src").glob("*/*.cpp"):
        if file.name.endswith("_test.cpp"):
            continue
        for number, line in enumerate(file.read_text().splitlines(), 1):
            assert not re.search(r"reveal\(\)\s*[!=]=(?!=)|[!=]=\s*\w[\w.>-]*reveal\(\)", line), f"{file.name}:{number} compares a secret byte by byte"

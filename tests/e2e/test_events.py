"""The event log (row 9.4): written with what it tells of, read by page and filter, exported while it grows, kept for a time."""
import json
import threading
import urllib.request

import pytest

from harness import postgres, templates
from harness.api import Api
from harness.wait import until

FAKE = templates.FAKE
#: Rows that are years old stay while a test looks at them.
KEPT = {**FAKE, "events": {"keep_days": 3650}}


@pytest.fixture(scope="module")
def ground(docker, tmp_path_factory):
    """A server with the fake engine: events need no machines."""
    from conftest import server_maker
    make, end, _ = server_maker(docker, tmp_path_factory.mktemp("events"))
    server = make(config=FAKE, web=templates.EMPTY)
    server.start()
    server.admin().wait_template("web")
    yield server
    end()


def events(api, **query):
    return api.get("/admin/events", query={"limit": 500, **query}).expect(200).json["items"]


def kinds(api, **query):
    return [event["kind"] for event in reversed(events(api, **query))]


def fill(server, count, **columns):
    """Rows as the server writes them, straight into the database of a server that is stopped."""
    base = {"kind": "'instance.running'", "subject": "'web-' || n", "owner": "'owner-' || (n % 1000)", "actor": "'player ' || (n % 1000)",
            "actor_id": "'id-' || (n % 1000)", "address": "'10.0.0.' || (n % 250)", "at": "1700000000000000 + n * 1000000", "detail": "'{}'"}
    base.update(columns)
    first = server.rows("SELECT last FROM event_sequence")[0][0]
    server.change(f"WITH RECURSIVE count(n) AS (SELECT CAST({first + 1} AS BIGINT) UNION ALL SELECT n + 1 FROM count WHERE n < {first + count}) "
                  f"INSERT INTO events (seq, {', '.join(base)}) SELECT n, {', '.join(base.values())} FROM count")
    # What the server itself wrote before has another time: say so, as it would have.
    server.change("UPDATE event_sequence SET last = (SELECT MAX(seq) FROM events), disorder = (SELECT MAX(at) - MIN(at) FROM events), "
                  "latest_at = (SELECT MAX(at) FROM events)")


def test_R9_4_the_life_of_an_instance_is_told_with_who_and_from_where(ground):
    player = ground.user("ann")
    me = player.get("/me").json
    staff = ground.user("olga", role="operator")
    instance = player.running("web")
    player.post(f"/instances/{instance['id']}/extend")
    staff.stop(instance["id"])
    told = events(ground.admin(), instance=instance["id"])
    assert [event["kind"] for event in reversed(told)] == ["instance.asked", "instance.running", "instance.stopping", "instance.stopped"]
    stopped, stopping, running, asked = told
    assert (asked["actor"], asked["actor_id"], asked["owner"], asked["address"]) == ("ann", me["id"], me["id"], "127.0.0.1")
    assert stopping["actor"] == "olga" and stopping["detail"]["reason"] == "admin"
    assert running["severity"] == "good" and running["detail"]["template"] == "web" and running["detail"]["expires_at"]
    assert stopped["detail"]["owner_name"] == "ann"
    ids = [int(event["id"]) for event in told]
    assert ids == sorted(ids, reverse=True)


def test_R9_4_flags_are_told_without_the_flag(make_server, docker):
    flagged = {**templates.EMPTY, "instance.toml": templates.EMPTY["instance.toml"] + "\n[flag]\nfile = \"/flag.txt\"\n"}
    server = make_server(config=FAKE, flagged=flagged).start()
    server.admin().wait_template("flagged", "ready", "broken")
    player = server.user("bob")
    player.start("flagged", wait=0).expect(202)
    created = until(lambda: events(server.admin(), kind="flag.created"), "the flag's event", 20)
    assert created[0]["subject"] == "flagged" and created[0]["owner"] == player.get("/me").json["id"]
    assert "{" not in json.dumps(created[0]["detail"]).strip("{}"), created[0]
    flag = server.rows("SELECT flag FROM flags")[0][0]
    assert flag not in json.dumps(events(server.admin()))
    admin = server.admin()
    admin.delete(f"/admin/users/{player.get('/me').json['id']}").expect(204)
    assert until(lambda: events(admin, kind="flag.deleted"), "the flag's end", 20)[0]["subject"] == "flagged"


def test_R9_4_the_server_and_its_staff_are_in_the_log(make_server):
    server = make_server(config=FAKE, web=templates.EMPTY).start()
    admin = server.admin()
    admin.wait_template("web")
    admin.patch("/admin/templates/web", {"max_instances": 7}).expect(200)
    admin.post("/admin/templates/web/rebuild").expect(202)
    assert kinds(admin)[0] == "system.started"
    change = events(admin, kind="template.override")[0]
    assert change["subject"] == "web" and change["detail"]["max_instances"] == 7 and change["actor"]
    assert events(admin, kind="template.rebuild")[0]["subject"] == "web"
    server.restart()
    assert [kind for kind in kinds(server.admin()) if kind.startswith("system")] == ["system.started", "system.stopped", "system.started"]


def test_R9_4_an_event_stands_if_and_only_if_its_change_does(make_server):
    server = make_server(config=FAKE, web=templates.EMPTY).start()
    server.admin().wait_template("web")
    server.stop()
    # Killed right after the instance's row was committed.
    server.start(failpoints="labs.admit.commit.after=kill")
    player = server.admin()
    with pytest.raises(OSError):
        player.start("web", wait=0)
    server.wait_dead()
    rows = server.rows("SELECT id FROM instances")
    assert len(rows) == 1 and rows == server.rows("SELECT subject FROM events WHERE kind = 'instance.asked'")
    # Killed right before: neither.
    server.start(failpoints="labs.admit.commit.before=kill")
    server.admin().stop_all()
    with pytest.raises(OSError):
        server.admin().start("web", wait=0)
    server.wait_dead()
    assert server.rows("SELECT COUNT(*) FROM instances") == server.rows("SELECT COUNT(*) FROM events WHERE kind = 'instance.asked'") == [(1,)]
    server.start()


def test_R9_4_filters_and_pages_find_every_event_once_while_the_log_grows(make_server):
    server = make_server(config=KEPT, web=templates.EMPTY).start()
    server.stop()
    fill(server, 3000, kind="CASE WHEN n % 10 = 0 THEN 'login' ELSE 'instance.running' END")
    server.start()
    admin = server.admin()

    def all_pages(grow=False, **query):
        seen, cursor = [], None
        while True:
            page = admin.get("/admin/events", query={"limit": 97, **query, **({"cursor": cursor} if cursor else {})}).expect(200).json
            seen += [int(event["id"]) for event in page["items"]]
            cursor = page["next"]
            if cursor is None:
                return seen
            if grow:
                admin.patch("/admin/templates/web", {"active": True})
    everything = all_pages(grow=True)
    assert everything == sorted(set(everything), reverse=True)
    assert len([seq for seq in everything if seq > 2]) >= 3000
    logins = all_pages(kind="login")
    assert len(logins) == 300 and set(logins) <= set(everything)
    assert len(all_pages(kind="login,instance.*")) >= 3000
    assert len(all_pages(owner="owner-7")) == 3 == len(all_pages(user="player 7")) == len(all_pages(user="id-7"))
    assert len(all_pages(instance="web-500")) == 1
    assert len(all_pages(text="PLAYER 77")) == len([n for n in range(1000) if str(n).startswith("77")]) * 3
    assert all_pages(text="100%_") == [] and all_pages(text="' OR 1=1 --") == []
    # Times are exact whatever the order in which they were written.
    first, last = "2023-11-14T22:20:00.000Z", "2023-11-14T22:30:00.000Z"
    assert len(all_pages(**{"from": first, "to": last})) == 600
    assert len(all_pages(kind="login", owner="owner-10", **{"from": first})) <= 3
    assert all_pages(kind="login", severity="error") == []
    newest = admin.get("/admin/events", query={"limit": 1}).json
    assert newest["items"][0]["id"] == newest["last"]
    admin.patch("/admin/templates/web", {"active": True}).expect(200)
    fresh = admin.get("/admin/events", query={"after": newest["last"]}).json["items"]
    assert [event["kind"] for event in fresh] == ["template.override"]


def test_R9_4_a_rare_text_is_looked_for_in_bounded_steps(make_server):
    server = make_server(config=KEPT).start()
    server.stop()
    fill(server, 60_000, detail="CASE WHEN n = 17 THEN '{\"text\":\"the needle\"}' ELSE '{}' END")
    server.start()
    cursor, found, steps = None, [], 0
    while True:
        page = server.admin().get("/admin/events", query={"text": "NEEDLE", **({"cursor": cursor} if cursor else {})}).expect(200).json
        steps += 1
        found += page["items"]
        cursor = page["next"]
        assert bool(cursor) == bool(page["looked_until"])
        if cursor is None:
            break
    assert len(found) == 1 and found[0]["detail"] == {"text": "the needle"}
    assert 3 <= steps <= 5, "20,000 rows a call"


@pytest.mark.parametrize("query", [{"kind": "no.such"}, {"from": "yesterday"}, {"limit": 0}, {"limit": 501}, {"cursor": "-1"}, {"cursor": "1e9"},
                                   {"cursor": "99999999999999999999"}, {"severity": "loud"}, {"text": "x" * 201}, {"after": "a"}])
def test_R9_4_filters_that_make_no_sense_are_400(ground, query):
    ground.admin().get("/admin/events", query=query).expect(400, "invalid-query")


def test_R9_4_who_may_read_what(ground):
    ground.user("carl").get("/admin/events").expect(403, "forbidden")
    operator = ground.user("oleg", role="operator")
    hidden = {"user.created", "user.deleted", "token.created"}
    names = {kind["name"] for kind in operator.get("/admin/events/kinds").expect(200).json["items"]}
    assert not names & hidden
    assert hidden <= {kind["name"] for kind in ground.admin().get("/admin/events/kinds").expect(200).json["items"]}
    assert not {event["kind"] for event in events(operator)} & hidden
    operator.get("/admin/events", query={"kind": "user.created"}).expect(403, "forbidden")
    export = operator.get("/admin/events/export").expect(200)
    assert not {json.loads(line)["kind"] for line in export.text.splitlines()} & hidden


def test_R9_4_the_export_is_whole_fixed_and_resumable_while_the_log_grows(make_server):
    server = make_server(config=KEPT, web=templates.EMPTY).start()
    server.stop()
    fill(server, 20_000, detail="'{\"text\":\"" + "x" * 300 + "\"}'")
    server.start()
    admin = server.admin()
    request = urllib.request.Request(f"{server.url}/api/v1/admin/events/export", headers={"Authorization": f"Bearer {server.token}"})
    before = server.memory()
    with urllib.request.urlopen(request, timeout=60) as answer:
        until_id = int(answer.headers["X-Tiltyard-Until"])
        assert answer.headers["Content-Type"] == "application/x-ndjson"
        lines = [answer.readline()]
        # The reader is slow: the server waits with it, and others go on.
        for _ in range(20):
            admin.patch("/admin/templates/web", {"active": True}).expect(200)
        assert server.memory() - before < 24 << 20
        lines += answer.readlines()
    ids = [int(json.loads(line)["id"]) for line in lines]
    assert ids == sorted(set(ids)) and ids[-1] == until_id and len(ids) >= 20_000
    assert json.loads(lines[-1])["kind"] == "events.exported"
    # From the middle on, to the same end.
    rest = admin.get("/admin/events/export", query={"cursor": ids[9_999], "until": until_id}).expect(200)
    assert [int(json.loads(line)["id"]) for line in rest.text.splitlines()] == ids[10_000:]
    few = admin.get("/admin/events/export", query={"kind": "system.started"}).expect(200).text.splitlines()
    assert {json.loads(line)["kind"] for line in few} == {"system.started"}


@pytest.mark.skipif(postgres.wanted(), reason="PostgreSQL keeps no text that is not UTF-8")
def test_R9_4_no_name_can_forge_a_line(make_server):
    server = make_server(config={**KEPT, "log": {"level": "trace"}}).start()
    forged = 'x\n{"id":"1","kind":"login"}\r\n2026-01-01T00:00:00.000Z fatal app: forged\u2028\u202e\x1b[2J'
    nobody = server.api()
    nobody.sign_in(strategy="local", name=forged, password="wrong horse battery")
    nobody.get("/me", headers={"User-Agent": "a\tb", "Authorization": "Bearer ty_" + "a" * 30})
    server.admin().post("/admin/users", {"name": forged, "password": "long enough to keep"}).expect(400)
    until(lambda: server.admin().get("/admin/events").json["items"], "events")
    export = server.admin().get("/admin/events/export").expect(200).body
    for line in export.decode().split("\n")[:-1]:
        json.loads(line)
    assert b"\xe2\x80\xa8" not in export and b"\x1b" not in export and b"\r" not in export
    for line in server.log_path.read_bytes().split(b"\n"):
        assert not line.startswith((b'{"id"', b"2026-01-01T00:00:00.000Z fatal")), line
        assert not any(byte < 0x20 and byte != 9 or byte == 0x7f for byte in line), line
    # And what an older server wrote in its way does not get out either.
    server.stop()
    fill(server, 1, actor="'a' || char(10) || 'b' || char(8232) || x'ff'")
    server.start()
    lines = server.admin().get("/admin/events/export").expect(200).body
    assert all(json.loads(line) for line in lines.decode().split("\n")[:-1]) and b"\xe2\x80\xa8" not in lines


def test_R9_4_old_events_go_in_small_batches(make_server):
    server = make_server(config={**FAKE, "events": {"keep_days": 30}}).start()
    server.stop()
    fill(server, 3_000)
    server.start()
    admin = server.admin()
    until(lambda: events(admin, kind="events.removed"), "the old events to go", 30)
    removed = events(admin, kind="events.removed")[0]
    assert removed["detail"]["count"] == 3_000
    assert not events(admin, kind="instance.running")
    assert kinds(admin)[0] == "system.started"


def test_R9_4_a_flood_of_refused_sign_ins_is_counted(make_server):
    server = make_server(config=FAKE).start()
    admin = server.admin()

    def flood():
        caller = Api(server.url, token="ty_" + "b" * 40)
        for _ in range(100):
            caller.get("/me").expect(401)
    threads = [threading.Thread(target=flood) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(until(lambda: events(admin, kind="auth.failed"), "the first to be told at once", 10)) == 1
    server.stop()
    server.start()
    rows = events(server.admin(), kind="auth.failed")
    assert len(rows) == 2 and rows[0]["detail"]["count"] == 399, rows
    assert rows[0]["address"] == "127.0.0.1"

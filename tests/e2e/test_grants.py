"""Row 3.5: every way into a machine starts with a grant: once, soon, and by whom and for what it was given."""
import base64
import concurrent.futures
import http.client
import json
import os


from harness import templates


def knock(server, caller, instance, grant="", way="terminal", **query):
    """What a browser is answered when it opens the WebSocket of a way in: the status, and the problem's reason."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        query = "&".join(f"{name}={value}" for name, value in {**query, **({"grant": grant} if grant else {})}.items())
        connection.request("GET", f"/api/v1/instances/{instance}/{way}?{query}", headers={
            "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(), "Cookie": caller.cookie, "Origin": server.url})
        answer = connection.getresponse()
        return answer.status if answer.status == 101 else (answer.status, json.loads(answer.read())["type"].rsplit(":", 1)[1])
    finally:
        connection.close()


def granted(caller, instance, **more):
    return caller.post(f"/instances/{instance}/grants", {"kind": "terminal", **more}).expect(201).json["grant"]


def test_R3_5_a_grant_lets_in_once_its_user_to_its_place(server):
    owner, other, staff = server.user("grant-owner"), server.user("grant-other"), server.user("grant-staff", "operator")
    instance, elsewhere = owner.running("box")["id"], other.running("box")["id"]
    assert knock(server, owner, instance) == (403, "grant-needed")
    assert knock(server, owner, instance, "0" * 32) == (403, "grant-over")
    assert knock(server, other, instance, granted(other, elsewhere)) == (404, "instance-unknown"), "a foreign instance is not there"
    other.post(f"/instances/{instance}/grants", {"kind": "terminal"}).expect(404, "instance-unknown")

    grant = granted(owner, instance)
    assert knock(server, owner, instance, grant) == 101
    assert knock(server, owner, instance, grant) == (403, "grant-over"), "it was used"

    stolen = granted(owner, instance)
    assert knock(server, staff, instance, stolen) == (403, "grant-over"), "it is somebody else's"
    assert knock(server, owner, instance, stolen) == (403, "grant-over"), "and whoever shows it uses it up"
    assert knock(server, owner, instance, granted(owner, instance, right="watch")) == (403, "grant-over")
    assert knock(server, owner, instance, granted(owner, instance, kind="command")) == (403, "grant-over")
    assert knock(server, owner, instance, way="exec") == (403, "grant-needed")
    assert knock(server, owner, instance, granted(owner, instance, kind="command"), way="exec") == 101


def test_R3_5_of_many_who_show_a_grant_at_once_one_is_let_in(server):
    owner = server.user("grant-race")
    instance = owner.running("box")["id"]
    grant = granted(owner, instance)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: knock(server, owner, instance, grant), range(8)))
    assert sorted(answers, key=str) == [(403, "grant-over")] * 7 + [101]


def test_R3_5_a_grant_that_was_used_stays_so_through_a_kill(make_server, docker):
    server = make_server(box=templates.BOX)
    server.start()
    server.admin().wait_template("box")
    owner = server.user("grant-kill")
    instance = owner.running("box")["id"]
    used, fresh = granted(owner, instance), granted(owner, instance)
    assert knock(server, owner, instance, used) == 101
    server.kill9()
    server.restart()
    owner.wait_state(instance, "running", "paused")
    assert knock(server, owner, instance, used) == (403, "grant-over")
    # The other one is good where the server was back within its time, and over where it was not: never for a second use.
    assert knock(server, owner, instance, fresh) in (101, (403, "grant-over"))
    assert knock(server, owner, instance, fresh) == (403, "grant-over")
    owner.stop(instance)

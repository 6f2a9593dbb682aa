"""Feature flags: for whom a part of the range is on, seen by clients, changed by staff, recorded."""
import pytest

RULE = {"about": "The new editor", "enabled": True, "percent": 0, "users": [], "teams": [], "role": None}


@pytest.fixture(scope="module")
def people(server):
    return {"ann": server.user("f-ann", team="f-red"), "ben": server.user("f-ben", team="f-red"), "cid": server.user("f-cid"),
            "author": server.user("f-author", role="author"), "operator": server.user("f-operator", role="operator")}


def on(caller, name):
    return caller.get("/me/features").expect(200).json["features"].get(name, False)


def put(server, name, **rule):
    return server.admin().put(f"/admin/features/{name}", {**RULE, **rule})


def test_R7_7_targets_by_user_team_and_role(server, people):
    put(server, "targeted", users=["f-cid"]).expect(201)
    assert [on(people[who], "targeted") for who in ("ann", "ben", "cid", "author")] == [False, False, True, False]
    put(server, "targeted", teams=["f-red"]).expect(200)
    assert [on(people[who], "targeted") for who in ("ann", "ben", "cid", "author")] == [True, True, False, False]
    identity = people["ann"].get("/me").json["team"]["id"]
    put(server, "targeted", teams=[identity]).expect(200)
    assert on(people["ben"], "targeted") and not on(people["cid"], "targeted")
    put(server, "targeted", role="author").expect(200)
    assert [on(people[who], "targeted") for who in ("ann", "author", "operator")] == [False, True, True]
    put(server, "targeted", role="author", users=["f-cid"], percent=100, enabled=False).expect(200)
    assert not any(on(caller, "targeted") for caller in people.values()), "the switch is above all"
    server.admin().delete("/admin/features/targeted").expect(204)
    assert "targeted" not in people["ann"].get("/me/features").json["features"]


def test_R7_7_a_percentage_sticks_over_a_restart_and_a_growing_share(make_server):
    server = make_server(config={"engine": {"kind": "fake"}}).start()
    players = [server.user(f"p{i}") for i in range(10)]

    def who(percent):
        put(server, "share", percent=percent)
        return {i for i, player in enumerate(players) if on(player, "share")}

    half, more, everybody = who(40), who(70), who(100)
    assert half <= more <= everybody == set(range(10))
    assert who(0) == set()
    assert who(40) == half
    server.restart()
    assert {i for i, player in enumerate(players) if on(player, "share")} == half


def test_R7_7_members_of_a_team_have_the_same(server, people):
    for number in range(12):
        put(server, f"draw-{number}", percent=50)
        assert on(people["ann"], f"draw-{number}") == on(people["ben"], f"draw-{number}")
        server.admin().delete(f"/admin/features/draw-{number}").expect(204)


def test_R7_7_only_admins_change_and_staff_see(server, people):
    put(server, "guarded").expect(201)
    for who, may_read in (("ann", False), ("author", False), ("operator", True)):
        caller = people[who]
        caller.get("/admin/features").expect(200 if may_read else 403)
        caller.get("/admin/features/guarded").expect(200 if may_read else 403)
        caller.put("/admin/features/guarded", RULE).expect(403, "forbidden")
        caller.delete("/admin/features/guarded").expect(403, "forbidden")
    server.api().get("/me/features").expect(401)
    server.admin().delete("/admin/features/guarded").expect(204)


def test_R7_7_wrong_rules_are_refused_and_change_nothing(server):
    admin = server.admin()
    put(server, "kept", percent=25).expect(201)
    for bad in ({"percent": 101}, {"percent": "ten"}, {"enabled": 1}, {"users": "ann"}, {"role": "king"}, {"colour": "red"}, {"users": [""]}):
        admin.put("/admin/features/kept", bad).expect(400, "invalid-body")
    admin.call("PUT", "/admin/features/kept", raw=b"[1]").expect(400, "invalid-body")
    for bad in ("UPPER", "-x", "a_b", "a%20b", "x" * 65, "a%0Ab"):
        answer = admin.put(f"/admin/features/{bad}", RULE)
        assert answer.status == 400, answer
    assert admin.get("/admin/features/kept").json["percent"] == 25
    admin.get("/admin/features/none").expect(404, "feature-unknown")
    admin.delete("/admin/features/none").expect(404, "feature-unknown")
    admin.delete("/admin/features/kept").expect(204)


def test_R7_7_changes_are_recorded(server):
    put(server, "recorded", percent=12.5).expect(201)
    server.admin().delete("/admin/features/recorded").expect(204)
    events = [event for event in server.admin().get("/admin/events", query={"limit": 200}).json["items"] if event["subject"] == "recorded"]
    assert {event["kind"] for event in events} == {"feature.changed", "feature.deleted"}
    changed = next(event for event in events if event["kind"] == "feature.changed")
    assert changed["detail"]["percent"] == 12.5 and changed["actor"]


def hideable(server):
    return [item["name"] for item in server.admin().get("/admin/features").expect(200).json["items"]
            if item["about"].startswith("The whole of it")]


def test_R7_7_each_capability_can_be_hidden_as_a_whole_and_comes_back(make_server):
    server = make_server(config={"engine": {"kind": "fake"}}).start()
    admin, player = server.admin(), server.user("h-player")
    routes = admin.get("/admin/permissions").expect(200).json["items"]
    names = hideable(server)
    assert {"labs", "farm", "board", "audit", "realtime"} <= set(names)
    assert not {"identity", "features", "rates"} & set(names), "who hid these could not bring them back"

    def reads_of(name):
        return [item["path"] for item in routes
                if item["capability"] == name and item["method"] == "GET" and "{" not in item["path"] and item["path"].startswith("/api/v1/")
                and item["path"] != "/api/v1/events"]  # a stream: the next test asks for it where it is hidden

    def hidden(caller, path):
        answer = caller.get(path.removeprefix("/api/v1"))
        return answer.status == 404 and answer.json["type"].endswith("switched-off")

    for name in names:
        put(server, name, enabled=False).expect(201)
        for other in names:
            for path in reads_of(other):
                assert hidden(admin, path) is (other == name), (name, path)
        assert player.get("/me/features").json["features"][name] is False
        admin.delete(f"/admin/features/{name}").expect(204)
        assert player.get("/me/features").json["features"][name] is True
        for path in reads_of(name):
            assert not hidden(admin, path), (name, path)


def test_R7_7_a_capability_is_hidden_for_some(make_server):
    server = make_server(config={"engine": {"kind": "fake"}}).start()
    ann, ben = server.user("h-ann"), server.user("h-ben")
    put(server, "labs", users=["h-ann"]).expect(201)
    ann.get("/instances").expect(200)
    ben.get("/instances").expect(404, "switched-off")
    ben.get("/events").expect(404, "switched-off")
    ben.get("/me").expect(200)
    server.restart()
    ben.get("/instances").expect(404, "switched-off")

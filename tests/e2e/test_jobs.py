"""Row 8.4: the board of jobs, over the server's own."""
from harness import templates
from harness.wait import until


def kind(admin, name):
    return next(k for k in admin.get("/admin/jobs/kinds").expect(200).json["items"] if k["name"] == name)


def test_R8_4_the_board_counts_and_a_paused_kind_stays_paused_over_a_kill(make_server):
    server = make_server(config=templates.FAKE).start()
    admin = server.admin()
    shown = kind(admin, "jobs")
    assert shown["known"] and not shown["paused"] and shown["waiting"] >= 1 and shown["about"]
    assert admin.post("/admin/jobs/kinds/jobs/pause").expect(200).json["paused"]
    server.kill9()
    server.start()
    admin = server.admin()
    assert kind(admin, "jobs")["paused"] and kind(admin, "jobs")["paused_by"]
    # Its schedule falls due after half a minute, and waits.
    until(lambda: kind(admin, "jobs")["ready"] == 1, "the schedule to be due", 60)
    assert kind(admin, "jobs")["lateness"]["firings"] == 0
    assert not admin.post("/admin/jobs/kinds/jobs/resume").expect(200).json["paused"]
    until(lambda: kind(admin, "jobs")["lateness"]["firings"] == 1, "it to fire", 20)
    assert kind(admin, "jobs")["lateness"]["max_ms"] > 0
    minutes = admin.get("/admin/jobs/minutes", query={"kind": "jobs"}).expect(200).json["items"]
    assert sum(minute["done"] for minute in minutes) == 1


def test_R8_4_the_board_is_for_staff(make_server):
    server = make_server(config=templates.FAKE).start()
    player = server.user("pat")
    player.get("/admin/jobs/kinds").expect(403, "forbidden")
    player.post("/admin/jobs/kinds/jobs/pause").expect(403, "forbidden")

"""Rows 8.1 and 8.4: the server's own work is jobs, and the board shows them."""
import time

from harness import templates
from harness.farm import farm
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
    minutes = lambda: admin.get("/admin/jobs/minutes", query={"kind": "jobs"}).expect(200).json["items"]
    until(lambda: sum(minute["done"] for minute in minutes()) == 1, "its end to be counted", 20)


def test_R8_4_the_board_is_for_staff(make_server):
    server = make_server(config=templates.FAKE).start()
    player = server.user("pat")
    player.get("/admin/jobs/kinds").expect(403, "forbidden")
    player.post("/admin/jobs/kinds/jobs/pause").expect(403, "forbidden")


HOUSE = {"events.retention", "identity.watch", "labs.idle", "labs.lease-end", "labs.leases", "labs.pools", "labs.queue", "labs.sweep", "labs.usage", "limits.look",
         "notices.delivery", "notices.feed", "templates.look", "farm.attack-data", "farm.config", "farm.retention", "farm.upkeep", "jobs"}
POLLS = HOUSE - {"events.retention", "farm.retention", "labs.lease-end", "labs.sweep", "jobs"}


def test_R8_1_the_work_of_the_house_is_on_the_board(make_server):
    mail = {"smtp_url": "smtp://127.0.0.1:9", "mail_from": "range@ctf.example", "mail_to": "staff@ctf.example", "plain_loopback": True}
    server = farm(make_server, notices=mail)
    admin = server.admin()
    shown = {one["name"]: one for one in admin.get("/admin/jobs/kinds").expect(200).json["items"]}
    assert HOUSE <= shown.keys(), HOUSE - shown.keys()
    assert all(one["about"] and one["known"] for one in shown.values())
    for name in POLLS:
        until(lambda: kind(admin, name)["lateness"]["firings"] >= 1, f"{name} to fire", 20)
    # Schedules have a row, which says when they fire next; polls have none.
    rows = admin.get("/admin/jobs", query={"state": "waiting"}).expect(200).json["items"]
    assert {"access.retention", "events.retention", "farm.retention", "labs.sweep"} == {row["kind"] for row in rows} - {"jobs"}


def test_R8_1_a_lease_ends_by_its_job_on_time_and_its_firing_is_kept(make_server, docker):
    server = make_server(web=templates.WEB).start()
    admin = server.admin()
    admin.wait_template("web")
    admin.patch("/admin/templates/web", {"lease": {"timeout_s": 2, "extend_s": 0}}).expect(200)
    instance = admin.running("web")
    waiting = admin.get("/admin/jobs", query={"kind": "labs.lease-end", "state": "waiting"}).expect(200).json["items"]
    assert [(job["unique"], job["due_at"]) for job in waiting] == [(instance["id"], instance["expires_at"])]
    assert admin.wait_state(instance["id"], "stopped", timeout=30)["reason"]["code"] == "expiry"
    firing = until(lambda: admin.get(f"/admin/jobs/{waiting[0]['id']}").json["firings"], "the firing to be kept", 10)[0]
    assert firing["due_at"] == waiting[0]["due_at"] and not firing["error"]
    assert kind(admin, "labs.lease-end")["lateness"]["max_ms"] < 1_000  # a bound for busy machines


def test_R8_1_killed_between_the_start_and_the_end_of_a_lease_it_ends_at_the_next_start(make_server, docker):
    server = make_server(web=templates.WEB).start()
    admin = server.admin()
    admin.wait_template("web")
    admin.patch("/admin/templates/web", {"lease": {"timeout_s": 5, "extend_s": 0}}).expect(200)
    instance = admin.running("web")
    server.kill9()
    time.sleep(5)  # its lease ends meanwhile
    assert docker.containers(tiltyard__instance=instance["id"])
    server.start()
    ended = server.admin().wait_state(instance["id"], "stopped", timeout=60)
    assert ended["reason"]["code"] == "expiry"
    assert not docker.containers(tiltyard__instance=instance["id"])
    assert kind(server.admin(), "labs.lease-end")["waiting"] == 0


def test_R8_1_paused_retention_keeps_old_events_until_it_is_resumed(make_server):
    server = make_server(config={**templates.FAKE, "events": {"keep_days": 30}}).start()
    admin = server.admin()
    until(lambda: kind(admin, "events.retention")["lateness"]["firings"] == 1, "the look after the start", 30)
    admin.post("/admin/jobs/kinds/events.retention/pause").expect(200)
    server.stop()
    server.change("UPDATE events SET at = at - 40 * 86400 * 1000000")
    server.start()
    admin = server.admin()
    old = lambda: admin.get("/admin/events", query={"kind": "system.stopped"}).expect(200).json["items"]
    until(lambda: kind(admin, "events.retention")["ready"] == 1, "the retention to be due", 30)
    assert old() and kind(admin, "events.retention")["lateness"]["firings"] == 0
    admin.post("/admin/jobs/kinds/events.retention/resume").expect(200)
    until(lambda: not old(), "the old events to go", 30)

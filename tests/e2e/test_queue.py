"""The bounded number of spawns at once, the queue one can see, and an engine that goes away."""
import threading
import time

import pytest

from harness import templates
from harness.engine_proxy import EngineProxy
from harness.wait import until

# Machines take a while to answer: the port opens after SECONDS.
SLOW = {
    **templates.WEB,
    "instance.toml": 'name = "Slow"\nports = [8000]\nexpected_boot = 2\n[ready]\ninterval = 50\ntimeout = 60\n',
    "Dockerfile": 'FROM tiltyard/busybox:1\nRUN mkdir /www && echo slow > /www/index.html\nSTOPSIGNAL SIGKILL\n'
                  'CMD ["sh", "-c", "sleep 2; exec httpd -f -p 8000 -h /www"]\n',
}


@pytest.fixture
def narrow(make_server):
    """One spawn at a time and two places in the queue."""
    server = make_server(config={"labs": {"spawns_at_once": 1, "queue_limit": 2}}, slow=SLOW).start()
    server.admin().wait_template("slow")
    return server


def test_R1_7_the_queue_shows_place_and_estimate_and_moves_on(narrow):
    players = [narrow.user(f"player{n}") for n in range(3)]
    instances = [player.start("slow", wait=0).expect(202).json for player in players]
    first, second, third = (player.instance(i["id"]) for player, i in zip(players, instances))
    assert first["state"] in ("preparing", "starting") and first["queue"] is None
    assert second["state"] == third["state"] == "queued"
    assert (second["queue"]["position"], third["queue"]["position"]) == (1, 2)
    assert 0 < second["queue"]["eta_ms"] < third["queue"]["eta_ms"] < 60_000
    assert first["progress"]["elapsed_ms"] >= 0 and first["progress"]["total"] >= first["progress"]["done"]
    fourth = narrow.user("player3")
    fourth.start("slow", wait=0).expect(503, "queue-full")
    players[0].wait_state(first["id"], "running")
    until(lambda: players[2].instance(third["id"])["queue"] in (None, {**third["queue"], "position": 1})
          or players[2].instance(third["id"])["queue"]["position"] == 1, "the third to move up", timeout=20)
    for player, instance in zip(players, instances):
        ready = player.wait_state(instance["id"], "running")
        assert ready["queue"] is None and ready["timings_ms"]["total"] > 0


def test_R1_7_who_waits_can_leave_the_queue(narrow, docker):
    players = [narrow.user(f"leaver{n}") for n in range(3)]
    instances = [player.start("slow", wait=0).expect(202).json for player in players]
    left = players[1].stop(instances[1]["id"])
    assert left["state"] == "stopped" and left["reason"]["code"] == "user" and left["started_at"] is None
    assert players[2].instance(instances[2]["id"])["queue"]["position"] == 1
    assert docker.of_instance(instances[1]["id"])["containers"] == []
    players[2].wait_state(instances[2]["id"], "running")


def test_R1_9_running_means_that_the_endpoint_answers(narrow):
    player = narrow.user("impatient")
    begun = time.monotonic()
    instance = player.running("slow")
    assert time.monotonic() - begun >= 2
    assert instance["timings_ms"]["ready"] >= 1500


def test_R1_13_without_an_engine_starts_are_refused_and_all_goes_on_when_it_is_back(make_server, tmp_path):
    proxy = EngineProxy(tmp_path / "engine.sock")
    server = make_server(config={"engine": {"url": proxy.url}}, web=templates.WEB, box=templates.BOX).start()
    admin = server.admin()
    for name in ("web", "box"):
        admin.wait_template(name)
    survivor = admin.running("web")
    proxy.cut()
    until(lambda: admin.get("/readyz").status == 503, "the loss to be seen", timeout=20)
    ready = admin.get("/readyz").expect(503).json
    answer = admin.start("box", wait=5).expect(503, "engine-unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert any(check["name"].startswith("engine") and check["status"] != "ok" for check in ready["checks"])
    assert admin.instance(survivor["id"])["state"] == "running"
    admin.get("/templates").expect(200)
    proxy.mend()
    until(lambda: admin.get("/readyz").status == 200, "the server to be ready again", timeout=30)
    box = admin.running("box")
    for instance in (survivor, box):
        assert admin.stop(instance["id"])["state"] == "stopped"


def test_R1_13_a_stop_asked_for_while_the_engine_is_away_happens_when_it_is_back(make_server, docker, tmp_path):
    proxy = EngineProxy(tmp_path / "engine.sock")
    server = make_server(config={"engine": {"url": proxy.url}}, web=templates.WEB).start()
    admin = server.admin()
    admin.wait_template("web")
    instance = admin.running("web")
    proxy.cut()
    answer = admin.delete(f"/instances/{instance['id']}")
    assert answer.status in (200, 202, 503)
    proxy.mend()
    if answer.status == 503:
        until(lambda: admin.delete(f"/instances/{instance['id']}").status == 202, "the stop to be taken", timeout=30)
    admin.wait_state(instance["id"], "stopped", timeout=60)
    assert docker.of_instance(instance["id"]) == {"containers": [], "networks": [], "volumes": []}


def test_R1_13_a_start_that_meets_the_engines_return_is_made_once(make_server, tmp_path):
    """The start is admitted but not yet written when the server takes up everything again after the engine's return."""
    proxy = EngineProxy(tmp_path / "engine.sock")
    server = make_server(config={"engine": {"url": proxy.url}}, web=templates.WEB)
    server.start(failpoints="labs.admit.commit.before=sleep:4000")
    admin = server.admin()
    admin.wait_template("web")
    answers = []
    starter = threading.Thread(target=lambda: answers.append(admin.start("web", wait=60)))
    starter.start()
    time.sleep(0.5)  # the request is held at the fail point, for 4 s
    proxy.cut()
    until(lambda: "the engine is away" in server.log(), "the loss to be seen", timeout=20)
    proxy.mend()
    starter.join(90)
    assert "the engine is back" in server.log()
    instance = answers[0].expect(201).json
    assert instance["state"] == "running", instance["reason"]
    assert 'tiltyard_lifecycle_total{what="spawned"} 1\n' in admin.get("/metrics").text
    assert admin.stop(instance["id"])["state"] == "stopped"

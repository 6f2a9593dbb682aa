"""Cost centres on everything that the engine runs, and the report of what was used."""
from datetime import datetime, timedelta, timezone

from harness import templates
from harness.gateway import endpoint, fetch


def rows(caller, **query):
    return {row["key"]: row for row in caller.get("/admin/usage", query=query).expect(200).json["items"]}


def stamp(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def test_R1_11_every_resource_carries_its_cost_centre_and_the_report_adds_up(make_server, docker):
    exam = {**templates.STACK, "instance.toml": 'cost_centre = "EXAM"\n' + templates.STACK["instance.toml"]}
    server = make_server(web=templates.WEB, exam=exam).start()
    admin = server.admin()
    for name in ("web", "exam"):
        admin.wait_template(name)
    assert rows(admin, by="cost_centre") == {}
    players = [server.user("first"), server.user("second")]
    began = datetime.now(timezone.utc) - timedelta(seconds=1)
    instances = [players[0].running("web"), players[1].running("web"), players[0].running("exam")]
    label = {"tiltyard__instance": instances[2]["id"]}
    made = docker.containers(**label) + docker.networks(**label) + docker.volumes(**label)
    assert len(made) >= 5 and {one["Labels"]["tiltyard.cost_centre"] for one in made} == {"EXAM"}
    assert docker.machine(instances[0]["id"])["Config"]["Labels"]["tiltyard.cost_centre"] == "ROOM"
    for instance in instances:
        fetch(endpoint(instance)["url"])
    for player, instance in zip((players[0], players[1], players[0]), instances):
        player.stop(instance["id"])

    by_centre = rows(admin, by="cost_centre")
    assert {key: row["instances"] for key, row in by_centre.items()} == {"ROOM": 2, "EXAM": 1}
    by_template = rows(admin, by="template")
    assert {key: row["instances"] for key, row in by_template.items()} == {"web": 2, "exam": 1}
    assert sorted(row["instances"] for row in rows(admin, by="owner").values()) == [1, 2]
    for row in by_centre.values():
        assert 0 < row["instance_hours"] < 0.2
    total = sum(row["instance_hours"] for row in by_centre.values())
    assert abs(total - sum(row["instance_hours"] for row in by_template.values())) < 1e-6
    # Nothing before the first start, nothing in the future, all of it in between.
    assert rows(admin, by="cost_centre", to=stamp(began - timedelta(hours=1))) == {}
    assert set(rows(admin, by="cost_centre", **{"from": stamp(began)})) == {"ROOM", "EXAM"}
    # What was used survives the process.
    server.restart()
    assert rows(server.admin(), by="cost_centre") == by_centre

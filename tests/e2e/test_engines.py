"""Several engines under one server. Both are one daemon here, under two namespaces; one of them behind a relay that can be cut."""
import json
import subprocess
import urllib.request

import pytest

from harness import templates
from harness.engine_proxy import EngineProxy
from harness.gateway import answers, endpoint
from harness.ports import pool
from harness.server import Server, binary
from harness.wait import until

FAR = {**templates.WEB, "instance.toml": 'engine = "far"\n' + templates.WEB["instance.toml"]}


@pytest.fixture
def two(make_server, docker, tmp_path):
    """A server with an engine "near", where new instances are made, and an engine "far", for those whose template says so."""
    proxy = EngineProxy(tmp_path / "far.sock")
    server = make_server(web=templates.WEB, far=FAR)
    near = server.config.pop("engine")
    Server.counter += 1  # another range of addresses
    server.config["engines"] = {"near": near, "far": {"url": proxy.url, "namespace": server.namespace + "f", "pool": pool(Server.counter)}}
    server.config["placement"] = {"engine": "near"}
    server.proxy = proxy
    yield server
    server.close()
    proxy.cut()
    docker.sweep(server.namespace + "f")


def engines(admin):
    return {one["name"]: one for one in admin.get("/admin/engines").expect(200).json["items"]}


def doctor(server):
    ran = subprocess.run([binary(), "doctor", "--config", str(server.folder / "tiltyard.toml"), "--json"], capture_output=True, text=True, timeout=60)
    return {check["name"]: check for check in json.loads(ran.stdout)["items"]}


def metric(server, line):
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=10) as answer:
        return line in answer.read().decode().splitlines()


def test_R14_2_each_engine_has_its_own_instances_and_its_own_absence(two, docker):
    admin = two.start().admin()
    for template in ("web", "far"):
        admin.wait_template(template)
    web, far = admin.running("web"), admin.running("far")
    assert (web["engine"], far["engine"]) == ("near", "far")
    labels = [docker.machine(one["id"])["Config"]["Labels"]["tiltyard.namespace"] for one in (web, far)]
    assert labels == [two.namespace, two.namespace + "f"]
    assert all(answers(endpoint(one)["url"]) for one in (web, far))
    seen = doctor(two)
    assert seen["engine near"]["status"] == seen["engine far"]["status"] == "ok"

    two.proxy.cut()
    until(lambda: engines(admin)["far"]["state"] == "away", "the loss to be seen", timeout=20)
    assert engines(admin)["near"]["state"] == "ready"
    assert metric(two, 'tiltyard_engine_up{engine="far"} 0') and metric(two, 'tiltyard_engine_up{engine="near"} 1')
    ready = admin.get("/readyz").expect(200).json
    assert {check["name"]: check["status"] for check in ready["checks"] if check["name"].startswith("engine")} == {"engine far": "failing", "engine near": "ok"}
    seen = doctor(two)
    assert seen["engine far"]["status"] == "fail" and "engines.far.url" in seen["engine far"]["todo"] and seen["engine near"]["status"] == "ok"
    admin.stop(web["id"])
    again = admin.running("web")
    two.user("ann").start("far", wait=5).expect(503, "engine-unavailable")
    assert "far" in admin.instance(far["id"])["unreachable"]
    assert admin.instance(again["id"])["unreachable"] is None

    two.proxy.mend()
    until(lambda: admin.instance(far["id"])["unreachable"] is None, "the engine to be back", timeout=30)
    assert answers(endpoint(far)["url"])
    for one in (far, again):
        assert admin.stop(one["id"])["state"] == "stopped"


def test_R14_2_what_is_on_an_engine_that_is_taken_out_of_the_configuration_waits_for_it(two, docker):
    admin = two.start().admin()
    for template in ("web", "far"):
        admin.wait_template(template)
    far = admin.running("far")
    machine = docker.machine(far["id"])["Id"]
    taken = two.config["engines"].pop("far")
    two.restart()
    admin = two.admin()
    now = admin.instance(far["id"])
    assert now["state"] == "running" and now["unreachable"] == "The engine far is not configured; what is on it waits until it is again."
    assert engines(admin)["far"]["state"] == "away"
    waiting = admin.wait_template("far", "waiting")
    assert "The engine far is not configured" in waiting["reason"]
    two.user("ann").start("far", wait=5).expect(409, "template-not-ready")
    web = admin.running("web")
    assert docker.machine(far["id"])["Id"] == machine
    two.config["engines"]["far"] = taken
    two.restart()
    admin = two.admin()
    assert admin.instance(far["id"])["unreachable"] is None
    until(lambda: answers(endpoint(far)["url"]), "its route")
    assert docker.machine(far["id"])["Id"] == machine
    for one in (far, web):
        assert admin.stop(one["id"])["state"] == "stopped"


def test_R14_2_one_engine_under_two_forms_is_refused(two):
    two.config["engine"] = {"url": "unix:///var/run/docker.sock"}
    two.spawn()
    assert two.wait_dead(30) != 0
    assert "move the keys of [engine] to [engines.default]" in two.log()

"""Servers that share an engine: by mistake under one namespace, as copies of each other, or in one range of addresses."""
import contextlib
import shutil

import pytest

from harness import templates
from harness.gateway import answers, endpoint, fetch
from harness.wait import until

QUICK = {"labs": {"sweep_interval": 1, "sweep_window": 0}}


def config_of(server, **sections):
    """What a second server needs to meet the first on the engine."""
    return {"engine": {"namespace": server.namespace}, "network": server.config["network"], **sections}


def machine_of(docker, instance):
    return docker.machine(instance["id"])["Id"]


def refused(server, *words):
    """The server does not start, and says why."""
    server.spawn()
    assert server.wait_dead(30) == 1
    for word in ("engine.namespace", *words):
        assert word in server.log(), server.log()[-2000:]


@pytest.fixture
def first(make_server):
    server = make_server(config=QUICK, web=templates.WEB, stack=templates.STACK).start()
    for name in ("web", "stack"):
        server.admin().wait_template(name)
    return server


def assert_untouched(docker, server, instance, machine):
    assert docker.inspect(machine)["State"]["Running"]
    assert machine_of(docker, instance) == machine
    assert server.admin().instance(instance["id"])["state"] == "running"
    until(lambda: answers(endpoint(instance)["url"]), "its route")


def test_R1_12_a_second_server_under_the_namespace_of_the_first_is_refused(first, make_server, docker):
    instance = first.admin().running("web")
    machine = machine_of(docker, instance)
    second = make_server(config=config_of(first, **QUICK), web=templates.WEB)
    refused(second, first.identity, "which runs")
    assert_untouched(docker, first, instance, machine)
    # One that is stopped has instances that run on, and comes back.
    first.kill9()
    refused(second, first.identity)
    first.start()
    assert_untouched(docker, first, instance, machine)
    # With nothing left it gives the name back.
    first.admin().stop(instance["id"])
    first.stop()
    second.start()
    assert second.admin().wait_template("web")
    second.stop()
    assert docker.volumes(claims=True, tiltyard__namespace=first.namespace) == []


def test_R1_12_a_sweep_leaves_what_another_server_made(first, docker):
    labels = {"tiltyard.managed": "true", "tiltyard.namespace": first.namespace, "tiltyard.instance": "web-nobody-00000000"}
    theirs = docker.run(f"{first.namespace}-theirs", "tiltyard/busybox:1", ["sleep", "600"], {**labels, "tiltyard.server": "another"})
    unsaid = docker.run(f"{first.namespace}-unsaid", "tiltyard/busybox:1", ["sleep", "600"], labels)
    orphan = docker.run(f"{first.namespace}-orphan", "tiltyard/busybox:1", ["sleep", "600"], {**labels, "tiltyard.server": first.identity})
    until(lambda: len(docker.containers(tiltyard__namespace=first.namespace)) == 2, "the orphan to go")
    assert docker.inspect(theirs)["State"]["Running"] and docker.inspect(unsaid)["State"]["Running"] and orphan


def test_R1_12_a_data_folder_made_anew_takes_over_what_the_old_one_left(first, docker):
    instance = first.admin().running("web")
    first.kill9()
    shutil.rmtree(first.data)
    if first.config["store"]["url"].startswith("postgresql:"):
        pytest.skip("the rows are elsewhere and are there still")
    first.start()
    assert first.admin().get("/instances").json["items"] == []
    assert docker.containers(tiltyard__namespace=first.namespace) == []
    first.admin().wait_template("web")
    assert first.admin().running("web")["id"] != instance["id"]


def test_R1_13_a_copy_of_a_server_is_refused_and_one_that_was_moved_is_not(first, make_server, docker):
    if first.config["store"]["url"].startswith("postgresql:"):
        pytest.skip("a copy of the database is another database")
    instance = first.admin().running("web")
    machine = machine_of(docker, instance)
    other = make_server(config=config_of(first, **QUICK), web=templates.WEB, stack=templates.STACK)
    shutil.copytree(first.data, other.data)
    refused(other, "the same database", "which runs")
    assert_untouched(docker, first, instance, machine)
    first.stop()
    shutil.rmtree(other.data)
    first.data.rename(other.data)
    other.config["gateway"] = first.config["gateway"]
    other.start()
    assert_untouched(docker, other, instance, machine)


def test_R1_5_two_servers_on_one_range_of_addresses(first, make_server, docker):
    """And with neighbours in it: all that single machines would get in a small pool is somebody else's."""
    pool = first.config["network"]["pool"].removesuffix(".0.0/16")
    second = make_server(config={"network": first.config["network"]}, web=templates.WEB, stack=templates.STACK)
    name = f"{second.namespace}-neighbour"
    running = [first.admin().running(template) for template in ("web", "stack")]
    docker.call("POST", "/networks/create", body={"Name": name, "Internal": True, "IPAM": {"Config": [{"Subnet": f"{pool}.8.0/22"}]}})
    try:
        second.start()
        for template in ("web", "stack"):
            second.admin().wait_template(template)
        running += [second.admin().running(template) for template in ("web", "stack")]
        for instance in running:
            assert fetch(endpoint(instance)["url"])[0] == 200
        assert "an address range is taken" not in second.log(), "no spawn had to find out"
        for server in (first, second):
            server.admin().stop_all()
    finally:
        with contextlib.suppress(Exception):
            docker.call("DELETE", f"/networks/{name}")

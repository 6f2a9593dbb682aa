"""What the version before made, on disk and on the engine, is taken over by this one; before/README.md says how it was made."""
import fcntl
import io
import os
import shutil
import tarfile

import pytest

from before import site as place
from harness.api import Api
from harness.farm import Caller
from harness.gateway import answers, dial, endpoint, fetch, read_until
from harness.secrets import in_log
from harness.wait import until

KEPT = "/tmp/kept"


def build(docker, image):
    """The template's image under the name that the version before gave it, which says its content."""
    if docker.has_image(image):
        return
    template = image.removeprefix("tiltyard/t-").split("-")[0]
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add(place.HOME / "templates" / template, arcname=".")
    docker.call("POST", "/build", {"t": image}, packed.getvalue(), {"Content-Type": "application/x-tar"})


def make_as_before(docker):
    """Replays the creates of the version before, and brings each machine into the state that it was in."""
    engine = place.on_engine()
    for network in engine["networks"]:
        docker.call("POST", "/networks/create", body=network)
    for volume in engine["volumes"]:
        docker.call("POST", "/volumes/create", body=volume)
    for machine in engine["containers"]:
        name, state = machine["name"], machine["state"]
        build(docker, machine["body"]["Image"])
        docker.call("POST", "/containers/create", {"name": name}, machine["body"])
        for network, body in machine["connect"].items():
            docker.call("POST", f"/networks/{network}/connect", body=body)
        if state != "created":
            docker.call("POST", f"/containers/{name}/start")
        if state == "paused":
            docker.call("POST", f"/containers/{name}/pause")
        if state == "exited":
            assert docker.exec(name, "touch", KEPT)[0] == 0
            docker.call("POST", f"/containers/{name}/kill")


@pytest.fixture(scope="module")
def upgraded(docker):
    """Today's server on yesterday's folder and engine. One at a time: names and addresses are those of then."""
    with open(place.HOME.parent / "tiltyard-before.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        docker.sweep(place.NAMESPACE)
        shutil.rmtree(place.HOME, ignore_errors=True)
        site = place.server()
        place.lay_out()
        make_as_before(docker)
        site.machines = {c["Names"][0].lstrip("/"): c["Id"] for c in docker.containers(tiltyard__namespace=place.NAMESPACE)}
        try:
            yield site.start()
            site.close()
            assert not in_log(site)
        finally:
            if site.alive:
                site.kill9()
            docker.sweep(place.NAMESPACE)
            if not os.environ.get("TILTYARD_KEEP"):
                shutil.rmtree(place.HOME, ignore_errors=True)


@pytest.fixture(scope="module")
def known():
    return place.known()


def shown(upgraded, known, role):
    return upgraded.admin().instance(known["instances"][role]["id"])


@pytest.mark.parametrize("role", ["single", "stack", "tcp", "claimed"])
def test_R1_13_what_ran_runs_on_and_answers(upgraded, known, docker, role):
    before = known["instances"][role]
    now = upgraded.admin().wait_state(before["id"], "running")
    # Raw TCP has moved to an address that has no page on it, for who has not said where it is to be.
    assert now["endpoints"] == [{**each, "door": "open", **({"host": "127.0.0.2"} if each["kind"] == "tcp" else {})} for each in before["endpoints"]]
    for machine in docker.containers(tiltyard__instance=before["id"]):
        assert upgraded.machines[machine["Names"][0].lstrip("/")] == machine["Id"] and machine["State"] == "running"
    if role == "tcp":
        def echoes():
            with dial(endpoint(now)) as connection:
                connection.sendall(b"still here\n")
                return read_until(connection, b"\n") == b"still here\n"
        until(echoes, "the echo")
    else:
        until(lambda: answers(endpoint(now)["url"], "/flag.txt" if role == "claimed" else "/"), "the route")


def test_R1_15_what_slept_sleeps_until_it_is_wanted(upgraded, known, docker):
    before = known["instances"]["paused"]
    assert shown(upgraded, known, "paused")["state"] == "paused"
    machine = docker.machine(before["id"])
    assert machine["State"]["Paused"] and upgraded.machines[machine["Name"].lstrip("/")] == machine["Id"]
    assert fetch(endpoint(before)["url"])[0] == 200


def test_R1_13_a_machine_that_the_host_stopped_is_started_again_as_it_was(upgraded, known, docker):
    before = known["instances"]["exited"]
    upgraded.admin().wait_state(before["id"], "running")
    until(lambda: docker.machine(before["id"])["State"]["Running"], "the machine to run again")
    assert docker.exec(docker.machine(before["id"])["Id"], "ls", KEPT)[0] == 0


def test_R1_13_what_was_under_way_is_seen_through(upgraded, known, docker):
    stopping, starting = known["instances"]["stopping"], known["instances"]["starting"]
    upgraded.admin().wait_state(stopping["id"], "stopped")
    until(lambda: docker.of_instance(stopping["id"]) == {"containers": [], "networks": [], "volumes": []}, "all of it to go")
    now = upgraded.admin().wait_state(starting["id"], "running")
    until(lambda: answers(endpoint(now)["url"]), "its route")
    assert shown(upgraded, known, "stopped")["reason"] == known["instances"]["stopped"]["reason"]


def test_R1_14_a_pool_is_still_full_and_hands_out(upgraded, known, docker):
    until(lambda: upgraded.admin().get("/admin/pools").json["items"][0]["ready"] == 2, "the pool", 60)
    waiting = {c["Id"] for c in docker.containers(tiltyard__template="warm")} & set(upgraded.machines.values())
    assert len(waiting) == 3, "two that wait and one that was claimed, none made anew"
    api = Api(upgraded.url)
    api.sign_in(strategy="local", name="fay", password=known["people"]["fay"]).expect(201)
    instance = api.running("warm")
    assert docker.machine(instance["id"])["Id"] in waiting
    assert b"FLAG{warm" in fetch(endpoint(instance)["url"], "/flag.txt")[2]
    api.stop(instance["id"])


def test_R7_1_people_and_their_tokens_are_let_in(upgraded, known):
    for name, password in known["people"].items():
        api = Api(upgraded.url)
        api.sign_in(strategy="local", name=name, password=password).expect(201)
        assert api.get("/me").expect(200).json["name"] == name
    assert Api(upgraded.url, known["token"]).get("/me").expect(200).json["name"] == "ann"
    assert upgraded.admin().template("echo")["limits"] and upgraded.rows("SELECT template FROM template_overrides") == [("echo",)]


def test_R6_5_the_farms_books_are_the_same(upgraded, known):
    now, before = Caller(upgraded).stats(), known["farm"]
    for name in ("total", "accepted", "rejected", "skipped", "duplicates", "invalid"):
        assert now[name] == before[name], name
    assert now["queued"] + now["leased"] == before["queued"] + before["leased"]


def test_R15_3_its_numbered_migrations_are_steps_of_their_parts_now(upgraded):
    steps = upgraded.rows("SELECT slice, number, name FROM schema_steps ORDER BY slice, number")
    assert [step for step in steps if step[0] == "labs"][:3] == [("labs", 1, "instances"), ("labs", 2, "pool"), ("labs", 3, "pace")]
    assert ("identity", 3, "identity: when a session's owner was last proved") in steps and ("bus", 1, "event log") in steps
    assert len(upgraded.rows("SELECT number FROM schema_migrations")) == 1, "a number that the server of then does not know"


def test_R10_1_what_happened_is_still_told(upgraded, known):
    items = upgraded.admin().get("/admin/events", query={"limit": 500}).expect(200).json["items"]
    assert len(items) > known["events"]
    assert {job["kind"] for job in upgraded.admin().get("/admin/jobs", query={"limit": 200}).json["items"]} >= set(known["jobs"])


def test_R1_12_nothing_is_left_when_all_have_gone(upgraded, docker):
    """The last test: pools are emptied as well."""
    upgraded.admin().stop_all()
    shutil.rmtree(upgraded.templates / "warm")
    label = {"tiltyard__namespace": place.NAMESPACE}
    until(lambda: not docker.containers(**label), "all machines to go", 60)
    upgraded.stop()
    assert docker.networks(**label) == [] and docker.volumes(claims=True, **label) == []

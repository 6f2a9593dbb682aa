"""Row 1.13: the power fails at every step of every saga, and nothing is lost, nothing is leaked."""
import subprocess
import time

import pytest

from harness import templates
from harness.docker import Docker
from harness.gateway import answers, endpoint, fetch
from harness.own_engine import own_engine
from harness.server import ROOT
from harness.wait import until

NOTHING = {"containers": [], "networks": [], "volumes": []}

# Two machines, a network and a volume of their own, a file that each instance has a copy of: every step has work to do.
PAIR = {
    "instance.toml": 'name = "Pair"\nexpected_boot = 1\ntimeout = 600\n[[endpoint]]\nname = "front"\nmachine = "front"\nport = 8000\n'
                     '[ready]\ninterval = 50\n[limits]\nmemory = "32m"\npids = 64\n',
    "compose.yaml": """
services:
  front:
    build: .
    command: ["httpd", "-f", "-p", "8000", "-h", "/www"]
    depends_on: [back]
    volumes: ["state:/state", "./notes:/notes:rw"]
  back:
    build: .
    command: ["httpd", "-f", "-p", "9000", "-h", "/www"]
volumes:
  state: {}
""",
    "notes/first.txt": "the instance's own\n",
    "Dockerfile": 'FROM tiltyard/busybox:1\nRUN mkdir /www && echo "hello from the pair" > /www/index.html\nSTOPSIGNAL SIGKILL\n',
}

SPAWN_POINTS = ["labs.admit.commit.before", "labs.admit.commit.after",
                "labs.spawn.commit.before", "labs.spawn.commit.after"]
STOP_POINTS = ["labs.stop.accept.before", "labs.stop.accept.after", "labs.stop.begin",
               "labs.stop.commit.before", "labs.stop.commit.after"]
EXPIRY_POINTS = ["labs.expiry.before", "labs.expiry.after"]


@pytest.fixture(scope="module")
def pair_server(docker, tmp_path_factory):
    """One server for all points: it is killed and started again in each."""
    from conftest import server_maker
    make, end, _ = server_maker(docker, tmp_path_factory.mktemp("crash"))
    server = make(pair=PAIR)
    server.start()
    server.admin().wait_template("pair")
    yield server
    end()


@pytest.fixture(scope="module")
def steps(pair_server):
    """Every step that this server's spawns are made of, as one of them says: in the order in which they ended."""
    instance = pair_server.admin().running("pair")
    found = [name for name in instance["timings_ms"] if name not in ("queue_estimate", "queued", "total")]
    assert pair_server.admin().stop(instance["id"])["state"] == "stopped"
    assert {"network", "machines", "routes"} <= set(found), found
    return found


def rearm(server, points):
    if server.alive:
        server.kill9()
    server.start(failpoints=points)
    server.admin().wait_template("pair")


def only_row(server):
    """The live instance, if there is one."""
    items = server.admin().get("/instances", query={"owner": "all", "limit": 200}).expect(200).json["items"]
    live = [item for item in items if item["state"] not in ("stopped", "failed")]
    assert len(live) <= 1, live
    return live[0] if live else None


def everything(docker, server):
    label = {"tiltyard__namespace": server.namespace}
    return {
        "containers": sorted(c["Names"][0].lstrip("/") for c in docker.containers(**label)),
        "networks": sorted(n["Name"] for n in docker.networks(**label)),
        "volumes": sorted(v["Name"] for v in docker.volumes(**label)),
    }


def assert_whole(server, docker, row):
    """Exactly what should be there, and it answers."""
    running = server.admin().wait_state(row["id"], "running", "failed", "stopped", timeout=60)
    assert running["state"] == "running", running
    found = docker.of_instance(row["id"])
    assert len(found["containers"]) == 2 and len(found["networks"]) == 1 and len(found["volumes"]) == 1, found
    assert everything(docker, server) == found, "something of nobody's is there"
    status, _, body = fetch(endpoint(running)["url"])
    assert (status, body) == (200, b"hello from the pair\n")
    code, output = docker.exec(docker.machine(row["id"], "front")["Id"], "cat", "/notes/first.txt")
    assert (code, output) == (0, "the instance's own\n")
    return running


def assert_gone(server, docker):
    until(lambda: only_row(server) is None, "the last instance to end", timeout=60)
    left = everything(docker, server)
    assert left == NOTHING, left
    folder = server.data / "instances"
    assert all(path.name == ".gone" for path in folder.glob("*")), "files of an instance stay"
    until(lambda: not list(folder.glob(".gone/*")), "what was moved aside to be removed")


@pytest.mark.parametrize("point", SPAWN_POINTS)
def test_R1_13_killed_in_a_spawn(pair_server, docker, point):
    kill_in_a_spawn(pair_server, docker, point)


@pytest.mark.parametrize("when", ["before", "after"])
def test_R1_13_killed_at_each_step_of_a_spawn(pair_server, docker, steps, when):
    for step in steps:
        kill_in_a_spawn(pair_server, docker, f"labs.spawn.{step}.{when}")


def kill_in_a_spawn(pair_server, docker, point):
    rearm(pair_server, f"{point}=kill")
    admin = pair_server.admin()
    try:
        admin.start("pair", wait=30)
    except OSError:
        pass
    assert pair_server.wait_dead() == -9, point
    pair_server.start()
    row = only_row(pair_server)
    if point == "labs.admit.commit.before":
        assert row is None, "nothing was promised"
        assert_gone(pair_server, docker)
        return
    assert row is not None, "the row was on disk before anything was made"
    assert_whole(pair_server, docker, row)
    assert pair_server.admin().stop(row["id"])["state"] == "stopped"
    assert_gone(pair_server, docker)


@pytest.mark.parametrize("point", STOP_POINTS)
def test_R1_13_killed_in_a_stop(pair_server, docker, point):
    kill_in_a_stop(pair_server, docker, point)


@pytest.mark.parametrize("when", ["before", "after"])
def test_R1_13_killed_at_each_step_of_a_stop(pair_server, docker, steps, when):
    for step in reversed(steps):
        kill_in_a_stop(pair_server, docker, f"labs.stop.{step}.{when}")


def kill_in_a_stop(pair_server, docker, point):
    rearm(pair_server, f"{point}=kill")
    admin = pair_server.admin()
    instance = admin.running("pair")
    try:
        admin.delete(f"/instances/{instance['id']}", headers={"Prefer": "wait=30"})
    except OSError:
        pass
    assert pair_server.wait_dead() == -9, point
    pair_server.start()
    if point == "labs.stop.accept.before":
        assert_whole(pair_server, docker, instance)
        pair_server.admin().stop(instance["id"])
    ended = pair_server.admin().wait_state(instance["id"], "stopped", timeout=60)
    assert ended["reason"]["code"] == "user" or ended["reason"]["code"] == "admin"
    assert_gone(pair_server, docker)


@pytest.mark.parametrize("point", EXPIRY_POINTS)
def test_R1_13_killed_in_an_expiry(pair_server, docker, point):
    rearm(pair_server, f"{point}=kill")
    admin = pair_server.admin()
    admin.patch("/admin/templates/pair", {"lease": {"timeout_s": 1, "extend_s": 0}}).expect(200)
    try:
        instance = admin.running("pair")
        assert pair_server.wait_dead() == -9
        pair_server.start()
        ended = pair_server.admin().wait_state(instance["id"], "stopped", timeout=60)
        assert ended["reason"]["code"] == "expiry"
        assert_gone(pair_server, docker)
    finally:
        if not pair_server.alive:
            pair_server.start()
        pair_server.admin().patch("/admin/templates/pair", {"lease": {"timeout_s": 600, "extend_s": 0}}).expect(200)


def test_R1_13_a_step_that_fails_is_undone_with_its_reason(pair_server, docker, steps):
    for step in steps:
        rearm(pair_server, f"labs.spawn.{step}.after=error")
        failed = pair_server.admin().start("pair", wait=30).expect(201).json
        failed = pair_server.admin().wait_state(failed["id"], "failed", timeout=30)
        assert failed["reason"]["code"] == "failpoint", step
        assert_gone(pair_server, docker)


@pytest.mark.parametrize("step", ["machines", "network"])
def test_R1_13_an_undo_that_fails_is_repeated(pair_server, docker, step):
    rearm(pair_server, f"labs.stop.{step}.before=error@1")
    instance = pair_server.admin().running("pair")
    assert pair_server.admin().stop(instance["id"])["state"] == "stopped"
    assert_gone(pair_server, docker)


def test_R1_13_killed_with_a_queue_serves_it_in_order(make_server, docker):
    server = make_server(config={"labs": {"spawns_at_once": 1}}, web=templates.WEB)
    server.start()
    server.admin().wait_template("web")
    server.kill9()
    server.start(failpoints="labs.spawn.network.before=sleep:60000")
    people = [server.user(f"waiter{i}") for i in range(4)]
    ids = [person.start("web", wait=0).expect(202).json["id"] for person in people]
    server.kill9()
    server.start()
    finished = []
    for identity in ids:
        finished.append(server.admin().wait_state(identity, "running", timeout=60)["started_at"])
    assert finished == sorted(finished)


def test_R1_13_running_instances_survive_a_kill_untouched(pair_server, docker):
    rearm(pair_server, None)
    instance = pair_server.admin().running("pair")
    before = {c["Id"]: c["Status"] for c in docker.containers(tiltyard__instance=instance["id"])}
    pair_server.kill9()
    pair_server.start()
    after = pair_server.admin().instance(instance["id"])
    assert after["state"] == "running" and after["expires_at"] == instance["expires_at"]
    assert after["endpoints"] == instance["endpoints"]
    assert before.keys() == {c["Id"] for c in docker.containers(tiltyard__instance=instance["id"])}
    until(lambda: answers(endpoint(after)["url"]), "the route to be back", timeout=10)
    pair_server.admin().stop(instance["id"])
    assert_gone(pair_server, docker)


def test_R1_12_orphans_are_swept_strangers_are_not(make_server, docker):
    server = make_server(config={"labs": {"sweep_interval": 1, "sweep_window": 10}}, web=templates.WEB).start()
    server.admin().wait_template("web")
    ours = {"tiltyard.managed": "true", "tiltyard.namespace": server.namespace, "tiltyard.server": server.identity,
            "tiltyard.instance": "gone-nobody-00000000"}
    orphan = docker.run(f"{server.namespace}-orphan", "tiltyard/busybox:1", ["sleep", "600"], ours)
    stranger = docker.run(f"{server.namespace}-stranger", "tiltyard/busybox:1", ["sleep", "600"], {"tiltyard.namespace.of": "another"})
    docker.call("POST", "/volumes/create", body={"Name": f"{server.namespace}-orphan", "Labels": ours})
    docker.call("POST", "/networks/create", body={"Name": f"{server.namespace}-orphan", "Labels": ours,
                                                   "IPAM": {"Config": [{"Subnet": "10.250.250.0/29"}]}})
    try:
        time.sleep(2.5)  # two sweeps
        assert docker.containers(tiltyard__instance="gone-nobody-00000000"), "younger than the window: it could be in the making"
        until(lambda: docker.of_instance("gone-nobody-00000000") == NOTHING, "the orphans to go", timeout=40)
        assert docker.inspect(stranger)["State"]["Running"]
    finally:
        docker.remove(orphan)
        docker.remove(stranger)


def test_R1_13_a_container_removed_behind_our_back(pair_server, docker):
    rearm(pair_server, None)
    instance = pair_server.admin().running("pair")
    docker.remove(docker.machine(instance["id"], "front")["Id"])
    ended = pair_server.admin().wait_state(instance["id"], "failed", timeout=30)
    assert ended["reason"]["code"] == "engine-loss"
    assert_gone(pair_server, docker)
    status, _, _ = fetch(endpoint(instance)["url"])
    assert status == 404
    # And the owner can start again at once.
    again = pair_server.admin().running("pair")
    pair_server.admin().stop(again["id"])


def test_R1_13_a_machine_that_ended_is_started_again_as_it_was(pair_server, docker):
    rearm(pair_server, None)
    instance = pair_server.admin().running("pair")
    front = docker.machine(instance["id"], "front")
    docker.exec(front["Id"], "sh", "-c", "echo kept > /kept.txt")
    docker.call("POST", f"/containers/{front['Id']}/kill")
    until(lambda: docker.inspect(front["Id"])["State"]["Running"], "the machine to run again", timeout=30)
    assert docker.exec(front["Id"], "cat", "/kept.txt") == (0, "kept\n")
    until(lambda: answers(endpoint(instance)["url"]), "the endpoint to answer again", timeout=20)
    assert pair_server.admin().stop(instance["id"])["state"] == "stopped"
    assert_gone(pair_server, docker)


def test_R1_13_the_daemon_restarts_under_running_instances(make_server, monkeypatch):
    with own_engine() as engine:
        monkeypatch.setenv("DOCKER_HOST", f"unix://{engine.socket_path}")
        subprocess.run([str(ROOT / "images" / "make"), "busybox"], check=True, capture_output=True)
        docker = Docker()
        server = make_server(pair=PAIR, web=templates.WEB)
        server.start()
        admin = server.admin()
        for name in ("pair", "web"):
            admin.wait_template(name)
        instances = [admin.running("pair"), admin.running("web")]
        docker.exec(docker.machine(instances[1]["id"])["Id"], "sh", "-c", "echo kept > /tmp/kept.txt")
        engine.stop()
        admin.start("pair", wait=5).expect(503, "engine-unavailable")
        engine.start()
        for instance in instances:
            assert admin.wait_state(instance["id"], "running", timeout=60)["endpoints"] == instance["endpoints"]
            until(lambda: answers(endpoint(instance)["url"]), "the endpoint to answer again", timeout=60)
        assert docker.exec(docker.machine(instances[1]["id"])["Id"], "cat", "/tmp/kept.txt") == (0, "kept\n")
        # Isolation is in force again too: nothing starts without it, so a start proves it.
        for instance in instances:
            assert admin.stop(instance["id"])["state"] == "stopped"
        again = admin.running("web")
        admin.stop(again["id"])
        assert everything(docker, server)["containers"] == []
        server.stop()

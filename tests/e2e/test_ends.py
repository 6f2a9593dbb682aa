"""Services that end: which have done their work, which are started again, and what is known of those that failed."""
import concurrent.futures
import json

import pytest

from conftest import server_maker
from harness.gateway import endpoint, fetch
from harness.wait import until

RUN = "n=$$(cat /data/runs 2>/dev/null || echo 0); n=$$((n+1)); echo $$n > /data/runs; "


def stack(seed, restart=None, **web):
    """A helper that counts how often it was begun, and a web server that shows the count."""
    helper = {"image": "tiltyard/busybox:1", "command": ["sh", "-c", RUN + seed], "volumes": ["data:/data"], "stop_signal": "SIGKILL"}
    if restart:
        helper["restart"] = restart
    return {
        "instance.toml": 'expected_boot = 1\nmem_limit = "32m"\n[[endpoint]]\nmachine = "web"\nport = 8080\nkind = "http"\n[ready]\ninterval = 50\n',
        "compose.yaml": json.dumps({"services": {
            "seed": helper,
            "web": {"image": "tiltyard/busybox:1", "command": ["httpd", "-f", "-p", "8080", "-h", "/data"],
                    "volumes": ["data:/data"], "ports": ["8080"], "stop_signal": "SIGKILL", **web},
        }, "volumes": {"data": {}}})}


STACKS = {  # the state that the helper comes to, and how often it has run by then
    "fast": (stack("true"), "done", 1),
    "slow": (stack("sleep 2"), "done", 1),
    "failing": (stack("exit 3"), "ended", 1),
    "late-failing": (stack("sleep 2; exit 1"), "ended", 1),
    "third-time": (stack("[ $$n -ge 3 ]", "on-failure"), "done", 3),
    "given-up": (stack("exit 1", "on-failure:2"), "ended", 3),
    "waited-for": (stack("sleep 1", depends_on={"seed": {"condition": "service_completed_successfully"}}), "done", 1),
}
LOUD = {
    "instance.toml": 'expected_boot = 1\nmem_limit = "32m"\nports = [1337]\n[ready]\ninterval = 50\n',
    "compose.yaml": json.dumps({"services": {"main": {
        "image": "tiltyard/busybox:1", "stop_signal": "SIGKILL",
        "command": ["sh", "-c", "for i in $$(seq 30); do echo line $$i; done; printf '\\033[31mmv: busy\\033[0m\\n'; exit 9"]}}})}

SICK = stack("sleep 60", depends_on={"seed": {"condition": "service_healthy"}})
SICK["compose.yaml"] = SICK["compose.yaml"].replace('"stop_signal"', json.dumps("healthcheck") + ": " + json.dumps(
    {"test": "printf '\\033[31mno table\\nof users\\n'; exit 1", "interval": "200ms", "retries": 1, "start_period": "0s"}) + ', "stop_signal"', 1)


@pytest.fixture(scope="module")
def server(docker, tmp_path_factory):
    make, end, _ = server_maker(docker, tmp_path_factory.mktemp("ends"))
    shared = make(loud=LOUD, sick=SICK, **{name: files for name, (files, _, _) in STACKS.items()})
    try:
        yield shared.start()
    finally:
        end()


@pytest.fixture(scope="module")
def started(server):
    admin = server.admin()
    for name in STACKS:
        admin.wait_template(name)
    with concurrent.futures.ThreadPoolExecutor(len(STACKS)) as pool:
        return dict(zip(STACKS, pool.map(lambda name: admin.start(name, wait=60).expect(201).json, STACKS)))


def machine(instance, name):
    return next(one for one in instance["machines"] if one["name"] == name)


def settled(admin, identity, state):
    def look():
        now = admin.instance(identity)
        return now if machine(now, "seed")["state"] == state else None
    return until(look, f"the helper of {identity} to be {state}", 60)


def runs(instance):
    status, _, body = fetch(endpoint(instance, kind="http")["url"], "/runs")
    assert status == 200
    return int(body)


@pytest.mark.parametrize("name", STACKS)
def test_R1_6_a_helper_that_ends_stops_nothing_else(server, started, name):
    _, state, times = STACKS[name]
    instance = started[name]
    assert instance["state"] == "running", instance["reason"]
    now = settled(server.admin(), instance["id"], state)
    assert now["state"] == "running" and machine(now, "web")["state"] == "running"
    assert runs(now) == times


def test_R1_13_what_is_done_is_not_begun_again_with_the_rest(server, started, docker):
    admin = server.admin()
    for name, (_, state, _) in STACKS.items():
        settled(admin, started[name]["id"], state)
    web = docker.containers(tiltyard__instance=started["fast"]["id"], tiltyard__machine="web")[0]
    before = docker.call("GET", f"/containers/{web['Id']}/json")["State"]["StartedAt"]
    docker.call("POST", f"/containers/{web['Id']}/kill")

    def began_again():
        inspected = docker.call("GET", f"/containers/{web['Id']}/json")
        return inspected["State"]["Running"] and inspected["State"]["StartedAt"] != before
    until(began_again, "the web server is started again")
    server.restart()
    admin = server.admin()
    for name, (_, state, times) in STACKS.items():
        now = until(lambda: (lambda one: one if one["state"] == "running" and one["endpoints"] else None)(admin.instance(started[name]["id"])),
                    f"{name} runs after the restart")
        assert machine(now, "seed")["state"] == state, name
        assert until(lambda: answers_runs(now), f"{name} answers") == times, name


def answers_runs(instance):
    try:
        return runs(instance)
    except (OSError, AssertionError, ValueError):
        return None


def test_R1_9_a_failed_start_says_what_its_machine_said_last(server):
    admin = server.admin()
    admin.wait_template("loud")
    failed = admin.start("loud", wait=60).expect(201).json
    assert failed["state"] == "failed" and failed["reason"]["code"] == "machine-exited", failed
    first, _, said = failed["reason"]["text"].partition("\nIt last said:\n")
    assert "exit code 9" in first
    lines = said.splitlines()
    assert len(lines) == 20 and lines[0] == "line 12" and lines[-1] == "mv: busy", lines
    logs = admin.get(f"/instances/{failed['id']}/logs").expect(200)
    assert logs.text.splitlines() == lines
    admin.get(f"/instances/{failed['id']}/logs", query={"machine": "nope"}).expect(404, "machine-unknown")


def test_R1_9_a_start_that_waited_for_a_sick_machine_says_what_its_check_found(server):
    admin = server.admin()
    admin.wait_template("sick")
    failed = admin.start("sick", wait=60).expect(201).json
    assert failed["state"] == "failed" and failed["reason"]["code"] == "machine-unhealthy", failed
    assert "'seed' reports that it is unhealthy. Its check last said: no table of users" in failed["reason"]["text"], failed

"""Row 1.15: who is not used is paused, and the first connection wakes it; the lease counts on."""
import http.client
import socket
import threading
import time

import pytest

from harness.gateway import answers, dial, endpoint, fetch, read_until
from harness.wait import until

ALONE = "a sleeper is awake within so many milliseconds"  # for ./test

# A web page, an echo for raw connections, and a program that would use all of a processor. Ends when it is asked to.
NAP = {
    "instance.toml": 'name = "Nap"\nexpected_boot = 1\ntimeout = 600\nextend_time = 600\npause_after = "1s"\n'
                     '[[endpoint]]\nname = "web"\nport = 8000\n[[endpoint]]\nname = "echo"\nport = 1337\nkind = "tcp"\n'
                     '[ready]\ninterval = 50\n[limits]\nmemory = "32m"\npids = 64\ncpus = 0.2\n',
    "Dockerfile": 'FROM tiltyard/busybox:1\nRUN mkdir /www && echo "good morning" > /www/index.html\n'
                  'CMD ["sh", "-c", "trap \'exit 0\' TERM; httpd -p 8000 -h /www; nc -ll -p 1337 -e /bin/cat & while :; do :; done"]\n',
}
SHORT = {**NAP, "instance.toml": NAP["instance.toml"].replace("timeout = 600", "timeout = 6", 1)}


@pytest.fixture(scope="module")
def nap_server(docker, tmp_path_factory):
    from conftest import server_maker
    make, end, _ = server_maker(docker, tmp_path_factory.mktemp("wake"))
    server = make(nap=NAP, short=SHORT)
    server.start()
    for name in ("nap", "short"):
        server.admin().wait_template(name)
    yield server
    end()


@pytest.fixture
def nap(nap_server):
    """A caller; whatever a test did to the server, it runs without fail points afterwards and has no instance."""
    if not nap_server.alive:
        nap_server.start()
    caller = nap_server.admin()
    caller.wait_template("nap")
    yield caller
    if not nap_server.alive:
        nap_server.start()
    caller.stop_all()


def engine_state(docker, instance):
    return docker.machine(instance["id"])["State"]["Status"]


def cpu(docker, instance):
    stats = docker.call("GET", f"/containers/{docker.machine(instance['id'])['Id']}/stats", {"stream": "false", "one-shot": "true"})
    return stats["cpu_stats"]["cpu_usage"]["total_usage"]


def stands_still(docker, instance):
    before = cpu(docker, instance)
    time.sleep(0.3)
    return cpu(docker, instance) == before


def asleep(api, docker, instance):
    """Waits until it is paused; the instance as the API shows it then."""
    paused = api.wait_state(instance["id"], "paused", timeout=20)
    assert engine_state(docker, instance) == "paused"
    return paused


def awake(api, docker, instance):
    """The API says so at once; the engine's own view follows."""
    assert api.instance(instance["id"])["state"] == "running"
    until(lambda: engine_state(docker, instance) == "running", "the engine to see it running", timeout=10)


def events(api, instance):
    """The kinds of what happened to it, newest first."""
    items = api.get("/admin/events", query={"limit": 200}).expect(200).json["items"]
    return [event["kind"] for event in items if event["subject"] == instance["id"]]


def ask(instance, limit=1.0):
    """The page, within `limit` seconds."""
    begun = time.monotonic()
    status, _, body = fetch(endpoint(instance, "web")["url"])
    assert (status, body) == (200, b"good morning\n")
    took = time.monotonic() - begun
    assert took < limit, f"{took:.3f} s"


def test_R1_15_a_request_wakes_and_the_lease_counts_on(nap, docker):
    instance = nap.running("nap")
    paused = asleep(nap, docker, instance)
    assert paused["expires_at"] == instance["expires_at"]
    before = cpu(docker, instance)
    time.sleep(0.5)
    assert cpu(docker, instance) == before, "what is frozen uses no processor"
    ask(instance)
    awake(nap, docker, instance)
    assert nap.instance(instance["id"])["expires_at"] == instance["expires_at"]
    ask(instance)
    asleep(nap, docker, instance)
    kinds = events(nap, instance)
    assert "instance.paused" in kinds and "instance.resumed" in kinds, kinds


def test_R1_15_a_raw_connection_wakes(nap, docker):
    instance = nap.running("nap")
    asleep(nap, docker, instance)
    begun = time.monotonic()
    with dial(endpoint(instance, "echo")) as connection:
        connection.sendall(b"hello\n")
        assert read_until(connection, b"\n") == b"hello\n"
        assert time.monotonic() - begun < 1
        awake(nap, docker, instance)


def test_R1_15_an_open_but_silent_connection_sleeps_along_and_goes_on(nap, docker):
    instance = nap.running("nap")
    with dial(endpoint(instance, "echo")) as connection:
        connection.sendall(b"one\n")
        assert read_until(connection, b"\n") == b"one\n"
        asleep(nap, docker, instance)
        connection.sendall(b"two\n")
        assert read_until(connection, b"\n") == b"two\n"
        awake(nap, docker, instance)


def test_R1_15_many_who_come_at_once_share_one_wake(nap, nap_server, docker):
    instance = nap.running("nap")
    asleep(nap, docker, instance)
    failures = []

    def come():
        try:
            ask(instance, limit=3)
        except Exception as failure:  # noqa: BLE001: told below
            failures.append(repr(failure))

    visitors = [threading.Thread(target=come) for _ in range(40)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    assert not failures, failures[:3]
    awake(nap, docker, instance)
    kinds = events(nap, instance)
    assert kinds.count("instance.resumed") == 1, kinds


def test_R1_15_a_sleeping_instance_ends_with_its_lease(nap, docker):
    instance = nap.running("short")
    asleep(nap, docker, instance)
    ended = nap.wait_state(instance["id"], "stopped", timeout=20)
    assert ended["reason"]["code"] == "expiry"
    assert docker.of_instance(instance["id"])["containers"] == []


def test_R1_15_a_sleeping_instance_stops_at_once(nap, docker):
    instance = nap.running("nap")
    asleep(nap, docker, instance)
    begun = time.monotonic()
    assert nap.stop(instance["id"])["state"] == "stopped"
    assert time.monotonic() - begun < 5
    assert docker.of_instance(instance["id"])["containers"] == []


def test_R1_15_a_sleeping_instance_is_extended_without_waking(nap, docker):
    instance = nap.running("nap")
    # The policy allows it after half of the lease; the server's answer shows only that sleep is not in the way.
    asleep(nap, docker, instance)
    refused = nap.post(f"/instances/{instance['id']}/extend")
    assert refused.status == 200 or refused.reason != "not-running", refused.text
    assert engine_state(docker, instance) == "paused"


def test_R1_15_a_command_wakes_and_an_open_log_keeps_awake(nap, nap_server, docker):
    instance = nap.running("nap")
    asleep(nap, docker, instance)
    said = nap.post(f"/instances/{instance['id']}/exec", {"command": ["echo", "morning"]}).expect(200).json
    assert said["stdout"] == "morning\n"
    awake(nap, docker, instance)
    asleep(nap, docker, instance)
    with socket.create_connection(("127.0.0.1", nap_server.port), timeout=20) as reader:
        reader.sendall((f"GET /api/v1/instances/{instance['id']}/logs?follow=1 HTTP/1.1\r\nHost: localhost\r\n"
                        f"Authorization: Bearer {nap_server.token}\r\n\r\n").encode())
        assert b" 200 " in read_until(reader, b"\r\n\r\n")
        awake(nap, docker, instance)
        # Three times the idle time: nothing but the clock can show that it stays awake.
        end = time.monotonic() + 3
        while time.monotonic() < end:
            assert nap.instance(instance["id"])["state"] == "running"
            time.sleep(0.1)
    asleep(nap, docker, instance)


def test_R1_15_killed_while_it_sleeps(nap, nap_server, docker):
    instance = nap.running("nap")
    asleep(nap, docker, instance)
    nap_server.kill9()
    nap_server.start()
    asleep(nap, docker, instance)
    ask(instance)
    awake(nap, docker, instance)


@pytest.mark.parametrize("point,then", [("labs.pause.commit.before", "running"), ("labs.pause.commit.after", "paused")])
def test_R1_15_killed_while_it_falls_asleep(nap, nap_server, docker, point, then):
    nap_server.restart(failpoints=f"{point}=kill")
    nap.wait_template("nap")
    instance = nap.running("nap")
    assert nap_server.wait_dead() == -9
    assert engine_state(docker, instance) == "paused"
    # Held at the start, so that what the row says is seen before the idle clock runs again.
    nap_server.start()
    row = nap.instance(instance["id"])
    assert row["state"] in (then, "paused"), row
    if then == "running":
        kinds = events(nap, instance)
        assert "instance.paused" not in kinds or row["state"] == "paused", kinds
    ask(instance)
    awake(nap, docker, instance)


@pytest.mark.parametrize("point", ["labs.wake.commit.before", "labs.wake.commit.after"])
def test_R1_15_killed_while_it_wakes(nap, nap_server, docker, point):
    nap_server.restart(failpoints=f"{point}=kill")
    nap.wait_template("nap")
    instance = nap.running("nap")
    asleep(nap, docker, instance)
    try:
        fetch(endpoint(instance, "web")["url"])
    except (OSError, http.client.HTTPException):
        pass  # cut before the answer, or in the middle of it
    assert nap_server.wait_dead() == -9
    nap_server.start()
    # Before the commit the row says paused, and then it stands still again, though it had been thawed.
    paused = asleep(nap, docker, instance)
    assert paused["id"] == instance["id"]
    until(lambda: stands_still(docker, instance), "it to stand still again")
    ask(instance)
    awake(nap, docker, instance)


def test_R1_15_woken_behind_our_back(nap, docker):
    instance = nap.running("nap")
    asleep(nap, docker, instance)
    docker.call("POST", f"/containers/{docker.machine(instance['id'])['Id']}/unpause")
    nap.wait_state(instance["id"], "running", timeout=10)
    ask(instance)
    asleep(nap, docker, instance)


def test_R1_15_a_machine_that_died_in_its_sleep_is_started_again(nap, docker):
    instance = nap.running("nap")
    asleep(nap, docker, instance)
    docker.call("POST", f"/containers/{docker.machine(instance['id'])['Id']}/kill")
    until(lambda: answers(endpoint(instance, "web")["url"]), "the page to be there again", timeout=20)
    asleep(nap, docker, instance)

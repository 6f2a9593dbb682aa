"""Everybody presses start in the same second: who finds a warm instance has it at once, the others run in order, as told."""
import concurrent.futures
import http.client
import json
import re
import sqlite3
import threading
import time

import pytest

from harness import templates
from harness.api import Api
from harness.wait import until

ALONE = "twenty players at once are answered within seconds"  # for ./test

PLAYERS, POOL = 20, 5

# Each takes most of a second, so that a queue forms on any machine.
SLOW = {
    **templates.WEB,
    "instance.toml": templates.WEB["instance.toml"].replace('name = "Web"', 'name = "Storm"'),
    "Dockerfile": 'FROM tiltyard/busybox:1\nRUN mkdir /www && echo storm > /www/index.html\nUSER 65534:65534\nSTOPSIGNAL SIGKILL\n'
                  'CMD ["sh", "-c", "usleep 600000; exec httpd -f -p 8000 -h /www"]\n',
}
POOLED = {**SLOW, "instance.toml": SLOW["instance.toml"] + f"[pool]\nmin = {POOL}\nmax = {POOL}\n"}


def crowd(server, count):
    """Players signed in by their one-time links: nobody waits for a password to be hashed."""
    admin, callers = server.admin(), []
    for number in range(count):
        made = admin.post("/admin/users", {"name": f"storm{number}", "role": "player"}).expect(201).json
        caller = Api(server.url)
        caller.sign_in(strategy="link", token=made["sign_in_url"].split("#")[1]).expect(201)
        callers.append(caller)
    return callers


def press(players, template, times=1):
    """Each presses `times` times, all at the same moment: the answers of each player."""
    barrier = threading.Barrier(len(players) * times)

    def one(player):
        barrier.wait()
        return player.start(template, wait=0)

    with concurrent.futures.ThreadPoolExecutor(len(players) * times) as pool:
        waiting = [[pool.submit(one, player) for _ in range(times)] for player in players]
        return [[answer.result() for answer in answers] for answers in waiting]


def full(server, count):
    def look():
        pools = server.admin().get("/admin/pools").expect(200).json["items"]
        return pools and pools[0]["ready"] >= count and pools[0]["filling"] == 0
    until(look, "the pool to be full", timeout=90)


def metric(server, name):
    return float(re.search(rf"^{name}(?:{{[^}}]*}})? (\S+)$", server.admin().get("/metrics").text, re.M).group(1))


def database(server):
    return sqlite3.connect(f"file:{server.data / 'tiltyard.db'}?mode=ro", uri=True)


def pressed_at(server):
    """When each instance was asked for, in seconds; the API's milliseconds are too coarse for an order."""
    with database(server) as rows:
        return {identity: at / 1e6 for identity, at in rows.execute("SELECT id, created_at FROM instances")}


@pytest.fixture
def storm(make_server):
    server = make_server(config={"labs": {"spawns_at_once": 4}}, storm=POOLED).start()
    server.admin().wait_template("storm")
    return server


def test_R1_7_a_storm_is_served_without_errors_from_the_pool_and_then_in_order(storm, docker):
    players = crowd(storm, PLAYERS)
    full(storm, POOL)
    begun = time.monotonic()
    answers = press(players, "storm", times=2)
    assert time.monotonic() - begun < 10
    started = []
    for mine in answers:
        good = [answer for answer in mine if answer.status in (201, 202)]
        assert len(good) == 1, f"pressing twice gives one instance: {mine}, {[a.text[:200] for a in mine]}"
        again = next(answer for answer in mine if answer is not good[0]).expect(409, "instance-exists")
        assert again.json["instance_id"] == good[0].json["id"]
        started.append(good[0].json)
    assert len({one["id"] for one in started}) == len({one["owner"]["id"] for one in started}) == PLAYERS
    at_once = [one for one in started if one["state"] == "running"]
    assert len(at_once) == POOL, [one["state"] for one in started]
    queued = [one for one in started if one["state"] == "queued"]
    assert len(queued) >= PLAYERS - POOL - 4
    for one in queued:
        assert one["queue"]["position"] >= 1 and one["queue"]["eta_ms"] > 0, one

    done = [player.wait_state(one["id"], "running", "failed", timeout=90) for player, one in zip(players, started)]
    assert [one["state"] for one in done] == ["running"] * PLAYERS
    pressed = pressed_at(storm)
    waited = sorted((one for one in done if "queued" in one["timings_ms"]), key=lambda one: pressed[one["id"]])
    assert {one["id"] for one in waited} == {one["id"] for one in queued}
    turns = [pressed[one["id"]] + one["timings_ms"]["queued"] / 1000 for one in waited]
    assert all(later >= earlier for earlier, later in zip(turns, turns[1:])), f"not in order: {turns}"
    for one in waited:
        assert one["timings_ms"]["queue_estimate"] > 0
    for one in done:
        assert len(docker.of_instance(one["id"])["containers"]) == 1
    assert metric(storm, "tiltyard_queue_estimate_error_ratio_count") == len(waited)


def test_R1_7_estimates_shrink_reach_the_page_by_themselves_and_not_too_often(make_server):
    server = make_server(config={"labs": {"spawns_at_once": 1}}, storm=SLOW).start()
    server.admin().wait_template("storm")
    players = crowd(server, 8)
    last = players[-1]
    news = []

    def listen():
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.request("GET", "/api/v1/events", headers={"Cookie": last.cookie})
        stream = connection.getresponse()
        kind = b""
        while line := stream.readline():
            if line.startswith(b"event: "):
                kind = line[7:].strip()
            elif line.startswith(b"data: ") and kind == b"instance":
                instance = json.loads(line[6:])
                news.append((time.monotonic(), instance))
                if instance["state"] == "running":
                    connection.close()
                    return

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    for player in players:
        player.start("storm", wait=0).expect(202)
    listener.join(60)
    assert not listener.is_alive(), "the stream never told of the running instance"
    waiting = [(at, one) for at, one in news if one["state"] == "queued"]
    assert waiting and all(one["owner"]["name"] == "storm7" for _, one in news)
    positions = [one["queue"]["position"] for _, one in waiting]
    assert positions == sorted(positions, reverse=True) and set(positions) >= set(range(1, 6)), positions
    span = waiting[-1][0] - waiting[0][0]
    assert len(waiting) <= 4 * span + 4, f"{len(waiting)} pieces of news in {span:.1f} s"
    assert waiting[-1][1]["queue"]["eta_ms"] < waiting[0][1]["queue"]["eta_ms"]


def test_R1_7_what_was_learned_about_spawns_outlives_a_restart(make_server):
    server = make_server(storm=SLOW).start()
    server.admin().wait_template("storm")
    players = crowd(server, 12)
    for player in players:
        player.start("storm", wait=0).expect(202)
    for player in players:
        own = player.get("/instances").expect(200).json["items"][0]["id"]
        player.wait_state(own, "running")
    engine = server.admin().get("/admin/engines").expect(200).json["items"][0]
    assert 1 <= engine["spawns"]["limit"] <= engine["spawns"]["most"] == 10
    assert engine["spawns"]["per_second"] > 0 and engine["spawns"]["waiting"] == 0
    assert metric(server, "tiltyard_spawn_limit") == engine["spawns"]["limit"]

    def kept():
        with database(server) as rows:
            return dict(rows.execute("SELECT name, value FROM spawn_pace"))
    until(lambda: "weight.storm" in kept(), "the pace to be saved", timeout=10)
    before = kept()
    server.restart()
    assert kept() == before
    assert metric(server, "tiltyard_spawn_limit") == before["limit"]

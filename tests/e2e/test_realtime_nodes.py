"""Several nodes on one database (row 9.2): what is said on one is heard on the others, with Redis at once and without it late."""
import shutil
import time

import pytest

from harness import templates
from harness.realtime import Sio
from harness.redis import Redis
from harness.wait import until

pytestmark = pytest.mark.skipif(not shutil.which("redis-server"), reason="redis-server is missing")


@pytest.fixture
def redis(tmp_path):
    server = Redis(tmp_path).start()
    yield server
    server.kill()


@pytest.fixture
def nodes(make_server, redis, tmp_path):
    """Two servers with folders of their own on one database."""
    config = {**templates.FAKE, "store": {"url": f"sqlite:{tmp_path / 'shared.db'}"}, "redis": {"url": redis.url}}
    one = make_server(config=config, web=templates.EMPTY).start()
    two = make_server(config=config, web=templates.EMPTY).start()
    for node in (one, two):
        until(lambda node=node: node.admin().get("/admin/limits").json["counted_in"] == "redis", "the node to find Redis", 10)
    return one, two


def token_of(server, name, **more):
    return server.user(name, **more).post("/me/tokens", {"name": "t"}).expect(201).json["token"]


def test_R9_2_nodes_hear_each_other_and_recover_each_other_s_clients(nodes, redis):
    one, two = nodes
    ann, bob = token_of(one, "ann"), token_of(one, "bob")
    here, there = Sio(one.port, {"token": ann}), Sio(two.port, {"token": bob})
    assert here.join("chat:lobby")["ok"] and there.join("chat:lobby")["ok"]
    assert here.event("presence", lambda one: one["user"]["name"] == "bob")[1]["here"] is True
    begun = time.monotonic()
    delays = []
    for number in range(20):
        begun = time.monotonic()
        assert here.ask("say", "chat:lobby", {"text": f"hello {number}"})["ok"]
        offset = there.event("message", lambda one, number=number: one["text"] == f"hello {number}")[2]
        delays.append(time.monotonic() - begun)
    assert sorted(delays)[10] < 0.5, "Redis says when to look, so nobody waits for the next second"
    there.close()
    assert here.event("presence", lambda one: one["user"]["name"] == "bob")[1]["here"] is False
    assert here.ask("say", "chat:lobby", {"text": "missed"})["ok"]
    moved = Sio(one.port, {"token": bob, "pid": there.welcome["pid"], "offset": offset})
    assert moved.welcome["pid"] == there.welcome["pid"], "the other node gives the session back"
    assert moved.event("message")[1]["text"] == "missed"


def test_R9_2_a_client_that_has_heard_more_than_the_other_node_is_recovered_there(nodes, redis):
    one, two = nodes
    ann = token_of(one, "ann")
    redis.kill()
    speaker = Sio(one.port, {"token": token_of(one, "bob")})
    assert speaker.join("chat:lobby")["ok"]
    for number in range(10):
        here = Sio(one.port, {"token": ann})
        assert here.join("chat:lobby")["ok"]
        assert speaker.ask("say", "chat:lobby", {"text": f"{number}"}, timeout=10)["ok"]
        offset = here.event("message", lambda told, number=number: told["text"] == f"{number}")[2]
        here.close()
        # The other node reads once a second by itself; it does not send away who is ahead of it.
        there = Sio(two.port, {"token": ann, "pid": here.welcome["pid"], "offset": offset})
        assert there.welcome["pid"] == here.welcome["pid"]
        there.close()
        joined = Sio(two.port, {"token": ann}).join("chat:lobby", since=offset)
        assert joined["recovered"] is True


def test_R9_2_a_lost_redis_makes_news_late_and_loses_nothing(nodes, redis):
    one, two = nodes
    here, there = Sio(one.port, {"token": token_of(one, "cai")}), Sio(two.port, {"token": token_of(one, "dov")})
    log = Sio(two.port, {"token": token_of(one, "eva", role="operator")})
    here.join("chat:lobby")
    there.join("chat:lobby")
    log.join("events")
    said = []
    for number in range(30):
        if number == 10:
            redis.kill()
        if number == 20:
            redis.start()
        assert here.ask("say", "chat:lobby", {"text": f"{number}"}, timeout=10)["ok"]
        said.append(f"{number}")
    heard = [there.event("message", timeout=10)[1]["text"] for _ in said]
    assert heard == said, "each once, in order"
    one.admin().post("/admin/teams", {"name": "Late"}).expect(201)
    log.event("event", lambda one: one["kind"] == "team.created", timeout=10)

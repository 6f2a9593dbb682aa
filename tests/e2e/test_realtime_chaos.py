"""Rows 9.1 and 9.2 with the plug pulled: servers, Redis and PostgreSQL are killed in turn under a room that talks. In the end every
acknowledged message was kept once, and every client that came back has heard all, in order, or was told that it has not."""
import collections
import random
import shutil
import sqlite3
import threading
import time

import pytest

from harness import templates
from harness.postgres import Postgres
from harness.realtime import Closed, Sio
from harness.redis import Redis
from harness.wait import until

pytestmark = pytest.mark.skipif(not shutil.which("redis-server"), reason="redis-server is missing")
ROOM, END, SNAPSHOT = "chat:lobby", "end", 50
TROUBLE = (Closed, OSError, AssertionError)


class World:
    """The servers of one range, of which some live; and what was promised to those who talk."""

    def __init__(self, servers):
        self.servers = servers
        self.acknowledged = []
        self.over = threading.Event()

    def client(self, token, **session):
        """Connects to whoever lives; None if nobody lets us in at the moment."""
        living = [server for server in self.servers if server.alive]
        try:
            client = Sio(random.choice(living).port, {"token": token, **session})
            if client.welcome:
                return client
            client.close()
        except (IndexError, *TROUBLE):
            pass
        time.sleep(0.05)
        return None

    def goes_on(self, more=60):
        wanted = len(self.acknowledged) + more
        until(lambda: len(self.acknowledged) >= wanted, "messages to be acknowledged", 60)


class Talker(threading.Thread):
    """Says numbers. What was not acknowledged is never said again: it may have been kept."""

    def __init__(self, world, name, token):
        super().__init__(daemon=True)
        self.world, self.who, self.token = world, name, token

    def run(self):
        number = 0
        while not self.world.over.is_set():
            client = self.world.client(self.token)
            try:
                joined = client is not None and client.join(ROOM)["ok"]
                while joined and not self.world.over.is_set():
                    text, number = f"{self.who} {number}", number + 1
                    if client.ask("say", ROOM, {"text": text}, timeout=30)["ok"]:
                        self.world.acknowledged.append(text)
                    client.events.clear()
                    time.sleep(0.01)
            except TROUBLE:
                pass
            if client:
                client.close()


class Listener(threading.Thread):
    """Comes back with its session and its offset, as the clients of Socket.IO do, and joins anew where that is not given back."""

    def __init__(self, world, token):
        super().__init__(daemon=True)
        self.world, self.token = world, token
        self.pid = self.offset = None
        self.heard = []  # one list for each time that a snapshot was all there was
        self.snapshots = []
        self.ways = collections.Counter()

    def run(self):
        while not (self.heard and END in self.heard[-1][-1:]):
            client = self.world.client(self.token, **({"pid": self.pid, "offset": self.offset} if self.pid else {}))
            try:
                if client and self.come_in(client):
                    self.listen(client)
            except TROUBLE:
                pass
            if client:
                client.close()

    def come_in(self, client):
        if client.welcome["pid"] == self.pid:
            self.ways["recovered"] += 1
            return True
        joined = client.join(ROOM, **({"since": self.offset} if self.offset else {}))
        if not joined["ok"]:
            return False
        self.ways["since" if joined["recovered"] else "anew"] += 1
        if not joined["recovered"]:
            self.heard.append([one["text"] for one in joined["messages"]])
            self.snapshots.append(len(self.heard[-1]))
        self.pid, self.offset = client.welcome["pid"], joined["offset"]
        return True

    def listen(self, client):
        while True:
            for event in client.events:
                if event[0] == "message":
                    self.heard[-1].append(event[1]["text"])
                    self.offset = event[2]
                    if event[1]["text"] == END:
                        return
            client.events.clear()
            client.step(90)


def judge(world, listeners, kept):
    once = collections.Counter(kept)
    assert [text for text, times in once.items() if times > 1] == []
    assert [text for text in world.acknowledged if text not in once] == [], "acknowledged is kept"
    place = {text: number for number, text in enumerate(kept)}
    order = collections.defaultdict(list)
    for text in world.acknowledged:
        order[text.split()[0]].append(place[text])
    assert all(places == sorted(places) for places in order.values())
    for one in listeners:
        reached = -1
        for heard, snapshot in zip(one.heard, one.snapshots, strict=True):
            first = place[heard[0]] if heard else reached + 1
            assert heard == kept[first:first + len(heard)], "each once, in order"
            assert first <= reached + 1 or snapshot == SNAPSHOT, "what is not in a fresh snapshot is older than it shows"
            reached = first + len(heard) - 1
        assert reached == len(kept) - 1
        assert one.ways["recovered"] + one.ways["since"] > 0, one.ways


def hold_out(world, first, trouble, rows):
    """Talks and listens through `trouble`, then counts. `first` makes the people."""
    tokens = {name: first.user(name).post("/me/tokens", {"name": "t"}).expect(201).json["token"] for name in ("ann", "bob", "cai", "dov", "eva", "fay")}
    listeners = [Listener(world, tokens[name]) for name in ("dov", "eva", "fay")]
    talkers = [Talker(world, name, tokens[name]) for name in ("ann", "bob", "cai")]
    for thread in (*listeners, *talkers):
        thread.start()
    try:
        world.goes_on()
        trouble()
        world.goes_on()
    finally:
        world.over.set()
    for thread in talkers:
        thread.join(60)
    last = until(lambda: world.client(tokens["ann"]), "the last word to be had", 30)
    assert last.join(ROOM)["ok"] and last.ask("say", ROOM, {"text": END}, timeout=30)["ok"]
    for thread in listeners:
        thread.join(60)
        assert not thread.is_alive(), (thread.ways, thread.heard[-1][-3:])
    judge(world, listeners, rows("SELECT body FROM talk WHERE room = 'chat|lobby' ORDER BY seq"))
    print(f"{len(world.acknowledged)} acknowledged; {[dict(one.ways) for one in listeners]}")


@pytest.fixture
def redis(tmp_path):
    server = Redis(tmp_path).start()
    yield server
    server.kill()


def config(redis, url):
    return {**templates.FAKE, "store": {"url": url}, "redis": {"url": redis.url}, "realtime": {"history": 100_000}}


def test_R9_2_two_nodes_and_redis_killed_in_turn_lose_and_double_nothing(redis, make_server, tmp_path):
    path = tmp_path / "shared.db"
    one, two = (make_server(config=config(redis, f"sqlite:{path}"), web=templates.EMPTY).start() for _ in range(2))
    world = World([one, two])

    def trouble():
        for node in (one, two, one):
            node.kill9()
            world.goes_on()
            redis.kill()
            world.goes_on()
            node.start(timeout=60)
            world.goes_on()
            redis.start()
            world.goes_on()
        for node in (one, two):
            node.kill9()
        for node in (one, two):
            node.start(timeout=60)

    def rows(sql):
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
            return [row[0] for row in database.execute(sql)]

    hold_out(world, one, trouble, rows)


@pytest.fixture
def postgres():
    server = Postgres()
    yield server
    server.close()


def test_R9_1_servers_that_take_over_and_postgresql_killed_in_turn_lose_and_double_nothing(postgres, redis, make_server):
    url = postgres.fresh()
    # One works on the database; the other one has its place when it has died.
    one, two = (make_server(config=config(redis, url), web=templates.EMPTY) for _ in range(2))
    world = World([one, two])

    def trouble():
        for ends, comes in ((one, two), (two, one), (one, two)):
            ends.kill9()
            comes.start(timeout=60)
            world.goes_on()
            postgres.kill9()
            redis.kill()
            postgres.start()
            world.goes_on()
            redis.start()
            world.goes_on()

    hold_out(world, one.start(), trouble, lambda sql: [row[0] for row in postgres.rows(url.rsplit("/", 1)[1], sql)])

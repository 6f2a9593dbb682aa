"""Row 2.5: our routes in a real Redis, as Traefik's provider reads them; whoever of the two comes back, they are right again."""
import http.client
import json
import subprocess
import time
from urllib.parse import urlsplit

import pytest

from harness import templates
from harness.gateway import endpoint
from harness.redis import Redis
from harness.server import binary
from harness.traefik import Connection, keys, read
from harness.wait import until


@pytest.fixture(scope="module")
def edge(docker, tmp_path_factory):
    """(server, redis): routes are exported from the start on."""
    from conftest import server_maker
    folder = tmp_path_factory.mktemp("traefik")
    make, end, _ = server_maker(docker, folder)
    redis = Redis(folder).start()
    (folder / "extra.keys").write_text("# one of the operator's\nhttp/middlewares/slow/ratelimit/average = 100\n")
    server = make(config={"traefik": {"url": redis.url, "extra": str(folder / "extra.keys"), "look_every": "1s", "middlewares": ["slow"]}},
                  web=templates.WEB)
    try:
        server.start()
        server.admin().wait_template("web")
        yield server, redis
    finally:
        end()
        redis.kill()


@pytest.fixture
def caller(edge):
    server, redis = edge
    if not server.alive:
        server.start()
    admin = server.admin()
    yield admin
    if redis.process.poll() is not None:
        redis.start()
    if not server.alive:
        server.start()
    admin.stop_all()


def host_of(instance):
    return urlsplit(endpoint(instance, "web")["url"]).hostname


def names(redis):
    """The hosts of all pages that a Traefik would know."""
    return {part for (protocol, _), router in read(redis).routers.items() if protocol == "http"
            for part in router["rule"].split(" || ") if part.startswith("Host(")}


def has(redis, *instances):
    wanted = {f"Host(`{host_of(one)}`)" for one in instances}
    until(lambda: names(redis) == wanted, f"exactly the routes {wanted}")


def fetched(redis, host):
    """What a Traefik would fetch for this host."""
    address, port = read(redis).route(host).rsplit(":", 1)
    connection = http.client.HTTPConnection(address, int(port), timeout=20)
    try:
        connection.request("GET", "/", headers={"Host": host})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_R2_5_a_page_is_found_by_its_name_and_the_rest_goes_to_the_gateway(edge, caller):
    server, redis = edge
    has(redis)
    instance = caller.running("web")
    has(redis, instance)
    assert fetched(redis, host_of(instance)) == (200, b"hello from web\n")
    status, _ = fetched(redis, "nobody.localhost")
    assert status == 404, "the gateway's own page says so"
    assert read(redis).route("blog.example.org") is None, "names of others are none of ours"
    router = read(redis).routers["http", next(name for protocol, name in read(redis).routers if instance["id"] in name)]
    assert router["entrypoints/0"] == "websecure" and router["middlewares/0"] == "slow" and router["tls"] == "true"
    # A port that is opened later is a route as well.
    opened = caller.post(f"/instances/{instance['id']}/ports", {"port": 9000, "kind": "http"}).expect(201).json
    until(lambda: f"Host(`{urlsplit(opened['endpoint']['url']).hostname}`)" in names(redis), "the opened port's route")
    caller.stop(instance["id"])
    has(redis)


def test_R2_5_every_moment_makes_sense_while_instances_come_and_go(edge, caller):
    _, redis = edge
    with Connection(redis) as watcher, Connection(redis) as reader:
        watcher.call("CONFIG", "SET", "notify-keyspace-events", "KEA")  # as Traefik does
        watcher.call("PSUBSCRIBE", "__keyspace*:traefik*")
        instance = caller.running("web")
        has(redis, instance)
        caller.stop(instance["id"])
        has(redis)
        reader.call("PUBLISH", "__keyspace:traefik-end", "end")
        events = 0
        while (news := watcher.reply())[3] != "end":
            events += 1
        assert events >= 10, "a router's keys come and go"
        # What is shown after each of them is checked by `read` in `has`; here that the writes were whole.
        assert reader.call("EVAL", "return redis.call('KEYS', ARGV[1])", 0, f"traefik/*{instance['id']}*") == []


def test_R2_5_a_redis_that_is_away_holds_nobody_up_and_is_brought_up_to_date(edge, caller):
    server, redis = edge
    before = caller.running("web")
    has(redis, before)
    redis.kill()
    begun = time.monotonic()
    caller.stop(before["id"])
    after = caller.running("web")
    assert time.monotonic() - begun < 30
    until(lambda: "tiltyard_traefik_behind_seconds 0\n" not in caller.get("/metrics").expect(200).text, "the metric to say that Redis is behind")
    redis.start()  # and has lost all that it had
    has(redis, after)
    assert keys(redis)["traefik/http/middlewares/slow/ratelimit/average"] == "100"
    until(lambda: "tiltyard_traefik_behind_seconds 0\n" in caller.get("/metrics").expect(200).text, "the metric to say that all is well")


def test_R2_5_what_nobody_wants_any_more_goes_and_what_is_not_ours_stays(edge, caller):
    server, redis = edge
    instance = caller.running("web")
    has(redis, instance)
    server.kill9()
    with Connection(redis) as connection:
        connection.call("SET", "traefik/http/routers/ty_tiltyard_ghost/rule", "Host(`ghost.localhost`)")
        connection.call("SET", "traefik/http/routers/ty_tiltyard_ghost/service", "ty_tiltyard_gateway")
        connection.call("SET", "traefik/http/routers/ty_tiltyard-two_web/rule", "Host(`two.example.org`)")
        connection.call("SET", "traefik/http/routers/blog/rule", "Host(`blog.example.org`)")
        lost = [key for key in keys(redis) if instance["id"] in key and key.endswith("/rule")]
        connection.call("DEL", *lost)
        server.start()
        until(lambda: keys(redis).keys() >= set(lost) and not any("ghost" in key for key in keys(redis)), "the routes to be right again")
        # Behind our back, while all is connected: looked at every second here.
        connection.call("DEL", *lost)
        until(lambda: keys(redis).keys() >= set(lost), "what was deleted to come back")
        mine = {key for key in keys(redis) if "two_web" in key or "/blog/" in key}
        assert len(mine) == 2, "what others have written"
        connection.call("DEL", *mine)
    has(redis, instance)


def test_R2_5_keys_of_ones_own_come_back_and_leave_with_their_line(edge, caller):
    server, redis = edge
    file = server.config["traefik"]["extra"]
    key, more = "traefik/http/middlewares/slow/ratelimit/average", "traefik/http/middlewares/slow/ratelimit/burst"
    until(lambda: keys(redis).get(key) == "100", "the operator's key")
    with Connection(redis) as connection:
        connection.call("DEL", key)
    until(lambda: keys(redis).get(key) == "100", "the operator's key to come back")
    text = open(file).read()
    try:
        with open(file, "w") as out:
            out.write(text.replace("100", "50") + "http/middlewares/slow/ratelimit/burst = 7\n")
        until(lambda: (keys(redis).get(key), keys(redis).get(more)) == ("50", "7"), "the file's new lines")
        with open(file, "w") as out:
            out.write("this is no key\n")
        until(lambda: "left as they are" in server.log(), "the complaint")
        assert keys(redis)[more] == "7", "a file that makes no sense takes nothing away"
    finally:
        with open(file, "w") as out:
            out.write(text)
    until(lambda: keys(redis).get(key) == "100" and more not in keys(redis), "the line that has gone to go")


def test_R2_5_doctor_says_how_redis_is(edge, caller):
    server, redis = edge
    server.write_config()
    ran = subprocess.run([binary(), "doctor", "--config", str(server.folder / "tiltyard.toml"), "--json"], capture_output=True, text=True, timeout=60)
    lines = [check for check in json.loads(ran.stdout)["items"] if check["name"] == "traefik"]
    assert lines and "Redis answers" in lines[0]["detail"], ran.stdout

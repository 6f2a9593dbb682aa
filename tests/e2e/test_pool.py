"""Warm pools: what waits is handed over in milliseconds with its owner's flag, nothing of the pool survives, and no crash gives it twice."""
import io
import re
import tarfile

import pytest

from harness import templates
from harness.gateway import answers, endpoint, fetch
from harness.wait import until

FLAG = re.compile(rb"FLAG\{warm_[0-9a-f]{16}\}")
READY = '[ready]\ninterval = 50\n[limits]\nmemory = "32m"\npids = 64\n'
# At its start the machine makes what a careless image would share: a host key, a machine id, a token.
START = """#!/bin/sh
umask 077
head -c 32 /dev/urandom | base64 > /state/host_key
cat /proc/sys/kernel/random/uuid > /state/machine-id
[ -n "$TOKEN" ] && echo "$TOKEN" > /state/token
exec httpd -f -p 8000 -h /www
"""
WARM = {
    "instance.toml": 'name = "Warm"\nports = [8000, 7]\ntimeout = 900\n[[endpoint]]\nname = "web"\nport = 8000\nkind = "http"\n[pool]\nmin = 3\n' + READY,
    "flag.txt": "FLAG{warm}\n",
    "start": START,
    "Dockerfile": "FROM tiltyard/busybox:1\nCOPY flag.txt /www/flag.txt\nCOPY --chmod=755 start /start\nRUN mkdir -p /state\nSTOPSIGNAL SIGKILL\nCMD [\"/start\"]\n",
}
WARM["Dockerfile"] = WARM["Dockerfile"].replace("COPY --chmod=755 start /start\nRUN mkdir", "COPY start /start\nRUN chmod 755 /start && mkdir")
WARM["instance.toml"] = WARM["instance.toml"].replace("ports = [8000, 7]\n", "")
FROZEN = {**WARM, "instance.toml": WARM["instance.toml"].replace("min = 3\n", "min = 3\npause = true\n")}
AT_START = {**WARM, "instance.toml": WARM["instance.toml"].replace("[pool]", '[flag]\nread = "start"\n[pool]')}
IN_ENVIRONMENT = {**WARM, "instance.toml": WARM["instance.toml"].replace("[pool]", '[flag]\nvariable = "THE_FLAG"\n[pool]')}


def pool_of(server, name):
    for pool in server.admin().get("/admin/pools").expect(200).json["items"]:
        if pool["template"] == name:
            return pool
    return None


def full(server, name, count=3, timeout=60):
    def look():
        pool = pool_of(server, name)
        return pool if pool and pool["ready"] == count and pool["filling"] == 0 else None
    return until(look, f"the pool of {name} to be full", timeout=timeout)


def flag_through(instance):
    status, _, body = fetch(endpoint(instance)["url"], "/flag.txt")
    assert status == 200, body
    assert FLAG.fullmatch(body.strip()), body
    return body.strip()


def files_of(docker, container):
    """Every file of the machine: path → (type, mode, owner, content)."""
    text = docker.call("GET", f"/containers/{container}/export")
    out = {}
    with tarfile.open(fileobj=io.BytesIO(text)) as tar:
        for entry in tar:
            content = tar.extractfile(entry).read() if entry.isreg() else entry.linkname
            out[entry.name] = (entry.type, entry.mode, entry.uid, entry.gid, content)
    return out


@pytest.fixture
def warm(make_server):
    server = make_server(warm=WARM)
    server.start()
    server.admin().wait_template("warm")
    full(server, "warm")
    return server


@pytest.mark.parametrize("template", [WARM, FROZEN], ids=["running", "frozen"])
def test_R1_14_a_claim_is_at_once_and_has_the_owners_flag(make_server, docker, template):
    server = make_server(warm=template)
    server.start()
    server.admin().wait_template("warm")
    full(server, "warm")
    assert server.admin().get("/instances", query={"owner": "all"}).json["items"] == [], "what waits is nobody's"
    flags, ids, players = {}, set(), {}
    for name in ("ann", "bob", "cat"):
        player = players[name] = server.user(name)
        answer = player.post("/instances", {"template": "warm"}).expect(201)
        instance = answer.json
        assert instance["state"] == "running" and instance["owner"]["name"] == name
        assert instance["timings_ms"]["claim"] < 500, "far below any spawn"
        flags[name] = flag_through(instance)  # the very next request
        ids.add(instance["id"])
        inspected = docker.machine(instance["id"])
        until(lambda c=inspected["Id"]: not docker.inspect(c)["State"]["Paused"], "the engine to know that it runs")
        assert inspected["Config"]["Labels"]["tiltyard.instance"] == instance["id"]
    assert len(set(flags.values())) == 3 and len(ids) == 3
    # The same owner gets the same flag again.
    ann = players["ann"]
    first = ann.get("/instances").json["items"][0]
    ann.stop(first["id"])
    full(server, "warm")
    assert flag_through(ann.post("/instances", {"template": "warm"}).expect(201).json) == flags["ann"]


def test_R1_14_nothing_of_the_pool_survives_the_claim(warm, docker):
    people = [warm.user(name) for name in ("ann", "bob")]
    instances = [player.post("/instances", {"template": "warm"}).expect(201).json for player in people]
    machines = [docker.machine(instance["id"]) for instance in instances]
    image = docker.call("POST", "/containers/create", body={"Image": machines[0]["Image"], "Labels": {"tiltyard.managed": "true", "tiltyard.namespace": warm.namespace}})["Id"]
    try:
        ours, theirs, original = (files_of(docker, identity) for identity in (machines[0]["Id"], machines[1]["Id"], image))
    finally:
        docker.call("DELETE", f"/containers/{image}", {"force": "true"})
    own = {"state/host_key", "state/machine-id", "www/flag.txt"}
    # The engine's own mount points, which are empty in an export; what they show is looked at below.
    engines = {"etc/hostname", "etc/hosts", "etc/resolv.conf", ".dockerenv"}
    assert {path for path in ours if ours[path] != theirs.get(path)} == own
    assert set(ours) == set(theirs)
    changed = {path for path in ours if ours[path] != original.get(path)}
    assert changed - own - engines - {"state"} == set(), "the image, and what the machine itself made"
    for path in own:
        assert ours[path][4] and ours[path][4] != theirs[path][4], f"{path} is each one's own"
    seen = []
    for instance, machine in zip(instances, machines):
        read = lambda path, identity=machine["Id"]: docker.exec(identity, "cat", path)[1]
        assert read("/www/flag.txt").strip().encode() == flag_through(instance)
        seen.append((read("/www/flag.txt"), read("/etc/hostname")))
        environment = read("/proc/1/environ")
        for other in people:
            assert (other.get("/me").json["id"] in environment) is False
        assert "FLAG{" not in environment and "TOKEN" not in environment
    assert seen[0][0] != seen[1][0]
    assert seen[0][1] == seen[1][1], "the host name is the template's, equal for everybody"


def test_R1_14_the_kind_is_chosen_and_shown(make_server):
    server = make_server(start=AT_START, env=IN_ENVIRONMENT)
    server.start()
    for name in ("start", "env"):
        server.admin().wait_template(name)
    full(server, "start")
    player = server.user("ann")
    shown = {template["id"]: template["pool"] for template in player.get("/templates").json["items"]}
    assert shown["start"]["kind"] == "created" and shown["start"]["reason"]
    assert shown["env"]["kind"] == "none" and "environment" in shown["env"]["reason"]
    for name in ("start", "env"):
        instance = player.start(name).expect(201).json
        assert flag_through(instance)
        player.stop(instance["id"])


def password_through(instance):
    status, _, body = fetch(endpoint(instance)["url"], "/password.txt")
    assert status == 200, body
    return body.decode().strip()


@pytest.mark.parametrize("template", [WARM, FROZEN, AT_START], ids=["running", "frozen", "created"])
def test_R1_14_each_claim_has_a_password_of_its_own(make_server, docker, template):
    credentials = '[credentials]\nuser = "player"\nper_owner = true\nfile = "/www/password.txt"\n'
    server = make_server(warm={**template, "instance.toml": template["instance.toml"] + credentials})
    server.start()
    server.admin().wait_template("warm")
    full(server, "warm")
    waiting = {}
    for machine in docker.containers(tiltyard__namespace=server.namespace):
        name = machine["Labels"]["tiltyard.instance"]
        packed = docker.call("GET", f"/containers/{machine['Id']}/archive", {"path": "/www/password.txt"})
        waiting[name] = tarfile.open(fileobj=io.BytesIO(packed)).extractfile("password.txt").read().decode().strip()
    assert len(set(waiting.values())) == 3
    ann, bob = server.user("ann"), server.user("bob")
    assert ann.get("/templates").json["items"][0]["credentials"] is None, "nobody's yet"
    seen = set(waiting.values())
    for player, other in ((ann, bob), (bob, ann)):
        instance = player.start("warm").expect(201).json
        assert instance["id"] in waiting
        assert instance["credentials"]["user"] == "player"
        password = instance["credentials"]["password"]
        assert re.fullmatch("[a-km-np-z2-9]{16}", password) and password not in seen
        seen.add(password)
        assert password_through(instance) == password, "what the machine itself holds"
        assert player.get(f"/instances/{instance['id']}").json["credentials"]["password"] == password
        assert server.admin().get(f"/instances/{instance['id']}").json["credentials"]["password"] == password
        hidden = other.get(f"/instances/{instance['id']}")
        assert hidden.status in (403, 404) and password not in hidden.text
        held = [path for path in (server.data / "instances" / instance["id"]).rglob("*") if path.is_file()]
        assert not [path for path in held if waiting[instance["id"]] in path.read_text(errors="replace")], "the pool's is gone"
    for password in seen:
        assert password not in server.log_path.read_text(errors="replace"), "a password in the log"
        assert password not in server.admin().get("/admin/events", query={"limit": 200}).text


def test_R1_14_what_died_while_it_waited_is_never_handed_out(warm, docker):
    waiting = [c["Id"] for c in docker.containers(tiltyard__namespace=warm.namespace)]
    assert len(waiting) == 3
    for container in waiting:
        docker.call("POST", f"/containers/{container}/kill")
    player = warm.user("ann")
    instance = player.start("warm").expect(201).json
    assert flag_through(instance)
    full(warm, "warm")
    left = {c["Id"] for c in docker.containers(tiltyard__namespace=warm.namespace)}
    assert not left & set(waiting) or docker.machine(instance["id"])["Id"] in waiting


def test_R1_17_the_solver_refuses_what_cannot_be_solved(make_server, docker):
    solver = ("#!/bin/sh\n"
              'got=$(printf "GET /flag.txt HTTP/1.0\\r\\n\\r\\n" | nc -w 5 "$TILTYARD_HOST" "$TILTYARD_PORT" | tail -n 1)\n'
              'echo "expected something, got $(echo "$got" | wc -c) bytes"\n[ "$got" = "$TILTYARD_FLAG" ]\n')
    files = {**WARM, "instance.toml": WARM["instance.toml"] + '[solve]\nbuild = "solve"\ntimeout = 20\n', "solve/solve": solver,
             "solve/Dockerfile": "FROM tiltyard/busybox:1\nCOPY solve /solve\nUSER 65534:65534\nCMD [\"sh\", \"/solve\"]\n"}
    unsolvable = {**files, "Dockerfile": files["Dockerfile"].replace("COPY start", "RUN echo other > /www/index.html && sed -i 's/flag.txt/index.html/' /dev/null\nCOPY start")}
    unsolvable["solve/solve"] = solver.replace("/flag.txt", "/gone.txt")
    server = make_server(good=files, bad=unsolvable)
    server.start()
    for name in ("good", "bad"):
        server.admin().wait_template(name)
    full(server, "good")

    def judged():
        pool = pool_of(server, "bad")
        return pool if pool and "exit code 1" in (pool["reason"] or "") else None  # no reason before the first failure

    bad = until(judged, "the solver's verdict", timeout=60)
    assert "expected something, got" in bad["reason"]
    assert bad["ready"] == 0
    told = [event for event in server.admin().get("/admin/events", query={"limit": 200}).json["items"] if event["kind"] == "pool.failed"]
    assert told and told[0]["detail"]["reason"] == "solver-failed" and told[0]["subject"] == "bad"
    names = [c["Names"][0] for c in docker.containers(tiltyard__namespace=server.namespace)]
    assert not [name for name in names if name.endswith("-solve") and "good" in name], "a solver's machine goes when it has ended"
    assert flag_through(server.user("ann").post("/instances", {"template": "good"}).expect(201).json)


CLAIM_POINTS = (["labs.claim.commit.before", "labs.claim.commit.after"]
                + [f"labs.claim.{point}" for point in ("flags.before", "flags.after", "machines.after", "routes.before", "routes.after")])
FILL_POINTS = (["labs.fill.commit.before", "labs.fill.commit.after"]
               + [f"labs.spawn.{point}" for point in ("network.after", "flags.after", "machines.before", "machines.after", "ready.after")])


@pytest.fixture(scope="module")
def frozen(docker, tmp_path_factory):
    from conftest import server_maker
    make, end, _ = server_maker(docker, tmp_path_factory.mktemp("pool"))
    server = make(warm={**FROZEN, "instance.toml": FROZEN["instance.toml"].replace("min = 3", "min = 2")})
    server.start()
    server.admin().wait_template("warm")
    full(server, "warm", 2)
    yield server
    end()


@pytest.mark.parametrize("point", CLAIM_POINTS)
def test_R1_14_killed_in_a_claim(frozen, docker, point):
    frozen.kill9()
    frozen.start(failpoints=f"{point}=kill")
    full(frozen, "warm", 2)
    ann, bob = frozen.user(f"ann-{point}"), frozen.user(f"bob-{point}")
    with pytest.raises(OSError):
        ann.post("/instances", {"template": "warm"})
    frozen.wait_dead()
    frozen.start()
    mine = [item for item in ann.get("/instances").json["items"] if item["state"] not in ("stopped", "failed")]
    if point == "labs.claim.commit.before":
        assert mine == [], "nothing was on disk"
        mine = [ann.start("warm").expect(201).json]
    assert len(mine) == 1, "it is hers from the commit on"
    running = ann.wait_state(mine[0]["id"], "running", "failed", timeout=30)
    assert running["state"] == "running", running
    until(lambda: answers(endpoint(running)["url"], "/flag.txt"), "her machine to answer")
    full(frozen, "warm", 2)
    theirs = bob.start("warm").expect(201).json
    assert theirs["id"] != running["id"] and flag_through(theirs) != flag_through(running)
    ann.stop(running["id"])
    bob.stop(theirs["id"])
    full(frozen, "warm", 2)
    until(lambda: len(docker.containers(tiltyard__namespace=frozen.namespace)) == 2, "only what waits to be left")


@pytest.mark.parametrize("point", FILL_POINTS)
def test_R1_14_killed_while_a_pool_fills(frozen, docker, point):
    for container in docker.containers(tiltyard__namespace=frozen.namespace):
        docker.remove(container["Id"])
    frozen.kill9()
    frozen.spawn(failpoints=f"{point}=kill")  # it may die before it is ready
    frozen.wait_dead()
    frozen.start()
    full(frozen, "warm", 2)
    until(lambda: len(docker.containers(tiltyard__namespace=frozen.namespace)) == 2, "nothing half made to be left")
    player = frozen.user(f"cat-{point}")
    instance = player.post("/instances", {"template": "warm"}).expect(201).json
    assert flag_through(instance)
    player.stop(instance["id"])

#!/usr/bin/env python3
"""Makes this folder's files with the server of the version before: TILTYARD_BIN=/path/to/it tests/e2e/before/make.py

See README.md. Needs the engine and the base image tiltyard/busybox:1.
"""
import json
import pathlib
import shutil
import sqlite3
import sys
import time
from urllib.parse import parse_qs, urlsplit

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from before import site as place  # noqa: E402
from harness.docker import Docker  # noqa: E402
from harness.engine_proxy import EngineProxy  # noqa: E402
from harness.farm import Caller, flag  # noqa: E402
from harness.wait import until  # noqa: E402


class Recorder(EngineProxy):
    """Keeps what the server says to the engine."""

    def __init__(self, path):
        self.said = []
        super().__init__(path)
        self._pump = self._record

    def _record(self, source, target):
        said = bytearray()
        self.said.append(said)
        try:
            while data := source.recv(65536):
                said += data
                target.sendall(data)
        except OSError:
            pass
        self._end(target)

    def posts(self):
        """Each (path without its version and query, query, body) that has a JSON body."""
        for said in self.said:
            at = -1
            while (at := said.find(b"POST /v1.", at + 1)) >= 0:
                end = said.find(b"\r\n\r\n", at) + 4
                head = said[at:end].decode("latin-1").split("\r\n")
                target = urlsplit(head[0].split(" ")[1])
                length = next((int(line.split(":")[1]) for line in head if line.lower().startswith("content-length")), 0)
                if length and "/build" not in target.path:
                    yield target.path.split("/", 2)[2], parse_qs(target.query), json.loads(said[end:end + length])

    def creates(self, kind):
        """The bodies of POST /KIND/create, by the names that they make."""
        return {body.get("Name") or query["name"][0]: body for path, query, body in self.posts() if path == f"{kind}/create"}

    def connects(self, container):
        """The networks that it was connected to after its create, with the bodies that did it."""
        return {path.split("/")[1]: body for path, _, body in self.posts() if path.endswith("/connect") and body["Container"] == container}


def main():
    docker = Docker()
    docker.sweep(place.NAMESPACE)
    shutil.rmtree(place.HOME, ignore_errors=True)
    proxy = Recorder(place.HOME.parent / "tiltyard-before.sock")
    site = place.server()
    site.config["engine"]["url"] = proxy.url
    site.start()
    admin = site.admin()
    for name in place.TEMPLATES:
        admin.wait_template(name)
    until(lambda: admin.get("/admin/pools").json["items"][0]["ready"] == 2, "the pool to be full", 60)

    # People, a token that stays, a switch, an override.
    people = {name: site.user(name, role=role, team=team)
              for name, role, team in (("ann", "player", None), ("bob", "player", None), ("cat", "author", None), ("dan", "player", None), ("eve", "player", None),
                                       ("fay", "player", None))}
    token = people["ann"].post("/me/tokens", {"name": "kept"}).expect(201).json["token"]
    admin.patch("/admin/templates/echo", {"max_instances": 7}).expect(200)

    # One of each state; those that are caught under way come last.
    ends = people["dan"].running("web")
    people["dan"].stop(ends["id"])
    instances = {
        "single": people["ann"].running("web"),
        "stack": people["ann"].running("stack"),
        "exited": people["ann"].running("box"),
        "tcp": people["bob"].running("echo"),
        "claimed": people["cat"].running("warm"),
        "paused": people["bob"].running("nap"),
        "stopped": ends,
    }
    until(lambda: admin.get("/admin/pools").json["items"][0]["ready"] == 2, "the pool to be full again", 60)
    admin.wait_state(instances["paused"]["id"], "paused")

    farm = Caller(site)
    farm.post_flags(*[flag(number) for number in range(40)])
    farm.say(farm.take(most=10), "accepted", *[flag(number) for number in range(4)], done=True).expect(200)
    # Not given out again before the lease ends.
    lease = farm.take(most=5)

    stopping = people["dan"].running("web")
    site.kill9()
    site.start(failpoints="labs.stop.begin=hold;labs.spawn.ready.before=hold")
    admin.delete(f"/instances/{stopping['id']}")
    admin.wait_state(stopping["id"], "stopping")
    made = people["eve"].start("stack", wait=0).expect(202).json
    until(lambda: len(docker.containers(tiltyard__instance=made["id"])) == 2, "the machines to be made", 60)
    until(lambda: admin.instance(made["id"])["state"] == "starting", "it to be starting")
    instances |= {"stopping": admin.instance(stopping["id"]), "starting": admin.instance(made["id"])}
    admin.wait_state(instances["paused"]["id"], "paused")
    until(lambda: admin.get("/admin/pools").json["items"][0]["ready"] == 2, "the pool to be full again", 60)
    stats = farm.stats()
    pools = admin.get("/admin/pools").json["items"]
    jobs = admin.get("/admin/jobs", query={"limit": 200}).json["items"]
    events = admin.get("/admin/events", query={"limit": 500}).json["items"]
    instances = {role: admin.instance(one["id"]) for role, one in instances.items()}
    site.kill9()

    label = {"tiltyard__namespace": place.NAMESPACE}
    containers, networks, volumes = (proxy.creates(kind) for kind in ("containers", "networks", "volumes"))
    states = {c["Names"][0].lstrip("/"): c["State"] for c in docker.containers(**label)}
    box = docker.machine(instances["exited"]["id"])["Name"].lstrip("/")
    states[box] = "exited"
    engine = {
        "networks": [networks[n["Name"]] for n in sorted(docker.networks(**label), key=lambda n: n["Name"])],
        "volumes": [volumes[v["Name"]] for v in sorted(docker.volumes(**label), key=lambda v: v["Name"])],
        "containers": [{"name": name, "state": state, "body": containers[name], "connect": proxy.connects(name)} for name, state in sorted(states.items())],
    }
    (place.FOLDER / "engine.json").write_text(json.dumps(engine, indent=1) + "\n")
    known = {"made_at": time.time_ns() // 1000, "token": token, "people": {name: f"correct horse {name}" for name in people}, "instances": instances,
             "farm": stats, "lease": lease["lease"], "pools": pools, "jobs": sorted({job["kind"] for job in jobs}), "events": len(events)}
    (place.FOLDER / "known.json").write_text(json.dumps(known, indent=1) + "\n")
    with sqlite3.connect(site.data / "tiltyard.db") as database:
        (place.FOLDER / "database.sql").write_text("\n".join(database.iterdump()) + "\n")
    shutil.rmtree(place.FOLDER / "data", ignore_errors=True)
    shutil.copytree(site.data, place.FOLDER / "data", ignore=shutil.ignore_patterns("tiltyard.db*", "lock"))
    docker.sweep(place.NAMESPACE)


if __name__ == "__main__":
    main()

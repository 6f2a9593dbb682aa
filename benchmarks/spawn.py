#!/usr/bin/env python3
# Spawning: ours beside the bare Engine API calls and the compose command line; cycles, a full range, a restart.
"""Parts (all by default): cold, stack, cycles, full, restart. Usage: ./bench spawn, or benchmarks/spawn.py PART..."""
import concurrent.futures
import http.client
import ipaddress
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from harness import templates  # noqa: E402
from harness.docker import Docker, UnixConnection  # noqa: E402
from harness.leaks import Leaks  # noqa: E402
from harness.server import Server  # noqa: E402

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "25"))
docker = Docker()


def quantile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def row(name, values, note=""):
    print(f"  {name:<46} p50 {statistics.median(values) * 1000:7.1f} ms   p99 {quantile(values, 0.99) * 1000:7.1f} ms   {note}", flush=True)
    return statistics.median(values)


class Ours:
    """One caller with a kept-open connection, as the page or a script would have."""

    def __init__(self, server):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=90)
        self.headers = {"Authorization": f"Bearer {server.token}", "Content-Type": "application/json", "Prefer": "wait=60"}

    def call(self, method, path, body=None):
        self.connection.request(method, f"/api/v1{path}", body=json.dumps(body) if body else None, headers=self.headers)
        answer = self.connection.getresponse()
        return json.loads(answer.read())

    def spawn(self, template):
        begun = time.perf_counter()
        instance = self.call("POST", "/instances", {"template": template})
        took = time.perf_counter() - begun
        assert instance["state"] == "running", instance
        return took, instance

    def stop(self, instance):
        ended = self.call("DELETE", f"/instances/{instance['id']}")
        assert ended["state"] in ("stopped",), ended


class Bare:
    """The same container by the Engine's own two calls, on a kept-open connection."""

    def __init__(self, example):
        self.connection, self.next = UnixConnection(docker.socket_path), 0
        self.network, found = next(iter(example["NetworkSettings"]["Networks"].items()))
        # The upper part of the shared network: our own machines are gone whenever one of these is there.
        self.first = int(ipaddress.ip_interface(f"{found['IPAddress']}/{found['IPPrefixLen']}").network.network_address) + 20
        config, host = example["Config"], example["HostConfig"]
        self.body = {key: config[key] for key in ("Image", "Cmd", "Env", "User", "Labels", "StopSignal", "ExposedPorts", "Hostname", "WorkingDir") if config.get(key)}
        self.body["Labels"] = {"tiltyard.bench": "1"}
        self.body["HostConfig"] = host

    def call(self, method, path, body=None):
        self.connection.request(method, "/v1.41" + path, body=json.dumps(body) if body else None, headers={"Content-Type": "application/json"})
        answer = self.connection.getresponse()
        data = answer.read()
        assert answer.status < 400, data
        return json.loads(data) if data else None

    def spawn(self):
        self.next += 1
        body = dict(self.body)
        address = str(ipaddress.ip_address(self.first + self.next % 9))
        body["NetworkingConfig"] = {"EndpointsConfig": {self.network: {"IPAMConfig": {"IPv4Address": address}}}}
        begun = time.perf_counter()
        made = self.call("POST", f"/containers/create?name=bench-bare-{os.getpid()}-{self.next}", body)
        self.call("POST", f"/containers/{made['Id']}/start")
        return time.perf_counter() - begun, made["Id"]

    def remove(self, identity):
        self.call("DELETE", f"/containers/{identity}?force=true&v=true")


class Compose:
    """The same service by the compose command line."""

    def __init__(self, folder, image):
        self.folder = folder
        (folder / "docker-compose.yml").write_text(
            'version: "2.4"\nservices:\n  web:\n    image: "%s"\n    mem_limit: 32m\n    pids_limit: 64\n    cap_drop: [ALL]\n' % image)
        self.command = ["docker-compose"] if shutil.which("docker-compose") else ["docker", "compose"]
        self.environment = {**os.environ, "DOCKER_API_VERSION": "1.41", "COMPOSE_PROJECT_NAME": f"benchpeer{os.getpid()}"}

    def run(self, *words):
        subprocess.run([*self.command, *words], cwd=self.folder, env=self.environment, check=True, capture_output=True)

    def spawn(self):
        begun = time.perf_counter()
        self.run("up", "-d")
        return time.perf_counter() - begun

    def stop(self):
        self.run("down", "-t", "0")


def make_server(folder, **more):
    server = Server(folder, config={"labs": {"instances_per_owner": 1000, "instances_total": 2000, "spawns_at_once": 10, **more}})
    return server



def cold(server):
    ours = Ours(server)
    _, example = ours.spawn("web0")
    inspected = docker.machine(example["id"])
    bare = Bare(inspected)
    peer_folder = pathlib.Path(tempfile.mkdtemp())
    compose = Compose(peer_folder, inspected["Config"]["Image"])
    ours.stop(example)
    times = {"ours": [], "bare": [], "compose": []}
    for turn in range(ROUNDS):
        took, instance = ours.spawn("web0")
        times["ours"].append(took)
        ours.stop(instance)
        took, container = bare.spawn()
        times["bare"].append(took)
        bare.remove(container)
        if turn % 3 == 0:
            times["compose"].append(compose.spawn())
            compose.stop()
    shutil.rmtree(peer_folder, ignore_errors=True)
    print("cold spawn of one hardened container")
    one = row("Tiltyard, API call to running", times["ours"])
    two = row("bare Engine API, create and start", times["bare"], "the same container")
    three = row("compose command line, up -d", times["compose"])
    print(f"  ours / bare {one / two:.3f} (mark 1.05)    compose / ours {three / one:.1f} (mark 3.5)")


def stack(server):
    ours = Ours(server)
    times = []
    for _ in range(max(5, ROUNDS // 5)):
        took, instance = ours.spawn("wide")
        times.append(took)
        ours.stop(instance)
    one = []
    for _ in range(max(5, ROUNDS // 5)):
        took, instance = ours.spawn("chain")
        one.append(took)
        ours.stop(instance)
    print("stacks of five machines")
    row("independent machines", times)
    row("a chain, each after the one before", one)


def cycles(server):
    names = [f"web{i}" for i in range(4)]
    leaks = Leaks(server, docker)
    times, errors = [], []

    def worker(name):
        ours = Ours(server)
        for _ in range(50):
            try:
                took, instance = ours.spawn(name)
                times.append(took)
                ours.stop(instance)
            except Exception as error:  # noqa: BLE001: counted and shown
                errors.append(repr(error)[:300])

    begun = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(worker, names))
    took = time.perf_counter() - begun
    print("200 cycles of spawn and stop, 4 at a time")
    row("spawn", times, f"{len(times) / took:.1f} cycles/s, {len(errors)} errors")
    for error in errors[:5]:
        print("   ", error)
    leaks.assert_none()
    print("  nothing left: containers, networks, volumes, firewall, ports, descriptors")


def pause(instance):
    container = docker.machine(instance["id"])["Id"]
    docker.call("POST", f"/containers/{container}/pause")


def full(server):
    ours = Ours(server)
    alive = []

    def fill(count):
        while len(alive) < count:
            _, instance = ours.spawn(f"web{len(alive) + 1}")
            alive.append(instance)
            pause(instance)

    def measure():
        times = []
        for _ in range(ROUNDS):
            took, instance = ours.spawn("web0")
            times.append(took)
            ours.stop(instance)
        return times

    print("a spawn with others alive (paused)")
    fill(10)
    few = row("with 10 alive", measure())
    idle = server.memory()
    fill(300)
    many = row("with 300 alive", measure())
    print(f"  300 / 10: {many / few:.3f} (mark 1.2)    server memory {idle / 2**20:.1f} MB with 10, {server.memory() / 2**20:.1f} MB with 300")


def restart(server):
    ours = Ours(server)
    live = [i for i in ours.call("GET", "/instances?owner=all&limit=500")["items"] if i["state"] == "running"]
    for number in range(len(live), 100):
        ours.spawn(f"web{number + 1}")
    live = [i for i in ours.call("GET", "/instances?owner=all&limit=500")["items"] if i["state"] == "running"]
    for instance in live[100:]:
        ours.stop(instance)
    server.stop()
    server.start()
    print("restart")
    print(f"  start to ready with 100 instances to re-attach   {server.ready_after:.2f} s (mark 2)")


CHAIN = 'services:\n' + "".join(
    f'  m{i}:\n    build: .\n    command: ["httpd", "-f", "-p", "8000", "-h", "/www"]\n' + (f"    depends_on: [m{i - 1}]\n" if i else "")
    for i in range(5))
WIDE = CHAIN.replace("    depends_on: [m0]\n", "").replace("    depends_on: [m1]\n", "").replace("    depends_on: [m2]\n", "").replace("    depends_on: [m3]\n", "")
STACK = {"instance.toml": 'name = "S"\n[[endpoint]]\nname = "web"\nmachine = "m4"\nport = 8000\n[ready]\ninterval = 50\n[limits]\nmemory = "32m"\npids = 64\n',
         "Dockerfile": templates.STACK["Dockerfile"]}


def main():
    parts = sys.argv[1:] or ["cold", "stack", "cycles", "full", "restart"]
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-spawn-"))
    server = make_server(folder)
    count = 305 if {"full", "restart"} & set(parts) else 5
    for number in range(count):
        server.add_template(f"web{number}", **templates.WEB)
    server.add_template("wide", **{**STACK, "compose.yaml": WIDE})
    server.add_template("chain", **{**STACK, "compose.yaml": CHAIN})
    try:
        server.start()
        admin = server.admin()
        for template in admin.get("/templates").json["items"]:
            admin.wait_template(template["id"], timeout=600)
        time.sleep(1)
        print(f"server memory idle: {server.memory() / 2**20:.1f} MB (mark 40)")
        for part in parts:
            globals()[part](server)
    finally:
        server.close()
        docker.sweep(server.namespace)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()

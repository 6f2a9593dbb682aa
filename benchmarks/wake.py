#!/usr/bin/env python3
# Waking a paused instance by connecting to it: first byte over HTTP and raw TCP, beside the engine's own unpause; many asleep.
"""Parts (all by default): wake, together, many. Usage: ./bench wake, or benchmarks/wake.py PART...
BENCH_ROUNDS (4) wakes of each of BENCH_WIDTH (25) instances of each kind; BENCH_MANY (200) instances sleep in the last part."""
import concurrent.futures
import os
import pathlib
import shutil
import socket
import statistics
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from harness import templates  # noqa: E402
from harness.docker import Docker  # noqa: E402
from harness.gateway import endpoint  # noqa: E402
from harness.server import Server  # noqa: E402
from harness.wait import until  # noqa: E402

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "4"))
WIDTH = int(os.environ.get("BENCH_WIDTH", "25"))
MANY = int(os.environ.get("BENCH_MANY", "200"))
docker = Docker()


def sleepy(template):
    return {**template, "instance.toml": 'pause_after = "1s"\n' + template["instance.toml"]}


def row(name, values, note=""):
    values = sorted(values)
    p99 = values[min(len(values) - 1, int(0.99 * len(values)))]
    print(f"  {name:<52} p50 {statistics.median(values) * 1000:7.2f} ms   p99 {p99 * 1000:7.2f} ms   {len(values)} times {note}", flush=True)
    return p99


def first_byte(host, port, request):
    """From the connection to the first byte of the answer."""
    begun = time.perf_counter()
    with socket.create_connection((host, port), timeout=20) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(request)
        got = connection.recv(4096)
    took = time.perf_counter() - begun
    assert got.startswith((b"HTTP/1.1 200", b"ping")), got[:200]
    return took


def http(server, instance):
    name = endpoint(instance, kind="http")["url"].split("//")[1].split("/")[0]
    return first_byte("127.0.0.1", server.gateway_port, f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())


def tcp(_, instance):
    raw = endpoint(instance, kind="tcp")
    return first_byte(raw["host"], raw["port"], b"ping\n")


def all_asleep(admin, instances):
    wanted = {instance["id"] for instance in instances}

    def look():
        items = admin.get("/instances", query={"owner": "all", "limit": 500, "state": "paused"}).expect(200).json["items"]
        return wanted <= {item["id"] for item in items}
    until(look, "all to sleep", timeout=120, step=0.2)


def start(admin, names):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        return list(pool.map(admin.running, names))


def wake(server, admin, made):
    times = {"http": [], "tcp": [], "awake": []}
    for _ in range(ROUNDS):
        all_asleep(admin, made["web"] + made["tcp"])
        for web, raw in zip(made["web"], made["tcp"]):
            times["http"].append(http(server, web))
            times["tcp"].append(tcp(server, raw))
            times["awake"].append(http(server, web))
    # The peer: the same instances behind the same gateway, woken by the engine's own call before anybody connects.
    all_asleep(admin, made["web"])
    unpaused = []
    for web in made["web"]:
        container = docker.machine(web["id"])["Id"]
        begun = time.perf_counter()
        docker.call("POST", f"/containers/{container}/unpause")
        unpaused.append(time.perf_counter() - begun)
    print("a sleeping instance, connection to first byte, one at a time")
    one = row("HTTP", times["http"], "(mark 60)")
    two = row("raw TCP", times["tcp"], "(mark 60)")
    row("HTTP, already awake", times["awake"])
    row("the engine's unpause alone", unpaused)
    return max(one, two) <= 0.060


def together(server, admin, made):
    all_asleep(admin, made["web"] + made["tcp"])
    with concurrent.futures.ThreadPoolExecutor(2 * WIDTH) as pool:
        webs = [pool.submit(http, server, web) for web in made["web"]]
        raws = [pool.submit(tcp, server, raw) for raw in made["tcp"]]
        times = [job.result() for job in webs + raws]
    print(f"{2 * WIDTH} sleeping instances that are all connected to at once")
    row("HTTP and raw TCP", times)
    all_asleep(admin, made["web"][:1])
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        times = [job.result() for job in [pool.submit(http, server, made["web"][0]) for _ in range(50)]]
    row("50 visitors of one", times)
    return True


def cpu_of(process):
    fields = pathlib.Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def many(server, admin, made):
    have = len(made["web"])
    all_asleep(admin, made["web"])
    before = server.memory()
    more = start(admin, [f"web{number}" for number in range(have, MANY)])
    all_asleep(admin, made["web"] + more)
    time.sleep(1)
    grown = server.memory() - before
    spent = cpu_of(server.process.pid)
    time.sleep(5)
    print(f"{MANY} asleep")
    print(f"  server memory {server.memory() / 2**20:.1f} MB, {grown / max(1, len(more)) / 1024:.1f} KB for each more (mark 2); "
          f"server processor time while nothing happens {(cpu_of(server.process.pid) - spent) / 5 * 100:.2f} %")
    times = [http(server, web) for web in more[:50]]
    return row("HTTP, first byte", times, "(mark 60)") <= 0.060


def main():
    parts = sys.argv[1:] or ["wake", "together", "many"]
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-wake-"))
    server = Server(folder, config={"labs": {"instances_per_owner": 1000, "instances_total": 2000, "spawns_at_once": 10}})
    for number in range(max(WIDTH, MANY if "many" in parts else 0)):
        server.add_template(f"web{number}", **sleepy(templates.WEB))
    for number in range(WIDTH):
        server.add_template(f"tcp{number}", **sleepy(templates.TCP))
    good = True
    try:
        server.start()
        admin = server.admin()
        for template in admin.get("/templates", query={"limit": 500}).json["items"]:
            admin.wait_template(template["id"], timeout=600)
        made = {kind: start(admin, [f"{kind}{number}" for number in range(WIDTH)]) for kind in ("web", "tcp")}
        for part in parts:
            good = globals()[part](server, admin, made) and good
    finally:
        server.close()
        docker.sweep(server.namespace)
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()

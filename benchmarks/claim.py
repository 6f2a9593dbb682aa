#!/usr/bin/env python3
# Claims: from the request's first byte to a running instance with the owner's own flag, out of a full pool
"""Parts: running, frozen (the default two: pools of COUNT instances), bare (the Engine's own create and start of the same
container, by default with the others), mass (1,000 frozen instances at once: the server's memory for each).
Usage: ./bench claim, or benchmarks/claim.py [--count 300] [--mass 1000] [PART...]"""
import argparse
import asyncio
import pathlib
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from urllib.parse import urlsplit

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from crowd import connected, make_players, quantile, wait_full  # noqa: E402
from harness import templates  # noqa: E402
from harness.docker import Docker  # noqa: E402
from harness.server import Server  # noqa: E402
from spawn import Bare  # noqa: E402

docker = Docker()


def template(count, pause):
    """Serves a page that holds the flag, patched into the image's own file."""
    settings = templates.WEB["instance.toml"].replace('memory = "32m"\npids = 64', 'memory = "16m"\npids = 32')
    return {
        "instance.toml": settings + f'[flag]\nread = "always"\n[pool]\nmin = {count}\nmax = {count}\npause = {str(pause).lower()}\n',
        "Dockerfile": 'FROM tiltyard/busybox:1\nRUN mkdir /www && echo "this is yours: FLAG{somebody}" > /www/index.html\nUSER 65534:65534\n'
                      'STOPSIGNAL SIGKILL\nCMD ["httpd", "-f", "-p", "8000", "-h", "/www"]\n',
    }


def row(name, seconds, note=""):
    values = [second * 1000 for second in seconds]
    print(f"  {name:<46} p50 {statistics.median(values):7.1f} ms   p99 {quantile(values, 0.99):7.1f} ms   {note}", flush=True)


async def page_of(instance):
    """The first request to the endpoint, at once, on a new connection."""
    url = urlsplit(next(one["url"] for one in instance["endpoints"] if one["kind"] == "http"))
    reader, writer = await asyncio.open_connection("127.0.0.1", url.port)
    writer.write(f"GET / HTTP/1.1\r\nHost: {url.netloc}\r\nConnection: close\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.read(-1), 30)
    writer.close()
    return answer.decode("utf-8", "replace")


def flags(server):
    """What the server made, by owner: the truth that pages are held against."""
    with sqlite3.connect(f"file:{server.data / 'tiltyard.db'}?mode=ro", uri=True) as rows:
        return dict(rows.execute("SELECT owner, flag FROM flags WHERE template = 'claim'"))


def check(server, claims, pages):
    """How many did not get a running instance at once, and how many pages did not hold their owner's flag."""
    known = flags(server)
    late = sum(status != 201 or answer["state"] != "running" for status, answer, _ in claims)
    wrong = sum(known.get(answer["owner"]["id"], "?") not in page for (status, answer, _), page in zip(claims, pages) if status == 201)
    twins = len(claims) - len({answer.get("id") for _, answer, _ in claims})
    print(f"  {'not running at once; wrong flag; given twice':<46} {late}; {wrong}; {twins}   (mark 0; 0; 0)", flush=True)
    for status, answer, _ in claims:
        if status != 201:
            print("     ", status, str(answer)[:200])
            break


async def one_by_one(players):
    claims, pages = [], []
    for player in players:
        claim = await player.call("POST", "/api/v1/instances", {"template": "claim"})
        claims.append(claim)
        pages.append(await page_of(claim[1]) if claim[0] == 201 and claim[1]["endpoints"] else "")
    return claims, pages


async def together(players):
    """All at once; the floor is the same crowd asking for nothing, by the same client."""
    begun = time.perf_counter()
    await asyncio.gather(*(player.call("GET", "/healthz") for player in players))
    floor = time.perf_counter() - begun
    begun = time.perf_counter()
    claims = await asyncio.gather(*(player.call("POST", "/api/v1/instances", {"template": "claim"}) for player in players))
    took = time.perf_counter() - begun
    pages = [await page_of(answer) if status == 201 and answer["endpoints"] else "" for status, answer, _ in claims]
    return claims, pages, took, floor


async def claim_all(server, cookies, few):
    alone = await connected(server, cookies[:few])
    claims, pages = await one_by_one(alone)
    row("one after the other", [took for _, _, took in claims], "(mark 5 ms, 20 ms)")
    check(server, claims, pages)
    wait_full(server, "claim", len(cookies) - few)
    crowd = await connected(server, cookies[few:])
    claims, pages, took, floor = await together(crowd)
    row(f"{len(crowd)} at the same moment", [took for _, _, took in claims],
        f"{len(crowd) / took:.0f} claims/s (mark 300); this client asks /healthz {len(crowd) / floor:.0f} times/s")
    check(server, claims, pages)
    for player in alone + crowd:
        player.close()
    return next(answer for status, answer, _ in claims if status == 201)


def bare(example):
    """The same container by the Engine's own two calls."""
    inspected = docker.machine(example["id"])
    inspected["HostConfig"]["Binds"] = inspected["HostConfig"]["Mounts"] = None
    engine = Bare(inspected)
    times = []
    for _ in range(15):
        took, container = engine.spawn()
        times.append(took)
        engine.remove(container)
    row("the Engine's own create and start", times, "the same container, cold")


def make_server(count, pause):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-claim-"))
    server = Server(folder, config={"labs": {"instances_total": 3 * count + 1000}})
    server.add_template("claim", **template(count, pause))
    return server


def close(server):
    server.close()
    docker.sweep(server.namespace)
    shutil.rmtree(server.folder, ignore_errors=True)


def claim_part(count, pause, with_bare):
    server = make_server(count, pause)
    few = max(5, count // 3)
    try:
        server.start()
        server.admin().wait_template("claim", timeout=600)
        cookies = make_players(server, count + few)
        filled = wait_full(server, "claim", count)
        print(f"{count} {'frozen' if pause else 'running'} instances wait (filled in {filled:.0f} s)", flush=True)
        example = asyncio.run(claim_all(server, cookies, few))
        if with_bare:
            wait_full(server, "claim", count)
            bare(example)
    finally:
        close(server)


def available():
    for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def mass(count):
    server = make_server(count, True)
    try:
        before = available()
        server.start()
        server.admin().wait_template("claim", timeout=600)
        begun, grown = time.monotonic(), []
        for number in range(count // 10, count + 1, count // 10):
            wait_full(server, "claim", number, timeout=3600)
            time.sleep(1)
            grown.append((number, server.memory()))
        frozen = [one for one in docker.containers(tiltyard__namespace=server.namespace) if one["State"] == "paused"]
        print(f"{len(frozen)} frozen instances, as the Engine sees them (filled in {time.monotonic() - begun:.0f} s)")
        print("  " + ", ".join(f"{number}: {size / 2**20:.1f}" for number, size in grown) + " MB")
        (few, small), (half, middle), (all_, big) = grown[0], grown[len(grown) // 2 - 1], grown[-1]
        print(f"  {'server memory for each':<46} {(big - small) / (all_ - few) / 1024:.1f} KB from {few} to {all_}, "
              f"{(big - middle) / (all_ - half) / 1024:.1f} KB from {half} to {all_} (mark 2)")
        print(f"  {'the machine has given, all told':<46} {(before - available()) / 2**30:.1f} GB (mark: fits into 16)", flush=True)
    finally:
        close(server)


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--count", type=int, default=300)
    options.add_argument("--mass", type=int, default=1000)
    options.add_argument("parts", nargs="*", default=["running", "frozen", "bare", "mass"])
    chosen = options.parse_args()
    if "running" in chosen.parts or "bare" in chosen.parts:
        claim_part(chosen.count, False, "bare" in chosen.parts)
    if "frozen" in chosen.parts:
        claim_part(chosen.count, True, False)
    if "mass" in chosen.parts:
        mass(chosen.mass)


if __name__ == "__main__":
    main()

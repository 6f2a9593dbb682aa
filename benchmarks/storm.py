#!/usr/bin/env python3
# A storm: 200 players press start within one second on a template with a pool of 50
"""Usage: ./bench storm, or benchmarks/storm.py [PLAYERS [POOL]]. Nobody may get an error; those who find a warm instance have
it at claim speed, the others run in the order in which they pressed, and the estimate that each was given is held against
what happened."""
import asyncio
import pathlib
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from crowd import connected, make_players, quantile, wait_full  # noqa: E402
from harness import templates  # noqa: E402
from harness.docker import Docker  # noqa: E402
from harness.server import Server  # noqa: E402

PLAYERS, POOL = (int(word) for word in (sys.argv[1:] + ["200", "50"][len(sys.argv) - 1:])[:2])
docker = Docker()


async def press(server, cookies):
    """All of them within one second: [(status, answer, seconds)] in the order of the presses."""
    players = await connected(server, cookies)

    async def one(number, player):
        await asyncio.sleep(number / len(players))
        return await player.call("POST", "/api/v1/instances", {"template": "storm"})

    answers = await asyncio.gather(*(one(number, player) for number, player in enumerate(players)))
    for player in players:
        player.close()
    return answers


def all_of(server):
    items, cursor = [], None
    while True:
        page = server.admin().get("/instances", query={"owner": "all", "limit": 500, **({"cursor": cursor} if cursor else {})}).expect(200).json
        items += [one for one in page["items"] if one["template"] == "storm" and one["owner"]["id"]]
        cursor = page["next"]
        if not cursor:
            return items


def wait_all(server, ids, timeout=600):
    begun = time.monotonic()
    while time.monotonic() - begun < timeout:
        mine = [one for one in all_of(server) if one["id"] in ids]
        if all(one["state"] in ("running", "failed", "stopped") for one in mine):
            return mine
        time.sleep(0.25)
    raise SystemExit("not all instances arrived")


def row(name, text):
    print(f"  {name:<46} {text}", flush=True)


def report(server, answers, done):
    with sqlite3.connect(f"file:{server.data / 'tiltyard.db'}?mode=ro", uri=True) as rows:
        times = {identity: (made / 1e6, started / 1e6) for identity, made, started in rows.execute("SELECT id, created_at, started_at FROM instances")}
    errors = [answer for answer in answers if answer[0] not in (201, 202)]
    claimed = [(answer, took) for status, answer, took in answers if status < 300 and answer["state"] == "running"]
    waited = sorted((one for one in done if "queued" in one["timings_ms"]), key=lambda one: times[one["id"]][0])
    failed = [one for one in done if one["state"] != "running"]
    row("errors, instances that failed", f"{len(errors)}, {len(failed)}   (mark 0, 0)")
    for status, answer, _ in errors[:3]:
        print("     ", status, str(answer)[:200])
    if claimed:
        speed = [took * 1000 for _, took in claimed]
        row("answered with a running instance", f"{len(claimed)}   p50 {statistics.median(speed):.1f} ms   p99 {quantile(speed, 0.99):.1f} ms   (mark {POOL}; 5 ms, 20 ms)")
    others = [took * 1000 for status, answer, took in answers if status < 300 and answer["state"] != "running"]
    if others:
        row("answered with a place", f"{len(others)}   p50 {statistics.median(others):.1f} ms   p99 {quantile(others, 0.99):.1f} ms")
    turns = [times[one["id"]][0] + one["timings_ms"]["queued"] / 1000 for one in waited]
    row("waited; turns out of order", f"{len(waited)}; {sum(later < earlier for earlier, later in zip(turns, turns[1:]))}   (mark 0)")
    truth = [(one["timings_ms"]["queue_estimate"] / 1000, times[one["id"]][1] - times[one["id"]][0]) for one in waited if one["state"] == "running"]
    off = [abs(estimate - real) / real for estimate, real in truth]
    if off:
        row("estimate, |error| / truth", f"median {statistics.median(off):.0%}   p90 {quantile(off, 0.9):.0%}   signed mean {statistics.mean((e - r) / r for e, r in truth):+.0%}   (mark 30 %)")
        row("from press to running, of those", f"p50 {statistics.median(r for _, r in truth):.1f} s   last {max(r for _, r in truth):.1f} s")
    first = min(made for made, _ in (times[one["id"]] for one in done))
    whole = max(times[one["id"]][1] for one in done) - first
    spawns = server.admin().get("/admin/engines").expect(200).json["items"][0]["spawns"]
    row("all run after", f"{whole:.1f} s   {len(waited) / max(whole, 0.001):.1f} cold spawns/s, {spawns['limit']} at once of at most {spawns['most']}")


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-storm-"))
    server = Server(folder, config={"labs": {"instances_total": 2000}})
    server.add_template("storm", **{**templates.WEB, "instance.toml": templates.WEB["instance.toml"] + f"[pool]\nmin = {POOL}\nmax = {POOL}\n"})
    try:
        server.start()
        server.admin().wait_template("storm", timeout=600)
        cookies = make_players(server, PLAYERS)
        filled = wait_full(server, "storm", POOL)
        print(f"{PLAYERS} players press start within one second, {POOL} instances wait (filled in {filled:.0f} s)")
        answers = asyncio.run(press(server, cookies))
        done = wait_all(server, {answer["id"] for status, answer, _ in answers if status < 300})
        report(server, answers, done)
    finally:
        server.close()
        docker.sweep(server.namespace)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()

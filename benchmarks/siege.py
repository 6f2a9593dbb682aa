#!/usr/bin/env python3
# A siege: twenty hostile players with root in their machines against one server, beside ten honest ones
"""Usage: ./bench siege [--seconds 300] [--quiet 60] [--only KIND,...]. Ten honest players start machines, browse them, look at the
catalogue and hand flags in, first alone and then beside twenty hostile ones, twelve of them from inside (siege_machine/attack.py) and eight
from outside, each from an address of its own on the loopback. Printed: what the honest ones waited before and during, what the
host had left, and who did what with which end. Ends with 1 where a mark is missed."""
import argparse
import asyncio
import collections
import contextlib
import http.client
import multiprocessing
import os
import pathlib
import random
import shutil
import socket
import statistics
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from crowd import Player, make_players, quantile  # noqa: E402
from harness import templates  # noqa: E402
from harness.docker import Docker  # noqa: E402
from harness.farm import Caller  # noqa: E402
from harness.server import Server  # noqa: E402

MACHINE = pathlib.Path(__file__).resolve().parent / "siege_machine"
INSIDE = ["disk", "inodes", "depth", "memory", "processes", "locks", "sockets", "arp", "conntrack", "dns", "inotify", "logs"]
TOKEN = "a token that the siege's players show"
GAME = f"""
flag_format = '[A-Z0-9]{{31}}='
token = "{TOKEN}"
teams = ["10.60.1.1"]
[services]
"siege" = "siege"
[jury]
protocol = "forcad_http"
host = "127.0.0.1"
port = 31337
token = "the-jury-s-own-token"
"""


class Times:
    """What the honest ones waited, by what they did, in seconds; and what went wrong."""

    def __init__(self):
        self.took = collections.defaultdict(list)
        self.errors = collections.Counter()

    @contextlib.asynccontextmanager
    async def of(self, what):
        begun = time.perf_counter()
        try:
            yield
        except (OSError, AssertionError, asyncio.TimeoutError, asyncio.IncompleteReadError) as error:
            self.errors[f"{what}: {type(error).__name__} {error}"[:220]] += 1
        else:
            self.took[what].append(time.perf_counter() - begun)


async def request(port, text, source=None, timeout=30):
    """One request on a connection of its own: (status, body)."""
    async def whole():
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0) if source else None)
        try:
            writer.write(text)
            answer = await reader.read()
        finally:
            writer.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head[9:12]) if head[9:12].isdigit() else 0, body
    return await asyncio.wait_for(whole(), timeout)


class Honest(Player):
    """An honest player: spawn, look, browse, hand in, stop; again and again."""

    def __init__(self, server, cookie, number):
        super().__init__(server, cookie)
        self.server, self.source, self.number = server, f"127.2.0.{number + 1}", number
        self.flags, self.run = 0, f"{time.monotonic_ns() // 1_000_000:X}"

    async def connect(self):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(self.source, 0))
        return self

    async def ask(self, method, path, body=None):
        """Once more over a new connection where the kept one has ended; the answer to a status below 300."""
        for attempt in (0, 1):
            try:
                status, answer, _ = await asyncio.wait_for(self.call(method, path, body), 60)
                break
            except (ConnectionError, asyncio.IncompleteReadError):
                if attempt:
                    raise
                await self.connect()
        assert status < 300, f"{method} {path.split('?')[0].rsplit('/', 1)[0]} -> {status} {str(answer)[60:200]}"
        return answer

    async def browse(self, instance):
        host = instance["endpoints"][0]["url"].split("//")[1].split("/")[0]
        status, body = await request(self.server.gateway_port, f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode(), self.source)
        assert status == 200 and b"hello" in body, f"the machine's page -> {status}"

    async def hand_in(self):
        self.flags += 1
        flag = f"H{self.number}X{self.flags}X{self.run}".ljust(31, "X") + "="
        text = f'{{"flags":[{{"flag":"{flag}","sploit":"siege","team":"10.60.1.1"}}]}}'
        status, body = await request(self.port, f"POST /api/v1/farm/flags HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nX-Token: {TOKEN}\r\nContent-Type: application/json\r\n"
                                     f"Content-Length: {len(text)}\r\nConnection: close\r\n\r\n{text}".encode(), self.source)
        assert status == 200, f"hand in -> {status} {body[:80]}"

    async def play(self, times, until):
        await self.connect()
        while time.monotonic() < until:
            instance = None
            async with times.of("spawn"):
                instance = await self.ask("POST", "/api/v1/instances", {"template": "web"})
                deadline = time.monotonic() + 60
                while instance["state"] != "running":
                    assert instance["state"] not in ("failed", "stopped") and time.monotonic() < deadline, f"spawn ended {instance['state']} {instance.get('reason')}"
                    await asyncio.sleep(0.05)
                    instance = await self.ask("GET", f"/api/v1/instances/{instance['id']}")
            for _ in range(10 if instance and instance["state"] == "running" else 0):
                async with times.of("browse"):
                    await self.browse(instance)
                async with times.of("catalogue"):
                    await self.ask("GET", "/api/v1/templates")
                async with times.of("hand in"):
                    await self.hand_in()
                await asyncio.sleep(0.1 + random.random() / 5)
            if instance:
                async with times.of("stop"):
                    await self.ask("DELETE", f"/api/v1/instances/{instance['id']}")
                    while instance["state"] not in ("stopped", "failed"):
                        await asyncio.sleep(0.1)
                        instance = await self.ask("GET", f"/api/v1/instances/{instance['id']}")
        self.close()


class Hostile:
    """A hostile player outside. `counts` is what the server did about it."""

    def __init__(self, server, kind, cookie, number):
        self.server, self.kind, self.cookie = server, kind, cookie
        self.source = f"127.1.0.{number + 1}"
        self.counts = collections.Counter()
        self.held = []

    def head(self, method, path, *more, host=None):
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host or f'127.0.0.1:{self.server.port}'}", f"Cookie: {self.cookie}", f"Origin: {self.server.url}", "X-Tiltyard-Csrf: 1", *more]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    async def open(self, port, first=b"", window=None):
        """A connection that is kept, unread."""
        sock = socket.socket()
        try:
            sock.setblocking(False)
            sock.bind((self.source, 0))
            if window:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
            await asyncio.wait_for(asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port)), 5)
            if first:
                await asyncio.wait_for(asyncio.get_running_loop().sock_sendall(sock, first), 5)
        except (OSError, asyncio.TimeoutError) as error:
            sock.close()
            self.counts[f"refused: {type(error).__name__}"] += 1
            await asyncio.sleep(0.01)
            return
        self.held.append(sock)
        self.counts["connections"] += 1
        if len(self.held) > 4000:
            self.held.pop(0).close()

    async def call(self, text, port=None):
        try:
            status, _ = await request(port or self.server.port, text, self.source)
            self.counts[str(status)] += 1
        except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError) as error:
            self.counts[type(error).__name__] += 1
            await asyncio.sleep(0.01)

    async def idle_page(self):
        await self.open(self.server.port)

    async def idle_gateway(self):
        await self.open(self.server.gateway_port, b"GET / HTTP/1.1\r\nHost: nobody.localhost\r\n\r\n")

    async def slow_bodies(self):
        await self.open(self.server.port, self.head("POST", "/api/post_flags", "Content-Length: 8388608") + b"[" * 100_000)

    async def garbage(self):
        junk = os.urandom(60_000)
        await self.call(self.head("POST", "/socket.io/?EIO=4&transport=polling", f"Content-Length: {len(junk)}", "Connection: close") + junk)
        await self.call(junk[:2000], self.server.gateway_port)
        await self.call(self.head("POST", "/api/v1/session", "Content-Length: 40000", "Content-Type: application/json", "Connection: close") + b"[" * 40_000)

    async def boot_loop(self):
        await self.call(self.head("POST", "/api/v1/instances", "Content-Type: application/json", "Content-Length: 18", "Connection: close") + b'{"template":"web"}')
        status, body = await request(self.server.port, self.head("GET", "/api/v1/instances", "Connection: close"), self.source)
        for identity in body.split(b'"id":"')[1:] if status == 200 else []:
            await self.call(self.head("DELETE", "/api/v1/instances/" + identity.split(b'"')[0].decode(), "Content-Length: 0", "Connection: close"))

    async def exec_flood(self):
        body = b'{"command":["sh","-c","head -c 1048576 /dev/zero; head -c 1048576 /dev/zero >&2"]}'
        await self.open(self.server.port, self.head("POST", f"/api/v1/instances/{self.instance}/exec", "Content-Type: application/json", f"Content-Length: {len(body)}") + body, 4096)
        await asyncio.sleep(0.1)

    async def logs_flood(self):
        await self.open(self.server.port, self.head("GET", f"/api/v1/instances/{self.instance}/logs?follow=true"), 4096)
        await asyncio.sleep(0.02)

    async def guesses(self):
        text = b'{"strategy":"local","name":"admin","password":"not this one either"}'
        await self.call(self.head("POST", "/api/v1/session", "Content-Type: application/json", f"Content-Length: {len(text)}", "Connection: close") + text)

    NEEDS_MACHINE = ("exec_flood", "logs_flood")

    async def attack(self, until):
        while time.monotonic() < until:
            with contextlib.suppress(OSError, asyncio.TimeoutError, asyncio.IncompleteReadError):
                await getattr(self, self.kind)()
            await asyncio.sleep(0)
        for sock in self.held:
            sock.close()


def attack_all(hostile, seconds, said):
    """The hostile ones outside, in a process of their own, so that the honest ones' clocks are not theirs. Their programs would be on
    machines of their own: what they take of this one's processors comes last."""
    os.setpriority(os.PRIO_PROCESS, 0, 19)

    async def all_of_them():
        until = time.monotonic() + seconds
        await asyncio.gather(*(one.attack(until) for one in hostile))

    asyncio.run(all_of_them())
    said.put({one.kind: one.counts for one in hostile})


OUTSIDE = ["idle_page", "idle_gateway", "slow_bodies", "garbage", "boot_loop", "exec_flood", "logs_flood", "guesses"]


class Host:
    """What the host had, looked at twice a second from an address of its own."""

    def __init__(self, server):
        self.server, self.worst, self.unreachable, self.asked = server, collections.defaultdict(float), 0, []
        self.free = shutil.disk_usage(server.data).free

    def look(self):
        def most(name, value):
            self.worst[name] = max(self.worst[name], value)
        most("server, MB resident", self.server.memory() / 1e6)
        most("server, descriptors", self.server.open_files())
        with contextlib.suppress(OSError):
            most("connections tracked", int(pathlib.Path("/proc/sys/net/netfilter/nf_conntrack_count").read_text()))
        most("neighbours known", len(pathlib.Path("/proc/net/arp").read_text().splitlines()) - 1)
        most("disk taken, GB", (self.free - shutil.disk_usage(self.server.data).free) / 1e9)
        most("load", os.getloadavg()[0])

    def reachable(self):
        begun = time.perf_counter()
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=5, source_address=("127.3.0.1", 0))
            connection.request("GET", "/healthz")
            assert connection.getresponse().status == 200
            connection.close()
            self.asked.append(time.perf_counter() - begun)
        except (OSError, AssertionError, http.client.HTTPException):
            self.unreachable += 1

    async def watch(self, until):
        while time.monotonic() < until:
            await asyncio.to_thread(self.reachable)
            self.look()
            await asyncio.sleep(0.5)


async def first_machine(server, caller_cookie, template):
    """The id of a machine of the player's own, running."""
    player = await Player(server, caller_cookie).connect()
    status, instance, _ = await player.call("POST", "/api/v1/instances", {"template": template})
    if status >= 300:
        player.close()
        return "", f"{status} {str(instance)[:100]}"
    deadline = time.monotonic() + 120
    while instance["state"] not in ("running", "failed", "stopped") and time.monotonic() < deadline:
        await asyncio.sleep(0.2)
        _, instance, _ = await player.call("GET", f"/api/v1/instances/{instance['id']}")
    player.close()
    return instance["id"], instance["state"]


def make_templates(server, kinds):
    templates.add(server, web=templates.WEB, box=templates.BOX)
    for kind in kinds:
        folder = server.templates / f"siege-{kind}"
        shutil.copytree(MACHINE, folder)
        with open(folder / "Dockerfile", "a") as file:
            file.write(f'STOPSIGNAL SIGKILL\nCMD ["python3", "/attack.py", "{kind}"]\n')
        (folder / "instance.toml").write_text(f'name = "Siege {kind}"\nports = [7000]\nexpected_boot = 2\n[limits]\nmemory = "128m"\npids = 128\n')


async def honest_run(server, cookies, seconds, host=None):
    times, until = Times(), time.monotonic() + seconds
    players = [Honest(server, cookie, number) for number, cookie in enumerate(cookies)]
    watch = [host.watch(until)] if host else []
    await asyncio.gather(*(one.play(times, until) for one in players), *watch)
    return times


async def siege(server, options):
    kinds = [kind for kind in INSIDE if kind in options.only]
    cookies = make_players(server, 10, "honest")
    outside = [Hostile(server, kind, cookie, number)
               for number, (kind, cookie) in enumerate(zip([kind for kind in OUTSIDE if kind in options.only], make_players(server, len(OUTSIDE), "outside")))]
    inside = make_players(server, len(kinds), "inside")
    quiet = await honest_run(server, cookies, options.quiet)
    host = Host(server)
    for one in outside:
        one.instance = (await first_machine(server, one.cookie, "box"))[0] if one.kind in Hostile.NEEDS_MACHINE else ""
    machines = dict(zip(kinds, await asyncio.gather(*(first_machine(server, cookie, f"siege-{kind}") for kind, cookie in zip(kinds, inside)))))
    said = multiprocessing.Queue()
    attack = multiprocessing.Process(target=attack_all, args=(outside, options.seconds, said))
    attack.start()
    try:
        loud = await honest_run(server, cookies, options.seconds, host)
        counts = await asyncio.to_thread(said.get, True, 60)
    finally:
        attack.kill()
        attack.join()
    return quiet, loud, host, machines, counts


def report(server, quiet, loud, host, machines, counts):
    """Prints the tables; whether every mark was kept."""
    kept = True
    print(f"  {'ten honest players':<26}{'quiet p50':>12}{'p99':>10}{'siege p50':>12}{'p99':>10}   siege / quiet (mark 2)")
    for what, before in quiet.took.items():
        during = loud.took[what] or [float("inf")]
        ratio = quantile(during, 0.99) / quantile(before, 0.99)
        kept = kept and ratio <= 2
        print(f"  {what:<26}{statistics.median(before) * 1000:>9.1f} ms{quantile(before, 0.99) * 1000:>7.0f} ms{statistics.median(during) * 1000:>9.1f} ms"
              f"{quantile(during, 0.99) * 1000:>7.0f} ms   {ratio:.2f} ({len(during)} times)")
    for name, times in (("quiet", quiet), ("siege", loud)):
        kept = kept and not times.errors
        for error, count in times.errors.most_common(8):
            print(f"  {name}: {count} x {error}")
    stored = Caller(server, token=TOKEN).stats()["total"]
    lost = len(quiet.took["hand in"]) + len(loud.took["hand in"]) - stored
    kept = kept and lost <= 0 and host.unreachable == 0
    print(f"  flags answered for and not in the database: {max(lost, 0)} (mark 0); the host did not answer: {host.unreachable} of {len(host.asked) + host.unreachable}, "
          f"p99 {quantile(host.asked, 0.99) * 1000:.0f} ms")
    print("  the most there was: " + "; ".join(f"{name} {value:,.1f}" for name, value in sorted(host.worst.items())))
    admin = server.admin()
    for kind, (identity, state) in machines.items():
        now = admin.get(f"/instances/{identity}").json if identity else {"state": state}
        print(f"  inside, {kind:<14} started: {state}; now {now['state']}{', ' + str(now.get('reason') or now.get('error') or '') if now['state'] != 'running' else ''}")
    for kind, count in counts.items():
        print(f"  outside, {kind:<13} " + ", ".join(f"{number:,} x {what}" for what, number in count.most_common(6)))
    return kept


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--seconds", type=float, default=300)
    options.add_argument("--quiet", type=float, default=60)
    options.add_argument("--only", type=lambda text: text.split(","), default=INSIDE + OUTSIDE)
    options = options.parse_args()
    folder = tempfile.mkdtemp(prefix="tiltyard-siege-")
    server = Server(folder, config={"farm": {"config": "farm.toml"}, "labs": {"instances_per_owner": 3}, "rates": {"factor": 1}})
    try:
        (server.folder / "farm.toml").write_text(GAME)
        make_templates(server, [kind for kind in INSIDE if kind in options.only])
        server.start()
        if os.geteuid() == 0:
            os.setpriority(os.PRIO_PROCESS, 0, -10)  # so are the honest ones' clients, and their clocks
        for name in sorted(os.listdir(server.templates)):
            server.admin().wait_template(name, "ready", timeout=300)
        kept = report(server, *asyncio.run(siege(server, options)))
        server.admin().stop_all()
    finally:
        server.close()
        Docker().sweep(server.namespace)
        shutil.rmtree(folder, ignore_errors=True)
    raise SystemExit(0 if kept else 1)


if __name__ == "__main__":
    main()

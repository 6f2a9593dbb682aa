"""Many players of one server, each with a connection that is kept open; for the benchmarks that need a crowd."""
import asyncio
import json
import pathlib
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from harness.api import Api  # noqa: E402


def quantile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def make_players(server, count, prefix="player"):
    """Session cookies of new players, signed in by their one-time links."""
    admin, cookies = server.admin(), []
    for number in range(count):
        made = admin.post("/admin/users", {"name": f"{prefix}{number}", "role": "player"}).expect(201).json
        caller = Api(server.url)
        caller.sign_in(strategy="link", token=made["sign_in_url"].split("#")[1]).expect(201)
        cookies.append(caller.cookie)
    return cookies


class Player:
    """One person with an open connection. A request is one write and one read, so that little of the time is ours."""

    def __init__(self, server, cookie):
        self.port, self.base, self.cookie = server.port, server.url, cookie

    async def connect(self):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self

    def request(self, method, path, body=None):
        text = json.dumps(body).encode() if body is not None else b""
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nCookie: {self.cookie}\r\nOrigin: {self.base}\r\nX-Tiltyard-Csrf: 1\r\n"
        if text:
            head += f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n"
        return head.encode() + b"\r\n" + text

    async def call(self, method, path, body=None):
        """(status, parsed answer, seconds from the first byte written to the last byte read)"""
        data = self.request(method, path, body)
        begun = time.perf_counter()
        self.writer.write(data)
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        text = await self.reader.readexactly(length)
        took = time.perf_counter() - begun
        return int(head[9:12]), json.loads(text) if text[:1] in (b"{", b"[") else text, took

    def close(self):
        self.writer.close()


async def connected(server, cookies):
    return await asyncio.gather(*(Player(server, cookie).connect() for cookie in cookies))


def wait_full(server, template, count, timeout=900):
    """Until `count` instances of the template wait in its pool; seconds it took."""
    admin, begun = server.admin(), time.monotonic()
    while time.monotonic() - begun < timeout:
        pools = {one["template"]: one for one in admin.get("/admin/pools").expect(200).json["items"]}
        pool = pools.get(template)
        if pool and pool["ready"] >= count:
            return time.monotonic() - begun
        time.sleep(0.2)
    raise SystemExit(f"the pool of {template} was not full within {timeout} s: {pools.get(template)}")

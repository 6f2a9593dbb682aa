"""The juries that are asked over HTTP: ForcAD, HackerDom, CCIT, Themis. And the control port of all."""
import asyncio
import json
import time

import texts

REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 413: "Content Too Large", 429: "Too Many Requests", 500: "Internal Server Error"}


class Reply:
    """An answer; `cut` bytes of its body go out before the connection ends, None sends all, -1 not even the head."""

    def __init__(self, status, body, headers=(), cut=None):
        self.status, self.body, self.headers, self.cut = status, body, headers, cut


def as_json(status, value, headers=()):
    return Reply(status, json.dumps(value).encode(), headers)


async def read_request(reader, body_limit):
    """(method, path, headers, body); None at the end of the connection, body None when it is over the limit."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    method, path, _ = first.split(" ", 2)
    length = int(headers.get("content-length", 0))
    return method, path, headers, None if length > body_limit else await reader.readexactly(length)


async def serve_connection(reader, writer, answer, body_limit):
    try:
        while request := await read_request(reader, body_limit):
            reply = await answer(*request)
            if reply.cut == -1:
                return
            head = [f"HTTP/1.1 {reply.status} {REASONS.get(reply.status, 'Status')}", "Content-Type: application/json",
                    f"Content-Length: {len(reply.body)}", *reply.headers]
            writer.write("\r\n".join(head).encode() + b"\r\n\r\n" + reply.body[:reply.cut])
            await writer.drain()
            if reply.cut is not None or request[3] is None:
                return
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        pass  # the peer went away
    finally:
        writer.close()


class HttpJury:
    method, path = "PUT", "/flags"
    flags_limit, body_limit, rate = 100, 10 * 1024, 2.0

    def __init__(self, books, faults, token):
        self.books, self.faults, self.token = books, faults, token
        self.next_call = 0.0

    async def start(self, port):
        self.server = await asyncio.start_server(lambda r, w: serve_connection(r, w, self.answer, self.body_limit), "127.0.0.1", port,
                                                 backlog=512, reuse_address=True)
        return self.server.sockets[0].getsockname()[1]

    def error(self, text):
        return as_json(400, {"error": text})

    def limited(self):
        """Whether this call is over the rate. Like nginx's limit_req without a burst: calls are at least 1/rate apart."""
        rate = self.rate if self.faults.rate < 0 else self.faults.rate
        now = time.monotonic()
        if rate <= 0:
            return False
        if now < self.next_call:
            return True
        self.next_call = now + 1 / rate
        return False

    def refusal(self, method, path, headers, body):
        """The answer to a call that is not judged, or None."""
        self.books.calls += 1
        if (method, path) != (self.method, self.path):
            return as_json(404, {"error": "no such route"})
        if self.faults.take("fail_times"):
            return as_json(self.faults.fail_status, {"error": "as told"})
        if self.limited():
            self.books.limited += 1
            if self.faults.limit_as_500:
                return as_json(500, {"code": "RATE_LIMIT"})
            wait = self.faults.retry_after
            return as_json(429, {"error": "too many requests"}, [f"Retry-After: {wait:g}"] if wait >= 0 else [])
        if body is None:
            return as_json(413, {"error": "body too large"})
        if self.token and headers.get("x-team-token") != self.token:
            return self.error("Invalid team token")
        return None

    async def answer(self, method, path, headers, body):
        refused = self.refusal(method, path, headers, body)
        if refused:
            return refused
        try:
            flags = json.loads(body)
        except ValueError:
            flags = None
        if not isinstance(flags, list) or not all(isinstance(flag, str) for flag in flags):
            return self.error("flags must be a list of strings")
        if len(flags) > self.flags_limit:
            return self.error(f"at most {self.flags_limit} flags a request")
        if self.faults.take("silent"):
            await asyncio.sleep(3600)
        return await self.judged(flags)

    async def judged(self, flags):
        cut = self.faults.cut(0, len(flags))
        known = flags if cut is None else flags[:cut + self.faults.drop_lost]
        judgements = self.books.judge_all(known) if not self.faults.offline else ["offline"] * len(known)
        if self.faults.delay:
            await asyncio.sleep(self.faults.delay)
        items = [self.item(flag, judgement) for flag, judgement in zip(known, judgements)]
        if cut is None:
            return as_json(200, items)
        # The head promises the whole list; the cut comes behind `cut` items of it, or in the middle of the next.
        parts = [json.dumps(item) for item in items]
        sent = "[" + "".join(part + ", " for part in parts[:cut])
        if self.faults.drop_torn and cut < len(parts):
            sent += parts[cut][:max(1, len(parts[cut]) // 2)]
        return Reply(200, sent.encode() + b" " * 64, cut=len(sent) if cut or self.faults.drop_torn else -1)

    def item(self, flag, judgement):
        return {"msg": f"[{flag}] {texts.FORCAD[judgement]}", "flag": flag}


class Hackerdom(HttpJury):
    flags_limit, body_limit, rate = 1000, 16 * 1024, 0.0  # the bytes are the bound, not the flags

    def error(self, text):
        return as_json(400, {"status": False, "msg": text})

    def item(self, flag, judgement):
        return {"msg": f"[{flag}] {texts.HACKERDOM[judgement]}", "flag": flag, "status": judgement == "accepted"}


class Ccit(HttpJury):
    flags_limit, body_limit, rate = 2500, 100_000, 20 / 60

    def item(self, flag, judgement):
        status, text = texts.CCIT[judgement]
        return {"msg": f"[{flag}] {text}", "flag": flag, "status": status}


class Themis(HttpJury):
    method, path = "POST", "/api/submit"
    flags_limit, body_limit, rate = 100, 1024, 0.0

    def error(self, text):
        return as_json(400, 1)

    async def judged(self, flags):
        if self.faults.offline:
            return as_json(400, 12)
        return await super().judged(flags)

    def item(self, flag, judgement):
        return texts.THEMIS[judgement]


class Control:
    """What a test asks and tells a running jury: GET /books and /totals, POST /faults with {"name": value}."""

    def __init__(self, books, faults):
        self.books, self.faults = books, faults

    async def start(self, port):
        self.server = await asyncio.start_server(lambda r, w: serve_connection(r, w, self.answer, 1 << 20), "127.0.0.1", port, reuse_address=True)
        return self.server.sockets[0].getsockname()[1]

    async def answer(self, method, path, headers, body):
        if (method, path) == ("GET", "/books"):
            return as_json(200, self.books.as_json())
        if (method, path) == ("GET", "/totals"):
            return as_json(200, self.books.totals())
        if (method, path) == ("POST", "/faults"):
            try:
                self.faults.change(json.loads(body))
            except ValueError as error:
                return as_json(400, {"error": str(error)})
            return as_json(200, {})
        return as_json(404, {"error": "no such route"})

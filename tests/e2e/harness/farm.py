"""A server with a flag farm, and its clients."""
import http.client
import threading

from .api import Api
from .wait import until

TOKEN = "farm-token-of-the-tests"
GAME = f"""
flag_format = '[A-Z0-9]{{31}}='
flag_lifetime = "10m"
lease_time = "2s"
retry_after = "200ms"
token = "{TOKEN}"
teams = ["10.60.{{1..5}}.1"]

[services]
"web_*" = "web"

[jury]
protocol = "forcad_http"
host = "127.0.0.1"
port = 31337
token = "the-jury-s-own-token"
calls_per_second = 0
"""


def flag(number, prefix="F"):
    """A flag of the format, by its number."""
    return f"{prefix}{number}".ljust(31, "X")[:31] + "="


def farm(make_server, game=GAME, start=True, **more):
    """A server with a farm; no engine, for it needs none. Juries of the tests are on this machine."""
    server = make_server(config={"engine": {"kind": "fake"}, "farm": {"config": "farm.toml"}, "server": {"allow_targets": ["127.0.0.1"]}, **more})
    server.game = server.folder / "farm.toml"
    server.game.write_text(game)
    return server.start() if start else server


class Caller(Api):
    """A client or sender that shows the farm's token."""

    def __init__(self, server, contract=None, token=TOKEN):
        super().__init__(server.url, contract=contract)
        self.shown = token

    def call(self, method, path, body=None, headers=None, **more):
        return super().call(method, path, body, {"X-Token": self.shown, **(headers or {})}, **more)

    def post_flags(self, *flags, sploit="web_1", team="10.60.1.1"):
        body = [{"flag": one, "sploit": sploit, "team": team} for one in flags]
        return self.post("/farm/flags", {"flags": body}).expect(200).json

    def take(self, wait=0, most=None, sender="tester"):
        """A lease, or None."""
        answer = self.post("/farm/lease", {"sender": sender, **({"max": most} if most else {})}, query={"wait": wait})
        return answer.json if answer.status == 200 else answer.expect(204) and None

    def say(self, lease, verdict, *flags, done=False, message="as they say", **more):
        body = {"lease": lease["lease"], "verdicts": [{"flag": one, "verdict": verdict, "message": message} for one in flags], "done": done, **more}
        return self.post("/farm/verdicts", body)

    def stats(self):
        return self.get("/farm/stats").expect(200).json

    def all_flags(self, **query):
        """Every flag of a filter, over all pages."""
        found, cursor = [], None
        while True:
            page = self.get("/farm/flags", query={"limit": 1000, **query, **({"cursor": cursor} if cursor else {})}).expect(200).json
            found += page["items"]
            cursor = page["next"]
            if cursor is None:
                return found


def balanced(stats):
    """The books add up."""
    assert stats["total"] == sum(stats[name] for name in ("queued", "leased", "accepted", "rejected", "skipped")), stats


class Posters:
    """Threads that post flags of their own until they are told to stop; `safe` holds what was answered with 200."""

    def __init__(self, server, threads=4, batch=20):
        self.server, self.batch = server, batch
        self.safe, self.lock, self.over = set(), threading.Lock(), threading.Event()
        self.threads = [threading.Thread(target=self._work, args=(number,)) for number in range(threads)]
        for thread in self.threads:
            thread.start()

    def _work(self, number):
        count = 0
        caller = Caller(self.server)
        while not self.over.is_set():
            flags = [flag(count + i, f"T{number}N") for i in range(self.batch)]
            count += self.batch
            try:
                answer = caller.call("POST", "/farm/flags", [{"flag": one, "sploit": "p"} for one in flags], timeout=5)
            except (OSError, http.client.HTTPException):  # the server died in mid-answer
                continue
            if answer.status == 200:
                with self.lock:
                    self.safe.update(flags)

    def wait_for(self, count):
        until(lambda: len(self.safe) >= count, f"{count} flags to be posted", 20)

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()

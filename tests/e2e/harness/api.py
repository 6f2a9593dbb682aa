"""The HTTP API as a client sees it: status, headers, JSON or problem, and nothing hidden."""
import functools
import http.client
import json
import pathlib
from urllib.parse import urlencode, urlsplit

from .wait import until

PROBLEM = "application/problem+json"
URN = "urn:tiltyard:error:"
DOCUMENT = pathlib.Path(__file__).resolve().parents[3] / "api" / "openapi.json"


@functools.cache
def documented_reasons():
    return frozenset(json.loads(DOCUMENT.read_text())["components"]["schemas"]["ProblemType"]["enum"])


class Answer:
    def __init__(self, method, path, status, headers, body):
        self.method, self.path, self.status, self.headers, self.body = method, path, status, headers, body

    @property
    def kind(self):
        return self.headers.get("content-type", "").split(";")[0]

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    @property
    def json(self):
        assert self.kind.endswith("json"), f"{self} is {self.kind or 'of no type'}: {self.text[:300]}"
        return json.loads(self.body)

    @property
    def reason(self):
        """The stable reason of a problem answer, without its prefix; the document has it."""
        assert self.kind == PROBLEM, f"{self} is no problem but {self.kind}: {self.text[:300]}"
        assert self.json["status"] == self.status, f"{self}: the problem says {self.json['status']}"
        assert self.json["type"] in documented_reasons(), f"{self}: the document does not know {self.json['type']}"
        return self.json["type"][len(URN):]

    def expect(self, status, reason=None):
        """This answer, or an AssertionError that shows it."""
        assert self.status == status, f"{self}, expected {status}: {self.text[:600]}"
        if reason is not None:
            assert self.reason == reason, f"{self}: {self.reason}, expected {reason}: {self.text[:600]}"
        return self

    def __repr__(self):
        return f"{self.method} {self.path} -> {self.status}"


class Api:
    """One caller. Sends a bearer token or keeps a session cookie; `contract` checks every answer against the document."""

    def __init__(self, base, token=None, contract=None, source=None):
        self.base, self.token, self.contract, self.source = base.rstrip("/"), token, contract, source
        self.cookie = None

    def call(self, method, path, body=None, headers=None, query=None, raw=None, timeout=70):
        """`body` is sent as JSON, `raw` as it is. Cookie-signed unsafe calls carry the CSRF header unless headers say otherwise."""
        parts = urlsplit(self.base)
        prefix = "" if path.startswith(("/api/", "/healthz", "/readyz", "/metrics", "/openapi.json", "/signin", "/socket.io/", "/.well-known/")) or path == "/" else "/api/v1"
        url = prefix + path + ("?" + urlencode(query) if query else "")
        send = {"Accept": "application/json"}
        if self.token:
            send["Authorization"] = f"Bearer {self.token}"
        if self.cookie:
            send["Cookie"] = self.cookie
            if method not in ("GET", "HEAD"):
                send["X-Tiltyard-Csrf"] = "1"
                send["Origin"] = self.base
        if body is not None:
            raw = json.dumps(body).encode()
            send["Content-Type"] = "application/json"
        send.update(headers or {})
        send = {key: value for key, value in send.items() if value is not None}
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout,
                                                source_address=(self.source, 0) if self.source else None)
        try:
            connection.request(method, url, body=raw, headers=send)
            got = connection.getresponse()
            # Of a field that is there several times the first counts: of cookies that is the session's.
            fields = {k.lower(): v for k, v in reversed(got.getheaders())}
            answer = Answer(method, prefix + path, got.status, fields, got.read())
            answer.cookies = [v.split(";")[0] for k, v in got.getheaders() if k.lower() == "set-cookie"]
        finally:
            connection.close()
        fresh = answer.headers.get("set-cookie", "").split(";")[0]
        if self.cookie and answer.status < 300 and fresh.split("=")[0] == self.cookie.split("=")[0] and not fresh.endswith("="):
            self.cookie = fresh  # the session got a new name, as after a change of password or team
        if self.contract:
            self.contract.check(answer)
        return answer

    def get(self, path, **more):
        return self.call("GET", path, **more)

    def post(self, path, body=None, **more):
        return self.call("POST", path, body=body, **more)

    def put(self, path, body=None, **more):
        return self.call("PUT", path, body=body, **more)

    def patch(self, path, body=None, **more):
        return self.call("PATCH", path, body=body, **more)

    def delete(self, path, **more):
        return self.call("DELETE", path, **more)

    # --- what nearly every test does ---------------------------------------------------------------

    def sign_in(self, **credentials):
        """Posts to /session, keeps the cookie; the Answer."""
        answer = self.post("/session", credentials)
        if answer.status == 201:
            self.cookie = answer.headers["set-cookie"].split(";")[0]
        return answer

    def start(self, template, wait=60, **more):
        """Asks for an instance; with `wait` the answer comes when it has arrived."""
        return self.post("/instances", {"template": template, **more}, headers={"Prefer": f"wait={wait}"} if wait else {}, timeout=wait + 30)

    def running(self, template, **more):
        """A running instance as JSON."""
        instance = self.start(template, **more).expect(201).json
        assert instance["state"] == "running", instance
        return instance

    def instance(self, identity):
        return self.get(f"/instances/{identity}").expect(200).json

    def wait_state(self, identity, *states, timeout=60):
        """Polls until the instance is in one of the states."""
        def look():
            now = self.instance(identity)
            return now if now["state"] in states else None
        return until(look, f"{identity} to be {' or '.join(states)}", timeout)

    def stop(self, identity, timeout=60):
        """Stops and waits until nothing is left of it; the final JSON."""
        self.delete(f"/instances/{identity}", headers={"Prefer": f"wait={timeout}"}, timeout=timeout + 10)
        return self.wait_state(identity, "stopped", "failed", timeout=timeout)

    def stop_all(self):
        for instance in self.get("/instances", query={"owner": "all", "limit": 200}).expect(200).json["items"]:
            if instance["state"] not in ("stopped", "failed"):
                self.stop(instance["id"])

    def template(self, identity):
        return self.get(f"/templates/{identity}").expect(200).json

    def wait_template(self, identity, *states, timeout=120):
        def look():
            answer = self.get(f"/templates/{identity}")
            if answer.status != 200:
                return None
            now = answer.json
            assert "broken" in states or now["state"] != "broken", now
            return now if now["state"] in (states or ("ready",)) else None
        return until(look, f"template {identity} to be {' or '.join(states or ('ready',))}", timeout)

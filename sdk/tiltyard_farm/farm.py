"""The farm's REST API for senders and clients: kept-open connections, long polls, errors in three kinds."""
import email.utils
import http.client
import json
import math
import random
import select
import socket
import ssl
import time
import urllib.parse
from datetime import datetime


class FarmAway(Exception):
    """Nobody answers, or not now (5xx, 429): try again."""


class FarmRefused(Exception):
    """The farm understood and says no; `reason` is its stable word for why."""

    def __init__(self, status, reason, message):
        super().__init__(f"{status} {reason}: {message}")
        self.status, self.reason = status, reason


class Backoff:
    """Pauses that double from `first` to `most` seconds, a part of each left to chance so that senders spread out."""

    def __init__(self, first=0.1, most=5.0):
        self.first, self.most, self.now = first, most, first

    def pause(self):
        pause = self.now * random.uniform(0.5, 1.0)
        self.now = min(self.most, self.now * 2)
        return pause

    def reset(self):
        self.now = self.first


class Lease:
    """Flags that are ours until `ends` (on time.monotonic()), and what the jury's module needs to hand them in."""

    def __init__(self, answer, server_now):
        self.id, self.protocol, self.settings = answer["lease"], answer["protocol"], answer["settings"]
        self.settings_version = answer.get("settings_version", 0)
        self.flags = [item["flag"] for item in answer["flags"]]
        self.starts = time.monotonic() + answer.get("send_after_ms", 0) / 1000
        self.extend_to(answer["expires_at"], server_now)

    def extend_to(self, expires_at, server_now):
        # The farm's clock may differ from ours; its answer's Date says by how much, to the second.
        self.length = max(0.0, datetime.fromisoformat(expires_at.replace("Z", "+00:00")).timestamp() - server_now)
        self.ends = time.monotonic() + self.length


class Farm:
    """One caller over one connection; for use by one thread at a time. `token` is the farm's token, `tls` an SSLContext for
    https; None: the system's authorities."""

    def __init__(self, url, token, timeout=10.0, tls=None):
        parts = urllib.parse.urlsplit(url if "://" in url else f"http://{url}")
        self.secure, self.host, self.port = parts.scheme == "https", parts.hostname, parts.port
        self.base = parts.path.rstrip("/")
        self.token, self.timeout, self.tls = token, timeout, tls
        self.connection = None
        self.closed = False

    # --- what a sender does ----------------------------------------------------------------------

    def lease(self, sender, most=0, wait=30):
        """Waits up to `wait` seconds for flags; a Lease, or None when there are none. `most` 0: a whole call of the jury's."""
        asked = {"sender": sender, **({"max": most} if most else {})}
        answer, now = self.call("POST", f"/api/v1/farm/lease?wait={wait}", asked, timeout=wait + self.timeout)
        return Lease(answer, now) if answer else None

    def report(self, lease, verdicts, limited=False, retry_after=None, done=False):
        """Notes verdicts of a lease; on the farm's disk when it returns. `retry_after` in seconds, as the jury said."""
        return self.call("POST", "/api/v1/farm/verdicts", report_body(lease, verdicts, limited, retry_after, done))[0]

    def extend(self, lease):
        """Another lease time for a Lease, from now."""
        answer, now = self.call("POST", f"/api/v1/farm/lease/{lease.id}/extend", {})
        lease.extend_to(answer["expires_at"], now)

    # --- what a client does ----------------------------------------------------------------------

    def post(self, flags):
        """Hands flags in: {"flag", "sploit", "team"} each, at most 10,000. When it returns they are on the farm's disk."""
        return self.call("POST", "/api/v1/farm/flags", flags)[0]

    def stats(self):
        return self.call("GET", "/api/v1/farm/stats")[0]

    # --- the call itself -------------------------------------------------------------------------

    def call(self, method, path, body=None, timeout=None):
        """(JSON or None, the server's time in seconds since 1970)"""
        text = None if body is None else json.dumps(body).encode()
        headers = {"X-Token": self.token, "Accept": "application/json"}
        if text is not None:
            headers["Content-Type"] = "application/json"
        try:
            connection = self._connected()
            connection.sock.settimeout(timeout or self.timeout)
            connection.request(method, self.base + path, text, headers)
            answer = connection.getresponse()
            data = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise FarmAway(f"{self.host}:{self.port}: {type(error).__name__} {error}") from error
        if answer.will_close:
            self.close()
        return self._read(answer, data), server_time(answer)

    def _read(self, answer, data):
        try:
            value = json.loads(data) if data else None
        except ValueError as error:
            raise FarmAway(f"{answer.status}: not JSON") from error
        if answer.status < 300:
            return value
        problem = value if isinstance(value, dict) else {}
        reason, message = str(problem.get("type", "")).rpartition(":")[2], problem.get("detail") or problem.get("title") or ""
        if answer.status >= 500 or answer.status == 429:
            raise FarmAway(f"{answer.status} {reason}: {message}")
        raise FarmRefused(answer.status, reason, message)

    def _connected(self):
        if self.closed:
            raise OSError("closed")
        if self.connection and select.select([self.connection.sock], [], [], 0)[0]:
            self.close()
        if not self.connection:
            if self.secure:
                connection = http.client.HTTPSConnection(self.host, self.port, timeout=self.timeout, context=self.tls)
            else:
                connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)
            connection.connect()
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connection = connection
        return self.connection

    def close(self):
        connection, self.connection = self.connection, None
        if connection:
            connection.close()

    def interrupt(self):
        """From another thread: ends a call that waits, and all later ones."""
        self.closed = True
        connection = self.connection
        try:
            if connection and connection.sock:
                connection.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def only(certificate):
    """An SSLContext that takes this certificate (the first of a PEM text) and no other, whatever name it was made out for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= 0x80000  # X509_V_FLAG_PARTIAL_CHAIN, which Python names since 3.10: no root is needed
    end = "-----END CERTIFICATE-----"
    context.load_verify_locations(cadata=certificate.partition(end)[0] + end + "\n")
    return context


def report_body(lease, verdicts, limited=False, retry_after=None, done=False):
    body = {"lease": lease, "done": done, "verdicts": [as_json(verdict) for verdict in verdicts]}
    if limited:
        body["limited"] = {} if retry_after is None else {"retry_after_ms": int(retry_after * 1000)}
    return body


def as_json(verdict):
    """A jury may write what JSON cannot carry, half a pair of surrogates or points without end: it costs the words, not the verdict."""
    out = {"flag": verdict.flag, "verdict": verdict.kind}
    if verdict.message:
        out["message"] = verdict.message[:300].encode("utf-8", "replace").decode()
    if verdict.points is not None and math.isfinite(verdict.points):
        out["points"] = verdict.points
    return out


def server_time(answer):
    date = answer.getheader("Date")
    try:
        return email.utils.parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError):
        return time.time()

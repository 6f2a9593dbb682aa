"""Juries that take a list of flags in an HTTP call."""
import http.client
import json
import select
import urllib.parse

from ..verdicts import Limited, Lost, NotSent
from .settings import seconds

LONGEST_ANSWER = 4 << 20  # bytes; what is behind them is not read
LONGEST_PAUSE = 3600.0    # seconds that a jury may ask for


class HttpJury:
    """The base of these juries. One connection is kept open; `send` makes as many calls as the jury's bounds need."""

    method, path, port = "PUT", "/flags", 80
    batch, body_limit = 100, 10_000  # flags and bytes of a call; `batch` of the settings goes first

    def __init__(self, settings):
        base = urllib.parse.urlsplit(settings.get("url") or f"http://{settings['host']}:{settings.get('port') or self.port}")
        self.secure, self.host, self.port = base.scheme == "https", base.hostname, base.port or (443 if base.scheme == "https" else 80)
        self.path = base.path if base.path not in ("", "/") else self.path
        self.token = settings.get("token", "")
        self.timeout = seconds(settings, "timeout", 10.0)
        self.batch = int(settings.get("batch") or self.batch)
        self.connection = None

    def read(self, flags, text):
        """The verdicts in an answer's body, of which only the beginning may have arrived."""
        raise NotImplementedError

    def send(self, flags):
        calls = split(flags, self.batch, self.body_limit)
        for number, part in enumerate(calls):
            unsent = [flag for later in calls[number + 1:] for flag in later]
            status, headers, body, whole = self._call(part, unsent)
            if status >= 300:
                refuse(status, headers, body, unsent)
            verdicts = self.read(part, body.decode("utf-8", "replace"))
            yield from verdicts
            if len(verdicts) < len(part):
                raise Lost(f"{len(part) - len(verdicts)} flags without an answer{'' if whole else ': it was cut'}", unsent)

    def _call(self, flags, unsent):
        """(status, headers, body, whole). A connection that cannot be opened is NotSent, one that is cut Lost."""
        connection = self._connected()
        body = json.dumps(flags).encode()
        try:
            connection.request(self.method, self.path, body, {"Content-Type": "application/json", "X-Team-Token": self.token})
            answer = connection.getresponse()
            try:
                text = answer.read(LONGEST_ANSWER)
                whole = not answer.length
            except http.client.IncompleteRead as cut:
                text, whole = cut.partial, False
        except (OSError, ValueError, OverflowError, http.client.HTTPException) as error:  # numbers without end in a head are http.client's to stumble over
            self.close()
            raise Lost(f"{type(error).__name__}: {error}", unsent) from error
        if not answer.isclosed() or answer.will_close:
            self.close()
        return answer.status, answer.headers, text, whole

    def _connected(self):
        # One that the jury has closed meanwhile is readable: found out here, no call is lost on it.
        if self.connection and select.select([self.connection.sock], [], [], 0)[0]:
            self.close()
        if not self.connection:
            kind = http.client.HTTPSConnection if self.secure else http.client.HTTPConnection
            connection = kind(self.host, self.port, timeout=self.timeout)
            try:
                connection.connect()
            except OSError as error:
                raise NotSent(f"{self.host}:{self.port}: {error}") from error
            self.connection = connection
        return self.connection

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None


def split(flags, batch, body_limit):
    """The flags in lists of at most `batch`, whose JSON has at most `body_limit` bytes. One flag alone may have more."""
    parts, size = [], 0
    for flag in flags:
        length = len(json.dumps(flag)) + 2
        if not parts or len(parts[-1]) >= batch or size + length > body_limit:
            parts.append([])
            size = 2
        parts[-1].append(flag)
        size += length
    return parts


def refuse(status, headers, body, unsent):
    """Raises what a status that is not 2xx means. After a 5xx nobody knows what the jury has taken: the outcome is unknown,
    so that a later `already submitted` is not held against the flag."""
    text = body.decode("utf-8", "replace").strip()[:200]
    if status == 429 or "RATE_LIMIT" in text:
        raise Limited(f"{status} {text}", pause(headers.get("Retry-After")))
    if status >= 500:
        raise Lost(f"{status} {text}", unsent)
    raise NotSent(f"{status} {text}")


def pause(retry_after):
    """A Retry-After in seconds; None for none, and for a date, which no known jury sends."""
    try:
        return min(max(0.0, float(retry_after)), LONGEST_PAUSE)
    except (TypeError, ValueError):
        return None


def complete_items(text):
    """The items of a JSON list, of which only the beginning may have arrived, and what follows in the list is not there: an
    item counts when the comma or the bracket after it has come, since half a number is a number too."""
    decoder, items = json.JSONDecoder(), []
    at = text.find("[") + 1
    if at == 0 or text[:at - 1].strip():
        return items
    while True:
        at = _skip(text, at)
        try:
            item, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            return items
        at = _skip(text, at)
        if text[at:at + 1] not in (",", "]"):
            return items
        items.append(item)
        if text[at] == "]":
            return items
        at += 1


def _skip(text, at):
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def items_by_flag(flags, text):
    """(flag, item, message) of the objects of an answer that name one of `flags`, each flag once. Without a `flag` member
    the message begins with the flag in brackets."""
    open_flags = set(flags)
    for item in complete_items(text):
        if not isinstance(item, dict):
            continue
        message = item.get("msg")
        message = message if isinstance(message, str) else ""
        flag = item.get("flag")
        if not isinstance(flag, str):
            flag = message[1:].partition("] ")[0] if message.startswith("[") else None
        if flag in open_flags:
            open_flags.discard(flag)
            yield flag, item, message.removeprefix(f"[{flag}] ")

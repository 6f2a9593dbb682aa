"""A raw client of Engine.IO and Socket.IO: it says exactly what a test wants said, right or wrong."""
import base64
import contextlib
import http.client
import json
import os
import pathlib
import socket
import struct
import subprocess
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[3]

PING_INTERVAL, PING_TIMEOUT, CONNECT_TIMEOUT = 0.3, 0.2, 1.0
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Closed(Exception):
    """The other side has ended the connection; `code` of its close frame, if there was one."""

    def __init__(self, code=None):
        super().__init__(f"closed with {code}")
        self.code = code


def echo_binary():
    return os.environ.get("TILTYARD_ECHO_BIN", str(ROOT / "build" / "src" / "realtime" / "realtime_echo"))


class Echo:
    """The layers without the range (benchmarks/realtime_echo.cpp), with the times of the official conformance suites."""

    def __init__(self, interval=PING_INTERVAL, timeout=PING_TIMEOUT, connect=CONNECT_TIMEOUT, threads=2):
        words = [echo_binary(), "0", *(str(round(one * 1000)) for one in (interval, timeout, connect)), str(threads)]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().split()[-1])

    def close(self):
        self.process.terminate()
        self.process.wait(10)
        self.process.stdout.close()


def request(port, method, path, body=None, headers=None, timeout=5):
    """One HTTP request on a connection of its own: (status, text)."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path, body=body.encode() if isinstance(body, str) else body, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


class Polling:
    """A session over long polling."""

    def __init__(self, port, path="/socket.io/", headers=None):
        self.port, self.path, self.headers = port, path, headers or {}
        status, text = request(port, "GET", self.url(), headers=self.headers)
        assert status == 200, text
        assert text.startswith("0"), text
        self.opening = json.loads(text[1:])
        self.sid = self.opening["sid"]

    def url(self, **more):
        query = {"EIO": "4", "transport": "polling", **({"sid": self.sid} if hasattr(self, "sid") else {}), **more}
        return f"{self.path}?{urllib.parse.urlencode(query)}"

    def poll(self, timeout=5):
        return request(self.port, "GET", self.url(), headers=self.headers, timeout=timeout)

    def push(self, body):
        return request(self.port, "POST", self.url(), body, {"Content-Type": "text/plain;charset=UTF-8", **self.headers})


class Ws:
    """One WebSocket; `query` names the session to upgrade."""

    def __init__(self, port, path="/socket.io/", headers=None, timeout=5, **query):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""
        query = {"EIO": "4", "transport": "websocket", **query}
        lines = [f"GET {path}?{urllib.parse.urlencode({key: value for key, value in query.items() if value is not None})} HTTP/1.1",
                 f"Host: 127.0.0.1:{port}", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
                 f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}"]
        lines += [f"{key}: {value}" for key, value in (headers or {}).items()]
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        while b"\r\n\r\n" not in self.rest:
            piece = self.socket.recv(4096)
            if not piece:
                raise Closed
            self.rest += piece
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        self.status = int(head.split()[1])
        self.head = head.decode()

    def close(self):
        self.socket.close()

    # --- frames ---------------------------------------------------------------------------------------

    def send_raw(self, data):
        self.socket.sendall(data)

    def send(self, data, opcode=None, final=True):
        payload = data.encode() if isinstance(data, str) else bytes(data)
        opcode = opcode if opcode is not None else TEXT if isinstance(data, str) else BINARY
        mask = os.urandom(4)
        size = len(payload)
        head = bytes([(0x80 if final else 0) | opcode])
        head += bytes([0x80 | size]) if size < 126 else struct.pack("!BH", 0xFE, size) if size < 65536 else struct.pack("!BQ", 0xFF, size)
        masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload)) if size < 100_000 else self._mask_long(payload, mask)
        self.socket.sendall(head + mask + masked)

    @staticmethod
    def _mask_long(payload, mask):
        key = int.from_bytes((mask * (len(payload) // 4 + 1))[:len(payload)], "big")
        return (int.from_bytes(payload, "big") ^ key).to_bytes(len(payload), "big")

    def _take(self, count):
        while len(self.rest) < count:
            try:
                piece = self.socket.recv(65536)
            except ConnectionResetError:
                piece = b""
            if not piece:
                raise Closed
            self.rest += piece
        taken, self.rest = self.rest[:count], self.rest[count:]
        return taken

    def receive(self, timeout=5):
        """The next message: a text or bytes. Raises Closed at the end."""
        self.socket.settimeout(timeout)
        first, second = self._take(2)
        assert first & 0x70 == 0, "nothing is compressed"
        assert second & 0x80 == 0, "a server does not mask"
        size = second & 0x7F
        if size == 126:
            size, = struct.unpack("!H", self._take(2))
        elif size == 127:
            size, = struct.unpack("!Q", self._take(8))
        payload = self._take(size)
        opcode = first & 0x0F
        if opcode == CLOSE:
            raise Closed(struct.unpack("!H", payload[:2])[0] if payload else None)
        return payload.decode() if opcode == TEXT else payload

    def until_closed(self, timeout=5):
        """The code of the end; answers no ping meanwhile."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            try:
                self.receive(max(0.01, end - time.monotonic()))
            except Closed as closed:
                return closed.code
        raise AssertionError("still open")


class Sio:
    """A Socket.IO client of one namespace over WebSocket, that answers pings and keeps what comes."""

    def __init__(self, port, auth=None, headers=None, name_space="/"):
        self.ws = Ws(port, headers=headers)
        assert self.ws.status == 101, self.ws.head
        self.prefix = "" if name_space == "/" else name_space + ","
        self.ws.receive()
        self.ws.send(f"40{self.prefix}{json.dumps(auth) if auth is not None else ''}")
        text = self.next_packet()
        self.refusal = json.loads(text[2 + len(self.prefix):]) if text.startswith("44") else None
        self.welcome = json.loads(text[2 + len(self.prefix):]) if text.startswith("40") else None
        self.events, self.acks, self.asked = [], {}, 0

    def next_packet(self, timeout=5):
        end = time.monotonic() + timeout
        while True:
            text = self.ws.receive(max(0.01, end - time.monotonic()))
            if text != "2":
                return text
            self.ws.send("3")

    def step(self, timeout=5):
        text = self.next_packet(timeout)
        if text.startswith("42"):
            self.events.append(json.loads(text[2 + len(self.prefix):]))
        elif text.startswith("43"):
            number, bracket, rest = text[2 + len(self.prefix):].partition("[")
            self.acks[int(number)] = json.loads(bracket + rest)

    def ask(self, *values, timeout=5):
        """Emits with an acknowledgement and answers what it carries."""
        number, self.asked = self.asked, self.asked + 1
        self.ws.send(f"42{self.prefix}{number}{json.dumps(values)}")
        end = time.monotonic() + timeout
        while number not in self.acks:
            self.step(max(0.01, end - time.monotonic()))
        return self.acks.pop(number)[0]

    def join(self, room, **options):
        return self.ask("join", room, options)

    def event(self, name, match=lambda value: True, timeout=5):
        """Waits for the next event of that name that matches, and takes it with all that came before it."""
        end = time.monotonic() + timeout
        while True:
            for place, event in enumerate(self.events):
                if event[0] == name and match(event[1]):
                    del self.events[:place + 1]
                    return event
            self.step(max(0.01, end - time.monotonic()))

    def settle(self, quiet=0.3):
        """Takes what comes until nothing has come for a while; for what must not come."""
        with contextlib.suppress(TimeoutError):
            while True:
                self.step(quiet)
        return self.events

    def close(self):
        self.ws.close()

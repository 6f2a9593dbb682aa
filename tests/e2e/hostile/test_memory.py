"""What whom nobody knows can make the server hold: bytes, connections, descriptors, sessions (rows 7.6, 9.1, 10.6)."""
import concurrent.futures
import contextlib
import http.client
import json
import re
import resource
import socket
import time

import pytest

from harness import templates
from harness.api import Api
from harness.farm import Caller, TOKEN, farm, flag
from harness.realtime import Closed, Polling, Ws, request
from harness.server import binary
from harness.wait import until

MIB = 1 << 20


def connect(server, source="127.0.0.1"):
    return socket.create_connection(("127.0.0.1", server.port), timeout=5, source_address=(source, 0))


def metric(server, name):
    # Not from the address that the attacks of this file come from.
    text = server.api(source="127.0.0.2").get("/metrics").expect(200).text
    found = re.search(rf"^{re.escape(name)} ([0-9.e+]+)$", text, re.M)
    return float(found.group(1)) if found else 0


def head(path, length, fields=""):
    return f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n{fields}\r\n".encode()


class Flood:
    """Requests whose bodies lack their last byte, on as many connections."""

    def __init__(self):
        self.open = []

    def begin(self, server, source, path, length, fields=""):
        link = connect(server, source)
        link.setblocking(False)
        with contextlib.suppress(OSError):
            link.send(head(path, length, fields))
        self.open.append([link, length - 1])

    def send(self, memory):
        """All that the other side takes; the most memory that was seen meanwhile."""
        piece, most, quiet = b"a" * 65536, 0, 0
        while quiet < 10:
            moved = 0
            for entry in self.open:
                with contextlib.suppress(OSError):
                    sent = entry[0].send(piece[:min(len(piece), entry[1])]) if entry[1] else 0
                    entry[1] -= sent
                    moved += sent
            most = max(most, memory())
            quiet = 0 if moved else quiet + 1
            if not moved:
                time.sleep(0.05)
        return most

    def close(self):
        for link, _ in self.open:
            link.close()


@pytest.fixture
def flood():
    one = Flood()
    yield one
    one.close()


@pytest.mark.parametrize("on", [False, True])
def test_R10_6_a_thousand_bodies_that_lack_their_last_byte_cost_little(make_server, flood, on):
    """The largest bodies that there are, from several addresses, with and without a farm; and the largest that is taken from anybody."""
    server = farm(make_server) if on else make_server(config=templates.FAKE, web=templates.EMPTY).start()
    before = server.memory()
    for i in range(1000):
        path, length = [("/api/post_flags", 8 * MIB), ("/api/v1/farm/flags", 8 * MIB), ("/socket.io/?EIO=4&transport=polling", 1_000_000),
                        ("/api/v1/session", 65536)][i % 4]
        flood.begin(server, f"127.0.0.{i % 4 + 1}", path, length, "X-Token: not-the-farm-s-token\r\n" if i % 8 > 3 else "")
    most = flood.send(server.memory)
    assert most - before < 64 * MIB, f"{(most - before) / MIB:.0f} MiB"
    server.api().get("/healthz").expect(200)
    # Who is known sends as much as ever meanwhile.
    if on:
        lines = json.dumps({"flags": [{"flag": flag(i), "sploit": "x" * 700} for i in range(9_000)]})
        assert 6 * MIB < len(lines) < 8 * MIB
        answer = Caller(server).call("POST", "/farm/flags", raw=lines.encode(), headers={"Content-Type": "application/json"})
        assert answer.expect(200).json["new"] == 9_000


def test_R10_6_what_is_off_or_not_theirs_takes_no_body(make_server):
    server = make_server(config=templates.FAKE, web=templates.EMPTY).start()
    for path, status, reason in [("/api/post_flags", 404, "farm-off"), ("/api/v1/farm/flags", 401, "not-signed-in"),
                                 ("/api/v1/admin/users", 401, "not-signed-in"), ("/api/v1/nothing", 404, "route-unknown")]:
        link = connect(server)
        link.sendall(head(path, 60_000))
        answer = http.client.HTTPResponse(link)
        answer.begin()
        assert (answer.status, json.loads(answer.read())["type"]) == (status, f"urn:tiltyard:error:{reason}"), path
        link.close()


def test_R10_6_twenty_thousand_idle_connections_of_one_address_hold_nobody_up(make_server):
    """As many as the test may have open."""
    server = make_server(config=templates.FAKE, web=templates.EMPTY).start()
    wanted = min(20_000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 500)
    before, memory = served(server), server.memory()
    idle = []
    try:
        for _ in range(wanted):
            link = socket.socket()
            link.setblocking(False)
            link.connect_ex(("127.0.0.1", server.port))
            idle.append(link)
        after = served(server)
        assert metric(server, 'tiltyard_http_turned_away_total{why="address"}') > wanted / 2
        assert metric(server, 'tiltyard_http_turned_away_total{why="full"}') == 0
        assert after < max(5 * before, 0.5), f"an honest request takes {after:.3f} s instead of {before:.3f} s"
        assert server.memory() - memory < 64 * MIB
    finally:
        for link in idle:
            link.close()


def served(server):
    """The slowest of some requests from another address, on connections of their own; all of them are answered."""
    slowest = 0
    for _ in range(30):
        begun = time.monotonic()
        server.api(source="127.0.0.2").get("/healthz").expect(200)
        slowest = max(slowest, time.monotonic() - begun)
    return slowest


def test_R10_6_when_descriptors_get_short_new_connections_wait_and_the_rest_goes_on(make_server, tmp_path, monkeypatch):
    small = tmp_path / "few-descriptors"
    small.write_text(f'#!/bin/sh\nulimit -n 400\nexec {binary()} "$@"\n')
    small.chmod(0o755)
    monkeypatch.setenv("TILTYARD_BIN", str(small))
    server = make_server(config=templates.FAKE, web=templates.EMPTY).start()
    kept = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    authorization = {"Authorization": f"Bearer {server.token}"}

    def ask(method, path, body=None):
        kept.request(method, f"/api/v1{path}", body and json.dumps(body), authorization)
        answer = kept.getresponse()
        return answer.status, json.loads(answer.read() or "{}")

    assert ask("GET", "/me")[0] == 200
    idle = [connect(server) for _ in range(500)]
    try:
        until(lambda: "nearly all descriptors are in use" in server.log(), "the server to notice", 10)
        # Nothing but new connections waits: the store writes, files are opened.
        status, made = ask("POST", "/admin/users", {"name": "ann", "password": "correct horse ann", "role": "player"})
        assert status == 201, made
        assert server.open_files() < 400 - 16
        until(lambda: any(one["kind"] == "system.descriptors-short" for one in ask("GET", "/admin/events?limit=50")[1]["items"]), "the event", 10)
    finally:
        for link in idle:
            link.close()
    until(lambda: request(server.port, "GET", "/healthz")[0] == 200, "new connections to be taken again", 10)
    assert metric(server, 'tiltyard_http_turned_away_total{why="descriptors"}') > 0


# --- real time ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def range_(tmp_path_factory, docker):
    from conftest import server_maker
    make, end, _ = server_maker(docker, tmp_path_factory.mktemp("range"))
    try:
        yield make(config={**templates.FAKE, "realtime": {"connections_per_address": 40}}, web=templates.EMPTY).start()
    finally:
        end()


@pytest.mark.parametrize("packet", [
    '451-["say",{"_placeholder":true,"num":0}]',  # bytes to come
    '42["say","x"]',                              # an event
    "40" + "[" * 6 + "]" * 6,                     # deeper than a token needs
    '40{"token":"' + "x" * 5_000 + '"}',          # longer
])
def test_R9_1_who_is_not_in_yet_can_only_knock(range_, packet):
    ws = Ws(range_.port)
    ws.receive()
    ws.send(packet)
    ws.until_closed()
    session = Polling(range_.port)
    status, _ = session.push(packet)
    assert status == 413 or session.poll()[0] == 400 or session.poll()[0] == 400


def test_R9_1_a_knock_that_is_large_is_refused_by_its_size_alone(range_):
    session = Polling(range_.port)
    link = connect(range_)
    link.sendall(head(f"/socket.io/?EIO=4&transport=polling&sid={session.sid}", 900_000))
    assert b" 413 " in link.recv(100)
    link.close()


def test_R9_1_who_says_much_before_it_is_in_is_let_go(range_):
    ws = Ws(range_.port)
    ws.receive()
    with contextlib.suppress(OSError):
        for _ in range(100):
            ws.send("3")
    ws.until_closed()
    range_.api().get("/healthz").expect(200)


def test_R9_1_who_knocks_on_and_on_is_let_go(range_):
    ws = Ws(range_.port)
    ws.receive()
    with pytest.raises(Closed):
        for _ in range(50):
            ws.send('40{"token":"ty_nobodys"}')
            while not ws.receive().startswith("44"):
                pass


def test_R9_1_sessions_of_an_address_are_few_until_it_says_who_it_is(range_):
    """A quarter of what the address may have, and others come in as before."""
    strangers = [Ws(range_.port) for _ in range(20)]
    refused = [one for one in strangers if one.status != 101]
    assert len(strangers) - len(refused) <= 10
    assert refused
    assert all(one.status == 429 for one in refused)
    token = range_.user("kim").post("/me/tokens", {"name": "t"}).expect(201).json["token"]
    known = [Ws(range_.port, headers={"Authorization": f"Bearer {token}"}) for _ in range(5)]
    assert all(one.status == 101 for one in known)
    other = Api(range_.url, source="127.0.0.3").get("/socket.io/", query={"EIO": "4", "transport": "polling"})
    assert other.status == 200 and other.text.startswith("0{")
    for one in strangers + known:
        one.close()


# --- the farm's token --------------------------------------------------------------------------------------


def test_R6_1_guesses_at_the_farm_s_token_come_to_an_end(make_server):
    server = farm(make_server)

    def guess(number, token=None, source="127.0.0.1"):
        return Api(server.url, source=source).get("/api/get_config", headers={"X-Token": token or f"guess number {number:05d}"}).status

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(guess, range(500)))
    assert 280 <= statuses.count(403) <= 330
    assert statuses.count(429) >= 170
    assert guess(0, TOKEN) == 429, "where so many were wrong the right one is not looked at either"
    assert guess(0, TOKEN, "127.0.0.2") == 200


def test_R6_2_a_short_token_is_not_taken_any_more(make_server):
    server = farm(make_server)
    text = server.game.read_text().replace(TOKEN, "fifteen-letters")
    admin = server.admin()
    refused = admin.call("PUT", "/farm/config", {"text": text})
    assert refused.status == 422 and "16 characters" in refused.text
    admin.call("PUT", "/farm/config", {"text": text.replace("fifteen-letters", "sixteen-letters-")}).expect(200)
    # A file of before goes on working, and the log says what to do.
    server.game.write_text(text)
    server.restart()
    assert "shorter than 16 characters" in server.log()
    Caller(server, token="fifteen-letters").get("/farm/stats").expect(200)

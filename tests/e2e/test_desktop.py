"""Row 3.2: the screen of a machine over a WebSocket: who may see it, what passes, and how it ends."""
import http.client

import pytest

from harness import templates
from harness.realtime import Ws
from harness.wait import until

# A VNC server that asks for nothing, and says what it hears from then on. dd takes no byte too many.
SCREEN = """#!/bin/sh
printf 'RFB 003.008\\n'
dd bs=1 count=12 >/dev/null 2>&1
printf '\\001\\001'
dd bs=1 count=1 >/dev/null 2>&1
printf '\\000\\000\\000\\000'
dd bs=1 count=1 2>/dev/null
exec cat
"""
SHOWN = {
    "instance.toml": templates.BOX["instance.toml"].replace("ports = [7000]", "ports = [7000]\npause_after = \"2s\"")
    + '[desktop]\nkind = "vnc"\n',
    "Dockerfile": 'FROM tiltyard/busybox:1\nCOPY --chmod=755 screen /screen\nSTOPSIGNAL SIGKILL\n'
                  'CMD ["sh", "-c", "nc -ll -p 5900 -e /screen & exec nc -ll -p 7000 -e /bin/cat"]\n',
    "screen": SCREEN,
}
KEY, UPDATE = b"\4\1\0\0\0\0\0a", b"\3\1\0\0\0\0\5\0\3\0"


@pytest.fixture(scope="module")
def shown_server(docker, tmp_path_factory):
    from conftest import server_maker
    make, end, _ = server_maker(docker, tmp_path_factory.mktemp("desktop"))
    server = make(config={"desktop": {"per_user": 2}}, box=templates.BOX, shown=SHOWN)
    server.start()
    for name in ("box", "shown"):
        server.admin().wait_template(name)
    yield server
    end()


def opened(server, caller, instance, **query):
    wish = {"kind": "desktop", "right": "watch" if query else "control"}
    grant = caller.post(f"/instances/{instance}/grants", wish).expect(201).json["grant"]
    headers = {"Cookie": caller.cookie, "Origin": server.url}
    return Ws(server.port, f"/api/v1/instances/{instance}/desktop", headers, timeout=60, EIO=None, transport=None, grant=grant, **query)


def taken(screen, size):
    """So many bytes of what the machine says."""
    got = bytearray()
    while len(got) < size:
        got += screen.receive(60)
    return bytes(got)


def viewer(server, caller, instance, **query):
    """A view as noVNC opens it, up to the message with which it begins; the machine has been told that others see it too."""
    screen = opened(server, caller, instance, **query)
    assert screen.status == 101, screen.head
    assert "sec-websocket-protocol" not in screen.head.lower(), "a viewer that asked for none ends when one is said"
    assert taken(screen, 12) == b"RFB 003.008\n"
    screen.send(b"RFB 003.008\n")
    assert taken(screen, 2) == b"\1\1", "no password is asked for"
    screen.send(b"\1")
    assert taken(screen, 4) == bytes(4)
    screen.send(b"\0")
    assert taken(screen, 1) == b"\1"
    return screen


def ending(screen):
    """Code and reason of the close frame."""
    while True:
        first, second = screen._take(2)
        size = second & 0x7F
        if size == 126:
            size = int.from_bytes(screen._take(2), "big")
        elif size == 127:
            size = int.from_bytes(screen._take(8), "big")
        payload = screen._take(size)
        if first & 15 == 8:
            return int.from_bytes(payload[:2], "big"), payload[2:].decode()


def desktops(caller, instance):
    return [one for one in caller.get(f"/instances/{instance}/sessions").expect(200).json["sessions"] if one["kind"] == "desktop"]


def refusal(server, instance, headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("GET", f"/api/v1/instances/{instance}/desktop", headers={
        "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==", **headers})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def test_R3_2_a_screen_is_shown_to_those_whose_it_is(shown_server):
    owner, stranger = shown_server.user("screen-owner"), shown_server.user("screen-stranger")
    instance = owner.running("shown")
    assert owner.template("shown")["desktop"] == {"kind": "vnc", "machine": "main"} and owner.template("box")["desktop"] is None
    ours = {"Cookie": owner.cookie}
    origin = {"Origin": shown_server.url}
    for headers, status, reason in (({}, 401, "not-signed-in"), (ours, 403, "csrf"), ({**ours, "Origin": "http://evil.example"}, 403, "csrf"),
                                    ({"Cookie": stranger.cookie, **origin}, 404, "instance-unknown"),
                                    ({**ours, **origin}, 403, "grant-needed")):
        said, text = refusal(shown_server, instance["id"], headers)
        assert (said, reason in text) == (status, True), (headers, said, text)
    assert desktops(owner, instance["id"]) == []
    without = owner.running("box")
    said, text = refusal(shown_server, without["id"], {**ours, **origin})
    assert (said, "desktop-none" in text) == (404, True)
    staff = viewer(shown_server, shown_server.user("screen-staff", role="operator"), instance["id"])
    staff.close()


def test_R3_3_the_ways_into_machines_have_the_names_of_the_field(shown_server):
    owner, stranger = shown_server.user("ways-owner"), shown_server.user("ways-stranger")
    shown, box = owner.running("shown"), owner.running("box")
    path = f"/instances/{shown['id']}/ways"
    ways = owner.get(path).expect(200).json["ways"]
    assert ways == [{"kind": "NO_VNC", "name": "desktop", "machine": "main", "page": f"/desktop/{shown['id']}", "endpoint": None}]
    stranger.get(path).expect(404, "instance-unknown")
    assert owner.get(f"/instances/{box['id']}/ways").expect(200).json["ways"] == [], "a port of no known kind has no name"
    web = owner.post(f"/instances/{box['id']}/ports", {"port": 8080, "kind": "http"}).expect(201).json["endpoint"]
    ssh = owner.post(f"/instances/{box['id']}/ports", {"port": 22, "kind": "tcp"}).expect(201).json["endpoint"]
    ways = owner.get(f"/instances/{box['id']}/ways").expect(200).json["ways"]
    assert [(one["kind"], one["endpoint"], one["page"]) for one in ways] == [("WEB_PROXY", web, None), ("SSH", ssh, None)]
    owner.stop(shown["id"])
    assert owner.get(path).expect(200).json["ways"] == []


def test_R3_2_bytes_pass_both_ways_however_many_they_are(shown_server):
    owner = shown_server.user("screen-bytes")
    instance = owner.running("shown")["id"]
    screen = viewer(shown_server, owner, instance)
    for piece in (KEY, b"x", bytes(range(256)) * 2000):
        screen.send(piece)
        assert taken(screen, len(piece)) == piece
    screen.close()
    until(lambda: not desktops(owner, instance), "the view to be over")


def test_R3_5_who_watches_reaches_nothing_in_the_machine(shown_server):
    owner = shown_server.user("screen-watch")
    instance = owner.running("shown")["id"]
    watching, both = viewer(shown_server, owner, instance, watch="1"), viewer(shown_server, owner, instance)
    for screen in (both, watching):
        screen.send(KEY + UPDATE)
    assert taken(both, len(KEY + UPDATE)) == KEY + UPDATE, "whose hands are not bound, types"
    assert taken(watching, len(UPDATE)) == UPDATE, "who watches only asks for pictures"
    watching.send(b"\x07")
    assert ending(watching) == (1008, "rfb-unknown")
    both.close()


def test_R3_5_views_are_listed_counted_and_thrown_out(shown_server):
    owner = shown_server.user("screen-list")
    instance = owner.running("shown")["id"]
    first, second = viewer(shown_server, owner, instance), viewer(shown_server, owner, instance)
    listed = desktops(owner, instance)
    assert [(one["machine"], one["user"]["name"]) for one in listed] == [("main", "screen-list")] * 2
    third = opened(shown_server, owner, instance)
    assert third.status == 429, third.head
    owner.delete(f"/instances/{instance}/sessions/{listed[0]['id']}").expect(204)
    assert ending(first) == (1008, "thrown-out")
    until(lambda: len(desktops(owner, instance)) == 1, "the first to leave the list")
    second.send(KEY)
    assert taken(second, len(KEY)) == KEY, "the other one goes on"
    owner.post(f"/instances/{instance}/exec", {"command": ["killall", "-9", "cat"]}).expect(200)
    assert ending(second) == (1000, "desktop-ended")
    until(lambda: not desktops(owner, instance), "the second to leave the list")


def test_R3_2_a_sleeper_is_woken_by_who_looks_at_it(shown_server):
    owner = shown_server.user("screen-sleep")
    instance = owner.running("shown")["id"]
    until(lambda: owner.get(f"/instances/{instance}").json["state"] == "paused", "it to sleep", 60)
    screen = viewer(shown_server, owner, instance)
    screen.send(KEY)
    assert taken(screen, len(KEY)) == KEY
    assert owner.get(f"/instances/{instance}").json["state"] == "running"
    owner.stop(instance)
    assert ending(screen)[1] in ("thrown-out", "desktop-ended"), "an end of the instance is an end of the view"


def test_R3_2_who_does_not_read_is_waited_for(shown_server):
    """The machine says again what it hears: once nobody reads, everything between comes to a stand, and nothing piles up."""
    owner = shown_server.user("screen-slow")
    screen = viewer(shown_server, owner, owner.running("shown")["id"])
    before, sent, piece = shown_server.memory(), 0, bytes(range(256)) * 256
    frame = b"\x82\xff" + len(piece).to_bytes(8, "big") + bytes(4) + piece
    screen.socket.settimeout(3)
    stuck = b""
    try:
        while sent < 256 << 20:
            stuck = frame
            while stuck:
                stuck = stuck[screen.socket.send(stuck):]
            sent += len(piece)
    except TimeoutError:
        pass
    assert sent < 256 << 20, "it takes everything and keeps it somewhere"
    assert shown_server.memory() - before < 32 << 20
    assert len(taken(screen, sent)) >= sent, "and what waited comes once it is read"
    screen.close()

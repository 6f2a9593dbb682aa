"""Row 3.5: terminals that are recorded: what is in the file, who may have it, and what a kill leaves of it."""
import base64
import json
import os
import socket
import struct

import pytest

from harness import templates
from harness.wait import until

RECORDED = {**templates.BOX, "instance.toml": 'record = ["terminal"]\n' + templates.BOX["instance.toml"]}


@pytest.fixture(scope="module")
def recording_server(docker, tmp_path_factory):
    from conftest import server_maker
    make, end, _ = server_maker(docker, tmp_path_factory.mktemp("recordings"))
    server = make(config={"recordings": {"each": "64k"}}, box=templates.BOX, watched=RECORDED)
    server.start()
    for name in ("box", "watched"):
        server.admin().wait_template(name)
    yield server
    end()


class Shell:
    """A terminal as a page opens it: what is typed goes out masked, what is shown is collected."""

    def __init__(self, server, caller, instance):
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=60)
        grant = caller.post(f"/instances/{instance['id']}/grants", {"kind": "terminal"}).expect(201).json["grant"]
        path = f"/api/v1/instances/{instance['id']}/terminal?cols=90&rows=20&command=sh&grant={grant}"
        lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{server.port}", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
                 f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}", f"Cookie: {caller.cookie}", f"Origin: {server.url}"]
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        self.bytes, self.shown, self.closed = b"", b"", ""
        while b"\r\n\r\n" not in self.bytes:
            self.take()
        head, self.bytes = self.bytes.split(b"\r\n\r\n", 1)
        assert head.split()[1] == b"101", head

    def take(self):
        piece = self.socket.recv(65536)
        if not piece:
            raise EOFError(self.shown[-300:])
        self.bytes += piece

    def send(self, data, code=2):
        size = struct.pack(">B", 0x80 | len(data)) if len(data) < 126 else struct.pack(">BH", 0x80 | 126, len(data))
        self.socket.sendall(bytes([0x80 | code]) + size + bytes(4) + data)

    def frame(self):
        while True:
            if len(self.bytes) >= 2:
                code, size, start = self.bytes[0] & 15, self.bytes[1] & 127, 2
                if size >= 126:
                    start = 4 if size == 126 else 10
                    size = int.from_bytes(self.bytes[2:start], "big") if len(self.bytes) >= start else 1 << 30
                if len(self.bytes) >= start + size:
                    body, self.bytes = self.bytes[start:start + size], self.bytes[start + size:]
                    if code == 8:
                        self.closed = body[2:].decode()
                    elif code == 2:
                        self.shown += body
                    return
            self.take()

    def until_shown(self, text):
        while text not in self.shown:
            self.frame()

    def until_closed(self):
        while not self.closed:
            self.frame()


def lines_of(caller, recording):
    answer = caller.get(f"/recordings/{recording['id']}/file").expect(200)
    return [json.loads(line) for line in answer.body.decode().splitlines()]


def the_one(caller, instance):
    items = caller.get("/recordings", query={"instance": instance["id"]}).expect(200).json["items"]
    assert len(items) == 1, items
    return items[0]


def test_R3_5_a_terminal_is_recorded_as_its_template_has_it(recording_server):
    player, other = recording_server.user("shown"), recording_server.user("curious")
    instance = player.running("watched")
    assert instance["recorded"] == ["terminal"]
    shell = Shell(recording_server, player, instance)
    shell.send(b"stty -echo; echo re'ad'y\n")
    shell.until_shown(b"ready")
    shell.send(b"read word; echo got-$?\n")
    shell.send(b"a-secret-word\n")
    shell.until_shown(b"got-0")
    shell.send(json.dumps({"resize": [100, 30]}).encode(), 1)
    shell.send(b"printf '\\342\\202\\254 \\377 end%s\\n' ed; exit 0\n")
    shell.until_closed()
    recording = until(lambda: next((one for one in [the_one(player, instance)] if one["ended_at"]), None), "the recording to end", 60)
    assert (recording["end_reason"], recording["kind"], recording["by"], recording["columns"]) == ("ended", "terminal", "shown", 90)
    head, *events = lines_of(player, recording)
    assert (head["version"], head["width"], head["height"]) == (2, 90, 20)
    shown = "".join(data for _, code, data in events if code == "o")
    assert "ready" in shown and "got-0" in shown and "€ � ended" in shown
    assert "a-secret-word" not in shown, "what is typed without echo is nowhere"
    assert [data for _, code, data in events if code == "r"] == ["100x30"]
    times = [at for at, _, _ in events]
    assert times == sorted(times)
    # Whose it is not.
    assert other.get("/recordings").expect(200).json["items"] == []
    other.get(f"/recordings/{recording['id']}").expect(404, "recording-unknown")
    other.get(f"/recordings/{recording['id']}/file").expect(404, "recording-unknown")
    player.delete(f"/recordings/{recording['id']}").expect(403)
    admin = recording_server.admin()
    assert lines_of(admin, recording)[0] == head
    admin.delete(f"/recordings/{recording['id']}").expect(204)
    player.get(f"/recordings/{recording['id']}").expect(404, "recording-unknown")
    player.stop(instance["id"])


def test_R3_5_nothing_else_is_recorded(recording_server):
    player = recording_server.user("unseen")
    instance = player.running("box")
    assert instance["recorded"] == []
    shell = Shell(recording_server, player, instance)
    shell.send(b"echo he're'; exit 0\n")
    shell.until_closed()
    assert player.get("/recordings").expect(200).json["items"] == []
    player.stop(instance["id"])


def test_R3_5_a_full_recording_closes_its_terminal(recording_server):
    player = recording_server.user("loud")
    instance = player.running("watched")
    shell = Shell(recording_server, player, instance)
    shell.send(b"yes\n")
    shell.until_closed()
    assert shell.closed == "recording-full"
    recording = until(lambda: next((one for one in [the_one(player, instance)] if one["ended_at"]), None), "the recording to end", 60)
    assert recording["end_reason"] == "full" and 32768 < recording["size"] <= 65536
    assert lines_of(player, recording)[-1][1] == "m"
    player.stop(instance["id"])


def test_R3_5_a_kill_leaves_what_was_shown(recording_server):
    player = recording_server.user("cut")
    instance = player.running("watched")
    shell = Shell(recording_server, player, instance)
    shell.send(b"echo kee'p this'\n")
    shell.until_shown(b"keep this")
    recording = the_one(player, instance)
    player.delete(f"/recordings/{recording['id']}").expect(403)
    recording_server.admin().delete(f"/recordings/{recording['id']}").expect(409, "recording-runs")
    until(lambda: "keep this" in json.dumps(lines_of(player, recording)), "it to be written", 60)
    recording_server.kill9()
    folder = recording_server.data / "recordings"
    with open(folder / f"{recording['id']}.cast", "a", encoding="utf-8") as file:
        file.write('[9.0, "o", "half a li')
    (folder / "nobodys.cast").write_text("left over")
    recording_server.start()
    player = recording_server.admin()
    ended = player.get(f"/recordings/{recording['id']}").expect(200).json
    assert ended["end_reason"] == "server-away" and ended["ended_at"]
    shown = json.dumps(lines_of(player, recording))
    assert "keep this" in shown and "half a li" not in shown
    assert not (folder / "nobodys.cast").exists()

"""Who is in an instance's machines, and how they are thrown out (docs/exec.md)."""
import json

from harness.realtime import Ws
from harness.wait import until


def listed(caller, instance):
    return caller.get(f"/instances/{instance}/sessions").expect(200).json["sessions"]


def test_R3_5_who_is_in_is_listed_and_thrown_out(server):
    admin, owner, stranger = server.admin(), server.user("in-owner"), server.user("in-stranger")
    instance = owner.running("box")["id"]
    admins = admin.running("box")["id"]
    stream = Ws(server.port, f"/api/v1/instances/{instance}/exec", {"Authorization": f"Bearer {server.token}"}, timeout=60,
                EIO=None, transport=None)
    stream.send(json.dumps({"command": ["sleep", "1511"]}))
    one = until(lambda: listed(owner, instance), "the command to be listed")
    assert [(each["kind"], each["machine"]) for each in one] == [("command", "main")]
    assert one[0]["user"]["name"] == admin.get("/me").json["name"]
    assert listed(admin, admins) == [], "another instance's are apart"

    path = f"/instances/{instance}/sessions/{one[0]['id']}"
    stranger.get(f"/instances/{instance}/sessions").expect(404, "instance-unknown")
    stranger.delete(path).expect(404, "instance-unknown")
    admin.delete(f"/instances/{admins}/sessions/{one[0]['id']}").expect(404, "open-session-unknown")
    assert listed(owner, instance) == one, "and none of these has ended it"

    owner.delete(path).expect(204)
    ended = json.loads(stream.receive(60))
    assert ended == {"exit_code": 137, "stopped_by": None}
    until(lambda: not listed(owner, instance), "the ended one to leave the list")
    owner.delete(path).expect(404, "open-session-unknown")

    shell = Ws(server.port, f"/api/v1/instances/{instance}/terminal", {"Authorization": f"Bearer {server.token}"}, timeout=60, EIO=None,
               transport=None)
    two = until(lambda: listed(owner, instance), "the terminal to be listed")
    assert [each["kind"] for each in two] == ["terminal"] and two[0]["id"] != one[0]["id"]
    owner.delete(f"/instances/{instance}/sessions/{two[0]['id']}").expect(204)
    assert shell.until_closed(60) == 1000
    until(lambda: not listed(owner, instance), "the terminal to leave the list")
    shell.close()
    stream.close()

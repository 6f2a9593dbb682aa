"""An instance from its start to its end, and what staff sees of all of them."""
import http.client
import json

COVERS = {
    "listInstances", "startInstance", "getInstance", "stopInstance", "extendInstance", "getLogs",
    "execInInstance", "streamExec", "openTerminal", "followEvents", "getUsage", "listEngines", "listPools",
    "listOpenSessions", "endOpenSession",
}


def walk(site):
    admin, player = site.admin, site.player
    instance = player.start("web").expect(201)
    assert instance.headers["location"].endswith(f"/api/v1/instances/{instance.json['id']}")
    identity = instance.json["id"]
    player.get("/instances").expect(200)
    player.get(f"/instances/{identity}").expect(200)
    admin.get("/instances", query={"owner": "all", "state": "running,starting", "limit": 1}).expect(200)
    player.get(f"/instances/{identity}/logs", query={"tail": 5}, headers={"Accept": "text/plain"}).expect(200)
    ran = player.post(f"/instances/{identity}/exec", {"command": ["sh", "-c", "echo out; echo err >&2; exit 3"]}).expect(200).json
    assert ran == {"exit_code": 3, "stdout": "out\n", "stderr": "err\n", "stopped_by": None}
    for way in ("terminal", "exec"):  # their own tests open them; a cookie needs a grant
        player.get(f"/instances/{identity}/{way}").expect(403, "grant-needed")
        admin.get(f"/instances/{identity}/{way}").expect(426, "upgrade-required")
    assert player.get(f"/instances/{identity}/sessions").expect(200).json == {"sessions": []}
    player.delete(f"/instances/{identity}/sessions/{'0' * 26}").expect(404, "open-session-unknown")  # tests/e2e/test_sessions.py ends one
    player.post(f"/instances/{identity}/extend").expect(409, "not-extendable-yet")
    event, data = first_event(site.server, player)
    assert event in ("template", "instance")
    schema = {"template": "Template", "instance": "Instance"}[event]
    assert list(site.contract.complaints(data, {"$ref": f"#/components/schemas/{schema}"}, "$")) == []
    site.contract.called.add("followEvents")
    player.delete(f"/instances/{identity}", headers={"Prefer": "wait=30"}).expect(200)
    admin.get("/admin/usage", query={"by": "template"}).expect(200)
    admin.get("/admin/engines").expect(200)
    admin.get("/admin/pools").expect(200)


def first_event(server, caller):
    """Reads the beginning of the event stream: (event, data) of the first event."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        connection.request("GET", "/api/v1/events", headers={"Cookie": caller.cookie, "Accept": "text/event-stream"})
        answer = connection.getresponse()
        assert answer.status == 200 and answer.getheader("Content-Type").startswith("text/event-stream")
        event = data = None
        while event is None or data is None:
            line = answer.readline().decode().rstrip("\r\n")
            if line.startswith("event:"):
                event = line[6:].strip()
            elif line.startswith("data:"):
                data = json.loads(line[5:])
        return event, data
    finally:
        connection.close()

"""Being let into a machine once."""

COVERS = {"openGrant"}


def walk(site):
    player = site.player
    identity = player.running("web")["id"]
    path = f"/instances/{identity}/grants"
    grant = player.post(path, {"kind": "terminal"}).expect(201).json
    assert (grant["kind"], grant["machine"], grant["right"]) == ("terminal", "main", "control")
    player.post(path, {"kind": "desktop", "right": "watch", "machine": "main"}).expect(201)
    player.post(path, {"kind": "back-door"}).expect(400, "invalid-body")
    player.post(path, {"kind": "terminal", "machine": "elsewhere"}).expect(404, "machine-unknown")
    player.stop(identity)
    player.post(path, {"kind": "terminal"}).expect(409, "instance-not-running")

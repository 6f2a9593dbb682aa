"""Snapshots: taken, listed, given out and removed."""

COVERS = {"listSnapshots", "takeSnapshot", "removeSnapshot", "exportSnapshot", "rollBackInstance"}


def walk(site):
    player = site.player
    identity = player.running("web")["id"]
    path = f"/instances/{identity}/snapshots"
    assert player.get(path).expect(200).json["items"] == []
    one = player.post(path, {"name": "first"}).expect(201).json
    player.post(path, {"name": "first"}).expect(409, "snapshot-exists")
    assert [item["id"] for item in player.get(path).expect(200).json["items"]] == [one["id"]]
    player.get(f"{path}/no-such/files").expect(404, "snapshot-unknown")
    player.get(f"{path}/first/files", query={"of": "others"}).expect(409, "export-changed")
    player.get(f"{path}/first/files").expect(200)
    player.post(f"{path}/no-such/roll-back").expect(404, "snapshot-unknown")
    assert player.post(f"{path}/first/roll-back").expect(202).json["state"] in ("starting", "running")
    player.wait_state(identity, "running")
    player.delete(f"{path}/{one['id']}").expect(204)
    player.delete(f"{path}/{one['id']}").expect(404, "snapshot-unknown")
    player.stop(identity)

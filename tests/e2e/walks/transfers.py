"""Files of a machine: sent, listed, fetched, moved and taken away."""

COVERS = {"listFiles", "removeFile", "fetchFile", "sendFile", "getUpload", "makeFolder", "moveFile"}


def walk(site):
    player = site.player
    identity = player.running("web")["id"]
    files = f"/instances/{identity}/files"
    player.post(f"{files}/folder", {"path": "/dev/shm/walk/inner"}).expect(204)
    upload = {"path": "/dev/shm/walk/a", "upload": "walkwalk"}
    assert player.get(f"{files}/upload", query=upload).expect(200).json == {"offset": 0}
    sent = player.call("PUT", f"{files}/content", query={**upload, "offset": 0, "total": 5}, raw=b"hello")
    assert sent.expect(200).json == {"offset": 5, "done": True}
    assert [one["name"] for one in player.get(files, query={"path": "/dev/shm/walk"}).expect(200).json["items"]] == ["inner", "a"]
    player.post(f"{files}/move", {"from": "/dev/shm/walk/a", "to": "/dev/shm/walk/b"}).expect(204)
    assert player.get(f"{files}/content", query={"path": "/dev/shm/walk/b"}).expect(200).body == b"hello"
    player.get(f"{files}/content", query={"path": "/dev/shm/walk"}).expect(200)
    player.get(files, query={"path": "walk"}).expect(400, "file-path")
    player.delete(files, query={"path": "/dev/shm/walk"}).expect(204)
    player.get(f"{files}/content", query={"path": "/dev/shm/walk/b"}).expect(404, "file-missing")
    player.stop(identity)

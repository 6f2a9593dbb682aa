"""Captures: the whole of one, from its beginning to its removal."""

COVERS = {
    "listCaptures", "startCapture", "getCapture", "stopCapture", "downloadCapture", "removeCapture", "listMyCaptures",
}


def walk(site):
    admin = site.admin
    assert admin.get("/admin/captures").expect(200).json["items"] == []
    admin.post("/admin/captures", {"instance": "no-such"}).expect(404, "instance-unknown")
    admin.post("/admin/captures", {"instance": "no-such", "filter": "tcp prot 1"}).expect(400, "filter-refused")
    admin.get("/admin/captures/no-such").expect(404, "capture-unknown")
    admin.post("/admin/captures/no-such/stop").expect(404, "capture-unknown")
    admin.get("/admin/captures/no-such/file").expect(404, "capture-unknown")
    admin.delete("/admin/captures/no-such").expect(404, "capture-unknown")
    assert admin.get("/me/captures").expect(200).json["items"] == []
    instance = site.player.running("web")
    capture = admin.post("/admin/captures", {"instance": instance["id"], "filter": "tcp", "most_bytes": 1 << 20, "for_s": 600}).expect(201).json
    admin.get(f"/admin/captures/{capture['id']}").expect(200)
    assert admin.get("/admin/captures", query={"instance": instance["id"]}).expect(200).json["items"][0]["id"] == capture["id"]
    admin.get(f"/admin/captures/{capture['id']}/file").expect(200)
    admin.post(f"/admin/captures/{capture['id']}/stop").expect(200)
    admin.get(f"/admin/captures/{capture['id']}/file", query={"follow": 1}).expect(409, "capture-ended")
    admin.delete(f"/admin/captures/{capture['id']}").expect(204)
    site.player.stop(instance["id"])

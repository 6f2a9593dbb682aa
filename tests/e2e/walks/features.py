"""Feature switches: made, seen, heeded, taken away."""

COVERS = {"myFeatures", "listFeatures", "getFeature", "putFeature", "deleteFeature"}


def walk(site):
    admin = site.admin
    admin.put("/admin/features/walked", {"enabled": True, "percent": 10}).expect(201)
    admin.get("/admin/features/walked").expect(200)
    admin.get("/admin/features").expect(200)
    site.player.get("/me/features").expect(200)
    admin.delete("/admin/features/walked").expect(204)

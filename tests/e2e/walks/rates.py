"""Rate limits, seen and changed."""

COVERS = {"listLimits", "changeLimit"}


def walk(site):
    site.admin.get("/admin/limits").expect(200)
    site.admin.patch("/admin/limits", {"name": "document", "burst": 70}).expect(200)

"""The event log."""

COVERS = {"listEvents", "listEventKinds", "exportEvents"}


def walk(site):
    site.admin.get("/admin/events", query={"limit": 5}).expect(200)
    site.admin.get("/admin/events/kinds").expect(200)
    site.admin.get("/admin/events/export", query={"kind": "system.*"}).expect(200)

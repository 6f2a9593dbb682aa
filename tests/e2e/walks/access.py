"""Who came to which endpoint."""

COVERS = {"listAccess"}


def walk(site):
    site.admin.get("/admin/access", query={"limit": 5, "template": "web"}).expect(200)
    site.admin.get("/admin/access", query={"cursor": "here"}).expect(400)

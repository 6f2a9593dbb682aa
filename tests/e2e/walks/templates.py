"""What can be started, and what staff does with it."""

COVERS = {"listTemplates", "getTemplate", "changeTemplate", "rebuildTemplate", "listImages", "collectImages"}


def walk(site):
    site.admin.get("/templates").expect(200)
    site.player.get("/templates/web").expect(200)
    site.admin.patch("/admin/templates/box", {"max_instances": 50}).expect(200)
    site.admin.post("/admin/templates/tcp/rebuild").expect(202)
    site.admin.wait_template("tcp")
    site.admin.get("/admin/images").expect(200)
    site.admin.post("/admin/images/collect", {"at_once": False}).expect(200)

"""Names: a free one is asked for, led elsewhere and given back, and a domain waits for its proof."""

COVERS = {"listNames", "askForName", "getName", "pointName", "dropName", "lookForName"}


def walk(site):
    player = site.player
    instance = player.start("web").expect(201).json["id"]
    offers = player.get("/names").expect(200).json["offers"]
    assert offers["free_domain"] == "names.test" and offers["own_domains"] is True
    site.admin.get("/names", query={"owner": "all"}).expect(200)
    player.get("/names", query={"owner": "all"}).expect(403, "forbidden")
    name = player.post("/names", {"name": "walked", "instance": instance}).expect(201).json
    assert (name["name"], name["kind"], name["state"], name["proof"]) == ("walked.names.test", "free", "held", None)
    player.get(f"/names/{name['id']}").expect(200)
    player.put(f"/names/{name['id']}", {"instance": instance, "follow": True}).expect(200)
    player.put(f"/names/{name['id']}", {"instance": "no-such"}).expect(404, "instance-unknown")
    player.post("/names", {"name": "walked", "instance": instance}).expect(409, "name-yours")
    player.post("/names", {"name": "admin", "instance": instance}).expect(409, "name-reserved")
    player.post("/names", {"name": "a_b", "instance": instance}).expect(400, "name-invalid")
    player.post("/names", {"name": "other", "instance": instance, "endpoint": "no-such"}).expect(409, "endpoint-nameless")
    own = player.post("/names", {"name": "walked.example.org", "instance": instance}).expect(201).json
    assert own["state"] == "asked" and own["proof"]["name"] == "_tiltyard.walked.example.org"
    looked = player.post(f"/names/{own['id']}/look").expect(200).json
    assert [check["is"] for check in looked["checks"]] == ["unknown", "unknown"], "nobody answers there"
    for one in (name, own):
        player.delete(f"/names/{one['id']}").expect(202)
    player.get("/names/no-such").expect(404, "name-unknown")
    player.delete(f"/instances/{instance}", headers={"Prefer": "wait=30"}).expect(200)

"""Whose door an instance's is: its token, links that share it, and the way by the page."""
from urllib.parse import parse_qs, urlsplit

COVERS = {"openDoor", "getDoor", "listShares", "makeShare", "takeShareBack"}


def walk(site):
    player, admin = site.player, site.admin
    instance = player.start("web").expect(201).json
    path = f"/instances/{instance['id']}"
    host = urlsplit(instance["endpoints"][0]["url"]).hostname
    door = player.get(f"{path}/door").expect(200).json
    assert len(door["token"]) == 61
    there = player.get("/door", query={"host": host, "to": "/a?b=c"}).expect(303).headers["location"]
    assert urlsplit(there).hostname == host and there.endswith("/a?b=c")
    player.get("/door", query={"host": "nobody.localhost"}).expect(404, "instance-unknown")
    share = player.post(f"{path}/shares", {"lives_s": 3600, "one": False}).expect(201).json
    secret = parse_qs(urlsplit(share["url"]).query)["share"][0]
    admin.get("/door", query={"share": secret}).expect(303)
    assert [one["id"] for one in player.get(f"{path}/shares").expect(200).json["items"]] == [share["id"]]
    player.post(f"{path}/shares", {"lives_s": 1}).expect(400, "invalid-body")
    player.delete(f"{path}/shares/{share['id']}").expect(204)
    player.delete(f"{path}/shares/{share['id']}").expect(404, "share-unknown")
    admin.get("/door", query={"share": secret}).expect(404, "link-over")
    player.get("/instances/none/door").expect(404, "instance-unknown")
    player.delete(path, headers={"Prefer": "wait=30"}).expect(200)

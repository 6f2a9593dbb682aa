"""The screen of an instance that has none; test_desktop.py has the rest."""

COVERS = {"openDesktop", "listWays"}


def walk(site):
    identity = site.player.running("web")["id"]
    site.player.get(f"/instances/{identity}/desktop").expect(404, "desktop-none")
    ways = site.player.get(f"/instances/{identity}/ways").expect(200).json["ways"]
    assert [(one["kind"], one["machine"], one["page"]) for one in ways] == [("WEB_PROXY", "main", None)] and ways[0]["endpoint"]["url"]
    site.player.stop(identity)
    assert site.player.get(f"/instances/{identity}/ways").expect(200).json["ways"] == []

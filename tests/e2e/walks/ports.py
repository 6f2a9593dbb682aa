"""The ports of an instance: seen, given, opened and closed."""

COVERS = {"listPorts", "openPort", "givePort", "closePort"}


def walk(site):
    player = site.player
    identity = player.running("web")["id"]
    player.get(f"/instances/{identity}/ports").expect(200)
    port = player.post(f"/instances/{identity}/ports/free").expect(200).json["port"]
    page = player.post(f"/instances/{identity}/ports", {"port": port, "kind": "http"}).expect(201).json
    raw = player.post(f"/instances/{identity}/ports", {"port": 9000, "kind": "tcp", "machine": "main", "name": "raw"}).expect(201).json
    player.post(f"/instances/{identity}/ports", {"port": 9000, "kind": "tcp"}).expect(409, "port-open")
    for opened in (page, raw):
        player.delete(f"/instances/{identity}/ports/{opened['name']}").expect(204)
    player.delete(f"/instances/{identity}/ports/raw").expect(404, "endpoint-unknown")
    player.stop(identity)

"""What staff see of the gateway: its routes, and traffic once it was looked at twice."""
from harness.gateway import endpoint, fetch
from harness.wait import until

COVERS = {"listGatewayRoutes", "listGatewayTraffic"}


def walk(site):
    admin, player = site.admin, site.player
    instance = player.running("web")
    fetch(endpoint(instance)["url"])
    routes = admin.get("/admin/gateway/routes", query={"limit": 500}).expect(200).json["items"]
    (mine,) = [route for route in routes if route["instance"] == instance["id"]]
    assert (mine["kind"], mine["template"], mine["machine_port"]) == ("http", "web", 8000)
    assert mine["place"] in endpoint(instance)["url"] and mine["connections"] >= 1 and mine["bytes_out"] > 100
    until(lambda: admin.get("/admin/gateway/traffic", query={"instance": instance["id"]}).expect(200).json["items"], "its traffic to be sampled", 60)
    assert admin.get("/admin/gateway/traffic").expect(200).json["items"][-1]["open"] >= 0
    player.stop(instance["id"])

"""Row 5.4: staff can ask who came to an endpoint first, and when."""
from harness.gateway import dial, endpoint
from harness.wait import until


def visitors(admin, **query):
    return admin.get("/admin/access", query=query).expect(200).json["items"]


def test_R5_4_the_first_visitor_is_found(server):
    admin = server.admin()
    player = server.user("first-visitor")
    instance = player.running("tcp")
    tcp = endpoint(instance, kind="tcp")
    for source in ("127.0.0.31", "127.0.0.32", "127.0.0.31"):
        with dial(tcp, source=source) as connection:
            connection.sendall(b"hello\n")
            assert connection.recv(100)
        until(lambda: [one for one in visitors(admin, instance=instance["id"]) if one["address"] == source], f"{source} to be written down")
    first, second = visitors(admin, instance=instance["id"])
    assert (first["address"], second["address"]) == ("127.0.0.31", "127.0.0.32")
    assert first["first_at"] < second["first_at"]
    assert first["endpoint"] == tcp["name"] and first["template"] == "tcp" and first["owner"]["name"] == "first-visitor"
    assert visitors(admin, owner=first["owner"]["id"], endpoint=tcp["name"], limit=1) == [first]
    assert visitors(admin, endpoint="no-such", instance=instance["id"]) == []
    player.get("/admin/access").expect(403)
    player.stop(instance["id"])
    # What was seen outlives the instance, and a server that starts anew.
    server.restart()
    assert [one["address"] for one in visitors(admin, instance=instance["id"])] == ["127.0.0.31", "127.0.0.32"]

"""People as staff sees them. Ending everybody's session is the last of it: the walk's player is signed out then."""

COVERS = {
    "listUsers", "createUser", "changeUser", "deleteUser", "listPermissions", "sessionsOfUser",
    "endSessionsOfUser", "endSessionOfUser", "endEverybodysSessions",
}


def walk(site):
    admin = site.admin
    assert len(admin.get("/admin/permissions").expect(200).json["items"]) > 50
    user = admin.post("/admin/users", {"name": "walked", "role": "author", "team": "walkers"}).expect(201).json
    assert "/signin#" in user["sign_in_url"]
    admin.get("/admin/users").expect(200)
    admin.patch(f"/admin/users/{user['id']}", {"role": "player"}).expect(200)
    admin.get(f"/admin/users/{user['id']}/sessions").expect(200)
    admin.delete(f"/admin/users/{user['id']}/sessions/nothing").expect(404, "session-unknown")
    admin.delete(f"/admin/users/{user['id']}/sessions").expect(204)
    admin.delete(f"/admin/users/{user['id']}").expect(204)
    admin.delete("/admin/sessions").expect(200)
    site.player.get("/me").expect(401, "not-signed-in")

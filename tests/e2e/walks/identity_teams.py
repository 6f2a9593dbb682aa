"""Teams and invitations, for those in them and for staff."""

COVERS = {
    "myTeam", "joinTeam", "leaveTeam", "inviteToTeam", "listTeams", "createTeam", "getTeam", "renameTeam",
    "deleteTeam", "addMember", "removeMember", "listInvitations", "createInvitation", "deleteInvitation",
}


def walk(site):
    admin, player = site.admin, site.player
    player.get("/me/team").expect(404, "team-unknown")
    player.post("/me/team", {"code": "nothing"}).expect(403, "invitation-wrong")
    player.post("/me/team/invitation").expect(404, "team-unknown")
    player.delete("/me/team").expect(404, "team-unknown")
    invitation = admin.post("/admin/invitations", {"uses": 3}).expect(201).json
    admin.get("/admin/invitations").expect(200)
    admin.delete(f"/admin/invitations/{invitation['id']}").expect(204)
    user = admin.post("/admin/users", {"name": "teamed", "password": "a long enough one"}).expect(201).json
    team = admin.post("/admin/teams", {"name": "walked-team"}).expect(201).json
    admin.put(f"/admin/teams/{team['id']}/members/{user['id']}").expect(204)
    admin.get("/admin/teams").expect(200)
    assert admin.get(f"/admin/teams/{team['id']}").expect(200).json["people"][0]["id"] == user["id"]
    admin.patch(f"/admin/teams/{team['id']}", {"name": "walked-on"}).expect(200)
    admin.delete(f"/admin/teams/{team['id']}/members/{user['id']}").expect(204)
    admin.delete(f"/admin/teams/{team['id']}").expect(204)
    admin.delete(f"/admin/users/{user['id']}").expect(204)

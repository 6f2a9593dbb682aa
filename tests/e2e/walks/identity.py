"""Ways to sign in, and what somebody can do about themselves."""

COVERS = {
    "getAuth", "beginProviderSignIn", "endProviderSignIn", "register", "askForReset", "resetPassword", "signIn",
    "signOut", "getMe", "changeMe", "setPassword", "proveMe", "listTokens", "createToken", "revokeToken",
    "mySessions", "endMyOtherSessions", "endMySession",
}


def walk(site):
    player = site.player
    nobody = site.nobody()
    nobody.get("/auth").expect(200)
    nobody.post("/auth/register", {"name": "walker", "password": "a long enough one"}).expect(403, "registration-off")
    nobody.post("/auth/reset", {"email": "walker@example.org"}).expect(403, "mail-off")
    nobody.put("/auth/password", {"token": "A" * 43, "new": "a long enough one"}).expect(401, "credentials-wrong")
    for way in ("start", "callback"):
        nobody.get(f"/auth/oidc/nobody/{way}").expect(303)
    site.admin.get("/me").expect(200)
    player.patch("/me", {"email": "walker@example.org", "password": "not the one"}).expect(401, "credentials-wrong")
    player.put("/me/password", {"old": "wrong horse, wrong battery", "new": "a better phrase than before"}).expect(401, "credentials-wrong")
    player.post("/me/proof", {"strategy": "local", "password": "not the one"}).expect(401, "credentials-wrong")
    walk_tokens(player)
    player.get("/me/sessions").expect(200)
    player.delete("/me/sessions").expect(204)
    player.delete("/me/sessions/nothing").expect(404, "session-unknown")
    site.nobody().sign_in(strategy="local", name="walker", password="not the one").expect(401, "credentials-wrong")
    player.delete("/session").expect(204)


def walk_tokens(player):
    token = player.post("/me/tokens", {"name": "script", "expires_in_s": 3600}).expect(201).json
    assert token["token"].startswith("ty_")
    listed = player.get("/me/tokens").expect(200).json["items"]
    assert [t["id"] for t in listed] == [token["id"]] and "token" not in listed[0]
    player.delete(f"/me/tokens/{token['id']}").expect(204)

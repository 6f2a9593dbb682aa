"""The public keys of an account."""

COVERS = {"listSshKeys", "addSshKeys", "removeSshKey"}

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f walker@laptop"


def walk(site):
    player = site.player
    assert player.get("/me/ssh-keys").expect(200).json["items"] == []
    key = player.post("/me/ssh-keys", {"key": KEY}).expect(201).json["items"][0]
    assert key["name"] == "walker@laptop" and player.get("/me/ssh-keys").expect(200).json["items"] == [key]
    player.post("/me/ssh-keys", {"key": KEY}).expect(409, "key-there")
    player.post("/me/ssh-keys", {"key": "no key"}).expect(400, "key-invalid")
    player.post("/me/ssh-keys", {}).expect(400, "invalid-body")
    player.post("/me/ssh-keys", {"url": "https://elsewhere.example/walker.keys"}).expect(400, "key-source")
    player.delete(f"/me/ssh-keys/{key['id']}").expect(204)
    player.delete(f"/me/ssh-keys/{key['id']}").expect(404, "key-unknown")

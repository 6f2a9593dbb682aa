"""Recordings: what there is to ask where nothing is recorded; test_recordings.py has the rest."""

COVERS = {"listRecordings", "getRecording", "downloadRecording", "removeRecording"}


def walk(site):
    assert site.player.get("/recordings").expect(200).json["items"] == []
    site.player.get("/recordings/no-such").expect(404, "recording-unknown")
    site.player.get("/recordings/no-such/file").expect(404, "recording-unknown")
    site.player.delete("/recordings/no-such").expect(403)
    site.admin.delete("/recordings/no-such").expect(404, "recording-unknown")

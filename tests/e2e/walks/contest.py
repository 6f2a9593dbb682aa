"""A contest of the templates that are there; test_contest.py has the rest."""

COVERS = {"submitFlag", "listContests", "listChallenges", "getChallenge", "downloadChallengeFile", "takeHint", "getBoard", "getPlot", "getContestant",
          "getFeed", "getContest", "putContest", "removeContest", "getLiveBoard", "putStanding", "giveAward", "listMarks", "takeBackMark",
          "listSubmissions", "listSharedFlags", "judgeSharedFlag", "announce", "reloadChallenges"}


def walk(site):
    player, admin = site.player, site.admin
    made = admin.put("/admin/contests/walked", {"title": "Walked", "divisions": ["all"], "feed": True}).expect(201).json
    of, staff = "/contests/walked", "/admin/contests/walked"
    assert admin.put(staff, {"title": "Walked twice"}).expect(200).json == admin.get(staff).expect(200).json
    assert {"walked", "practice"} <= {one["id"] for one in player.get("/contests").expect(200).json["items"]}
    assert "web" in {one["id"] for one in player.get(f"{of}/challenges").expect(200).json["items"]}
    player.get(f"{of}/challenges/web").expect(200)
    player.get(f"{of}/challenges/web/files/0").expect(404, "file-unknown")
    player.post(f"{of}/challenges/web/hints/0", {}).expect(404, "hint-unknown")
    assert player.post("/flags/submit", {"challenge": "web", "flag": "no", "contest": "walked"}).expect(200).json["result"] == "wrong"
    assert [one["result"] for one in admin.get(f"{staff}/submissions").expect(200).json["items"]] == ["wrong"]
    me = player.get("/me").expect(200).json["id"]
    admin.post(f"{staff}/awards", {"owner": me, "points": 5, "note": "for the walk"}).expect(204)
    assert [one["score"] for one in player.get(f"{of}/board").expect(200).json["items"]] == [5]
    assert len(player.get(f"{of}/plot").expect(200).json["items"]) == 1
    assert player.get(f"{of}/owners/{me}").expect(200).json["other_points"] == 5
    assert player.get(made["feed"]).expect(200).json["standings"][0]["score"] == 5
    admin.put(f"{staff}/owners/{me}", {"division": "all"}).expect(200)
    assert len(admin.get(f"{staff}/board", query={"division": "all"}).expect(200).json["items"]) == 1
    mark, = admin.get(f"{staff}/marks").expect(200).json["items"]
    admin.delete(f"{staff}/marks/{mark['seq']}").expect(204)
    assert admin.get(f"{staff}/shared").expect(200).json["items"] == []
    admin.put(f"{staff}/shared/no-such", {"verdict": "innocent"}).expect(404, "case-unknown")
    admin.post(f"{staff}/announcements", {"text": "The walk is nearly over."}).expect(204)
    admin.post("/admin/challenges/reload", {}).expect(200)
    admin.delete(staff).expect(204)
    player.get(f"{of}/board").expect(404, "contest-unknown")

"""Contests: what is handed in, who is where, and flags that were passed on."""
import datetime
import json
import shutil
import urllib.request

import pytest
from conftest import server_maker
from harness import gateway
from harness.cli import Cli
from harness.wait import until

BOX = {
    "instance.toml": 'name = "Box"\nports = [8000]\n[ready]\ninterval = 50\n[limits]\nmemory = "32m"\npids = 64\n',
    "challenge.toml": 'name = "The box"\ncategory = "web"\n[value]\npoints = 300\n',
    "flag.txt": "FLAG{box}\n",
    "Dockerfile": 'FROM tiltyard/busybox:1\nCOPY flag.txt /www/flag.txt\nUSER 65534:65534\nSTOPSIGNAL SIGKILL\nCMD ["httpd", "-f", "-p", "8000", "-h", "/www"]\n',
}
FALLS = {"challenge.toml": 'name = "Falls"\ncategory = "misc"\n[value]\ninitial = 500\nminimum = 100\ndecay = 100\nfunction = "linear"\n'
                           '[[flag]]\nregex = "flag\\\\{[0-9]{4}\\\\}"\n[[file]]\npath = "files/source.txt"\n[[file]]\npath = "files/out.txt"\nname = "leads out"\n'
                           '[[hint]]\ntext = "Four digits."\ncost = 50\nid = "first"\n[[hint]]\ntext = "Any four."\ncost = 10\nrequires = ["first"]\n',
         "files/source.txt": "the source\n"}
LOCKED = {"challenge.toml": 'name = "Later"\nrequires = ["falls"]\nlocked = "anonymous"\nattempts = 2\n[value]\npoints = 50\n[[flag]]\ntext = "later"\n'}
ALL = {"challenge.toml": 'name = "Both halves"\nlogic = "all"\n[value]\npoints = 80\n[[flag]]\ntext = "left"\n[[flag]]\ntext = "Right"\nignore_case = true\n'}
SURVEY = {"challenge.toml": 'name = "Survey"\nbreaks_ties = false\n[value]\npoints = 10\n[[flag]]\ntext = "done"\n'}
BROKEN = {"challenge.toml": 'name = "Broken"\nnonsense = 1\n[[flag]]\ntext = "x"\n'}
DEAR = {"challenge.toml": 'name = "Dear"\n[[flag]]\ntext = "x"\n[[hint]]\ntext = "So dear."\ncost = 60\n'}
EDGE = {"challenge.toml": 'name = "Closed"\ncloses = "2026-01-01T00:00:00Z"\n[[flag]]\ntext = "x"\n'}


def at(**delta):
    return (datetime.datetime.now(datetime.UTC) + datetime.timedelta(**delta)).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture(scope="module")
def site(docker, tmp_path_factory):
    make, end, _ = server_maker(docker, tmp_path_factory.mktemp("contest"))
    server = make(box=BOX, falls=FALLS, locked=LOCKED, both=ALL, survey=SURVEY, broken=BROKEN, edge=EDGE, dear=DEAR)
    (server.templates / "falls" / "files" / "out.txt").symlink_to("/etc/passwd")
    try:
        server.start()
        server.admin().wait_template("box")
        yield server
    finally:
        end()


def contest(server, name, **members):
    """A contest that runs, unless `members` say otherwise."""
    body = {"title": name.title(), "starts_at": at(hours=-1), "ends_at": at(hours=1), **members}
    return server.admin().put(f"/admin/contests/{name}", body).expect(201).json


def hand_in(player, challenge, flag, **members):
    return player.post("/flags/submit", {"challenge": challenge, "flag": flag, **members})


def result(player, challenge, flag, **members):
    return hand_in(player, challenge, flag, **members).expect(200).json["result"]


def board(caller, name):
    return [(one["name"], one["score"]) for one in caller.get(f"/contests/{name}/board").expect(200).json["items"]]


def the_flag(instance):
    status, _, body = gateway.fetch(gateway.endpoint(instance, kind="http")["url"], "/flag.txt")
    assert status == 200
    return body.decode().strip()


@pytest.fixture
def over(site):
    """Contests of a test are taken away with it, so that the next one's challenges are free."""
    yield
    if site.alive:
        for one in site.admin().get("/contests").expect(200).json["items"]:
            if one["id"] != "practice":
                site.admin().delete(f"/admin/contests/{one['id']}").expect(204)


def test_R5_3_a_contest_from_its_beginning_to_its_end(site, over):
    admin = site.admin()
    ann, bob, cat = (site.user(name) for name in ("ann", "bob", "cat"))
    contest(site, "spring", bloods=[100, 50, 0], starts_at=at(hours=1), ends_at=at(hours=2))
    hand_in(ann, "falls", "flag{1234}").expect(409, "contest-not-begun")
    assert ann.get("/contests/spring/challenges").expect(200).json["items"] == []
    admin.put("/admin/contests/spring", {"starts_at": at(hours=-1)}).expect(200)
    seen = {one["id"]: one for one in ann.get("/contests/spring/challenges").expect(200).json["items"]}
    assert set(seen) == {None, "box", "falls", "both", "survey", "edge", "dear"}, "one waits for another, one is broken"
    assert seen[None]["name"] is None and seen["falls"]["value"] == 500

    assert result(ann, "falls", "flag{12345}") == "wrong"
    first = hand_in(ann, "falls", " flag{1234}\r\n").expect(200).json
    assert (first["result"], first["value"], first["blood"]) == ("correct", 500, 1)
    assert result(ann, "falls", "flag{0000}") == "already-solved"
    assert hand_in(bob, "falls", "flag{1234}").expect(200).json["blood"] == 2
    assert board(bob, "spring") == [("ann", 440), ("bob", 420)], "400, and a tenth or a twentieth of it"
    assert result(cat, "falls", "flag{1234}") == "correct"
    assert result(cat, "survey", "done") == "correct"
    assert result(cat, "both", "left") == "part"
    assert result(cat, "both", "left") == "part", "the same half again is no other"
    assert hand_in(cat, "both", "RIGHT").expect(200).json["value"] == 80

    # 300 each for the same, a tenth and a twentieth of it for the first two; the others pay no bonus but for the first.
    expected = [("cat", 300 + 80 + 8 + 10 + 1), ("ann", 330), ("bob", 315)]
    assert board(ann, "spring") == expected
    site.kill9()
    site.restart()
    assert board(ann, "spring") == expected
    marks = admin.get("/admin/contests/spring/marks").expect(200).json["items"]
    assert [(one["owner"]["name"], one["challenge"]) for one in marks] == [("ann", "falls"), ("bob", "falls"), ("cat", "falls"), ("cat", "survey"), ("cat", "both")]

    plot = ann.get("/contests/spring/plot").expect(200).json["items"]
    assert [(one["name"], one["steps"][-1]["score"]) for one in plot] == expected
    assert [step["score"] for step in plot[1]["steps"]] == [550, 440, 330]
    page = ann.get(f"/contests/spring/owners/{marks[2]['owner']['id']}").expect(200).json
    assert (page["position"], page["bonus"], [one["challenge"] for one in page["solves"]]) == (1, 9, ["falls", "survey", "both"])

    admin.put("/admin/contests/spring", {"ends_at": at(seconds=-1)}).expect(200)
    hand_in(bob, "survey", "done", contest="spring").expect(409, "contest-over")
    assert board(ann, "spring") == expected


def test_R5_3_what_waits_for_another_has_its_attempts(site, over):
    player = site.user("patient")
    contest(site, "gated")
    player.get("/contests/gated/challenges/locked").expect(404, "challenge-unknown")
    hand_in(player, "locked", "later").expect(409, "challenge-locked")
    assert result(player, "falls", "flag{7777}") == "correct"
    assert player.get("/contests/gated/challenges/locked").expect(200).json["attempts_left"] == 2
    assert hand_in(player, "locked", "sooner").expect(200).json["attempts_left"] == 1
    assert hand_in(player, "locked", "never").expect(200).json["attempts_left"] == 0
    hand_in(player, "locked", "later").expect(409, "attempts-used-up")
    hand_in(player, "edge", "x").expect(409, "challenge-closed")
    hand_in(player, "broken", "x").expect(404, "challenge-unknown")
    hand_in(player, "no-such", "x").expect(404, "challenge-unknown")
    hand_in(player, "falls", "x", contest="no-such").expect(404, "contest-unknown")


def test_R5_3_hints_cost_what_they_say_once(site, over):
    player = site.user("curious")
    contest(site, "hinted")
    path = "/contests/hinted/challenges/falls"
    player.post(f"{path}/hints/0", {}).expect(409, "points-missing")
    assert result(player, "survey", "done") == "correct"
    assert result(player, "both", "left") == "part"
    assert result(player, "both", "right") == "correct"
    player.post(f"{path}/hints/1", {}).expect(409, "hint-locked")
    player.post(f"{path}/hints/7", {}).expect(404, "hint-unknown")
    assert [one["text"] for one in player.get(path).expect(200).json["hints"]] == [None, None]
    for _ in range(2):
        assert player.post(f"{path}/hints/0", {}).expect(200).json["text"] == "Four digits."
    assert board(player, "hinted") == [("curious", 40)]
    assert player.post(f"{path}/hints/1", {}).expect(200).json["text"] == "Any four."
    assert board(player, "hinted") == [("curious", 30)]
    assert player.get("/contests/hinted/challenges").expect(200).json["score"] == 30


def test_R5_3_files_are_handed_out_and_nothing_beside_them(site, over):
    player = site.user("reader")
    contest(site, "files")
    files = player.get("/contests/files/challenges/falls").expect(200).json["files"]
    assert [one["name"] for one in files] == ["source.txt", "leads out"]
    assert player.get(files[0]["url"]).expect(200).body == b"the source\n"
    player.get(files[1]["url"]).expect(404, "file-unknown")
    player.get("/contests/files/challenges/falls/files/2").expect(404, "file-unknown")
    player.get("/contests/files/challenges/falls/files/-1").expect(404, "file-unknown")


def test_R5_3_a_freeze_holds_everything_back_and_a_thaw_shows_it(site, over):
    admin, ann, bob = site.admin(), site.user("frozen-ann"), site.user("frozen-bob")
    feed = contest(site, "icy", feed=True)["feed"]
    assert result(ann, "falls", "flag{1234}") == "correct"
    admin.put("/admin/contests/icy", {"freeze_at": at(seconds=-2)}).expect(200)
    # What came before the freeze is on the board; the solve above is of a moment ago, so the freeze moves behind it.
    admin.put("/admin/contests/icy", {"freeze_at": datetime.datetime.now(datetime.UTC).isoformat()}).expect(200)
    assert board(ann, "icy") == [("frozen-ann", 500)]
    solved = hand_in(bob, "falls", "flag{1234}").expect(200).json
    assert solved["result"] == "correct" and solved["value"] == 500 and solved["blood"] is None, "prices are frozen too"
    assert board(ann, "icy") == [("frozen-ann", 500)]
    assert bob.get("/contests/icy/challenges").expect(200).json["score"] == 500, "one's own is one's own"
    assert ann.get("/contests/icy/challenges/falls").expect(200).json["solves"] == 1
    assert [one["name"] for one in ann.get("/contests/icy/challenges/falls").json["solvers"]] == ["frozen-ann"]
    assert [one["name"] for one in ann.get("/contests/icy/plot").json["items"]] == ["frozen-ann"]
    assert len(ann.get(feed).expect(200).json["standings"]) == 1
    live = admin.get("/admin/contests/icy/board").expect(200).json["items"]
    assert [(one["name"], one["score"]) for one in live] == [("frozen-ann", 400), ("frozen-bob", 400)]
    unseen = admin.get("/admin/events", query={"kind": "contest.solved-unseen"}).expect(200).json["items"]
    assert [one["subject"] for one in unseen] == ["falls"], "notices follow contest.solved, which is silent now"
    site.restart()
    assert board(ann, "icy") == [("frozen-ann", 500)], "a start thaws nothing"
    admin.put("/admin/contests/icy", {"thawed": True}).expect(200)
    assert board(ann, "icy") == [("frozen-ann", 400), ("frozen-bob", 400)]


def test_R5_5_a_flag_counts_when_its_instance_has_gone(site, over):
    player = site.user("slow")
    contest(site, "late")
    instance = player.running("box")
    flag = the_flag(instance)
    player.stop(instance["id"])
    assert hand_in(player, "box", flag).expect(200).json["value"] == 300


def test_R5_4_another_owners_flag_is_a_case_with_its_reasons(site, over):
    admin, ann, bob = site.admin(), site.user("gives"), site.user("takes")
    contest(site, "shared")
    instance = ann.running("box")
    flag = the_flag(instance)
    assert result(ann, "box", flag) == "correct"
    for _ in range(2):
        assert hand_in(bob, "box", flag).expect(200).json == {**hand_in(bob, "box", "FLAG{box_0000000000000000}").json}, "it looks like any other wrong one"
    case, = admin.get("/admin/contests/shared/shared").expect(200).json["items"]
    assert (case["owner"]["name"], case["flag_owner"]["name"], case["times"]) == ("takes", "gives", 2)
    reasons = " ".join(one["text"] for one in case["reasons"])
    assert "had never had a machine" in reasons and "after the flag's owner had solved it" in reasons and "not tried anything else" in reasons
    assert case["score"] == sum(one["weight"] for one in case["reasons"]) == 90, case["reasons"]
    texts = [(one["owner"]["name"], one["result"]) for one in admin.get("/admin/contests/shared/submissions").expect(200).json["items"]]
    assert texts == [("takes", "wrong"), ("takes", "foreign")] * 2 + [("gives", "correct")]
    assert len(admin.get("/admin/contests/shared/submissions", query={"result": "foreign", "limit": 1}).json["items"]) == 1
    assert result(bob, "survey", "done") == "correct"
    assert ("takes", 10) in board(ann, "shared")
    admin.put(f"/admin/contests/shared/shared/{case['hash']}", {"verdict": "disqualified", "note": "said so himself"}).expect(204)
    assert board(ann, "shared") == [("gives", 300)]
    again, = admin.get("/admin/contests/shared/shared").json["items"]
    assert again["verdict"] == "disqualified" and again["verdict_by"] and again["note"] == "said so himself"
    admin.put(f"/admin/contests/shared/shared/{case['hash']}", {"verdict": None}).expect(204)
    assert board(ann, "shared") == [("gives", 300), ("takes", 10)]
    told = [one["kind"] for one in admin.get("/admin/events", query={"kind": "contest.judged"}).expect(200).json["items"]]
    assert told.count("contest.judged") >= 2
    # With a flag of one's own it is a solve like any other, and speaks for the player.
    mine = bob.running("box")
    assert result(bob, "box", the_flag(mine)) == "correct"
    later, = admin.get("/admin/contests/shared/shared").json["items"]
    assert "with a flag of its own" in " ".join(one["text"] for one in later["reasons"]) and later["score"] < case["score"]
    for player, one in ((ann, instance), (bob, mine)):
        player.stop(one["id"])


def test_R5_3_staff_give_points_take_them_back_and_hide_people(site, over):
    admin, player = site.admin(), site.user("helped")
    contest(site, "staff", divisions=["students", "others"])
    assert hand_in(admin, "falls", "flag{1234}").expect(200).json["counts"] is False
    assert result(player, "survey", "done") == "correct"
    owner = admin.get("/admin/contests/staff/marks").json["items"][0]["owner"]["id"]
    admin.post("/admin/contests/staff/awards", {"owner": owner, "points": 25, "note": "a good write-up"}).expect(204)
    assert board(player, "staff") == [("helped", 35)]
    award = admin.get("/admin/contests/staff/marks").json["items"][1]
    admin.delete(f"/admin/contests/staff/marks/{award['seq']}").expect(204)
    admin.delete(f"/admin/contests/staff/marks/{award['seq']}").expect(404, "mark-unknown")
    assert board(player, "staff") == [("helped", 10)]
    admin.put(f"/admin/contests/staff/owners/{owner}", {"division": "students"}).expect(200)
    assert player.get("/contests/staff/board", query={"division": "students"}).json["items"][0]["name"] == "helped"
    assert player.get("/contests/staff/board", query={"division": "others"}).json["items"] == []
    admin.put(f"/admin/contests/staff/owners/{owner}", {"division": "nobody's"}).expect(400, "invalid-body")
    admin.put(f"/admin/contests/staff/owners/{owner}", {"state": "hidden"}).expect(200)
    assert board(player, "staff") == []
    # The number of what was taken back is nobody's again.
    second = site.user("helped-too")
    assert result(second, "survey", "done") == "correct"
    assert board(player, "staff") == [("helped-too", 10)]
    admin.post("/admin/contests/staff/awards", {"owner": "nobody", "points": 5, "note": "x"}).expect(404, "owner-unknown")
    admin.put("/admin/contests/staff/owners/nobody", {"state": "hidden"}).expect(404, "owner-unknown")
    player.get("/contests/staff/board", query={"division": "x" * 100}).expect(404, "division-unknown")
    admin.put("/admin/contests/Not-A-Name", {}).expect(400, "contest-name")
    admin.put("/admin/contests/practice", {}).expect(400, "contest-name")
    admin.put("/admin/contests/other", {"challenges": ["no-such"]}).expect(400, "challenge-unknown")
    admin.put("/admin/contests/other", {"starts_at": at(hours=2), "ends_at": at(hours=1)}).expect(400, "invalid-body")
    player.put("/admin/contests/other", {}).expect(403)


def test_R5_3_files_that_cannot_be_used_break_nothing(site, over):
    """Larger than may be, gone between two looks, no file at all: staff are told, players see none of it, the server stays."""
    for name, text in (("huge", 'name = "Huge"\n# ' + "x" * (1 << 20)), ("closed", "")):
        (site.templates / name).mkdir()
        (site.templates / name / "challenge.toml").write_text(text)
    (site.templates / "folder").mkdir()
    (site.templates / "folder" / "challenge.toml").mkdir()
    try:
        told = {one["id"]: one["problems"] for one in site.admin().post("/admin/challenges/reload", {}).expect(200).json["items"]}
        assert "1024 KiB" in told["huge"][0]["message"] and told["closed"] == [] and "cannot be read" in told["folder"][0]["message"]
        seen = {one["id"] for one in site.user("sees").get("/contests/practice/challenges").expect(200).json["items"]}
        assert "huge" not in seen and "folder" not in seen and "closed" in seen
    finally:
        for name in ("huge", "closed", "folder"):
            shutil.rmtree(site.templates / name)
        site.admin().post("/admin/challenges/reload", {}).expect(200)
    assert site.alive


def test_R5_3_two_hints_at_once_cost_no_more_than_there_is(site, over):
    from concurrent.futures import ThreadPoolExecutor
    player = site.user("hasty")
    contest(site, "hasty")
    assert result(player, "both", "left") == "part" and result(player, "both", "right") == "correct"  # 80 points; the two cost 50 and 60
    with ThreadPoolExecutor(2) as pool:
        answers = sorted(pool.map(lambda task: player.post(f"/contests/hasty/challenges/{task}/hints/0", {}).status, ["falls", "dear"]))
    assert answers == [200, 409]
    assert board(player, "hasty")[0][1] >= 0


def test_R5_3_practice_has_what_is_in_no_contest(site, over):
    player = site.user("trains")
    assert hand_in(player, "survey", "done").expect(200).json["contest"] == "practice"
    contest(site, "takes-it", challenges=["survey"], starts_at=at(hours=1), ends_at=at(hours=2))
    hand_in(player, "survey", "done").expect(409, "contest-not-begun")
    hand_in(player, "survey", "done", contest="practice").expect(404, "challenge-unknown")
    assert result(player, "both", "left") == "part", "the others stay"


@pytest.mark.parametrize("text", ["flag{1234}\x00", "a\nflag{1234}", "fl\u0430g{1234}", "flag{\uff11\uff12\uff13\uff14}", "x" * 4096, "\u202e}4321{galf", "' OR 1=1 --"], ids=["nul", "line", "cyrillic", "wide", "long", "backwards", "sql"])
def test_R5_3_what_is_no_flag_is_wrong_and_can_be_read_by_staff(site, over, text):
    player = site.user("odd-" + str(abs(hash(text)) % 10**8))
    contest(site, "odd")
    assert result(player, "falls", text) == "wrong"
    shown = site.admin().get("/admin/contests/odd/submissions").expect(200).json["items"][0]["text"]
    assert len(shown.encode()) <= 256 + 3 and "\n" not in shown and "\x00" not in shown


def test_R5_3_what_is_too_long_is_refused(site):
    player = site.user("long")
    hand_in(player, "falls", "x" * 4097).expect(400, "invalid-body")
    hand_in(player, "falls", "x" * 1_000_000).expect(413)


def test_R5_3_a_feed_is_for_who_has_its_address(site, over):
    name = "Ünï \U0001f600"
    player = site.user("feeder")
    feed = contest(site, "fed", feed=True)["feed"]
    assert result(player, "survey", "done") == "correct"
    with urllib.request.urlopen(site.url + feed) as answer:
        text = answer.read()
    assert text.isascii() and json.loads(text) == {"standings": [{"pos": 1, "team": "feeder", "score": 10}]}, name
    player.get("/api/v1/contest-feeds/" + "0" * 32).expect(404, "contest-unknown")
    site.admin().put("/admin/contests/fed", {"feed": False}).expect(200)
    player.get(feed).expect(404, "contest-unknown")


def test_R5_3_a_file_that_changes_counts_at_once(site, over):
    player = site.user("edits")
    contest(site, "edited")
    assert result(player, "survey", "done") == "correct"
    file = site.templates / "survey" / "challenge.toml"
    before = file.read_text()
    try:
        file.write_text(before.replace("points = 10", "points = 15"))
        until(lambda: board(player, "edited") == [("edits", 15)], "the new value")
    finally:
        file.write_text(before)
        site.admin().post("/admin/challenges/reload", {}).expect(200)
    assert board(player, "edited") == [("edits", 10)]


def test_R5_3_the_command_line_hands_in_and_shows_who_is_where(site, over, tmp_path):
    player = site.user("types")
    contest(site, "typed")
    cli = Cli(tmp_path, TILTYARD_URL=site.url, TILTYARD_TOKEN=player.post("/me/tokens", {"name": "cli"}).expect(201).json["token"])
    assert "Correct: 10 points" in cli("submit", "survey", "done").stdout
    assert "solved already" in cli("submit", "survey", "no", "--contest", "typed").stdout
    assert "Wrong" in cli("submit", "falls", "no", code=1).stdout
    assert "types" in cli("board", "typed").stdout and "survey" in cli("tasks", "typed").stdout and "typed" in cli("contests").stdout


def test_R5_3_two_of_a_team_at_once_are_one_solve(site, over):
    """A race: whoever comes second is told that it is solved."""
    from concurrent.futures import ThreadPoolExecutor
    player = site.user("twice")
    contest(site, "race")
    with ThreadPoolExecutor(8) as pool:
        results = sorted(pool.map(lambda _: result(player, "survey", "done"), range(16)))
    assert results == ["already-solved"] * 15 + ["correct"]
    assert board(player, "race") == [("twice", 10)]
    assert len(site.admin().get("/admin/contests/race/marks").json["items"]) == 1


@pytest.mark.parametrize("public", [False, True])
def test_R5_3_strangers_see_a_board_where_it_is_public(make_server, public):
    server = make_server(config={"engine": {"kind": "fake"}, **({"contest": {"public_boards": True}} if public else {})}).start()
    stranger = server.api()
    for path in ("/contests", "/contests/practice/board", "/contests/practice/plot"):
        stranger.get(path).expect(*((200,) if public else (401, "not-signed-in")))
    stranger.get("/contests/practice/challenges").expect(401, "not-signed-in")
    stranger.post("/flags/submit", {"challenge": "x", "flag": "x"}).expect(401, "not-signed-in")

"""The flag farm over REST: in, out, verdicts, the books, the old clients (rows 6.1, 6.3, 6.5, 6.7, 6.8, 6.9)."""
import http.client
import threading
import time

import pytest

from harness.api import Api
from harness.farm import GAME, TOKEN, Caller, balanced, farm, flag
from harness.wait import until


@pytest.fixture(scope="module")
def site(docker, tmp_path_factory):
    from conftest import server_maker
    make, end, _ = server_maker(docker, tmp_path_factory.mktemp("farm"))
    yield farm(make)
    end()


@pytest.fixture
def caller(site, contract):
    return Caller(site, contract)


def drain(caller):
    """Nothing is left in the queue of a server that tests share."""
    while lease := caller.take():
        caller.say(lease, "invalid", *[one["flag"] for one in lease["flags"]]).expect(200)


# --- in --------------------------------------------------------------------------------------------------


def test_R6_1_flags_come_in_once_and_are_kept_with_their_first_reporter(caller):
    receipt = caller.post_flags(flag(1), flag(2), flag(1), "no flag", sploit="web_first")
    assert {key: receipt[key] for key in ("received", "new", "duplicate", "invalid_count")} == {"received": 4, "new": 2, "duplicate": 1, "invalid_count": 1}
    assert receipt["invalid"] == [{"index": 3, "flag": "no flag", "reason": "It does not match the flag format."}]
    assert caller.post_flags(flag(1), sploit="other")["duplicate"] == 1
    found = caller.all_flags(flag=flag(1))
    assert [(one["sploit"], one["service"], one["team"], one["status"]) for one in found] == [("web_first", "web", "Team #1", "queued")]
    assert caller.post("/farm/flags", [flag(3), {"flag": flag(4), "team": None, "extra": {"flag": 1}}]).expect(200).json["new"] == 2
    drain(caller)


def test_R6_1_flags_are_found_in_pasted_text(caller):
    text = f"they said {flag(10, 'P')}, and{flag(11, 'P')}{flag(10, 'P')} and nothing else"
    receipt = caller.post("/farm/flags/text", {"text": text}).expect(200).json
    assert (receipt["received"], receipt["new"], receipt["duplicate"]) == (3, 2, 1)
    assert {one["sploit"] for one in caller.all_flags(flag="P1")} == {"manual"}
    drain(caller)


@pytest.mark.parametrize("body, reason", [
    (b"not json", "invalid-body"), (b"", "invalid-body"), (b"{}", "invalid-body"), (b'{"flags": {}}', "invalid-body"), (b"[1]", "invalid-body"),
    (b'[{"flag": 1}]', "invalid-body"), (b'[{"sploit": "x"}]', "invalid-body"), (b'[{"flag": "x", "team": []}]', "invalid-body"),
    (b'[{"flag": "x"}] tail', "invalid-body"), (b'[{"flag": "\xff"}]', "invalid-body"), (b"[" * 100, "invalid-body"),
    (b"[" + b'{"flag":"x"},' * 10_000 + b'{"flag":"x"}]', "too-many-flags"),
])
def test_R6_1_bad_bodies_are_refused_with_a_reason(caller, body, reason):
    before = caller.stats()["total"]
    caller.call("POST", "/farm/flags", raw=body).expect(400, reason)
    assert caller.stats()["total"] == before


def test_R6_1_a_million_flags_in_one_body_are_refused_unread(site):
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=10)
    connection.putrequest("POST", "/api/v1/farm/flags")
    connection.putheader("X-Token", TOKEN)
    connection.putheader("Content-Length", str(len('{"flag":"x"},') * 1_000_000))
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 413 and b"body-too-large" in answer.read()
    connection.close()


def test_R6_1_who_may_do_what(site, contract):
    Caller(site, contract, token="wrong").post("/farm/flags", []).expect(401, "not-signed-in")
    Caller(site, contract).get("/farm/config").expect(401, "not-signed-in")
    site.admin(contract).get("/farm/config").expect(200)
    author = site.user("farm-author", role="author", contract=contract)
    author.post("/farm/flags", [flag(20, "A")]).expect(200)
    author.get("/farm/stats").expect(200)
    author.post("/farm/lease", {}).expect(403, "forbidden")
    site.user("farm-player", contract=contract).get("/farm/stats").expect(403, "forbidden")
    drain(Caller(site, contract))


# --- the old clients -------------------------------------------------------------------------------------


def test_R6_8_the_old_clients_are_served_with_either_way_to_show_the_token(site, contract):
    nobody = Api(site.url, contract=contract)
    for headers in ({"X-Token": TOKEN}, {"Authorization": TOKEN}, {"X-Token": TOKEN, "Authorization": TOKEN}, {"Authorization": f"Bearer {TOKEN}"}):
        config = nobody.call("GET", "/api/get_config", headers=headers).expect(200).json
        assert config["TEAMS"]["Team #1"] == "10.60.1.1" and config["FLAG_FORMAT"] == "[A-Z0-9]{31}=" and config["FLAG_LIFETIME"] == 600
        assert config["SUBMIT_PERIOD"] > 0 and not any("TOKEN" in key or "PASSWORD" in key for key in config)
        posted = nobody.call("POST", "/api/post_flags", [{"flag": flag(30, "L"), "sploit": "old.py", "team": "*"}, {"flag": "junk", "sploit": "old.py", "team": "*"}], headers=headers)
        assert posted.expect(200).body == b""
    for headers in ({}, {"X-Token": "wrong"}, {"Authorization": "wrong"}):
        nobody.call("GET", "/api/get_config", headers=headers).expect(403, "farm-token-wrong")
        nobody.call("POST", "/api/post_flags", [], headers=headers).expect(403, "farm-token-wrong")
    drain(Caller(site))


def test_R6_8_a_whole_backlog_in_one_body_is_taken(caller):
    flags = [{"flag": flag(number, "B"), "sploit": "old.py", "team": "*"} for number in range(25_000)]
    caller.call("POST", "/api/post_flags", flags).expect(200)
    assert caller.get("/farm/stats").json["queued"] == 25_000
    drain(caller)


# --- out, and what comes back ----------------------------------------------------------------------------


def test_R6_3_a_lease_is_pushed_to_a_waiting_sender(caller, site):
    drain(caller)
    got = []
    waiting = threading.Thread(target=lambda: got.append((Caller(site).take(wait=20), time.monotonic())))
    waiting.start()
    until(lambda: site.alive, "the server", 1)
    time.sleep(0.3)  # the sender has to be waiting, which nothing outside can see
    begun = time.monotonic()
    caller.post_flags(flag(40, "W"))
    waiting.join()
    lease, at = got[0]
    assert [one["flag"] for one in lease["flags"]] == [flag(40, "W")] and at - begun < 2
    assert lease["protocol"] == "forcad_http" and lease["settings"]["token"] == "the-jury-s-own-token"
    caller.say(lease, "accepted", flag(40, "W")).expect(200)


def test_R6_3_verdicts_as_they_come_and_what_is_left_goes_back(caller):
    drain(caller)
    flags = [flag(number, "V") for number in range(50, 54)]
    caller.post_flags(*flags)
    lease = caller.take()
    assert caller.take() is None
    assert caller.say(lease, "accepted", flags[0], message=f"[{flags[0]}] Flag accepted! Earned 5 flag points!", ).json == {"recorded": 1, "late": 0, "unknown": 0}
    assert caller.say(lease, "old", flags[1]).json["recorded"] == 1
    assert caller.say(lease, "accepted", flag(999)).json["unknown"] == 1
    caller.say(lease, "retry", flags[2], done=True).expect(200)
    second = caller.take(wait=2)
    assert [(one["flag"], one["attempt"]) for one in second["flags"]] == [(flags[3], 2)]
    caller.say(second, "duplicate", flags[3])
    third = caller.take(wait=5)
    assert [one["flag"] for one in third["flags"]] == [flags[2]]
    caller.say(third, "accepted", flags[2])
    by_flag = {one["flag"]: one for one in caller.all_flags(flag="V5")}
    assert [(by_flag[one]["status"], by_flag[one]["probable"], by_flag[one]["attempts"]) for one in flags] == [
        ("accepted", False, 1), ("rejected", False, 1), ("accepted", False, 2), ("accepted", True, 2)]
    assert by_flag[flags[0]]["response"] == "Flag accepted! Earned 5 flag points!"
    balanced(caller.stats())


def test_R6_9_every_attempt_is_recorded(caller):
    drain(caller)
    caller.post_flags(flag(60, "R"))
    first = caller.take(sender="one")
    caller.say(first, "retry", flag(60, "R"), message="come back later")
    second = caller.take(wait=5, sender="two")
    until(lambda: caller.stats()["leased"] == 0, "the lease to end", 10)
    third = caller.take(wait=5, sender="three")
    caller.say(second, "accepted", flag(60, "R"), message="too late").expect(200)
    caller.say(third, "accepted", flag(60, "R"), message="in time")
    number = caller.all_flags(flag=flag(60, "R"))[0]["id"]
    log = caller.get(f"/farm/flags/{number}").expect(200).json["log"]
    assert [(one["lease"], one["number"], one["sender"], one["verdict"], one["message"], one["late"]) for one in log] == [
        (first["lease"], 1, "one", "retry", "come back later", False), (second["lease"], 2, "two", "accepted", "too late", True),
        (third["lease"], 3, "three", "accepted", "in time", False)]
    caller.get("/farm/flags/4000000000").expect(404, "flag-unknown")
    caller.get("/farm/flags/nonsense").expect(404, "flag-unknown")


def test_R6_3_a_slow_jury_gets_more_time(caller):
    drain(caller)
    caller.post_flags(flag(70, "S"))
    lease = caller.take()
    until_end = time.monotonic() + 3
    while time.monotonic() < until_end:
        caller.post(f"/farm/lease/{lease['lease']}/extend").expect(200)
        assert caller.take(wait=0) is None
        time.sleep(0.5)  # a sender that keeps its lease while the jury thinks
    assert caller.say(lease, "accepted", flag(70, "S")).json["recorded"] == 1
    caller.post(f"/farm/lease/{lease['lease']}/extend").expect(409, "lease-ended")
    caller.post("/farm/lease/nothing/extend").expect(404, "lease-unknown")
    caller.say({"lease": "nothing"}, "accepted", "x").expect(404, "lease-unknown")


@pytest.mark.parametrize("body", [{}, {"lease": 1}, {"lease": "x", "verdicts": {}}, {"lease": "x", "verdicts": [{"flag": "x", "verdict": "maybe"}]},
                                  {"lease": "x", "done": 1}, {"lease": "x", "verdicts": [1]}])
def test_R6_3_bad_verdicts_are_refused(caller, body):
    caller.post("/farm/verdicts", body).expect(400, "invalid-body")


def test_R6_9_a_429_pauses_all_senders_and_costs_no_flag(make_server):
    server = farm(make_server)
    caller = Caller(server)
    caller.post_flags(*[flag(number) for number in range(10)])
    lease = caller.take(most=5)
    caller.say(lease, "retry", done=True, limited={"retry_after_ms": 1500}).expect(200)
    begun = time.monotonic()
    assert caller.take() is None
    again = caller.take(wait=10, sender="another")
    assert 1.2 < time.monotonic() - begun < 6 and len(again["flags"]) == 10
    stats = caller.stats()
    balanced(stats)
    assert stats["rate"]["limited"] == 1 and stats["rate"]["calls_per_s"] > 0 and stats["total"] == 10


def test_R6_9_all_senders_share_one_rate(make_server):
    server = farm(make_server, GAME.replace("calls_per_second = 0", "calls_per_second = 5\nbatch = 1"))
    caller = Caller(server)
    caller.post_flags(*[flag(number) for number in range(100)])
    calls, over = [], time.monotonic() + 2

    def send(name):
        while time.monotonic() < over:
            if Caller(server).take(wait=1, sender=name):
                calls.append(time.monotonic())

    threads = [threading.Thread(target=send, args=(f"s{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    calls.sort()
    assert 5 <= len(calls) <= 17
    assert caller.stats()["rate"]["configured_calls_per_s"] == 5


# --- the views -------------------------------------------------------------------------------------------


def test_R6_5_flags_are_found_by_each_filter(make_server, contract):
    server = farm(make_server)
    caller = Caller(server, contract)
    caller.post_flags(*[flag(number, "ONE") for number in range(30)], sploit="web_a", team="10.60.1.1")
    caller.post_flags(*[flag(number, "TWO") for number in range(20)], sploit="other", team="Team #2")
    lease = caller.take(most=10)
    caller.say(lease, "accepted", *[one["flag"] for one in lease["flags"][:5]], message="Yes, good")
    caller.say(lease, "invalid", *[one["flag"] for one in lease["flags"][5:]], message="No such flag")
    assert len(caller.all_flags()) == 50
    assert len(caller.all_flags(sploit="web_a")) == 30 and len(caller.all_flags(team="Team #2")) == 20 and len(caller.all_flags(service="web")) == 30
    assert len(caller.all_flags(service="")) == 20 and caller.all_flags(sploit="nobody's") == []
    assert len(caller.all_flags(status="accepted")) == 5 and len(caller.all_flags(status="accepted,rejected")) == 10
    assert len(caller.all_flags(flag="one1")) == 11 and len(caller.all_flags(response="SUCH")) == 5
    assert len(caller.all_flags(flag="xx=")) == 50 and caller.all_flags(flag="=O") == []
    middle = caller.all_flags()[25]["received_at"]
    assert len(caller.all_flags(since="2020-01-01T00:00:00Z")) == 50 and caller.all_flags(until="2020-01-01T00:00:00Z") == []
    assert all(one["received_at"] >= middle for one in caller.all_flags(since=middle))
    pages = [caller.get("/farm/flags", query={"limit": 20}).json]
    while pages[-1]["next"]:
        pages.append(caller.get("/farm/flags", query={"limit": 20, "cursor": pages[-1]["next"]}).json)
    numbers = [one["id"] for page in pages for one in page["items"]]
    assert [len(page["items"]) for page in pages] == [20, 20, 10] and numbers == sorted(numbers, reverse=True)
    for query in ({"status": "lost"}, {"limit": 0}, {"cursor": "x"}, {"since": "yesterday"}, {"flag": "x" * 300}):
        caller.get("/farm/flags", query=query).expect(400, "invalid-query")
    stats = caller.stats()
    balanced(stats)
    assert {one["name"]: one["total"] for one in stats["by_sploit"]} == {"web_a": 30, "other": 20}
    assert {one["name"]: one["accepted"] + one["rejected"] for one in stats["by_team"]}.keys() == {"Team #1", "Team #2"}
    assert stats["oldest_queued_ms"] >= 0 and stats["senders"][0]["name"] == "tester"
    for step in (10, 60):
        series = caller.get("/farm/series", query={"step": step}).expect(200).json["items"]
        assert sum(point["received"] for point in series) == 50 and sum(point["accepted"] for point in series) == 5
    caller.get("/farm/series", query={"step": 7}).expect(400, "invalid-query")


def test_R6_7_the_metrics_move(make_server):
    server = farm(make_server)
    caller = Caller(server)
    caller.post_flags(flag(1), flag(2), flag(1), "junk")
    lease = caller.take(most=1)
    caller.say(lease, "accepted", lease["flags"][0]["flag"])

    def metric(name):
        return next((float(line.rsplit(" ", 1)[1]) for line in server.api().get("/metrics").text.splitlines() if line.startswith(name + " ")), None)

    for result, count in (("new", 2), ("duplicate", 1), ("invalid", 1)):
        assert metric(f'tiltyard_farm_received_total{{result="{result}"}}') == count
    assert metric('tiltyard_farm_verdicts_total{verdict="accepted"}') == 1 and metric("tiltyard_farm_leases_total") == 1
    until(lambda: metric('tiltyard_farm_flags{status="accepted"}') == 1, "the gauges", 5)
    assert metric('tiltyard_farm_flags{status="queued"}') == 1 and metric("tiltyard_farm_queue_age_seconds") > 0
    for name in ("ingest", "first_hand_out", "decided"):
        assert metric(f"tiltyard_farm_{name}_seconds_count") >= 1

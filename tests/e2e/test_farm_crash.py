"""What the farm has said is true after a kill -9 at any point (row 6.3)."""
import http.client

import pytest

from harness import postgres
from harness.farm import Caller, Posters, balanced, farm, flag
from harness.wait import until


def known(caller):
    return {one["flag"]: one for one in caller.all_flags()}


def try_call(work):
    """A call that the server does not live to answer."""
    try:
        return work()
    except (OSError, http.client.HTTPException):
        return None


def test_R6_3_a_200_survives_kill_9_in_the_middle_of_posting(make_server):
    server = farm(make_server)
    for _ in range(3):
        posters = Posters(server)
        try:
            posters.wait_for(400)
            server.kill9()
        finally:
            posters.stop()
        server.start()
        caller = Caller(server)
        there = known(caller)
        assert posters.safe <= set(there), f"{len(posters.safe - set(there))} flags were lost"
        balanced(caller.stats())
        assert caller.stats()["total"] == len(there)


@pytest.mark.parametrize("place", ["farm.journal.before", "farm.journal.after"])
def test_R6_3_killed_around_the_commit_a_post_is_there_or_was_never_answered(make_server, place):
    server = farm(make_server)
    Caller(server).post_flags(flag(1))
    server.restart(failpoints=f"{place}=kill@1")
    answer = try_call(lambda: Caller(server).post("/farm/flags", [{"flag": flag(2)}]))
    assert answer is None
    server.wait_dead()
    server.start()
    caller = Caller(server)
    assert (flag(2) in known(caller)) == (place == "farm.journal.after")
    # The client sends again, as it must: there is one flag, not two.
    caller.post_flags(flag(2))
    assert caller.stats()["total"] == 2


def test_R6_3_killed_after_a_lease_the_flags_are_nobody_else_s_until_it_ends(make_server):
    server = farm(make_server)
    Caller(server).post_flags(flag(1), flag(2))
    server.restart(failpoints="farm.lease.after=kill@1")
    assert try_call(lambda: Caller(server).take(most=1)) is None
    server.wait_dead()
    server.start()
    caller = Caller(server)
    stats = caller.stats()
    assert (stats["queued"], stats["leased"]) == (1, 1)
    assert [one["flag"] for one in caller.take()["flags"]] == [flag(2)]
    again = caller.take(wait=10)
    assert [(one["flag"], one["attempt"]) for one in again["flags"]] == [(flag(1), 2)]
    # The jury may have had it from the one who died: its duplicate is ours.
    caller.say(again, "duplicate", flag(1))
    assert known(caller)[flag(1)]["status"] == "accepted" and known(caller)[flag(1)]["probable"]


def test_R6_3_killed_before_verdicts_are_written_the_flag_goes_back_and_is_never_rejected(make_server):
    server = farm(make_server)
    caller = Caller(server)
    caller.post_flags(flag(1))
    server.restart(failpoints="farm.verdicts.before=kill@1")
    lease = caller.take()
    assert try_call(lambda: caller.say(lease, "accepted", flag(1))) is None
    server.wait_dead()
    server.start()
    again = caller.take(wait=10)
    assert again["flags"][0]["attempt"] == 2
    caller.say(again, "duplicate", flag(1))
    assert known(caller)[flag(1)]["status"] == "accepted"


def test_R6_3_verdicts_leases_and_totals_are_as_before_after_a_kill(make_server):
    server = farm(make_server)
    caller = Caller(server)
    caller.post_flags(*[flag(number) for number in range(30)])
    lease = caller.take(most=20)
    names = [one["flag"] for one in lease["flags"]]
    caller.say(lease, "accepted", *names[:5])
    caller.say(lease, "old", *names[5:8])
    before, stats = known(caller), caller.stats()
    server.kill9()
    server.start()
    assert known(caller) == before
    after = caller.stats()
    for name in ("total", "queued", "leased", "accepted", "rejected", "skipped", "by_sploit", "by_team", "attempts"):
        assert after[name] == stats[name], name
    # The lease is still its sender's.
    assert caller.say(lease, "accepted", *names[8:], done=True).json == {"recorded": 12, "late": 0, "unknown": 0}
    assert caller.say(lease, "old", names[0]).json["recorded"] == 1
    assert known(caller)[names[0]]["status"] == "accepted"


def test_R6_3_a_sender_that_dies_gives_its_flags_back(make_server):
    server = farm(make_server)
    caller = Caller(server)
    caller.post_flags(flag(1), flag(2))
    assert len(caller.take(sender="dies")["flags"]) == 2
    until(lambda: caller.stats()["leased"] == 0, "the lease to end", 10)
    assert len(caller.take(wait=5, sender="lives")["flags"]) == 2


def test_R6_3_a_disk_that_fails_costs_an_answer_and_no_flag(make_server):
    server = farm(make_server)
    server.restart(failpoints="farm.journal.before=error@1")
    caller = Caller(server)
    caller.post("/farm/flags", [{"flag": flag(1)}]).expect(500)
    assert caller.post_flags(flag(1), flag(2)) == {"received": 2, "new": 1, "duplicate": 1, "invalid_count": 0, "invalid": []}
    server.kill9()
    server.start()
    assert set(known(caller)) == {flag(1), flag(2)}


def test_R6_3_a_200_survives_kill_9_on_postgresql_too(make_server):
    server = farm(make_server, store={"url": postgres.shared().fresh()})
    posters = Posters(server)
    try:
        posters.wait_for(400)
        server.kill9()
    finally:
        posters.stop()
    server.start()
    caller = Caller(server)
    assert posters.safe <= set(known(caller))
    lease = caller.take(most=5)
    names = [one["flag"] for one in lease["flags"]]
    caller.say(lease, "accepted", *names, message="gr\u00fc\u00dfe, it's \\ fine")
    server.kill9()
    server.start()
    there = known(caller)
    assert {there[name]["status"] for name in names} == {"accepted"} and there[names[0]]["response"] == "gr\u00fc\u00dfe, it's \\ fine"
    balanced(caller.stats())

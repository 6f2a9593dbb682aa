"""The SDK's jury modules against the juries themselves: exact words, cut connections, disorder, limits. No farm is needed."""
import random
import sys
import time

import pytest

from harness.jury import SDK, Jury, flag

sys.path.insert(0, str(SDK))
from tiltyard_farm import JURIES, Limited, Lost, NotSent  # noqa: E402

ECHOED = ("faust", "enowars")
IN_ORDER = ("saarctf", "forcad_tcp")
HTTP = ("forcad_http", "hackerdom", "ccit", "themis")

# What each jury's answer to a marked flag must become; "retry" keeps the flag.
EXPECTED = {
    "forcad_http": {"": "accepted", "OWN": "own", "OLD": "old", "INV": "invalid", "DOWN": "retry", "ERR": "retry"},
    "forcad_tcp": {"": "accepted", "OWN": "own", "OLD": "old", "INV": "invalid", "DOWN": "retry", "ERR": "retry"},
    "hackerdom": {"": "accepted", "OWN": "own", "OLD": "old", "INV": "own", "DOWN": "retry", "LATER": "retry", "ERR": "retry"},
    "faust": {"": "accepted", "OWN": "own", "OLD": "old", "INV": "invalid", "ERR": "retry"},
    "enowars": {"": "accepted", "OWN": "own", "OLD": "old", "INV": "invalid"},
    "saarctf": {"": "accepted", "OWN": "own", "OLD": "old", "INV": "invalid", "NOP": "nop", "DOWN": "retry", "ERR": "retry"},
    "ccit": {"": "accepted", "OWN": "own", "OLD": "old", "INV": "invalid", "NOP": "nop", "DOWN": "rejected", "LATER": "retry", "ERR": "retry"},
    "themis": {"": "accepted", "OWN": "own", "OLD": "old", "INV": "invalid", "DOWN": "retry", "ERR": "retry"},
}


@pytest.fixture
def start(tmp_path):
    """start(mode, **faults): (the jury, a sender's side of it)."""
    opened = []

    def make(mode, **faults):
        faults.setdefault("rate", 0)
        jury = Jury(mode, tmp_path, **faults)
        side = JURIES[mode]({**jury.settings, "timeout": 3})
        opened.extend([jury, side])
        return jury, side
    yield make
    for one in opened:
        one.close()


def collect(side, flags):
    """(verdict kinds by flag, what it ended with or None)"""
    got = {}
    try:
        for verdict in side.send(flags):
            assert verdict.flag not in got, f"two verdicts for {verdict.flag}"
            got[verdict.flag] = verdict.kind
    except (NotSent, Lost) as error:
        return got, error
    return got, None


@pytest.mark.parametrize("mode", JURIES)
def test_R6_4_every_word_of_every_jury_is_understood(start, mode):
    jury, side = start(mode)
    wanted = {flag(number, mark): kind for number, (mark, kind) in enumerate(EXPECTED[mode].items())}
    got, error = collect(side, list(wanted))
    assert (got, error) == (wanted, None)
    again, _ = collect(side, [flag(0)])
    assert again == {flag(0): "duplicate"}
    assert jury.accepted() == {flag(0)}


@pytest.mark.parametrize("mode", JURIES)
def test_R6_4_many_flags_are_attributed_rightly(start, mode):
    """Accepted and refused ones mixed at random; answers that repeat the flag come in disorder."""
    jury, side = start(mode, disorder=True)
    chance = random.Random(11)
    wanted = {}
    for number in range(700):
        mark = chance.choice(["", "", "OWN", "OLD"])
        wanted[flag(number, mark)] = EXPECTED[mode][mark]
    got, error = collect(side, list(wanted))
    assert (got, error) == (wanted, None)
    assert jury.accepted() == {one for one, kind in wanted.items() if kind == "accepted"}
    assert jury.totals()["again"] == 0


@pytest.mark.parametrize("mode", JURIES)
@pytest.mark.parametrize("torn", [False, True])
def test_R6_9_a_batch_cut_after_k_keeps_its_first_k_verdicts(start, mode, torn):
    """The jury has taken 12 more than it has answered when the connection is cut: those stay open, none gets a wrong verdict."""
    jury, side = start(mode, drop_after=7, drop_lost=12, drop_torn=torn)
    flags = [flag(number) for number in range(20)]
    got, error = collect(side, flags)
    assert got == {one: "accepted" for one in flags[:7]}
    assert isinstance(error, Lost) and error.unsent == []
    assert jury.accepted() >= set(flags[:7 + 12])
    after, error = collect(side, flags[7:])
    assert error is None and set(after) == set(flags[7:])
    assert set(after.values()) <= {"accepted", "duplicate"}


@pytest.mark.parametrize("mode", ECHOED + IN_ORDER)
def test_R6_9_flags_behind_a_cut_are_known_to_be_unsent(start, mode):
    jury, side = start(mode, drop_after=40)
    flags = [flag(number) for number in range(3000)]
    got, error = collect(side, flags)
    assert len(got) == 40 and isinstance(error, Lost)
    assert error.unsent and error.unsent == flags[-len(error.unsent):]
    assert not jury.accepted() & set(error.unsent)


@pytest.mark.parametrize("mode", JURIES)
def test_R6_9_a_silent_jury_leaves_the_outcome_open(start, mode):
    jury, side = start(mode, silent=1)
    side.timeout = 0.3
    if mode in HTTP:
        got, error = collect(side, [flag(1)])
    else:
        # The banner comes, answers do not.
        got, error = collect(side, [flag(1)])
    assert got == {} and isinstance(error, (Lost, NotSent))
    if mode != "forcad_tcp":
        assert isinstance(error, Lost)
    side.timeout = 3
    assert collect(side, [flag(2)]) == ({flag(2): "accepted"}, None)
    assert flag(2) in jury.accepted()


@pytest.mark.parametrize("mode", JURIES)
def test_R6_4_a_jury_that_is_away_and_comes_back(start, mode):
    jury, side = start(mode)
    assert collect(side, [flag(1)]) == ({flag(1): "accepted"}, None)
    jury.kill9()
    got, error = collect(side, [flag(2)])
    assert got == {} and isinstance(error, NotSent)
    jury.restart()
    # The connection of before is noticed to be dead before a flag is risked on it.
    assert collect(side, [flag(1), flag(2)]) == ({flag(1): "duplicate", flag(2): "accepted"}, None)


@pytest.mark.parametrize("mode", JURIES)
def test_R6_4_a_restart_between_two_calls_costs_nothing(start, mode):
    jury, side = start(mode)
    collect(side, [flag(1)])
    jury.restart()
    assert collect(side, [flag(2)]) == ({flag(2): "accepted"}, None)


@pytest.mark.parametrize("mode", HTTP)
def test_R6_9_a_429_is_told_with_its_pause_and_judges_nothing(start, mode):
    jury, side = start(mode, rate=1, retry_after=3)
    assert collect(side, [flag(1)])[1] is None
    got, error = collect(side, [flag(2), flag(3)])
    assert got == {} and isinstance(error, Limited) and error.retry_after == 3
    assert jury.accepted() == {flag(1)} and jury.totals()["limited"] == 1
    jury.fault(rate=0)
    assert collect(side, [flag(2)])[0] == {flag(2): "accepted"}


def test_R6_9_ccit_says_its_limit_as_a_500(start):
    jury, side = start("ccit", rate=1, limit_as_500=True)
    collect(side, [flag(1)])
    got, error = collect(side, [flag(2)])
    assert got == {} and isinstance(error, Limited) and error.retry_after is None


@pytest.mark.parametrize("mode,apart", [("forcad_http", 0.5), ("ccit", 3.0)])
def test_R6_9_the_juries_real_rates(start, mode, apart):
    """Without a fault a jury has the limit of its reference: 2 a second, 20 a minute."""
    jury, side = start(mode, rate=-1)
    assert collect(side, [flag(1)])[1] is None
    begun = time.monotonic()
    assert isinstance(collect(side, [flag(2)])[1], Limited)
    assert time.monotonic() - begun < apart


@pytest.mark.parametrize("mode", HTTP)
def test_R6_9_after_a_5xx_the_outcome_is_unknown(start, mode):
    jury, side = start(mode, fail_status=502, fail_times=1)
    got, error = collect(side, [flag(1)])
    assert got == {} and isinstance(error, Lost) and not isinstance(error, NotSent)
    assert collect(side, [flag(1)]) == ({flag(1): "accepted"}, None)


@pytest.mark.parametrize("mode", ["forcad_http", "forcad_tcp", "hackerdom", "ccit"])
def test_R6_4_a_wrong_token_costs_no_flag(start, mode):
    jury, _ = start(mode)
    side = JURIES[mode]({**jury.settings, "token": "wrong"})
    got, error = collect(side, [flag(1)])
    side.close()
    assert got == {} and isinstance(error, NotSent) and jury.accepted() == set()


@pytest.mark.parametrize("mode", JURIES)
def test_R6_4_a_game_that_is_not_running_keeps_the_flags(start, mode):
    if mode == "enowars":
        pytest.skip("its protocol has no word for it")
    jury, side = start(mode, offline=True)
    got, error = collect(side, [flag(1), flag(2)])
    assert got == {flag(1): "retry", flag(2): "retry"} or got == {} and isinstance(error, NotSent)
    assert jury.accepted() == set()


@pytest.mark.parametrize("mode", ECHOED + IN_ORDER)
def test_R6_4_a_flag_that_would_break_the_line_is_not_sent(start, mode):
    """It would be two flags, or close the connection for all the others."""
    jury, side = start(mode)
    bad = ["A\nB", "", " A", "X" * 2000]
    got, error = collect(side, [flag(1), *bad, flag(2)])
    assert error is None
    assert got == {flag(1): "accepted", flag(2): "accepted", **{one: "invalid" for one in bad}}
    assert jury.accepted() == {flag(1), flag(2)}


@pytest.mark.parametrize("mode,calls", [("themis", 4), ("forcad_http", 1), ("hackerdom", 1)])
def test_R6_4_calls_stay_within_the_jurys_bounds(start, mode, calls):
    jury, side = start(mode)
    got, error = collect(side, [flag(number) for number in range(100)])
    assert error is None and len(got) == 100 and jury.totals()["calls"] == calls


def test_R6_4_a_pipelining_sender_is_fast(start):
    """The mark is 20,000 a second through farm and sender; the module alone must be far above, also on a busy machine."""
    _, side = start("faust")
    flags = [flag(number) for number in range(20_000)]
    begun = time.monotonic()
    got, error = collect(side, flags)
    assert error is None and len(got) == 20_000
    assert time.monotonic() - begun < 2

"""Property tests of what reads juries' answers: whatever a jury writes, wherever it is cut, no flag gets a verdict that is not its own."""
import json
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.jury import ROOT, SDK, flag

sys.path.insert(0, str(SDK))
sys.path.insert(0, str(ROOT / "tests" / "juries"))
sys.path.insert(0, str(ROOT / "fuzz"))
import jury_parsers  # noqa: E402
import texts  # noqa: E402
from tiltyard_farm import KINDS, Limited, NotSent  # noqa: E402
from tiltyard_farm.juries import ccit, faust, forcad_http, forcad_tcp, hackerdom, saarctf, themis  # noqa: E402
from tiltyard_farm.juries.calls import complete_items, split  # noqa: E402
from tiltyard_farm.juries.lines import Echoed, InOrder  # noqa: E402

# The same examples in every run: a failure is one for everybody.
bounded = settings(max_examples=300, deadline=None, derandomize=True, database=None)

FLAGS = [flag(number) for number in range(6)]
WORDS = sorted(texts.FORCAD)
HTTP = {"forcad_http": (forcad_http, lambda f, word: {"msg": f"[{f}] {texts.FORCAD[word]}", "flag": f}),
        "hackerdom": (hackerdom, lambda f, word: {"msg": f"[{f}] {texts.HACKERDOM[word]}", "flag": f, "status": word == "accepted"}),
        "ccit": (ccit, lambda f, word: {"msg": f"[{f}] {texts.CCIT[word][1]}", "flag": f, "status": texts.CCIT[word][0]}),
        "themis": (themis, lambda f, word: texts.THEMIS[word])}

# Texts near to what juries write, so that the parsers' depths are reached.
NEAR = st.sampled_from(['[', ']', '{', '}', ',', '"', '"flag":', '"msg":', '"status":', '1', '10', ' ', '\\', 'null', '\n', *FLAGS, 'OK', '[OK]', '[ERR] Expired'])
ANYTHING = st.one_of(st.text(max_size=200), st.lists(NEAR, max_size=40).map("".join))
JSONISH = st.recursive(st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=20), st.sampled_from(FLAGS)),
                       lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(st.sampled_from(["flag", "msg", "status", "x"]), inner, max_size=4)),
                       max_leaves=20)


def well_formed(verdicts):
    named = [verdict.flag for verdict in verdicts]
    assert len(named) == len(set(named)) and set(named) <= set(FLAGS)
    assert all(verdict.kind in KINDS and isinstance(verdict.message, str) for verdict in verdicts)


@bounded
@given(st.sampled_from(sorted(HTTP)), st.one_of(ANYTHING, JSONISH.map(json.dumps)))
def test_R6_4_no_http_answer_breaks_a_parser(mode, text):
    well_formed(HTTP[mode][0].read(FLAGS, text))


@bounded
@given(st.sampled_from(sorted(HTTP)), st.lists(st.sampled_from(WORDS), min_size=6, max_size=6), st.integers(0, 2000))
def test_R6_9_any_beginning_of_an_answer_gives_the_beginning_of_its_verdicts(mode, words, cut):
    module, item = HTTP[mode]
    text = json.dumps([item(f, word) for f, word in zip(FLAGS, words)])
    whole = module.read(FLAGS, text)
    assert [verdict.flag for verdict in whole] == FLAGS
    part = module.read(FLAGS, text[:cut])
    assert part == whole[:len(part)]
    if cut >= len(text):
        assert part == whole


@bounded
@given(st.permutations(FLAGS), st.lists(st.sampled_from(sorted(texts.FAUST)), min_size=6, max_size=6), st.lists(ANYTHING, max_size=6))
def test_R6_4_echoed_answers_in_any_order_with_anything_between_them(order, words, noise):
    waiting = Echoed(faust.CODES)
    waiting.add(FLAGS)
    said = {f: texts.FAUST[word] for f, word in zip(order, words)}
    lines = [f"{f} {said[f]} note" for f in order]
    for number, extra in enumerate(noise):
        lines.insert(number * 2, f"x{extra}".replace("\n", " "))
    verdicts = [verdict for verdict in map(waiting.take, lines) if verdict]
    well_formed(verdicts)
    assert {verdict.flag: verdict.kind for verdict in verdicts} == {f: faust.CODES[code] for f, code in said.items()}
    assert len(waiting) == 0


@bounded
@given(st.lists(st.sampled_from(sorted(texts.SAARCTF)), min_size=6, max_size=6), st.lists(st.text(max_size=30), max_size=6))
def test_R6_4_answers_in_order_are_not_moved_by_other_lines(words, noise):
    waiting = InOrder(saarctf.read_line)
    waiting.add(FLAGS)
    lines = [texts.SAARCTF[word] for word in words]
    for number, extra in enumerate(noise):
        lines.insert(number * 2, "" if number % 2 else f"note {extra}")
    verdicts = [verdict for verdict in map(waiting.take, lines) if verdict]
    assert [verdict.flag for verdict in verdicts] == FLAGS
    assert [verdict.message for verdict in verdicts] == [texts.SAARCTF[word] for word in words]


@bounded
@given(st.sampled_from([saarctf.read_line, forcad_tcp.read_line]), st.lists(ANYTHING, max_size=12))
def test_R6_4_no_line_breaks_a_parser(read, lines):
    waiting = InOrder(read)
    waiting.add(FLAGS)
    well_formed([verdict for verdict in map(waiting.take, lines) if verdict])


@bounded
@given(ANYTHING)
def test_R6_4_complete_items_are_those_of_the_whole_list(text):
    items = complete_items(text)
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        return
    assert items == (whole if isinstance(whole, list) else [])


@bounded
@given(st.lists(st.text(min_size=1, max_size=60), max_size=80), st.integers(1, 30), st.integers(50, 2000))
def test_R6_4_calls_keep_all_flags_in_order_and_within_bounds(flags, batch, body_limit):
    parts = split(flags, batch, body_limit)
    assert [one for part in parts for one in part] == flags
    assert all(len(part) <= batch and (len(part) == 1 or len(json.dumps(part)) <= body_limit) for part in parts)


def test_R6_4_the_general_error_of_themis_is_about_no_flag():
    side = themis.Jury({"host": "127.0.0.1"})
    for text, kind in (("7", Limited), ("12", NotSent), ("1", NotSent)):
        try:
            side.read(FLAGS, text)
        except kind:
            continue
        raise AssertionError(text)


@pytest.mark.parametrize("path", sorted(jury_parsers.SEEDS.iterdir()), ids=lambda path: path.name)
def test_R6_4_what_fuzzing_has_found_stays_mended(path):
    jury_parsers.try_input(path.read_bytes())


DEEP = """
def read(data):
    if data.startswith(b"{"):
        if data.endswith(b"null"):
            if b"[OK]" in data:
                if b"points" in data:
                    raise ValueError("found")
"""


def test_R6_4_the_fuzzer_is_led_by_what_it_reaches(tmp_path):
    (tmp_path / "deep.py").write_text(DEEP)
    deep = {}
    exec(compile(DEEP, str(tmp_path / "deep.py"), "exec"), deep)
    found, tries = jury_parsers.fuzz(deep["read"], [b""], 60, seed=1, folder=str(tmp_path))
    assert found is not None, tries
    # Without looking at what is reached, the same changes of the same beginning do not come to it in ten times as many.
    blind, led_by_nothing = jury_parsers.fuzz(deep["read"], [b""], 60, seed=1, folder="/nowhere", most=tries * 10)
    assert blind is None and led_by_nothing == tries * 10

"""./test may never count a crash as silence."""
import json

import pytest


@pytest.fixture
def tally(tool):
    return tool("tally")


def test_gtest_counts(tally):
    report = {"testsuites": [{"testsuite": [
        {"result": "COMPLETED"}, {"result": "COMPLETED", "failures": [{"failure": "x"}]}, {"result": "SKIPPED"}, {"result": "SUPPRESSED"}]}]}
    assert tally.gtest(json.dumps(report)) == (1, 1, 1)


def test_junit_counts(tally):
    assert tally.junit('<testsuites><testsuite><testcase/><testcase><failure/></testcase><testcase><error/></testcase>'
                       '<testcase><skipped/></testcase></testsuite></testsuites>') == (1, 2, 1)


def test_the_last_line_counts(tally):
    assert tally.line("3 passed, 4 failed\nweb: 12 passed, 1 failed\n") == (12, 1, 0)


@pytest.mark.parametrize("kind", ["gtest", "junit", "line"])
def test_a_report_cut_short_or_missing_is_a_failure(tally, capsys, tmp_path, kind):
    (tmp_path / "cut").write_text("<testsuites><te" if kind == "junit" else '{"testsuites"')
    tally.main([kind, str(tmp_path / "cut"), str(tmp_path / "missing")])
    assert capsys.readouterr().out == "0 2 0\n"

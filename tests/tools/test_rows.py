"""tools/rows counts the tests that carry a row's number and says where the document is wrong."""
import pytest

R = "R"  # written apart, so that these examples do not count as proof themselves
DOCUMENT = """# Rows
| row | what | state | proven by |
|---|---|---|---|
| 1.1 | One | there | |
| 1.13 | Two \\| with a bar | open | |
"""


@pytest.fixture
def rows(tool):
    return tool("rows")


@pytest.fixture
def find(rows, tmp_path):
    def run(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return rows.find_tests(tmp_path, files)

    return run


def test_every_kind_of_test_is_found(find):
    tests = find({
        "src/labs/saga_test.cpp": f"TEST({R}1_13, KillAfterEachStep) {{}}\nTEST_F(\n    {R}1_6, Long) {{}}\n",
        "tests/e2e/test_life.py": f"def test_{R}1_12_sweep():\n    pass\n",
        "tests/web/page.test.mjs": f"test('{R}11.1 start', () => {{}})\n",
    })
    assert dict(tests) == {
        "1.13": ["src/labs/saga_test.cpp:1"], "1.6": ["src/labs/saga_test.cpp:2"],
        "1.12": ["tests/e2e/test_life.py:1"], "11.1": ["tests/web/page.test.mjs:1"],
    }


def test_comments_and_sources_do_not_count(find):
    assert find({"src/labs/saga.cpp": f"TEST({R}1_1, No)\n", "tests/e2e/test_a.py": f"# {R}1_1\nx = '{R}1.1'\n"}) == {}


def test_numbers_are_not_cut_short(find):
    assert list(find({"src/a_test.cpp": f"TEST({R}1_13, A)\n"})) == ["1.13"]


def test_write_fills_the_last_column_and_check_agrees(rows):
    tests = {"1.1": ["src/labs/a_test.cpp:3", "src/labs/a_test.cpp:9", "tests/e2e/test_b.py:1"]}
    written = rows.rewrite(DOCUMENT, tests)
    assert "| 1.1 | One | there | `labs/a_test.cpp`, `e2e/test_b.py` |" in written
    assert "| 1.13 | Two \\| with a bar | open | |" in written
    assert list(rows.complaints(written, tests)) == []
    assert rows.rewrite(written, tests) == written


def test_check_finds_what_is_not_true(rows):
    assert any("no test carries" in line for line in rows.complaints(DOCUMENT, {}))
    tests = {"1.1": ["src/a_test.cpp:1"], "1.13": ["src/b_test.cpp:1"], "9.99": ["src/c_test.cpp:1"]}
    found = "\n".join(rows.complaints(rows.rewrite(DOCUMENT, tests), tests))
    assert "1.13 has tests" in found and "no row 9.99" in found
    assert "out of date" in "\n".join(rows.complaints(DOCUMENT, tests))

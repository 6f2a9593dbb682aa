"""The page has words for the steps of a start that there are, and for no others."""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_R11_1_the_page_knows_the_steps_that_there_are():
    name = re.compile(r'name\(\) const override \{ return "([^"]+)"; \}')
    steps = {found for path in (ROOT / "src").glob("*/step*.cpp") if not path.name.endswith("_test.cpp") for found in name.findall(path.read_text())}
    assert "network" in steps, "the steps of a start are found by their name()"
    table = re.search(r"STEP_WORDS[^{]*\{(.*?)\n\};", (ROOT / "web/src/pages/machines/words.ts").read_text(), re.S).group(1)
    # Before the first step there is the question itself.
    assert set(re.findall(r"^\s*'?([\w-]+)'?:", table, re.M)) - {"asking"} == steps

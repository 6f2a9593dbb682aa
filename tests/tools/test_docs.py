"""What the documents name is there: files, tests, headings, keys."""
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
LISTED = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
TRACKED = [name for name in LISTED if name and (ROOT / name).exists()]
DOCUMENTS = [name for name in TRACKED if name.endswith(".md") and not name.startswith(("web/", "tests/"))]
# Decisions tell of the day they were made.
LIVING = [name for name in DOCUMENTS if not name.startswith("docs/decisions/")]

LINK = re.compile(r"\]\(([^)\s]+)\)")
SOURCE = re.compile(r"`([\w./-]+\.(?:cpp|h|py|mjs|tsx?|proto|yaml|toml|service))`")
PYTEST = re.compile(r"`(test_R\d+_\d+_\w+)")
DOTTED = re.compile(r"`([a-z]+\.[a-z_-]+)`")
GTEST = re.compile(r"`(R\d+_\d+)\.(\w+)`")
# What an author writes, or a server makes, is no file of ours.
NOT_OURS = {"tiltyard.toml", "farm.toml", "docker-compose.yaml", "compose.override.yaml", "start_sploit.py", "auth.token",
            "templates/greeting/instance.toml", "challenge.toml", "./tiltyard.toml"}


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8", errors="replace")


def slugs(text):
    """The anchors of a document's headings, as GitHub makes them."""
    for heading in re.findall(r"^#+ (.*)$", text, re.M):
        yield re.sub(r"[^\w\- ]", "", heading.lower().strip()).replace(" ", "-")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document):
    broken = []
    for target in LINK.findall(re.sub(r"```.*?```", "", text_of(document), flags=re.S)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        place = (ROOT / document).parent / path if path else ROOT / document
        if not place.exists() or (anchor and place.suffix == ".md" and anchor not in slugs(place.read_text(encoding="utf-8"))):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("document", LIVING)
def test_files_that_are_named_are_there(document):
    missing = []
    for named in dict.fromkeys(SOURCE.findall(text_of(document))):
        if named in NOT_OURS or "NAME" in named or named.startswith("/"):
            continue
        if not any(("/" + name).endswith("/" + named.lstrip("./")) for name in TRACKED):
            missing.append(named)
    assert missing == []


@pytest.mark.parametrize("document", LIVING)
def test_tests_that_are_named_are_there(document):
    text = text_of(document)
    python = "\n".join(text_of(name) for name in TRACKED if name.startswith("tests/") and name.endswith(".py"))
    cpp = re.sub(r"\s+", " ", "\n".join(text_of(name) for name in TRACKED if name.endswith("_test.cpp")))
    missing = [name for name in PYTEST.findall(text) if f"def {name}(" not in python]
    missing += [f"{row}.{name}" for row, name in GTEST.findall(text) if not re.search(rf"TEST\w*\( ?{row}\w*, {name}\)", cpp)]
    assert missing == []


@pytest.mark.parametrize("document", LIVING)
def test_keys_kinds_and_events_that_are_named_are_there(document):
    """What is written `section.word` with a section of the configuration is a key, a kind of event or a kind of job."""
    sections = re.findall(r"^## `?\[(\w+)[\w.]*\]`?\n(.*?)(?=^## |\Z)", text_of("docs/configuration.md"), re.M | re.S)
    keys = {f"{section}.{key}" for section, text in sections for key in re.findall(r"^\| `(\w+)`", text, re.M)}
    assert len(keys) > 50
    source = "\n".join(text_of(name) for name in TRACKED if name.startswith("src/") and name.endswith((".cpp", ".h")))
    files = {name.rsplit("/", 1)[-1] for name in TRACKED}
    missing = [word for word in dict.fromkeys(DOTTED.findall(text_of(document)))
               if word.split(".")[0] in dict(sections) and word not in keys | files | NOT_OURS and f'{word}"' not in source]
    assert missing == []


def test_the_glossary_s_names_are_the_code_s():
    code = "\n".join(text_of(name) for name in TRACKED if name.startswith("src/") and name.endswith(".h"))
    words = dict.fromkeys(re.findall(r"`([A-Z][a-z]\w+)`", text_of("docs/glossary.md")))
    assert len(words) > 10
    assert [word for word in words if not re.search(rf"\b(class|struct|enum class|using) {word}\b", code)] == []

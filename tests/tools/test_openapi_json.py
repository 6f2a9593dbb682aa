"""tools/openapi_json.py joins the API's files into one document, and says what two of them declare."""
import json
import pathlib
import re

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
COMMON = """
openapi: 3.0.3
info: { title: A, version: '1' }
tags: [{ name: admin, description: Staff }]
reasons: [internal]
components:
  responses:
    Problem: { description: Wrong, content: { application/problem+json: { schema: { $ref: '#/components/schemas/ProblemType' } } } }
  schemas:
    ProblemType: { type: string }
"""
PETS = """
reasons: [pet-unknown]
paths:
  /pets:
    get: { operationId: listPets, responses: { '200': { $ref: '#/components/responses/Pets' }, default: { $ref: '#/components/responses/Problem' } } }
components:
  responses:
    Pets: { description: All, content: { application/json: { schema: { $ref: '#/components/schemas/Pet' } } } }
  schemas:
    Pet: { type: object, properties: { born: { type: string, example: 2026-01-31 } } }
"""
TREES = """
reasons: [tree-unknown]
paths:
  /trees:
    get: { operationId: listTrees, responses: { '200': { $ref: '#/components/responses/Trees' } } }
components:
  responses:
    Trees: { description: All, content: { application/json: { schema: { $ref: '#/components/schemas/Tree' } } } }
  schemas:
    Tree: { type: object }
"""


@pytest.fixture
def build(tool, tmp_path):
    """Writes the files and joins them; gives (document, problems)."""

    def run(**files):
        (tmp_path / "api" / "paths").mkdir(parents=True, exist_ok=True)
        (tmp_path / "api" / "common.yaml").write_text(files.pop("common", COMMON))
        for name, text in files.items():
            (tmp_path / "api" / "paths" / f"{name}.yaml").write_text(text)
        return tool("openapi_json.py").build(tmp_path / "api")

    return run


def test_the_committed_document_is_what_the_files_say(tool, capsys):
    assert tool("openapi_json.py").main(["--check", str(ROOT)]) == 0, capsys.readouterr().err


def test_a_route_stands_in_the_file_of_its_capability():
    """docs/routes.md has the routes by the capability that declares them."""
    owner, routes = "", {}
    for line in (ROOT / "docs" / "routes.md").read_text().split("\n"):
        route = re.match(r"\| ([A-Z]+) \| `([^`]+)` ", line)
        if line.startswith("## "):
            owner = line[3:]
        elif route:
            routes[route.groups()] = owner
    files = {(method.upper(), path): file.stem for file in (ROOT / "api" / "paths").glob("*.yaml")
             for path, item in yaml.safe_load(file.read_text())["paths"].items() for method in item if method != "parameters"}
    assert len(routes) > 90 and set(files) == set(routes)
    assert {route: (owner, files[route]) for route, owner in routes.items() if files[route].split("_")[0] != owner} == {}


def test_files_become_one_document(build):
    document, problems = build(pets=PETS, trees=TREES)
    assert problems == []
    assert list(document["paths"]) == ["/pets", "/trees"]
    assert set(document["components"]["schemas"]) == {"ProblemType", "Pet", "Tree"}
    assert document["components"]["schemas"]["ProblemType"]["enum"] == [f"urn:tiltyard:error:{name}" for name in ("internal", "pet-unknown", "tree-unknown")]
    assert document["tags"] == [{"name": "admin", "description": "Staff"}] and "reasons" not in document
    assert document["components"]["schemas"]["Pet"]["properties"]["born"]["example"] == "2026-01-31"


def test_which_file_says_it_makes_no_difference(build, tmp_path):
    apart, _ = build(pets=PETS, trees=TREES)
    (tmp_path / "api" / "paths" / "pets.yaml").rename(tmp_path / "api" / "paths" / "zebras.yaml")
    again, _ = build(trees=TREES)
    assert json.dumps(again) == json.dumps(apart)


@pytest.mark.parametrize(("theirs", "ours", "said"), [
    ("/trees", "/pets", "path /pets"),
    ("listTrees", "listPets", "operationId listPets"),
    ("tree-unknown", "pet-unknown", "reason pet-unknown"),
    ("Trees", "Pets", "components/responses Pets"),
    ("Tree", "Pet", "components/schemas Pet"),
])
def test_what_two_files_declare_names_both(build, theirs, ours, said):
    _, problems = build(pets=PETS, trees=TREES.replace(theirs, ours))
    assert f"{said} is declared by pets.yaml and by trees.yaml" in problems


def test_a_tag_belongs_to_one_file(build):
    _, problems = build(pets="tags: [{ name: admin, description: Again }]\n" + PETS)
    assert problems == ["tag admin is declared by common.yaml and by pets.yaml"]


def test_a_key_written_twice_in_one_file_is_refused_where_it_stands(build):
    _, problems = build(pets=PETS + "  schemas:\n    Pet: { type: string }\n", trees=TREES)
    assert problems[0] == "pets.yaml:11: schemas stands twice, first in line 9"


def test_a_text_with_a_comma_needs_quotes(build):
    _, problems = build(pets=PETS + "    Cat: { type: object, description: One, not two }\n")
    assert problems[0].startswith('pets.yaml:') and '"not two" has no value: a text with a comma needs quotes' in problems[0]


def test_a_file_that_is_no_yaml_says_where(build):
    _, problems = build(pets=PETS, trees="paths: {\n")
    assert len(problems) == 1 and problems[0].startswith("trees.yaml:2: ")


@pytest.mark.parametrize(("pets", "said"), [
    (PETS.replace("schemas/Pet'", "schemas/Cat'"), "pets.yaml: #/components/schemas/Cat leads nowhere"),
    (PETS + "    Cat: { type: object }\n", "pets.yaml: nothing refers to components/schemas/Cat"),
    ("info: { title: B }\n" + PETS, "pets.yaml: info is not for this file"),
    (PETS.replace("operationId: listPets, ", ""), "pets.yaml: get /pets has no operationId"),
])
def test_what_is_wrong_in_one_file(build, pets, said):
    assert said in build(pets=pets)[1]


def test_what_all_share_needs_no_capability(build):
    common = COMMON.replace("schemas/ProblemType'", "schemas/Pet'")
    assert "common.yaml: #/components/schemas/Pet belongs to one capability; what all share may not need it" in build(common=common, pets=PETS)[1]


def test_nothing_is_written_while_something_is_wrong(build, tool, tmp_path, capsys):
    build(pets=PETS)
    tool("openapi_json.py").main([str(tmp_path)])
    written = tmp_path / "api" / "openapi.json"
    good = written.read_text()
    assert json.loads(good)["paths"].keys() == {"/pets"}
    build(trees=TREES.replace("/trees", "/pets"))
    assert tool("openapi_json.py").main([str(tmp_path)]) == 1 and written.read_text() == good
    assert "path /pets is declared by pets.yaml and by trees.yaml" in capsys.readouterr().err


def test_a_document_that_is_not_current_fails_the_check(build, tool, tmp_path, capsys):
    build(pets=PETS)
    tool("openapi_json.py").main([str(tmp_path)])
    assert tool("openapi_json.py").main(["--check", str(tmp_path)]) == 0
    build(pets=PETS, trees=TREES)
    assert tool("openapi_json.py").main(["--check", str(tmp_path)]) == 1
    assert "is not what the YAML says; run tools/openapi_json.py" in capsys.readouterr().err

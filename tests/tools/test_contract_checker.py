"""The checker that the end-to-end tests hold answers against: what does not fit is said, and what nobody checks is refused."""
import json
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from harness.api import Answer  # noqa: E402
from harness.contract import Contract  # noqa: E402

DOCUMENT = {
    "paths": {
        "/pets/{id}": {
            "parameters": [],
            "get": {"operationId": "getPet", "responses": {
                "200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}},
                "default": {"$ref": "#/components/responses/Problem"}}},
            "delete": {"operationId": "deletePet", "responses": {"204": {"description": "Gone"}}},
        },
        "/pets/lost": {"get": {"operationId": "lostPets", "responses": {"200": {"content": {"text/plain": {}}}}}},
    },
    "components": {
        "responses": {"Problem": {"content": {"application/problem+json": {"schema": {"type": "object", "required": ["type"]}}}}},
        "schemas": {"Pet": {"type": "object", "required": ["name"], "properties": {
            "name": {"type": "string", "minLength": 1}, "age": {"type": "integer", "minimum": 0, "nullable": True},
            "kind": {"type": "string", "enum": ["cat", "dog"]}}}},
    },
}


@pytest.fixture
def contract():
    return Contract(json.loads(json.dumps(DOCUMENT)))


def answer(method, path, status, body=b"", kind=""):
    return Answer(method, path, status, {"content-type": kind} if kind else {}, body if isinstance(body, bytes) else json.dumps(body).encode())


def test_what_fits_passes_and_is_remembered(contract):
    contract.check(answer("GET", "/pets/7", 200, {"name": "Tom", "age": None, "kind": "cat"}, "application/json"))
    contract.check(answer("GET", "/pets/lost", 200, b"none", "text/plain"))
    contract.check(answer("GET", "/pets/7", 404, {"type": "x"}, "application/problem+json"))
    assert contract.called == {"getPet", "lostPets"}
    assert contract.operations() == {"getPet": ("GET", "/pets/{id}"), "deletePet": ("DELETE", "/pets/{id}"), "lostPets": ("GET", "/pets/lost")}


@pytest.mark.parametrize(("got", "said"), [
    (answer("GET", "/pets/7", 200, {"age": 3}, "application/json"), "name"),
    (answer("GET", "/pets/7", 200, {"name": 3}, "application/json"), "int instead of string"),
    (answer("GET", "/pets/7", 200, {"name": "Tom", "age": True}, "application/json"), "bool instead of integer"),
    (answer("GET", "/pets/7", 200, {"name": "Tom", "kind": "cow"}, "application/json"), "none of"),
    (answer("GET", "/pets/7", 200, {"name": None}, "application/json"), "null"),
    (answer("GET", "/pets/7", 200, {"name": "Tom", "more": 1}, "application/json"), "knows no more"),
    (answer("GET", "/pets/7", 200, b"Tom", "text/plain"), "text/plain"),
    (answer("GET", "/pets/7", 201, {"name": "Tom"}, "application/json"), "has no 201"),
    (answer("DELETE", "/pets/7", 404, {"type": "x"}, "application/problem+json"), "has no 404"),
    (answer("DELETE", "/pets/7", 204, b"x"), "has a body"),
    (answer("PUT", "/pets/7", 200, {}, "application/json"), "does not name"),
    (answer("GET", "/cows", 200, {}, "application/json"), "does not name"),
])
def test_what_does_not_fit_is_said(contract, got, said):
    with pytest.raises(AssertionError, match=said):
        contract.check(got)


def test_parts_of_one_whole_know_of_each_other(contract):
    schema = {"allOf": [{"$ref": "#/components/schemas/Pet"}, {"type": "object", "properties": {"token": {"type": "string"}}}]}
    assert list(contract.complaints({"name": "Tom", "token": "x"}, schema, "$")) == []
    assert list(contract.complaints({"name": "Tom", "token": 1}, schema, "$")) == ["$.token: int instead of string"]
    assert {"$: the document knows no more"} == set(contract.complaints({"name": "Tom", "more": 1}, schema, "$"))


def test_a_keyword_that_nothing_checks_is_refused(contract):
    contract.document["components"]["schemas"]["Pet"]["uniqueItems"] = True
    with pytest.raises(AssertionError, match="uniqueItems"):
        contract.check(answer("GET", "/pets/7", 200, {"name": "Tom"}, "application/json"))

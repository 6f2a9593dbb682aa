#!/usr/bin/env python3
"""Write api/openapi.json from api/common.yaml and api/paths/*.yaml.

Usage: openapi_json.py [--check] [ROOT]. The server embeds the JSON, which is committed, so that a build needs no YAML
reader. Run this after editing the YAML; with --check nothing is written, and what differs is an error.

common.yaml holds what all share, each file of paths/ (NAME.yaml or NAME_PART.yaml) what one capability has: `paths`,
`components`, `tags`, and `reasons`, the error types (without urn:tiltyard:error:) that are its own. What two files
declare is an error that names both; so is a $ref that leads nowhere, a component that nothing refers to, and a reference
from common.yaml into paths/.
"""
import json
import pathlib
import sys

import yaml

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
URN = "urn:tiltyard:error:"
WHOLE = ("openapi", "info", "servers", "security")  # said once, by common.yaml
PARTS = ("tags", "reasons", "paths", "components")
NO_REFERENCE = {"securitySchemes"}  # named, not referred to


class Reader(yaml.SafeLoader):
    """Reads scalars as JSON would (a date stays a string), and a key written twice is an error."""

    def construct_mapping(self, node, deep=False):
        seen = {}
        for key, value in node.value:
            # {description: One, two} is a key "two" with nothing in it.
            if isinstance(value, yaml.ScalarNode) and value.value == "" and value.style is None and " " in key.value:
                raise yaml.constructor.ConstructorError(
                    None, None, f"\"{key.value}\" has no value: a text with a comma needs quotes here", key.start_mark)
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key.value} stands twice, first in line {seen[key.value]}", key.start_mark)
            seen[key.value] = key.start_mark.line + 1
        return super().construct_mapping(node, deep)


Reader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read(file, problems):
    """The file's content; what is wrong with it goes to the problems."""
    try:
        content = yaml.load(file.read_text("utf-8"), Loader=Reader) or {}
    except yaml.MarkedYAMLError as error:
        problems.append(f"{file.name}:{error.problem_mark.line + 1}: {error.problem}")
        return {}
    allowed = PARTS + WHOLE if file.name == "common.yaml" else PARTS
    problems += [f"{file.name}: {key} is not for this file" for key in content if key not in allowed]
    problems += [f"{file.name}: {method} {path} has no operationId" for path, method, operation in operations(content)
                 if "operationId" not in operation]
    return content


def operations(content):
    """(path, method, operation) for each operation of a file or of the whole."""
    for path, item in (content.get("paths") or {}).items():
        for method in METHODS:
            if method in item:
                yield path, method, item[method]


def declared(content):
    """(kind, name) for all that may be declared once only, besides what common.yaml alone says."""
    for tag in content.get("tags") or []:
        yield "tag", tag["name"]
    for reason in content.get("reasons") or []:
        yield "reason", reason
    for path in content.get("paths") or {}:
        yield "path", path
    for _, _, operation in operations(content):
        yield "operationId", operation.get("operationId")
    for kind, parts in (content.get("components") or {}).items():
        for name in parts:
            yield f"components/{kind}", name


def twice(files):
    """What two files declare, and what one declares twice."""
    first = {}
    for name, content in files.items():
        for kind, said in declared(content):
            if said is not None and (kind, said) in first:
                yield f"{kind} {said} is declared by {first[kind, said]} and by {name}"
            first.setdefault((kind, said), name)


def join(files):
    """One document of all the files' contents, the first of which is common.yaml's."""
    document = {key: value for content in files.values() for key, value in content.items() if key in WHOLE}
    document |= {"tags": [], "paths": {}, "components": {}}
    reasons = []
    for content in files.values():
        document["tags"] += content.get("tags") or []
        document["paths"] |= content.get("paths") or {}
        reasons += content.get("reasons") or []
        for kind, parts in (content.get("components") or {}).items():
            document["components"].setdefault(kind, {}).update(parts)
    # In an order that does not tell of the files: what moves to another one changes nothing here.
    document["tags"].sort(key=lambda tag: tag["name"])
    document["paths"] = dict(sorted(document["paths"].items()))
    document["components"] = {kind: dict(sorted(parts.items())) for kind, parts in document["components"].items()}
    kinds = document["components"].get("schemas", {}).get("ProblemType")
    if kinds is not None:
        kinds["enum"] = [URN + reason for reason in sorted(reasons)]
    return document


def references(node):
    """Each $ref below a node."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        node = list(node.values())
    for value in node if isinstance(node, list) else ():
        yield from references(value)


def target(document, reference):
    place = document
    for part in reference.removeprefix("#/").split("/"):
        place = place.get(part) if isinstance(place, dict) else None
    return place


def misled(files, document):
    """References that lead nowhere or upwards, and components that none leads to."""
    used = set()
    for name, content in files.items():
        for reference in dict.fromkeys(references(content)):
            used.add(reference)
            if target(document, reference) is None:
                yield f"{name}: {reference} leads nowhere"
            elif name == "common.yaml" and target(content, reference) is None:
                yield f"{name}: {reference} belongs to one capability; what all share may not need it"
    for name, content in files.items():
        for kind, parts in (content.get("components") or {}).items():
            for part in parts:
                if kind not in NO_REFERENCE and f"#/components/{kind}/{part}" not in used:
                    yield f"{name}: nothing refers to components/{kind}/{part}"


def build(api):
    """(document, problems) of a folder of YAML."""
    problems = []
    files = {file.name: read(file, problems) for file in [api / "common.yaml", *sorted((api / "paths").glob("*.yaml"))]}
    document = join(files)
    problems += twice(files)
    problems += misled(files, document)
    return document, problems


def main(arguments):
    roots = [argument for argument in arguments if argument != "--check"]
    api = pathlib.Path(roots[0] if roots else pathlib.Path(__file__).resolve().parent.parent) / "api"
    document, problems = build(api)
    text = json.dumps(document, ensure_ascii=False, indent=1) + "\n"
    written = api / "openapi.json"
    if "--check" in arguments:
        if not written.exists() or written.read_text("utf-8") != text:
            problems.append("openapi.json is not what the YAML says; run tools/openapi_json.py")
    elif not problems:
        written.write_text(text, "utf-8")
    for problem in problems:
        print(f"api: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

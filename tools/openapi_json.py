#!/usr/bin/env python3
"""Write api/openapi.json from api/openapi.yaml.

The server embeds the JSON, which is committed, so that a build needs no YAML reader. Run this after editing the
YAML; with --check it writes nothing and ends with 1 if the two differ or a $ref points nowhere.
"""
import json
import pathlib
import sys

import yaml

API = pathlib.Path(__file__).resolve().parent.parent / "api"


class Reader(yaml.SafeLoader):
    """Reads scalars as JSON would: a date stays a string."""


Reader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def dangling(document):
    """References that lead nowhere, and operation ids used twice."""
    found, ids = [], set()

    def walk(node):
        if isinstance(node, dict):
            target = node.get("$ref")
            if isinstance(target, str):
                place = document
                for part in target.removeprefix("#/").split("/"):
                    place = place.get(part) if isinstance(place, dict) else None
                if place is None:
                    found.append(f"{target} leads nowhere")
            name = node.get("operationId")
            if isinstance(name, str):
                if name in ids:
                    found.append(f"operationId {name} is used twice")
                ids.add(name)
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(document)
    return found


def main():
    document = yaml.load((API / "openapi.yaml").read_text("utf-8"), Loader=Reader)
    problems = dangling(document)
    text = json.dumps(document, ensure_ascii=False, indent=1) + "\n"
    target = API / "openapi.json"
    if "--check" in sys.argv[1:]:
        if not target.exists() or target.read_text("utf-8") != text:
            problems.append("api/openapi.json is not what api/openapi.yaml says; run tools/openapi_json.py")
    elif not problems:
        target.write_text(text, "utf-8")
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

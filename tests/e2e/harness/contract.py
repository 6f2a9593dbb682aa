"""Holds real answers against the OpenAPI document: is the route in it, the status, and does the body fit the schema?

A small checker of the subset of OpenAPI 3.0.3 that the document uses. An unknown keyword is an error, so that the
document cannot say something that nobody checks.
"""
import re

CHECKED = {"type", "properties", "required", "additionalProperties", "items", "enum", "nullable", "format", "pattern", "minimum", "maximum",
           "minLength", "maxLength", "minItems", "oneOf", "allOf", "$ref"}
PROSE = {"description", "title", "example", "default"}
TYPES = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list, "object": dict}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


class Contract:
    def __init__(self, document):
        self.document = document
        self.called = set()  # operationIds
        self.routes = []
        for path, methods in document["paths"].items():
            pattern = re.compile("^" + re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(path)) + "$")
            self.routes.append((pattern, path, methods))
        # A fixed path wins over one with a parameter.
        self.routes.sort(key=lambda route: route[1].count("{"))

    def resolve(self, node):
        while "$ref" in node:
            target = self.document
            for part in node["$ref"][2:].split("/"):
                target = target[part]
            node = target
        return node

    def operations(self):
        """(METHOD, path) of each operation of the document by its operationId."""
        return {operation["operationId"]: (method.upper(), path) for _, path, methods in self.routes
                for method, operation in methods.items() if method != "parameters"}

    def check(self, answer):
        """Raises AssertionError where the answer is not as the document says."""
        operation = next((methods[answer.method.lower()] for pattern, _, methods in self.routes
                          if pattern.match(answer.path) and answer.method.lower() in methods), None)
        if operation is None:
            # What the document does not know, the server must not either.
            assert answer.status in (404, 405), f"{answer} is a route that the document does not name"
            return
        self.called.add(operation["operationId"])
        responses = operation["responses"]
        status = str(answer.status)
        assert status in responses or "default" in responses and answer.status >= 400, f"{answer}: the document has no {status}: {answer.text[:300]}"
        response = self.resolve(responses.get(status) or responses["default"])
        content = response.get("content")
        if not content:
            assert answer.body == b"", f"{answer} has a body, the document says none"
            return
        assert answer.kind in content, f"{answer} is {answer.kind}, the document says {list(content)}: {answer.text[:300]}"
        if answer.kind.endswith("json") and not answer.kind.endswith("ndjson"):
            complaints = list(self.complaints(answer.json, content[answer.kind]["schema"], "$"))
            assert not complaints, f"{answer} does not fit the document: {complaints[:5]} in {answer.text[:600]}"

    def names(self, schema):
        """The members that an object of this schema may have, by itself and by its allOf."""
        schema = self.resolve(schema)
        return set(schema.get("properties", {})).union(*(self.names(part) for part in schema.get("allOf", [])))

    def complaints(self, value, schema, where, beside=frozenset()):
        """What is wrong with the value. `beside`: members that other parts of an allOf speak of. A member that nobody speaks of is
        wrong too: clients ignore what they do not know, but our own answers are documented whole."""
        schema = self.resolve(schema)
        unknown = set(schema) - CHECKED - PROSE
        assert not unknown, f"the document uses {unknown}, which nothing checks"
        if value is None:
            if not schema.get("nullable"):
                yield f"{where}: null"
            return
        if "oneOf" in schema:
            fits = [part for part in schema["oneOf"] if not list(self.complaints(value, part, where))]
            if len(fits) != 1:
                yield f"{where}: fits {len(fits)} of the alternatives"
        for part in schema.get("allOf", []):
            yield from self.complaints(value, part, where, self.names(schema) | beside)
        kind = schema.get("type")
        if kind and (not isinstance(value, TYPES[kind]) or isinstance(value, bool) and kind != "boolean"):
            yield f"{where}: {type(value).__name__} instead of {kind}"
            return
        if "enum" in schema and value not in schema["enum"]:
            yield f"{where}: {value!r} is none of {schema['enum']}"
        yield from self._scalar(value, schema, where)
        if isinstance(value, list) and "items" in schema:
            for number, item in enumerate(value):
                yield from self.complaints(item, schema["items"], f"{where}[{number}]")
        if isinstance(value, dict):
            yield from self._object(value, schema, where, beside)

    def _object(self, value, schema, where, beside):
        for name in schema.get("required", []):
            if name not in value:
                yield f"{where}: no {name}"
        known = schema.get("properties", {})
        rest = schema.get("additionalProperties")
        for name, item in value.items():
            if name in known:
                yield from self.complaints(item, known[name], f"{where}.{name}")
            elif isinstance(rest, dict):
                yield from self.complaints(item, rest, f"{where}.{name}")
            elif rest is None and known and name not in beside:
                yield f"{where}: the document knows no {name}"

    @staticmethod
    def _scalar(value, schema, where):
        if isinstance(value, str):
            if schema.get("format") == "date-time" and not TIME.fullmatch(value):
                yield f"{where}: {value!r} is no RFC 3339 time in UTC with milliseconds"
            if "pattern" in schema and not re.search(schema["pattern"], value):
                yield f"{where}: {value!r} does not match {schema['pattern']}"
            if len(value) < schema.get("minLength", 0) or len(value) > schema.get("maxLength", len(value)):
                yield f"{where}: length {len(value)}"
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            if value < schema.get("minimum", value) or value > schema.get("maximum", value):
                yield f"{where}: {value} is out of range"
        if isinstance(value, list) and len(value) < schema.get("minItems", 0):
            yield f"{where}: {len(value)} items"

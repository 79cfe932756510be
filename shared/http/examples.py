"""Examples for requests and answers, composed of what is known of their fields."""

from collections.abc import Iterable, Mapping
from typing import Any

Node = dict[str, Any]

BY_FORMAT = {
    "uuid": "0197a1f2-3b4c-7d5e-8f60-718293a4b5c6",
    "date-time": "2026-03-02T12:00:00Z",
    "date": "2026-03-02",
    "email": "ada@example.com",
    "uri": "https://example.com/",
}
BY_TYPE = {"string": "text", "integer": 1, "number": 1.5, "boolean": True, "null": None}


def fill_in_examples(operations: Iterable[Node], *, components: Node, examples: Mapping[str, Any]) -> None:
    """Give an example to each body and parameter that has none.

    A request shows what is required and what has an example of its own; an answer shows everything.
    """
    composer = _Composer(schemas=components["schemas"], examples=examples)
    for operation in operations:
        for kind, media in operation.get("requestBody", {}).get("content", {}).items():
            if kind.endswith("json") and not {"example", "examples"} & media.keys():
                own = examples.get(operation["operationId"])
                media["example"] = own if own is not None else composer.of(media["schema"], every=False)
        for answer in operation["responses"].values():
            for kind, media in answer.get("content", {}).items():
                if kind.endswith("json") and "schema" in media and not {"example", "examples"} & media.keys():
                    media["example"] = composer.of(media["schema"], every=True)
        for parameter in operation["parameters"]:
            if parameter.get("required") and not {"example", "examples"} & parameter.keys():
                parameter["example"] = composer.of(parameter["schema"], every=True, name=parameter["name"])


class _Composer:
    def __init__(self, *, schemas: Node, examples: Mapping[str, Any]) -> None:
        self.schemas = schemas
        self.examples = examples

    def of(self, schema: Node, *, every: bool, name: str = "", within: tuple[str, ...] = ()) -> Any:
        """Return a value that fits the schema; a schema that holds itself ends after one turn."""
        if reference := schema.get("$ref"):
            target = reference.rpartition("/")[2]
            if target in within:
                return None
            return self.of(self.schemas[target], every=every, name=name, within=(*within, target))
        if "examples" in schema:
            return schema["examples"][0]
        for known in (f"{within[-1]}.{name}" if within else name, name):
            if known in self.examples and _fits(self.examples[known], schema):
                return self.examples[known]
        for key in ("example", "const", "default"):
            if schema.get(key) is not None:
                return schema[key]
        if "enum" in schema:
            return schema["enum"][0]
        options = [
            each
            for key in ("anyOf", "oneOf", "allOf")
            for each in schema.get(key, ())
            if "$ref" in each or _type(each) != "null"
        ]
        if options:
            return self.of(options[0], every=every, name=name, within=within)
        match _type(schema):
            case "object":
                return self._object(schema, every=every, within=within)
            case "array":
                item = self.of(schema.get("items", {}), every=every, name=name, within=within)
                return [] if item is None else [item]
            case kind:
                return BY_FORMAT.get(schema.get("format", ""), _number(schema) or BY_TYPE.get(kind))

    def _object(self, schema: Node, *, every: bool, within: tuple[str, ...]) -> Node:
        required = schema.get("required", ())
        return {
            name: self.of(inner, every=every, name=name, within=within)
            for name, inner in schema.get("properties", {}).items()
            if every or name in required or "examples" in inner
        }


def _type(schema: Node) -> str:
    kind = schema.get("type", "object" if "properties" in schema else "null" if schema else "string")
    return next((each for each in kind if each != "null"), "null") if isinstance(kind, list) else str(kind)


def _fits(value: Any, schema: Node) -> bool:
    kinds = {str: "string", bool: "boolean", int: "integer", float: "number", dict: "object", list: "array"}
    options = [schema, *schema.get("anyOf", ())]
    return any(kinds[type(value)] == _type(each) for each in options)


def _number(schema: Node) -> Any:
    return max(1, schema.get("minimum", 1)) if _type(schema) == "integer" else None

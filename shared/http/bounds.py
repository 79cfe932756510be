"""Bounds for what the schemas leave open, where they are true by themselves.

What goes out came in once: no text or list of an answer is longer than the largest body, and integers are those that
every reader of JSON can tell apart (RFC 7493, section 2.2). What comes in has to be bounded by whoever takes it; only
what a pattern or format implies is written down here.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from shared.http.documented import MAX_PARAMETER
from shared.http.failures import MAX_BODY

Node = dict[str, Any]

MAX_INTEGER = 2**53 - 1
LENGTHS = {"uuid": 36, "date-time": 40, "date": 10}
_SHORT = 10_000  # characters; beyond it a pattern bounds nothing


def bound(document: Node) -> None:
    """Write the bounds into every schema of the document."""
    schemas = document["components"]["schemas"]
    coming_in = [list(_requests_in(document))]
    named = names_in(coming_in)
    while more := names_in([schemas[name] for name in named]) - named:
        named |= more
    for name, schema in schemas.items():
        _bound(schema, is_answer=name not in named)
    _bound(coming_in, is_answer=False)
    for operation in _operations_in(document):
        _bound(operation["responses"], is_answer=True)
        for parameter in operation["parameters"]:
            if parameter["in"] == "query" and parameter["schema"].get("type") == "string":
                parameter["schema"].setdefault("maxLength", MAX_PARAMETER)


def names_in(node: object) -> set[str]:
    """Return the names of the schemas that the node refers to."""
    if isinstance(node, Mapping):
        reference = node.get("$ref")
        own = {reference.rpartition("/")[2]} if isinstance(reference, str) and "/schemas/" in reference else set()
        return own.union(*map(names_in, node.values()))
    return set().union(*map(names_in, node)) if isinstance(node, list | tuple) else set()


def _operations_in(document: Node) -> Iterator[Node]:
    for operations in document["paths"].values():
        yield from (each for each in operations.values() if "responses" in each)


def _requests_in(document: Node) -> Iterator[Node]:
    for operation in _operations_in(document):
        yield from (parameter["schema"] for parameter in operation["parameters"])
        yield from (media["schema"] for media in operation.get("requestBody", {}).get("content", {}).values())


def _bound(node: object, *, is_answer: bool) -> None:
    if isinstance(node, list):
        for each in node:
            _bound(each, is_answer=is_answer)
    elif isinstance(node, dict):
        kind = node.get("type")
        kinds = kind if isinstance(kind, list) else [kind]
        if "string" in kinds and not {"enum", "const", "maxLength"} & node.keys():
            _bound_text(node, is_answer=is_answer)
        if "integer" in kinds:
            node.setdefault("format", "int64")
            if is_answer:
                node.setdefault("minimum", -MAX_INTEGER)
                node.setdefault("maximum", MAX_INTEGER)
        if "array" in kinds and is_answer:
            node.setdefault("maxItems", MAX_BODY)
        for name, inner in node.items():
            if name not in ("example", "examples", "enum", "const", "default"):
                _bound(inner, is_answer=is_answer)


def _bound_text(schema: Node, *, is_answer: bool) -> None:
    length = LENGTHS.get(schema.get("format", ""))
    if length is None and "pattern" in schema:
        length = _longest(schema["pattern"])
    if length is None and is_answer:
        length = MAX_BODY
    if length is not None:
        schema["maxLength"] = length


def _longest(pattern: str) -> int | None:
    """Return the length of the longest text that fits an anchored pattern, if there is one."""
    if not (pattern.startswith("^") and pattern.endswith("$")):
        return None
    width: int = re._parser.parse(pattern).getwidth()[1]  # noqa: SLF001 - no public way
    return width if width < _SHORT else None

"""What both OpenAPI documents say alike, written once: what follows from the conventions, for every operation.

The frameworks describe paths, parameters and schemas. ``complete`` adds how errors look, which headers there are,
examples, and which operation leads on to which (OpenAPI 3.1, https://spec.openapis.org/oas/v3.1.1).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from shared.http.bounds import bound, names_in
from shared.http.documented import (
    ALWAYS,
    ANSWERS,
    DEPRECATED,
    HEADERS,
    IF_MATCH,
    IF_NONE_MATCH,
    PROBLEM,
    headers_of,
    problem_response_of,
)
from shared.http.examples import fill_in_examples
from shared.http.json import JSON
from shared.http.promises import METHODS

Node = dict[str, Any]
Document = dict[str, Any]

_GENERIC_PAGE = re.compile(r"^PageOut_(\w+?)_?$")
_VARIABLE = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation of a document."""

    path: str
    method: str
    node: Node

    @property
    def has_etag(self) -> bool:
        """Tell whether the answer carries an entity tag that may be asked by."""
        answer = self.node["responses"].get("200", {})
        return self.method == "get" and JSON in answer.get("content", {}) and not self.node.get("x-no-store")

    def has(self, parameter: str) -> bool:
        """Tell whether the operation takes the parameter."""
        return any(each["name"] == parameter for each in self.node["parameters"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """What only those who know the business can say: what the tags stand for, and what a value looks like.

    ``examples`` are by the name of a field, or of an operation for its whole request.
    """

    tags: Mapping[str, str]
    examples: Mapping[str, Any]
    is_internal: bool = False


def complete(document: Document, *, wording: Wording) -> Document:
    """Return the document with all that follows from the conventions."""
    document = _renamed(_tidied(document))
    components = document.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = PROBLEM
    operations = list(_operations_of(document))
    for operation in operations:
        _complete_parameters(operation)
        _complete_answers(operation)
    _link(operations)
    _add_refusals(operations, components)
    _say_what_goes_away(operations)
    unused = () if any(each.node.get("deprecated") for each in operations) else DEPRECATED
    components["headers"] = {name: header for name, header in HEADERS.items() if name not in unused}
    components["schemas"] = _used(components["schemas"], by=(document["paths"], components["responses"]))
    bound(document)
    fill_in_examples((each.node for each in operations), components=components, examples=wording.examples)
    used = {tag for each in operations for tag in each.node["tags"]}
    document["tags"] = [{"name": name, "description": text} for name, text in wording.tags.items() if name in used]
    document["servers"] = [
        {
            "url": "/",
            "description": "the server that this document comes from: production, staging or local",
            "x-internal": wording.is_internal,
        }
    ]
    return document


def _operations_of(document: Document) -> Iterator[Operation]:
    for path, methods in document["paths"].items():
        for method, node in methods.items():
            if method in METHODS:
                node["responses"] = {str(status): answer for status, answer in node["responses"].items()}
                node.setdefault("parameters", [])
                node["tags"] = list(dict.fromkeys(node.get("tags", ())))
                yield Operation(path=path, method=method, node=node)


def _complete_parameters(operation: Operation) -> None:
    parameters, answers = operation.node["parameters"], operation.node["responses"]
    if operation.has_etag and not operation.has("If-None-Match"):
        parameters.append(IF_NONE_MATCH)
    if {"412", "428"} & answers.keys() and not operation.has("If-Match"):
        parameters.append(IF_MATCH | ({"required": True} if "428" in answers else {}))
    if body := operation.node.get("requestBody"):
        body["required"] = True
    for parameter in parameters:
        if isinstance(examples := parameter.pop("examples", None), list):
            parameter["example"] = examples[0]
        if parameter["in"] == "query":
            parameter.setdefault("description", f"only those with this {parameter['name'].replace('_', ' ')}")
        if parameter["in"] != "path":
            parameter["schema"] = _without_null(parameter["schema"])
            if not parameter.get("required"):
                parameter.pop("required", None)


def _complete_answers(operation: Operation) -> None:
    """Keep what the operation says of its successes, and add headers and descriptions."""
    answers = operation.node["responses"]
    if operation.has_etag:
        answers.setdefault("304", {})
    for status, answer in answers.items():
        if status >= "4":
            continue
        answer["description"] = answer.get("description") if "example" in answer else ANSWERS[int(status)]
        answer["headers"] = headers_of(*_header_names(operation, status, answer)) | answer.get("headers", {})


def _header_names(operation: Operation, status: str, answer: Node) -> Iterator[str]:
    yield from ALWAYS
    changed = operation.has("If-Match") and not operation.node.get("x-no-etag") and JSON in answer.get("content", {})
    if changed or (operation.has_etag and status in ("200", "304")):
        yield "ETag"
    if status == "201":
        yield "Location"
    if operation.has("Idempotency-Key"):
        yield "Idempotency-Replayed"


def _add_refusals(operations: list[Operation], components: Node) -> None:
    """Have each operation refer to how its problems look, its own and those that any such operation has."""
    seen: set[int] = set()
    for operation in operations:
        answers = operation.node["responses"]
        statuses = {int(status) for status in answers if status >= "4"} | set(_usual_refusals(operation))
        for status in sorted(statuses):
            answers[str(status)] = {"$ref": f"#/components/responses/Problem{status}"}
        operation.node["responses"] = dict(sorted(answers.items()))
        seen |= statuses
    components["responses"] = {f"Problem{status}": problem_response_of(status) for status in sorted(seen)}


def _say_what_goes_away(operations: list[Operation]) -> None:
    """Describe the operations that are marked by ``documented.deprecated`` as tools and people expect it."""
    for operation in operations:
        node = operation.node
        if since := node.get("x-deprecated"):
            node["deprecated"] = True
            notice = f"Deprecated since {since}; gone on {node['x-sunset']}. Use `{node['x-instead']}` instead."
            node["description"] = f"{notice} {node.get('description', '')}".strip()
            for answer in node["responses"].values():
                if "$ref" not in answer:
                    answer["headers"] = answer["headers"] | headers_of(*DEPRECATED)


def _usual_refusals(operation: Operation) -> Iterator[int]:
    node = operation.node
    yield from (400, 429, 500, 503)
    if node.get("security"):
        yield from (401, 403)
    if "{" in operation.path:
        yield 404
    if any("content" in answer for status, answer in node["responses"].items() if status < "3"):
        yield 406
    if "requestBody" in node:
        yield from (413, 415)
    if "requestBody" in node or any(each["in"] != "path" for each in node["parameters"]):
        yield 422
    if operation.has("If-Match"):
        yield 412
    if operation.has("Idempotency-Key"):
        yield 409


def _link(operations: list[Operation]) -> None:
    """Say where the id in an answer leads: to what can be asked of, or done to, the thing that it names."""
    for operation in operations:
        for status, answer in operation.node["responses"].items():
            if pointer := _id_in(operation, status):
                links = {
                    other.node["operationId"]: {
                        "operationId": other.node["operationId"],
                        "parameters": {_VARIABLE.findall(other.path)[0]: f"$response.body#{pointer}"},
                    }
                    for other in operations
                    if other.path.startswith(operation.path + "/{") and len(_VARIABLE.findall(other.path)) == 1
                }
                if links:
                    answer["links"] = links


def _id_in(operation: Operation, status: str) -> str | None:
    if (operation.method, status) == ("post", "201"):
        return "/id"
    return "/items/0/id" if (operation.method, status) == ("get", "200") else None


def _without_null(schema: Node) -> Node:
    """Return the schema of a parameter, which can be absent and never null."""
    options = [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]
    if len(options) == 1:
        schema = options[0] | {name: value for name, value in schema.items() if name != "anyOf"}
    if schema.get("default", ...) is None:
        schema = {name: value for name, value in schema.items() if name != "default"}
    return schema


def _tidied(node: Any) -> Any:
    """Return a copy without the titles that pydantic makes of names."""
    if isinstance(node, list):
        return [_tidied(each) for each in node]
    if not isinstance(node, dict):
        return node
    return {
        name: {key: _tidied(value) for key, value in inner.items()} if name == "properties" else _tidied(inner)
        for name, inner in node.items()
        if not (name == "title" and isinstance(inner, str) and {"type", "anyOf", "$ref", "enum", "allOf"} & node.keys())
    }


def _renamed(document: Document) -> Document:
    """Return the document with schemas named as clients would name their classes: Order, OrderPage, PlaceOrderIn."""
    schemas = document.get("components", {}).get("schemas", {})
    names = {old: _new_name(old) for old in schemas if old != "ProblemOut"}
    document = _referring(document, {f"#/components/schemas/{old}": new for old, new in names.items()})
    if schemas:
        document["components"]["schemas"] = {
            new: document["components"]["schemas"][old] for old, new in sorted(names.items(), key=lambda pair: pair[1])
        }
    return document


def _used(schemas: Node, *, by: object) -> Node:
    """Return the schemas that are referred to, directly or by one another."""
    used: set[str] = set()
    found = names_in(by)
    while found:
        used |= found
        found = names_in([schemas[name] for name in found]) - used
    return {name: schema for name, schema in schemas.items() if name in used}


def _new_name(old: str) -> str:
    if page := _GENERIC_PAGE.match(old):
        return page[1].removesuffix("_").removesuffix("Out") + "Page"
    return old.removesuffix("Out")


def _referring(node: Any, names: Mapping[str, str]) -> Any:
    if isinstance(node, list):
        return [_referring(each, names) for each in node]
    if not isinstance(node, dict):
        return node
    return {
        key: f"#/components/schemas/{names[value]}" if key == "$ref" and value in names else _referring(value, names)
        for key, value in node.items()
    }

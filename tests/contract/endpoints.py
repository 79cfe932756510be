"""Every operation that the two documents name, ready to be called from outside."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import unquote
from uuid import UUID

import httpx2
from django.conf import settings

from shared.http.promises import METHODS, document

PROBLEM = "application/problem+json"
JSON = "application/json"
NOBODY = UUID(int=0x0197A1F2_0000_7000_8000_000000000001)
#: By the kind of an id.
NOTHING = {"uuid": str(NOBODY), "integer": str(2**53 - 1)}
_VARIABLE = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An operation as its document describes it."""

    prefix: str
    path: str
    method: str
    node: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def components(self) -> Mapping[str, Any]:
        """Return what its document refers to."""
        found: Mapping[str, Any] = document(self.prefix)["components"]
        return found

    @property
    def url(self) -> str:
        """Return its path with ids of the right kind that name nothing."""
        kinds = {each["name"]: kind_of(each["schema"]) for each in self.node["parameters"]}
        return _VARIABLE.sub(lambda name: NOTHING.get(kinds.get(name[1], ""), "none"), self.path)

    def url_with(self, name: str) -> str:
        """Return its path with the name for each of its variables."""
        return _VARIABLE.sub(lambda _: name, self.path)

    @property
    def variables(self) -> list[str]:
        """Return the names of the variables in its path."""
        return _VARIABLE.findall(self.path)

    @property
    def takes_json(self) -> bool:
        """Tell whether its body is JSON."""
        return JSON in self.node.get("requestBody", {}).get("content", {})

    @property
    def answers_json(self) -> bool:
        """Tell whether it reads something out as JSON."""
        return self.method == "GET" and JSON in self.node["responses"].get("200", {}).get("content", {})

    @property
    def produces(self) -> set[str]:
        """Return the media types of its successes."""
        return {
            kind
            for status, answer in self.node["responses"].items()
            if status.startswith("2")
            for kind in answer.get("content", ())
        }

    @property
    def is_public(self) -> bool:
        """Tell whether anybody may call it."""
        return not self.node.get("security")

    @property
    def has_etag(self) -> bool:
        """Tell whether its answer has an entity tag."""
        return "ETag" in self.node["responses"].get("200", {}).get("headers", ())

    def takes(self, parameter: str) -> bool:
        """Tell whether it takes the parameter."""
        return any(each["name"] == parameter for each in self.node["parameters"])

    def needs(self, parameter: str) -> bool:
        """Tell whether it does not work without the parameter."""
        return any(each["name"] == parameter and each.get("required") for each in self.node["parameters"])

    @property
    def body(self) -> Any:
        """Return the example of its body, or None."""
        media: Mapping[str, Any] = self.node["requestBody"]["content"][JSON] if self.takes_json else {}
        return next((each["value"] for each in media.get("examples", {}).values()), media.get("example"))

    def call(self, client: httpx2.Client, *, url: str | None = None, **changes: Any) -> httpx2.Response:
        """Send a request as good as one can be that names nothing, with changes; a header that is None is left out."""
        query = {
            each["name"]: each.get("example", "1")
            for each in self.node["parameters"]
            if each["in"] == "query" and each.get("required")
        }
        headers = {"Content-Type": JSON} if self.takes_json else {}
        headers |= {"Idempotency-Key": "contract"} if self.needs("Idempotency-Key") else {}
        headers |= {"If-Match": '"v1"'} if self.needs("If-Match") else {}
        headers |= changes.pop("headers", {})
        content = changes.pop("content", json.dumps(self.body).encode() if self.takes_json else None)
        return client.request(
            self.method,
            url or self.url,
            params=query | changes.pop("params", {}),
            headers={name: value for name, value in headers.items() if value is not None},
            content=content,
            **changes,
        )


@cache
def endpoints() -> tuple[Endpoint, ...]:
    """Return every operation of both documents."""
    return tuple(
        Endpoint(prefix=prefix, path=path, method=method.upper(), node=node)
        for prefix in settings.API_DOCUMENTS
        for path, operations in document(prefix)["paths"].items()
        for method, node in operations.items()
        if method in METHODS
    )


def kind_of(schema: Mapping[str, Any]) -> str:
    """Return the kind of an id."""
    return "uuid" if schema.get("format") == "uuid" else str(schema.get("type", ""))


def problem_in(answer: httpx2.Response, status: int, code: str | None = None) -> dict[str, Any]:
    """Return the problem in the answer; fail unless it is one, as RFC 9457 and the conventions have it."""
    assert answer.status_code == status, (answer.status_code, answer.text[:500])
    assert answer.headers["Content-Type"] == PROBLEM
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert problem["type"] == f"urn:orderly:problem:{problem['code']}"
    assert unquote(problem["instance"]) == unquote(answer.request.url.raw_path.decode().partition("?")[0])
    assert problem["request_id"] == answer.headers["X-Request-ID"]
    assert problem["title"]
    assert problem["detail"]
    assert "Traceback" not in answer.text
    if code is not None:
        assert problem["code"] == code, problem
    return problem


def lists_in(endpoint: Endpoint) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return each list in the body, with its place."""

    def walk(schema: dict[str, Any], pointer: str) -> Iterator[tuple[str, dict[str, Any]]]:
        if reference := schema.get("$ref"):
            schema = endpoint.components["schemas"][reference.rpartition("/")[2]]
        if schema.get("type") == "array":
            yield pointer, schema
            yield from walk(schema["items"], f"{pointer}/0")
        for name, inner in schema.get("properties", {}).items():
            yield from walk(inner, f"{pointer}/{name}")
        for inner in schema.get("anyOf", ()):
            yield from walk(inner, pointer)

    if endpoint.takes_json:
        yield from walk(endpoint.node["requestBody"]["content"][JSON]["schema"], "")

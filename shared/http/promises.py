"""What the documents promise of each operation, so that every request can be held to it.

A document is made by the function whose dotted path stands in ``settings.API_DOCUMENTS`` under the prefix of its
paths. It is made once, when a request first needs it, by one thread while the others wait: drf-spectacular fails where
several make their first document at once.
"""

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from email.utils import formatdate
from functools import cache
from typing import Any, cast

from django.conf import settings
from django.utils.module_loading import import_string

Document = Mapping[str, Any]

METHODS = ("get", "put", "post", "patch", "delete")
_making = threading.RLock()
_VARIABLE = re.compile(r"<[^>]+>|\{[^}]+\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What an operation takes, and what it answers with; headers are those of every answer, whatever comes."""

    parameters: frozenset[str]
    repeatable: frozenset[str]
    consumes: frozenset[str]
    produces: frozenset[str]
    headers: Mapping[str, str]


def document(prefix: str) -> Document:
    """Return the OpenAPI document of the API under the prefix."""
    with _making:
        return _document(settings.API_DOCUMENTS[prefix])


def make_documents() -> None:
    """Make what requests are held to now, so that none of them waits for it."""
    with _making:
        _promises()


def promises_of(route: str) -> Mapping[str, Promise]:
    """Return by method what is promised of a route of Django's, such as ``api/v1/orders/<uuid:order_id>``."""
    with _making:
        promises = _promises()
    return promises.get(_template_of("/" + route), {})


@cache
def _document(path: str) -> Document:
    return cast(Callable[[], Document], import_string(path))()


@cache
def _promises() -> Mapping[str, Mapping[str, Promise]]:
    return {
        _template_of(path): {
            method.upper(): _promise_of(operation, documented_at=f"{prefix}docs")
            for method, operation in operations.items()
            if method in METHODS
        }
        for prefix in settings.API_DOCUMENTS
        for path, operations in document(prefix)["paths"].items()
    }


def _promise_of(operation: Mapping[str, Any], *, documented_at: str) -> Promise:
    query = [each for each in operation.get("parameters", ()) if each["in"] == "query"]
    return Promise(
        parameters=frozenset(each["name"] for each in query),
        repeatable=frozenset(each["name"] for each in query if each["schema"].get("type") == "array"),
        consumes=frozenset(operation.get("requestBody", {}).get("content", ())),
        produces=frozenset(
            kind
            for status, answer in operation["responses"].items()
            if str(status).startswith("2")
            for kind in answer.get("content", ())
        ),
        headers=_notice_of(operation, documented_at=documented_at),
    )


def _notice_of(operation: Mapping[str, Any], *, documented_at: str) -> Mapping[str, str]:
    """Return what the answers of an operation say that goes away (RFC 9745; RFC 8594), or nothing."""
    if "x-sunset" not in operation:
        return {}
    return {
        "Deprecation": f"@{_timestamp(operation['x-deprecated'])}",
        "Sunset": formatdate(_timestamp(operation["x-sunset"]), usegmt=True),
        "Link": f'<{documented_at}>; rel="deprecation"; type="text/html"',
    }


def _timestamp(day: str) -> int:
    """Return the first second of the day in UTC, in seconds since 1970."""
    return int(datetime.combine(date.fromisoformat(day), time.min, UTC).timestamp())


def _template_of(path: str) -> str:
    return _VARIABLE.sub("{}", path)

"""Errors as ``application/problem+json`` (RFC 9457), the same for both APIs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any

import structlog
from django.http import HttpRequest, HttpResponse

from shared.domain import errors
from shared.http.json import json_response

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER = 1  # seconds

#: The first kind that fits decides.
STATUS_OF_KIND: tuple[tuple[type[errors.OrderlyError], int], ...] = (
    (errors.EntityNotFoundError, 404),
    (errors.VersionMismatch, 412),
    (errors.PreconditionRequiredError, 428),
    (errors.ConflictError, 409),
    (errors.PermissionDeniedError, 403),
    (errors.NotAuthenticatedError, 401),
    (errors.TooManyRequestsError, 429),
    (errors.InvalidInputError, 422),
    (errors.BusinessRuleViolationError, 400),
    (errors.InfrastructureError, 503),
)

TITLES: Mapping[int, str] = {
    400: "The request cannot be understood",
    401: "Authentication is needed",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    406: "No such representation",
    409: "The present state does not allow this",
    412: "Changed meanwhile",
    413: "The request is too large",
    415: "Unsupported media type",
    422: "The request has invalid values",
    428: "A precondition is needed",
    429: "Too many requests",
    500: "Something went wrong on our side",
    503: "Not available at the moment",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What went wrong, for a program (``code``) and for its developer (``detail``)."""

    status: int
    code: str
    detail: str
    errors: Sequence[Mapping[str, str]] = ()
    extensions: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


def problem_of(error: errors.OrderlyError) -> Problem:
    """Translate a refusal or failure; its details travel as extension members."""
    status = next((status for kind, status in STATUS_OF_KIND if isinstance(error, kind)), 500)
    faults = error.faults if isinstance(error, errors.InvalidInputError) else {}
    return Problem(
        status=status,
        code=error.code,
        detail=error.message,
        errors=[{"pointer": pointer, "detail": detail} for pointer, detail in faults.items()],
        extensions={} if status in {429, 503} else _extensions_of(error),
        headers=_headers_of(status, error),
    )


RESERVED = frozenset({"type", "title", "status", "detail", "instance", "code", "request_id", "errors", "retry_after"})


def _extensions_of(error: errors.OrderlyError) -> dict[str, Any]:
    return {name: value for name, value in error.details.items() if name not in RESERVED}


def _headers_of(status: int, error: errors.OrderlyError) -> dict[str, str]:
    if status == 401:
        return {"WWW-Authenticate": "Bearer"}
    seconds = error.details.get("retry_after", RETRY_AFTER if status in {429, 503} else None)
    return {"Retry-After": str(ceil(seconds))} if isinstance(seconds, int | float) else {}


def problem_response(request: HttpRequest, problem: Problem) -> HttpResponse:
    """Return the problem as a response to the request."""
    body: dict[str, Any] = {
        "type": f"urn:orderly:problem:{problem.code}",
        "title": TITLES.get(problem.status, "The request failed"),
        "status": problem.status,
        "detail": problem.detail,
        "instance": request.path,
        "code": problem.code,
        "request_id": request_id_of(),
    }
    body.update(_plain(problem.extensions))
    if problem.errors:
        body["errors"] = list(problem.errors)
    return json_response(body, status=problem.status, headers=problem.headers, content_type=CONTENT_TYPE)


def request_id_of() -> str:
    """Return the id of the request in hand, as it stands in the logs and in ``X-Request-ID``."""
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))


def _plain(extensions: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value if isinstance(value, str | int | bool | list | tuple | dict | None) else _text_of(value)
        for name, value in extensions.items()
    }


def _text_of(value: object) -> object:
    return value if hasattr(value, "minor") else str(value)

"""The client API's side of the shared conventions: problems, and JSON in and out."""

from typing import Any

import orjson
import structlog
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.parser import Parser
from ninja.renderers import BaseRenderer

from shared.domain.errors import DatabaseConnectionError, OrderlyError
from shared.http.auth import InvalidToken
from shared.http.json import to_json
from shared.http.problems import Problem, problem_of, problem_response

_log = structlog.get_logger(__name__)


class MissingToken(InvalidToken):
    """Say who you are: send "Authorization: Bearer <access token or API key>"."""


class JsonParser(Parser):
    """Reads request bodies with orjson (RFC 8259)."""

    def parse_body(self, request: HttpRequest) -> Any:
        """Return the parsed body; NUL characters are refused, for PostgreSQL cannot store them."""
        body = request.body
        if b"\\u0000" in body:
            raise HttpError(400, "The body has a NUL character (\\u0000), which cannot be stored.")
        return orjson.loads(body)


class JsonRenderer(BaseRenderer):
    """Writes response bodies with orjson."""

    media_type = "application/json"

    def render(self, request: HttpRequest, data: Any, *, response_status: int) -> bytes:  # noqa: ARG002
        """Return the data as JSON."""
        return to_json(data)


def speak_problem_json(api: NinjaAPI) -> None:
    """Have the API answer every error as application/problem+json."""
    api.add_exception_handler(OrderlyError, _on_orderly_error)
    api.add_exception_handler(AuthenticationError, _on_missing_token)
    api.add_exception_handler(ValidationError, _on_invalid_request)
    api.add_exception_handler(HttpError, _on_http_error)
    api.add_exception_handler(Http404, _on_unknown_path)
    api.add_exception_handler(OperationalError, _on_database_failure)
    api.add_exception_handler(InterfaceError, _on_database_failure)
    api.add_exception_handler(Exception, _on_defect)


def _on_orderly_error(request: HttpRequest, error: Any) -> HttpResponse:
    return problem_response(request, problem_of(error))


def _on_missing_token(request: HttpRequest, _: Any) -> HttpResponse:
    return problem_response(request, problem_of(MissingToken()))


def _on_invalid_request(request: HttpRequest, error: Any) -> HttpResponse:
    return problem_response(request, invalid_values([_where_and_why(one) for one in error.errors]))


def _on_http_error(request: HttpRequest, error: Any) -> HttpResponse:
    code = "malformed_request" if error.status_code == 400 else f"http_{error.status_code}"
    detail = str(error) if error.status_code == 400 else str(error.message)
    return problem_response(request, Problem(status=error.status_code, code=code, detail=detail))


def _on_unknown_path(request: HttpRequest, _: Any) -> HttpResponse:
    return problem_response(request, Problem(status=404, code="not_found", detail="There is nothing here."))


def _on_database_failure(request: HttpRequest, error: Any) -> HttpResponse:
    _log.error("database_failed", exc_info=error)
    return problem_response(request, problem_of(DatabaseConnectionError()))


def _on_defect(request: HttpRequest, error: Any) -> HttpResponse:
    _log.error("request_failed", exc_info=error)
    return problem_response(request, DEFECT)


DEFECT = Problem(
    status=500,
    code="internal_error",
    detail="This is our fault, and it has been logged. Tell us the request_id if it persists.",
)


def invalid_values(errors: list[dict[str, str]]) -> Problem:
    """Return the problem of a request whose values do not fit its schema."""
    return Problem(
        status=422,
        code="validation_error",
        detail="Some values of the request are missing, unknown or not allowed; see errors.",
        errors=errors,
    )


def _where_and_why(error: dict[str, Any]) -> dict[str, str]:
    """Turn pydantic's location (body, payload, lines, 0, sku) into a JSON pointer (RFC 6901)."""
    source, *path = error["loc"]
    if source == "body" and path:
        path = path[1:]
    pointer = "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)
    return {"pointer": pointer, "in": str(source), "detail": str(error["msg"])}

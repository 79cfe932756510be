"""The client API's side of the shared conventions: problems, and JSON in and out."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, Throttled, ValidationError
from ninja.parser import Parser
from ninja.renderers import BaseRenderer

from shared.domain.errors import OrderlyError
from shared.http.failures import InvalidValues, MissingToken, pointer_to, problem_of_failure
from shared.http.json import MalformedRequest, read_json, to_json
from shared.http.problems import Problem, problem_response
from shared.http.throttling import refusal_of


class JsonParser(Parser):
    """Reads request bodies as both APIs do."""

    def parse_body(self, request: HttpRequest) -> Any:
        """Return the parsed body, or raise MalformedRequest."""
        return read_json(request.body)


class JsonRenderer(BaseRenderer):
    """Writes response bodies with orjson."""

    media_type = "application/json"

    def render(self, request: HttpRequest, data: Any, *, response_status: int) -> bytes:  # noqa: ARG002
        """Return the data as JSON."""
        return to_json(data)


def speak_problem_json(api: NinjaAPI) -> None:
    """Have the API answer every error as application/problem+json."""
    for kind in (Exception, Http404, HttpError, ValidationError):
        api.add_exception_handler(kind, _on_error)


def _on_error(request: HttpRequest, error: Any) -> HttpResponse:
    failure = refusal_of(request) if isinstance(error, Throttled) else error
    return problem_response(request, _problem_of_any(failure))


def _problem_of_any(error: Exception) -> Problem:
    match error:
        case AuthenticationError():
            return problem_of_failure(MissingToken())
        case ValidationError():
            return problem_of_failure(InvalidValues([_where_and_why(one) for one in error.errors]))
        case HttpError() if isinstance(error.__cause__, OrderlyError):
            return problem_of_failure(error.__cause__)  # what the parser found
        case HttpError(status_code=400):
            return problem_of_failure(MalformedRequest(reason=str(error)))
        case HttpError():
            return Problem(status=error.status_code, code=f"http_{error.status_code}", detail=str(error))
        case _:
            return problem_of_failure(error)


def _where_and_why(error: dict[str, Any]) -> dict[str, str]:
    """Turn pydantic's location (body, payload, lines, 0, sku) into a JSON pointer."""
    source, *path = error["loc"]
    if source == "body" and path:
        path = path[1:]
    return {"pointer": pointer_to(*path), "in": str(source), "detail": str(error["msg"])}

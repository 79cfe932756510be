"""The client API's side of the shared conventions: problems, and JSON in and out."""

from functools import cached_property
from typing import Any, cast

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, Throttled, ValidationError
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation
from ninja.parser import Parser
from ninja.renderers import BaseRenderer

from shared.domain.errors import OrderlyError
from shared.http.auth import Bearer, KeyBearer
from shared.http.documented import SECURITY_SCHEMES
from shared.http.documents import Document, Wording, complete
from shared.http.failures import InvalidValues, MissingToken, pointer_to, problem_of_failure
from shared.http.json import JSON, MalformedRequest, read_json, to_json
from shared.http.problems import Problem, problem_response
from shared.http.throttling import refusal_of


class JsonParser(Parser):
    """Reads request bodies as both APIs do."""

    def parse_body(self, request: HttpRequest) -> Any:
        """Return the parsed body, or raise MalformedRequest."""
        return read_json(request.body)


class JsonRenderer(BaseRenderer):
    """Writes response bodies with orjson."""

    media_type = JSON

    def render(self, request: HttpRequest, data: Any, *, response_status: int) -> bytes:  # noqa: ARG002
        """Return the data as JSON."""
        return to_json(data)


class DocumentedApi(NinjaAPI):
    """A Ninja API whose document is complete, and made once."""

    def __init__(self, *, wording: Wording, **options: Any) -> None:
        super().__init__(docs_decorator=require_safe, **options)
        self.wording = wording
        #: Names that more than one schema has; all but one of these are described wrongly.
        self.clashes: set[str] = set()

    @cached_property
    def document(self) -> Document:
        """Return the OpenAPI document."""
        raw = _Schema(self, self.get_root_path({}))
        self.clashes = raw.clashes
        return complete(dict(raw), wording=self.wording)

    def get_content_type(self) -> str:
        """Return the media type of JSON, which has no charset (RFC 8259, section 11)."""
        return JSON

    def _get_urls(self) -> list[Any]:
        patterns = super()._get_urls()
        for pattern in patterns:
            pattern.callback = csrf_exempt(cast(Any, pattern.callback))  # no session is known here
        return patterns

    def get_openapi_schema(self, **_: Any) -> Any:
        """Return what is served at ``openapi.json``."""
        return self.document


class _Schema(OpenAPISchema):
    def __init__(self, api: NinjaAPI, path_prefix: str) -> None:
        self.clashes: set[str] = set()
        super().__init__(api, path_prefix)

    def operation_security(self, operation: Operation) -> list[dict[str, Any]] | None:
        """Return who may call the operation; of a key, with which scope."""
        bearers = [callback for callback in operation.auth_callbacks if isinstance(callback, Bearer)]
        if not bearers:
            return None
        self.securitySchemes.update(SECURITY_SCHEMES)
        by_key: dict[str, Any] = {"api_key": [each.scope for each in bearers]}
        return [by_key] if isinstance(bearers[0], KeyBearer) else [{"access_token": []}, by_key]

    def add_schema_definitions(self, definitions: dict[str, Any]) -> None:
        """Add the schemas, and note where two of one name would be taken for one."""
        for name, schema in definitions.items():
            if self.schemas.setdefault(name, schema) != schema:
                self.clashes.add(name)


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

"""The operator API's side of the shared conventions: authentication, scopes, problems and pages."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from shared.http.auth import SAFE_METHODS, Caller, InsufficientScope, authenticate, scopes_of_staff
from shared.http.failures import METHOD_NOT_ALLOWED, InvalidValues, MissingToken, pointer_to, problem_of_failure
from shared.http.json import MalformedRequest, read_json
from shared.http.problems import Problem, problem_of, problem_response
from shared.http.throttling import charge, refusal_of
from shared.telemetry.context import act_as


class JsonParser(BaseParser):
    """Reads request bodies as both APIs do."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:  # noqa: ARG002
        """Return the parsed body, or raise MalformedRequest; the body stays readable, for its fingerprint."""
        return read_json(http_request_of(parser_context["request"]).body)


class Negotiated(DefaultContentNegotiation):
    """Leaves Accept to ``shared.http.semantics``, which knows what each operation answers with."""

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:  # noqa: ARG002
        """Return the first renderer."""
        return renderers[0], renderers[0].media_type


class Operator:
    """DRF's idea of a user, for callers that are known by token or key."""

    is_authenticated = True
    is_active = True

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.pk = caller.id


class BearerAuthentication(BaseAuthentication):
    """A staff access token, or an API key with ``ops:`` scopes."""

    def authenticate(self, request: Request) -> tuple[Operator, Caller] | None:
        """Return the operator, or None when the request carries no bearer token."""
        scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        caller = authenticate(token.strip(), only_reads=request.method in SAFE_METHODS)
        return Operator(caller), caller

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 - DRF's signature
        """Return the challenge of a 401."""
        return "Bearer"


class StaffSessionAuthentication(SessionAuthentication):
    """The session of a member of staff who is logged in to the admin; needs the CSRF token on changes."""

    def authenticate(self, request: Request) -> tuple[Any, Caller] | None:
        """Return the member of staff, or None."""
        found = super().authenticate(request)
        if found is None or not found[0].is_staff:
            return None
        scopes = scopes_of_staff(found[0].pk, is_verified=found[0].is_verified())
        if scopes is None:
            return None
        caller = Caller(kind="staff", id=found[0].pk, scopes=scopes)
        act_as(caller.actor)
        return found[0], caller


def has_scope(scope: str) -> type[BasePermission]:
    """Return a permission that asks for the scope."""

    class HasScope(BasePermission):
        def __init__(self) -> None:
            self.scope = scope

        def has_permission(self, request: Request, view: Any) -> bool:  # noqa: ARG002 - DRF's signature
            if not isinstance(request.auth, Caller):
                raise MissingToken
            if not request.auth.may(scope):
                raise InsufficientScope(needed=scope)
            return True

    return HasScope


class Throttled(BaseThrottle):
    """Draws on the quota of the caller; a view names in ``route_classes`` those of its actions that need another."""

    def allow_request(self, request: Request, view: Any) -> bool:
        """Return True, or raise RateLimited."""
        route_class = getattr(view, "route_classes", {}).get(getattr(view, "action", None), "")
        wrapped = http_request_of(request)
        if charge(wrapped, caller=request.auth, route_class=route_class).is_refused:
            raise refusal_of(wrapped)
        return True


def problem_handler(error: Exception, context: dict[str, Any]) -> HttpResponse:
    """Answer every error of the operator API as application/problem+json."""
    return problem_response(http_request_of(context["request"]), _problem_of_any(error))


def refused_values(detail: Any, *, source: str) -> InvalidValues:
    """Turn DRF's tree of messages into a list of places and messages."""
    return InvalidValues(
        [{"pointer": pointer_to(*path), "in": source, "detail": why} for path, why in _flatten(detail)]
    )


def http_request_of(request: Request) -> HttpRequest:
    """Return Django's request, which DRF's wraps."""
    wrapped: HttpRequest = request._request  # noqa: SLF001 - DRF offers no public way
    return wrapped


def _problem_of_any(error: Exception) -> Problem:
    match error:
        case exceptions.NotAuthenticated() | exceptions.AuthenticationFailed():
            return problem_of(MissingToken())
        case exceptions.ValidationError():
            return problem_of_failure(refused_values(error.detail, source="body"))
        case exceptions.ParseError():
            return problem_of(MalformedRequest(reason=str(error.detail)))
        case exceptions.PermissionDenied():
            return Problem(status=403, code="permission_denied", detail=str(error.detail))
        case exceptions.MethodNotAllowed():
            return METHOD_NOT_ALLOWED
        case exceptions.APIException():
            return Problem(status=error.status_code, code=str(error.default_code), detail=str(error.detail))
        case _:
            return problem_of_failure(error)


def _flatten(detail: Any, path: tuple[str | int, ...] = ()) -> list[tuple[tuple[str | int, ...], str]]:
    if isinstance(detail, dict):
        parts = [(path if name == "non_field_errors" else (*path, name), each) for name, each in detail.items()]
    elif isinstance(detail, list):
        nested = any(isinstance(each, dict | list) for each in detail)
        parts = [((*path, place) if nested else path, each) for place, each in enumerate(detail)]
    else:
        return [(path, str(detail))]
    return [found for where, each in parts for found in _flatten(each, where)]

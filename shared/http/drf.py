"""The operator API's side of the shared conventions: authentication, scopes, problems and pages."""

from typing import Any

import structlog
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from shared.domain.errors import DatabaseConnectionError, OrderlyError
from shared.http.auth import Caller, InsufficientScope, authenticate
from shared.http.ninja import DEFECT, MissingToken, invalid_values
from shared.http.problems import Problem, problem_of, problem_response
from shared.telemetry.context import act_as

ALL_OPS = frozenset({"ops:*"})
_log = structlog.get_logger(__name__)


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
        caller = authenticate(token.strip())
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
        caller = Caller(kind="staff", id=found[0].pk, scopes=ALL_OPS)
        act_as(caller.actor)
        return found[0], caller


def has_scope(scope: str) -> type[BasePermission]:
    """Return a permission that asks for the scope."""

    class HasScope(BasePermission):
        def has_permission(self, request: Request, view: Any) -> bool:  # noqa: ARG002 - DRF's signature
            if not isinstance(request.auth, Caller):
                raise MissingToken
            if not request.auth.may(scope):
                raise InsufficientScope(needed=scope)
            return True

    return HasScope


def problem_handler(error: Exception, context: dict[str, Any]) -> HttpResponse:
    """Answer every error of the operator API as application/problem+json."""
    return problem_response(http_request_of(context["request"]), _problem_of_any(error))


def http_request_of(request: Request) -> HttpRequest:
    """Return Django's request, which DRF's wraps."""
    wrapped: HttpRequest = request._request  # noqa: SLF001 - DRF offers no public way
    return wrapped


def _problem_of_any(error: Exception) -> Problem:
    match error:
        case OrderlyError():
            return problem_of(error)
        case exceptions.NotAuthenticated() | exceptions.AuthenticationFailed():
            return problem_of(MissingToken())
        case exceptions.ValidationError():
            return invalid_values(_flatten(error.detail, pointer=""))
        case Http404():
            return Problem(status=404, code="not_found", detail="There is nothing here.")
        case exceptions.ParseError():
            return Problem(status=400, code="malformed_request", detail=str(error.detail))
        case exceptions.PermissionDenied():
            return Problem(status=403, code="permission_denied", detail=str(error.detail))
        case exceptions.APIException():
            return Problem(status=error.status_code, code=str(error.default_code), detail=str(error.detail))
        case OperationalError() | InterfaceError():
            _log.error("database_failed", exc_info=error)
            return problem_of(DatabaseConnectionError())
        case _:
            _log.error("request_failed", exc_info=error)
            return DEFECT


def _flatten(detail: Any, *, pointer: str) -> list[dict[str, str]]:
    """Turn DRF's tree of messages into a list of pointers."""
    if isinstance(detail, dict):
        parts = [
            (pointer if name == "non_field_errors" else f"{pointer}/{name}", each) for name, each in detail.items()
        ]
    elif isinstance(detail, list) and any(isinstance(each, dict | list) for each in detail):
        parts = [(f"{pointer}/{place}", each) for place, each in enumerate(detail)]
    elif isinstance(detail, list):
        return [{"pointer": pointer, "detail": str(each)} for each in detail]
    else:
        return [{"pointer": pointer, "detail": str(detail)}]
    return [error for where, each in parts for error in _flatten(each, pointer=where)]

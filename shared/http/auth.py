"""Who is calling, and what that caller may do; the same answer for both APIs.

How a token is verified is the business of the identity context; the dotted path of its function stands in
``settings.AUTHENTICATOR``.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Final, Literal, Protocol, cast
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest
from django.utils.module_loading import import_string
from ninja.security import HttpBearer
from rest_framework.request import Request

from shared.domain.errors import NotAuthenticatedError, PermissionDeniedError
from shared.telemetry.context import act_as

#: RFC 9110, section 9.2.1; nothing that they ask for changes anything here.
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class InvalidToken(NotAuthenticatedError):
    """The access token or API key is not valid: it is malformed, expired or revoked; get a new one."""


class InsufficientScope(PermissionDeniedError):
    """Your token or key does not carry the scope that this needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The customer, operator or API key on whose behalf a request is made."""

    kind: Literal["customer", "staff", "key"]
    id: UUID
    scopes: frozenset[str] = frozenset()
    expires_at: datetime | None = None

    @property
    def actor(self) -> str:
        """Return the caller as it stands in events, audit entries and logs."""
        return f"{self.kind}:{self.id}"

    @property
    def customer_id(self) -> UUID | None:
        """Return the account whose own things this caller may see, if it is a person."""
        return None if self.kind == "key" else self.id

    def may(self, scope: str) -> bool:
        """Tell whether a scope was granted, by name or by a wildcard such as ``ops:*`` or ``ops:*:read``."""
        return scope in self.scopes or any(_covers(granted, scope) for granted in self.scopes if "*" in granted)


def _covers(granted: str, scope: str) -> bool:
    """Tell whether a wildcard stands for the scope: within it for one part, at its end for all that follow."""
    *given, last = granted.split(":")
    parts = scope.split(":")
    if last == "*":
        parts = parts[: len(given)] if len(parts) > len(given) else []
    else:
        given.append(last)
    return len(parts) == len(given) and all(one in ("*", part) for one, part in zip(given, parts, strict=True))


class Authenticator(Protocol):
    """Finds out who presents a token."""

    def __call__(self, token: str, *, only_reads: bool) -> Caller:
        """Return the caller, or raise InvalidToken; who only reads may be judged by what held seconds ago."""


def authenticate(token: str, *, only_reads: bool = False) -> Caller:
    """Return the caller who presents the token, or raise InvalidToken."""
    caller = _authenticator()(token, only_reads=only_reads)
    act_as(caller.actor)
    return caller


@cache
def _authenticator() -> Authenticator:
    return cast(Authenticator, import_string(settings.AUTHENTICATOR))


def scopes_of_staff(account_id: UUID, *, is_verified: bool) -> frozenset[str] | None:
    """Return what a member of staff may ask for in a session, or None for anybody else.

    ``is_verified`` says whether a second factor was shown in it.
    """
    scopes: frozenset[str] | None = import_string(settings.SCOPES_OF_STAFF)(account_id, is_verified=is_verified)
    return scopes


class Bearer(HttpBearer):
    """Ninja: a bearer token of a person, or a key that carries the scope."""

    def __init__(self, *, scope: str) -> None:
        super().__init__()
        self.scope = scope

    def authenticate(self, request: HttpRequest, token: str) -> Caller:
        """Return the caller; people act for themselves, keys need the scope."""
        caller = authenticate(token, only_reads=request.method in SAFE_METHODS)
        if caller.kind == "key" and not caller.may(self.scope):
            raise InsufficientScope(needed=self.scope)
        return caller


class KeyBearer(Bearer):
    """Ninja: a key that carries the scope; what it opens is nothing for people."""

    def authenticate(self, request: HttpRequest, token: str) -> Caller:
        """Return the key."""
        caller = super().authenticate(request, token)
        if caller.kind != "key":
            raise InsufficientScope(needed=self.scope)
        return caller


def caller_of(request: HttpRequest | Request) -> Caller:
    """Return who makes this authenticated request."""
    caller = getattr(request, "auth", None)
    if not isinstance(caller, Caller):
        raise InvalidToken
    return caller

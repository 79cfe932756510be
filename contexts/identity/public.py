"""What others may ask identity synchronously."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from contexts.identity import queries, wiring
from contexts.identity.domain import TooManyFailedLogins
from shared.http.auth import Caller
from shared.http.throttling import address_of


def authenticate(token: str, *, only_reads: bool = False) -> Caller:
    """Return who presents this access token or API key, or raise InvalidToken (401, ``invalid_token``).

    Who only reads may be known by a key as it stood some seconds ago, if Valkey could not be told of its end.
    """
    principal = wiring.authenticate(token=token, only_reads=only_reads)
    return Caller(kind=principal.kind, id=principal.id, scopes=principal.scopes, expires_at=principal.expires_at)


def email_of(account_id: UUID) -> str | None:
    """Return where mail to the holder of the account goes, or None when there is no such account."""
    return queries.email_of(account_id=account_id)


def good_api_keys(ids: Collection[UUID]) -> frozenset[UUID]:
    """Return which of these API keys are neither revoked nor past their time."""
    return queries.good_api_keys(ids=ids)


def scopes_of_staff(account_id: UUID, *, is_verified: bool) -> frozenset[str] | None:
    """Return what a member of staff may ask for in a session at present.

    None when the account is no (active) staff, or has to show its second factor first (``is_verified``).
    """
    member = wiring.staff.find(account_id)
    if not is_verified and wiring.second_factors.is_wanted_of(account_id):
        return None
    return member.scopes(settings.ROLE_SCOPES) if member else None


class GuardedBackend(ModelBackend):
    """How Django's own log-in, which the admin uses, finds out who somebody is: not before the guard was asked."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> Any:
        """Return the account, or None; after too many failures the request carries ``login_refusal`` instead."""
        if request is None or username is None:
            return super().authenticate(request, username, password, **kwargs)
        whose = {"account": username.strip().lower(), "address": address_of(request)}
        try:
            wiring.login_guard.begin(**whose)
        except TooManyFailedLogins as refusal:
            request.login_refusal = refusal  # type: ignore[attr-defined]  # for the page that shows it
            raise PermissionDenied from None
        user = super().authenticate(request, username, password, **kwargs)
        if user is not None:
            wiring.login_guard.forgive(**whose)
        return user

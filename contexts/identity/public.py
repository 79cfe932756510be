"""What others may ask identity synchronously."""

from uuid import UUID

from django.conf import settings

from contexts.identity import queries, wiring
from shared.http.auth import Caller


def authenticate(token: str) -> Caller:
    """Return who presents this access token or API key, or raise InvalidToken (401, ``invalid_token``)."""
    principal = wiring.authenticate(token=token)
    return Caller(kind=principal.kind, id=principal.id, scopes=principal.scopes)


def email_of(account_id: UUID) -> str | None:
    """Return where mail to the holder of the account goes, or None when there is no such account."""
    return queries.email_of(account_id=account_id)


def scopes_of_staff(account_id: UUID) -> frozenset[str] | None:
    """Return what a member of staff may ask for at present, or None when the account is no (active) staff."""
    member = wiring.staff.find(account_id)
    return member.scopes(settings.ROLE_SCOPES) if member else None

"""What others may ask identity synchronously."""

from uuid import UUID

from contexts.identity import queries, wiring
from shared.http.auth import Caller


def authenticate(token: str) -> Caller:
    """Return who presents this access token or API key, or raise InvalidToken (401, ``invalid_token``)."""
    principal = wiring.authenticate(token=token)
    return Caller(kind=principal.kind, id=principal.id, scopes=principal.scopes)


def email_of(account_id: UUID) -> str | None:
    """Return where mail to the holder of the account goes, or None when there is no such account."""
    return queries.email_of(account_id=account_id)

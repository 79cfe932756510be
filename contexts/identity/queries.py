"""Reads: from the tables to frozen values."""

from dataclasses import dataclass, field
from uuid import UUID

from contexts.identity.domain import AccountNotActive
from contexts.identity.models import AccountRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What the holder of an account told about themselves."""

    id: UUID
    email: str = field(repr=False)
    name: str = field(repr=False)
    email_verified: bool
    version: int


def profile_of(*, account_id: UUID) -> Profile:
    """Return the profile of an active account, or raise AccountNotActive."""
    row = AccountRow.objects.filter(pk=account_id, is_active=True).first()
    if row is None:
        raise AccountNotActive
    return Profile(
        id=row.id,
        email=row.email,
        name=row.name,
        email_verified=row.email_verified_at is not None,
        version=row.version,
    )


def email_of(*, account_id: UUID) -> str | None:
    """Return where mail to the holder of the account goes."""
    return AccountRow.objects.filter(pk=account_id).values_list("email", flat=True).first()

"""Reads: from the tables to frozen values."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from contexts.identity.domain import AccountNotActive, Address
from contexts.identity.models import AccountRow, AddressRow


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


def addresses_of(*, account_id: UUID) -> Sequence[Address]:
    """Return the address book of the account, the oldest entry first."""
    return [row.to_address() for row in AddressRow.objects.filter(account_id=account_id).order_by("id")]

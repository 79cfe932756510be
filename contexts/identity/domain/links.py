"""Links that are mailed to the holder of an address, to prove that they read it."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from contexts.identity.domain.accounts import Account
from contexts.identity.domain.emails import Email
from shared.domain.errors import InvalidInputError

#: To one address and for one purpose, so that nobody's mailbox can be flooded by asking on their behalf.
MAILS_PER_HOUR = 5
HOUR = timedelta(hours=1)


class LinkPurpose(StrEnum):
    """What the holder of a link may do, once."""

    VERIFY_EMAIL = "verify_email"
    RESET_PASSWORD = "reset_password"  # noqa: S105 - a purpose, not a password

    @property
    def lifetime(self) -> timedelta:
        """Return for how long a link is good."""
        return timedelta(hours=1) if self is LinkPurpose.RESET_PASSWORD else timedelta(days=3)

    def concerns(self, account: Account) -> bool:
        """Tell whether the account has any use for such a link."""
        return account.is_active and (self is LinkPurpose.RESET_PASSWORD or account.email_verified_at is None)


class InvalidLink(InvalidInputError):
    """This link is not good any more: it was used, it has expired, or a newer one took its place; ask for a new one."""

    pointer = "/token"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkRequest:
    """Somebody asked for a link to be mailed to an address, which may have no account."""

    id: UUID
    purpose: LinkPurpose
    email: Email = field(repr=False)
    asked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What a genuine link says: whose it is, and the mark of the state in which the account was then."""

    account_id: UUID
    mark: str = field(repr=False)

"""People who can log in."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from contexts.identity.domain.emails import Email
from contexts.identity.events import (
    CustomerErased,
    CustomerRegistered,
    EmailVerified,
    OperatorAppointed,
    PasswordChanged,
    ProfileChanged,
    RefreshTokenReused,
)
from shared.domain.errors import (
    ConflictError,
    EntityNotFoundError,
    InvalidInputError,
    NotAuthenticatedError,
    PermissionDeniedError,
)
from shared.domain.model import Aggregate

MAX_NAME = 120  # characters
UNUSABLE_PASSWORD = "!"  # noqa: S105 - the hash of none

PersonKind = Literal["customer", "staff"]


class WeakPassword(InvalidInputError):
    """Choose a password that is harder to guess."""

    pointer = "/password"

    def __init__(self, *, reasons: Sequence[str]) -> None:
        self._reasons = tuple(reasons)
        super().__init__(reasons=list(reasons))

    @property
    def message(self) -> str:
        """Return what the reader is told, and why."""
        return " ".join((super().message, *self._reasons))


class AccountNotActive(NotAuthenticatedError):
    """This account does not exist any more, or it has been deactivated."""


class PeopleOnly(PermissionDeniedError):
    """Only a person has a profile; log in instead of using an API key."""


class WrongPassword(InvalidInputError):
    """This is not your present password."""

    pointer = "/current_password"


class StaffNotErasable(ConflictError):
    """A member of staff cannot be erased; take their role away first."""


class AccountNotFound(EntityNotFoundError):
    """There is no such account."""


@dataclass(slots=True, kw_only=True, eq=False)
class Account(Aggregate):
    """A person who can log in: a customer, or a member of staff."""

    email: Email = field(repr=False)
    name: str = field(repr=False)
    password_hash: str = field(repr=False)
    is_active: bool = True
    is_staff: bool = False
    is_superuser: bool = False
    email_verified_at: datetime | None = None
    erased_at: datetime | None = None

    @classmethod
    def register(cls, *, id: UUID, email: Email, name: str, password_hash: str, at: datetime) -> "Account":  # noqa: A002 - the aggregate's own word
        """Open the account of a customer."""
        account = cls(id=id, email=email, name=name, password_hash=password_hash)
        account.record(CustomerRegistered(account_id=id, occurred_at=at))
        return account

    @property
    def kind(self) -> PersonKind:
        """Return what this person is to the shop."""
        return "staff" if self.is_staff else "customer"

    @property
    def is_operator(self) -> bool:
        """Tell whether this person may do everything at present."""
        return self.is_active and self.is_staff and self.is_superuser

    def rename(self, *, name: str, at: datetime) -> None:
        """Change the name; the same name again is no news."""
        if not self.is_active:
            raise AccountNotActive
        if name == self.name:
            return
        self.name = name
        self.record(ProfileChanged(account_id=self.id, occurred_at=at))

    def verify_email(self, *, at: datetime) -> None:
        """Note that the holder reads the mail to this address; once is enough."""
        if self.email_verified_at is not None:
            return
        self.email_verified_at = at
        self.record(EmailVerified(account_id=self.id, occurred_at=at))

    def change_password(self, *, password_hash: str, at: datetime) -> None:
        """Take a new password; the sessions that the old one began have to be ended with it."""
        self.password_hash = password_hash
        self.record(PasswordChanged(account_id=self.id, occurred_at=at))

    def appoint_operator(self, *, at: datetime) -> None:
        """Give the account every right; an operator stays one, and whoever appoints them vouches for the address."""
        if self.is_operator:
            return
        self.email_verified_at = self.email_verified_at or at
        self.is_active = self.is_staff = self.is_superuser = True
        self.record(OperatorAppointed(account_id=self.id, occurred_at=at))

    def erase(self, *, at: datetime) -> None:
        """Forget who it was; the id stays, and says nothing any more."""
        if self.is_staff:
            raise StaffNotErasable
        self.email = Email(f"{self.id}@erased.invalid")
        self.name, self.password_hash = "", UNUSABLE_PASSWORD
        self.is_active, self.email_verified_at, self.erased_at = False, None, at
        self.record(CustomerErased(account_id=self.id, occurred_at=at))

    def report_reuse(self, *, family_id: UUID, at: datetime) -> None:
        """Note that somebody presented a refresh token a second time."""
        self.record(RefreshTokenReused(account_id=self.id, family_id=family_id, occurred_at=at))

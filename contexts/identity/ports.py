"""What identity needs from the world."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from contexts.identity.domain import (
    AccessClaims,
    Account,
    AddressBook,
    ApiKey,
    Email,
    Link,
    LinkPurpose,
    LinkRequest,
    PersonKind,
    PostalAddress,
    Staff,
    TokenFamily,
)

#: Makes a new secret of 256 random bits, safe in URLs.
NewSecret = Callable[[], str]

#: Makes the public part of a new API key: twelve letters and digits.
NewKeyId = Callable[[], str]


class Accounts(Protocol):
    def get(self, account_id: UUID) -> Account:
        """Return the account, locked for this unit of work, or raise AccountNotFound."""

    def find(self, account_id: UUID) -> Account | None:
        """Return the account as it stands, not locked."""

    def find_by_email(self, email: Email) -> Account | None:
        """Return the account of that address as it stands, not locked."""

    def add(self, account: Account) -> None:
        """Store a new account, or raise EmailTaken."""

    def save(self, account: Account) -> None:
        """Store the changed account, or raise LostRace."""


class StaffList(Protocol):
    def find(self, account_id: UUID) -> Staff | None:
        """Return the roles of an active member of staff, as they are at present."""


class TokenFamilies(Protocol):
    def holding(self, digest: str) -> TokenFamily:
        """Return the family that the token belongs or belonged to, locked, or raise InvalidToken."""

    def save(self, family: TokenFamily) -> None:
        """Store the family, be it new or changed."""

    def revoke_all_of(self, account_id: UUID, *, at: datetime) -> None:
        """End every family of the account."""

    def forget_expired(self, *, before: datetime, at_most: int) -> int:
        """Delete tokens that expired before that time, and tell how many they were."""


class ApiKeys(Protocol):
    def get(self, api_key_id: UUID) -> ApiKey:
        """Return the key, locked for this unit of work, or raise ApiKeyNotFound."""

    def find_by_key_id(self, key_id: str) -> ApiKey | None:
        """Return the key with that public part as it stands, not locked."""

    def recall_by_key_id(self, key_id: str) -> ApiKey | None:
        """Return the key with that public part as it stood a moment ago."""

    def unrevoked_named(self, name: str) -> Sequence[ApiKey]:
        """Return the keys of that name that were not revoked, locked for this unit of work."""

    def add(self, key: ApiKey) -> None:
        """Store a new key."""

    def save(self, key: ApiKey) -> None:
        """Store the changed key, or raise LostRace."""

    def note_use(self, key: ApiKey, *, at: datetime) -> None:
        """Write down that the key was used; of several at once, any may win."""


class LoginGuard(Protocol):
    def begin(self, *, account: str, address: str) -> None:
        """Count an attempt to log in, or raise TooManyFailedLogins; an account has a guard for each address."""

    def forgive(self, *, account: str, address: str) -> None:
        """Take the attempt back, for it succeeded."""


class SecondFactors(Protocol):
    def is_wanted_of(self, account_id: UUID) -> bool:
        """Tell whether a member of staff has to show a second factor."""

    def admits(self, account_id: UUID, code: str) -> bool:
        """Tell whether the code is good now; it is not a second time."""


class Passwords(Protocol):
    def hash(self, password: str) -> str:
        """Return the password as it is stored."""

    def verify(self, password: str, password_hash: str | None) -> bool:
        """Tell whether the password is the stored one; take as long when there is none."""


class PasswordPolicy(Protocol):
    def check(self, password: str, *, email: Email, name: str) -> None:
        """Raise WeakPassword, with the reasons, when the password is easy to guess."""


class AddressBooks(Protocol):
    def of(self, account_id: UUID) -> AddressBook:
        """Return the book of an active account, locked for this unit of work, or raise AccountNotActive."""

    def save(self, book: AddressBook) -> None:
        """Store the book as it is now."""


class AddressRules(Protocol):
    def check(self, postal: PostalAddress) -> None:
        """Raise InvalidAddress, with a fault for each field that cannot be right in that country."""


class OwnRecords(Protocol):
    def show(self, account_id: UUID) -> Mapping[str, object] | None:
        """Return what identity keeps about the holder of an active account, by kinds."""

    def forget(self, account: Account) -> None:
        """Delete what belongs to the account."""

    def erased_since(self, moment: datetime) -> Sequence[UUID]:
        """Return the accounts that were erased at that time or later."""


class OthersRecords(Protocol):
    def show(self, account_id: UUID) -> Mapping[str, object]:
        """Return what the others keep about the person, by kinds."""

    def forget(self, account_id: UUID) -> None:
        """Have all others forget the person, or raise the refusal of who still needs the records."""


class LinkRequests(Protocol):
    def add(self, request: LinkRequest) -> None:
        """Store a new request."""

    def find(self, request_id: UUID) -> LinkRequest | None:
        """Return the request, unless it was forgotten."""

    def earlier_than(self, request: LinkRequest, *, since: datetime) -> int:
        """Return how often the same was asked for between that time and this request."""

    def forget(self, *, before: datetime) -> int:
        """Delete the requests from before that time, and tell how many they were."""


class Links(Protocol):
    def make(self, purpose: LinkPurpose, *, account: Account, at: datetime) -> str:
        """Return the token of a link that is good for the account in its present state only."""

    def read(self, token: str, *, purpose: LinkPurpose, at: datetime) -> Link:
        """Return what a genuine token says that has not expired, or raise InvalidLink."""

    def mark_of(self, purpose: LinkPurpose, *, account: Account) -> str:
        """Return the mark of the account's state, which changes when a link is used."""


class Mailer(Protocol):
    def send(self, template: str, *, to: Email, values: Mapping[str, str], key: str) -> None:
        """Send a mail, or raise ExternalAPIError; mails with the same key are one mail to whoever gets both."""


class AccessTokens(Protocol):
    @property
    def lifetime(self) -> timedelta:
        """Return for how long a token is good."""

    def issue(self, *, account_id: UUID, kind: PersonKind, at: datetime) -> str:
        """Return a signed token."""

    def read(self, token: str, *, at: datetime) -> AccessClaims:
        """Return what the token says, or raise InvalidToken."""

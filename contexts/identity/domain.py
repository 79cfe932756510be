"""Accounts, the tokens that their holders are handed, and the keys of other servers."""

import hashlib
import hmac
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Literal
from uuid import UUID

from contexts.identity.events import (
    ApiKeyCreated,
    ApiKeyRevoked,
    CustomerRegistered,
    OperatorAppointed,
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

MAX_EMAIL = 254  # characters: RFC 3696, erratum 1690
MAX_LOCAL_PART = 64  # characters: RFC 5321, section 4.5.3.1.1
MAX_LABEL = 63  # characters: RFC 1035, section 2.3.4
MAX_NAME = 120  # characters
MAX_SCOPE = 64  # characters

KEY_PREFIX = "ok_"
KEY_ID_LENGTH = 12  # characters
USE_NOTED_EVERY = timedelta(minutes=1)

#: What an operator may tick when making a key; wildcards stand for everything below them.
USUAL_SCOPES = {
    "orders:read": "See all orders",
    "orders:write": "Place and cancel orders",
    "events:read": "Read the feed of events",
    "webhooks:write": "Manage webhook endpoints",
    "ops:*": "Everything that operators may do",
}

PersonKind = Literal["customer", "staff"]
CallerKind = Literal["customer", "staff", "key"]


class InvalidEmail(InvalidInputError):
    """This is not an e-mail address; it has the form name@example.com."""

    pointer = "/email"


class EmailTaken(ConflictError):
    """There is an account with this e-mail address already; log in instead."""


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


class InvalidCredentials(NotAuthenticatedError):
    """The e-mail address or the password is wrong."""


class InvalidToken(NotAuthenticatedError):
    """The token or API key is not valid: it is malformed, expired or revoked; get a new one."""


class AccountNotActive(NotAuthenticatedError):
    """This account does not exist any more, or it has been deactivated."""


class PeopleOnly(PermissionDeniedError):
    """Only a person has a profile; log in instead of using an API key."""


class AccountNotFound(EntityNotFoundError):
    """There is no such account."""


class ApiKeyNotFound(EntityNotFoundError):
    """There is no such API key."""


class InvalidScope(InvalidInputError):
    """A key needs at least one scope, each of the form resource:action, such as orders:read or ops:*."""

    pointer = "/scopes"


class ExpiryInThePast(InvalidInputError):
    """A key has to expire in the future."""

    pointer = "/expires_at"


def digest_of(secret: str) -> str:
    """Return the SHA-256 of a random secret; 256 random bits need no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Email:
    """An e-mail address in its normal form: composed (NFC), lower case, no blanks around it."""

    text: str = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> "Email":
        """Return the normal form of the address, or raise InvalidEmail.

        Whether it exists is known only once a mail to it was answered; the plainly impossible is refused.
        """
        normal = unicodedata.normalize("NFC", text.strip().lower())
        local, _, host = normal.rpartition("@")
        if len(normal) > MAX_EMAIL or not _is_local_part(local) or not _is_host(host):
            raise InvalidEmail
        return cls(normal)


def _is_local_part(text: str) -> bool:
    if not 0 < len(text) <= MAX_LOCAL_PART or not text.isprintable():
        return False
    return all(text.split(".")) and not any(one.isspace() or one in '()<>[]:;@\\,"' for one in text)


def _is_host(text: str) -> bool:
    labels = text.split(".")
    return len(labels) > 1 and all(
        0 < len(label) <= MAX_LABEL
        and label.replace("-", "").isalnum()
        and not label.startswith("-")
        and not label.endswith("-")
        for label in labels
    )


@dataclass(slots=True, kw_only=True, eq=False)
class Account(Aggregate):
    """A person who can log in: a customer, or a member of staff."""

    email: Email = field(repr=False)
    name: str = field(repr=False)
    password_hash: str = field(repr=False)
    is_active: bool = True
    is_staff: bool = False
    is_superuser: bool = False

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

    def appoint_operator(self, *, at: datetime) -> None:
        """Give the account every right; an operator stays one."""
        if self.is_operator:
            return
        self.is_active = self.is_staff = self.is_superuser = True
        self.record(OperatorAppointed(account_id=self.id, occurred_at=at))

    def report_reuse(self, *, family_id: UUID, at: datetime) -> None:
        """Note that somebody presented a refresh token a second time."""
        self.record(RefreshTokenReused(account_id=self.id, family_id=family_id, occurred_at=at))


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedTokens:
    """What a successful log-in hands over; ``expires_in`` is the access token's, in seconds."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessClaims:
    """What a genuine access token says."""

    account_id: UUID
    kind: PersonKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who is calling, and what was granted to them."""

    kind: CallerKind
    id: UUID
    scopes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshToken:
    """A token that is good for one renewal; known by its digest only."""

    id: UUID
    digest: str = field(repr=False)
    expires_at: datetime
    spent_at: datetime | None = None
    revoked_at: datetime | None = None

    def is_good(self, *, at: datetime) -> bool:
        """Tell whether it can still be spent."""
        return self.spent_at is None and self.revoked_at is None and at < self.expires_at


class Renewal(Enum):
    """How an attempt to renew a family ended."""

    DONE = auto()
    REFUSED = auto()
    THEFT_SUSPECTED = auto()


@dataclass(slots=True, kw_only=True, eq=False)
class TokenFamily:
    """The refresh tokens that descend from one log-in: only the youngest is good, and only once.

    Rotation and the detection of reuse: RFC 9700, section 4.14.2.
    """

    id: UUID
    account_id: UUID
    current: RefreshToken
    spent: RefreshToken | None = None

    def renew(self, *, presented: str, successor: RefreshToken, at: datetime) -> Renewal:
        """Spend the current token for its successor; an older one coming back revokes the family."""
        if not hmac.compare_digest(presented, self.current.digest):
            was_good = self.current.is_good(at=at)
            self.revoke(at=at)
            return Renewal.THEFT_SUSPECTED if was_good else Renewal.REFUSED
        if not self.current.is_good(at=at):
            return Renewal.REFUSED
        self.spent = replace(self.current, spent_at=at)
        self.current = successor
        return Renewal.DONE

    def revoke(self, *, at: datetime) -> None:
        """End the family; ending it twice is harmless."""
        if self.current.revoked_at is None:
            self.current = replace(self.current, revoked_at=at)


@dataclass(slots=True, kw_only=True, eq=False)
class ApiKey(Aggregate):
    """The key of another server: what it may do, and until when."""

    key_id: str
    secret_digest: str = field(repr=False)
    name: str
    scopes: frozenset[str]
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None

    @classmethod
    def create(
        cls,
        *,
        id: UUID,  # noqa: A002 - the aggregate's own word
        key_id: str,
        secret: str,
        name: str,
        scopes: Iterable[str],
        expires_at: datetime,
        at: datetime,
    ) -> "ApiKey":
        """Make a key of the secret, which is not kept."""
        granted = frozenset(scopes)
        if not granted or not all(_is_scope(scope) for scope in granted):
            raise InvalidScope
        if expires_at <= at:
            raise ExpiryInThePast
        key = cls(
            id=id,
            key_id=key_id,
            secret_digest=digest_of(secret),
            name=name,
            scopes=granted,
            created_at=at,
            expires_at=expires_at,
        )
        key.record(ApiKeyCreated(api_key_id=id, key_id=key_id, scopes=tuple(sorted(granted)), occurred_at=at))
        return key

    def admits(self, *, secret: str, at: datetime) -> bool:
        """Tell whether the secret opens this key at that time."""
        is_right = hmac.compare_digest(digest_of(secret), self.secret_digest)
        return is_right and self.revoked_at is None and at < self.expires_at

    def use_is_worth_noting(self, *, at: datetime) -> bool:
        """Tell whether the last noted use is so old that a new one should be written down."""
        return self.last_used_at is None or at - self.last_used_at >= USE_NOTED_EVERY

    def revoke(self, *, at: datetime) -> None:
        """End the key for good; revoking it twice is harmless."""
        if self.revoked_at is not None:
            return
        self.revoked_at = at
        self.record(ApiKeyRevoked(api_key_id=self.id, key_id=self.key_id, occurred_at=at))


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatedApiKey:
    """A new key and the text that opens it, which is shown once and not kept."""

    key: ApiKey
    token: str = field(repr=False)


def key_text(*, key_id: str, secret: str) -> str:
    """Return the key as its holder sends it: ``ok_<id>_<secret>``."""
    return f"{KEY_PREFIX}{key_id}_{secret}"


def parts_of_key(text: str) -> tuple[str, str]:
    """Return id and secret of a key, or raise InvalidToken."""
    key_id, _, secret = text.removeprefix(KEY_PREFIX).partition("_")
    if not secret or not text.isascii() or not key_id.isalnum() or len(key_id) > KEY_ID_LENGTH:
        raise InvalidToken
    return key_id, secret


def _is_scope(text: str) -> bool:
    *resource, action = text.split(":")
    if not resource or len(text) > MAX_SCOPE or not text.isascii():
        return False
    return all(part.replace("-", "").isalnum() for part in resource) and (
        action == "*" or action.replace("-", "").isalnum()
    )

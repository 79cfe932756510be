"""The keys of other servers."""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from contexts.identity.domain.tokens import InvalidToken, digest_of
from contexts.identity.events import ApiKeyCreated, ApiKeyRevoked, ApiKeyRotated
from shared.domain.errors import ConflictError, EntityNotFoundError, InvalidInputError
from shared.domain.model import Aggregate

MAX_SCOPE = 64  # characters
KEY_PREFIX = "ok_"
KEY_ID_LENGTH = 12  # characters
USE_NOTED_EVERY = timedelta(minutes=1)
USUAL_OVERLAP = timedelta(hours=24)
LONGEST_OVERLAP = timedelta(days=30)

#: What an operator may tick when making a key; wildcards stand for everything below them.
USUAL_SCOPES = {
    "orders:read": "See all orders",
    "orders:write": "Place and cancel orders",
    "events:read": "Read the feed of events",
    "webhooks:write": "Manage webhook endpoints",
    "ops:*": "Everything that operators may do",
}


class ApiKeyStatus(StrEnum):
    """Whether a key opens anything, and why not."""

    GOOD = "good"
    EXPIRED = "expired"
    REVOKED = "revoked"


class ApiKeyNotFound(EntityNotFoundError):
    """There is no such API key."""


class ApiKeyNotGood(ConflictError):
    """This key is expired or revoked already; create a new one."""


class InvalidOverlap(InvalidInputError):
    """Two keys overlap by 30 days at most."""

    pointer = "/overlap_hours"


class InvalidScope(InvalidInputError):
    """A key needs at least one scope, each of the form resource:action, such as orders:read or ops:*."""

    pointer = "/scopes"


class ExpiryInThePast(InvalidInputError):
    """A key has to expire in the future."""

    pointer = "/expires_at"


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
        return hmac.compare_digest(digest_of(secret), self.secret_digest) and self.is_good(at=at)

    def is_good(self, *, at: datetime) -> bool:
        """Tell whether the key opens anything at that time."""
        return self.revoked_at is None and at < self.expires_at

    def use_is_worth_noting(self, *, at: datetime) -> bool:
        """Tell whether the last noted use is so old that a new one should be written down."""
        return self.last_used_at is None or at - self.last_used_at >= USE_NOTED_EVERY

    def retire(self, *, successor: "ApiKey", overlap: timedelta, at: datetime) -> None:
        """Let the key run out after the overlap, for it has a successor; it never lasts longer than it would have."""
        if not self.is_good(at=at):
            raise ApiKeyNotGood
        if not timedelta() <= overlap <= LONGEST_OVERLAP:
            raise InvalidOverlap
        self.expires_at = min(self.expires_at, at + overlap)
        self.record(
            ApiKeyRotated(
                api_key_id=self.id,
                key_id=self.key_id,
                successor_id=successor.id,
                successor_key_id=successor.key_id,
                good_until=self.expires_at,
                occurred_at=at,
            )
        )

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

"""What the holder of an account is handed after a log-in, and what it proves."""

import hashlib
import hmac
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum, auto
from typing import Literal
from uuid import UUID

from contexts.identity.domain.accounts import PersonKind
from shared.domain.errors import NotAuthenticatedError, TooManyRequestsError

CallerKind = Literal["customer", "staff", "key"]


class InvalidCredentials(NotAuthenticatedError):
    """The e-mail address or the password is wrong."""


class TooManyFailedLogins(TooManyRequestsError):
    """There were too many wrong passwords from where you are; try again after as many seconds as Retry-After says."""


class SecondFactorNeeded(NotAuthenticatedError):
    """Staff also show a second factor: send the code of your authenticator app, or a recovery code, as otp."""


class InvalidToken(NotAuthenticatedError):
    """The token or API key is not valid: it is malformed, expired or revoked; get a new one."""


def digest_of(secret: str) -> str:
    """Return the SHA-256 of a random secret; 256 random bits need no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


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
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who is calling, and what was granted to them."""

    kind: CallerKind
    id: UUID
    scopes: frozenset[str] = frozenset()
    expires_at: datetime | None = None


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

    @classmethod
    def begin(cls, *, id: UUID, account_id: UUID, token_id: UUID, secret: str, expires_at: datetime) -> "TokenFamily":  # noqa: A002 - the family's own word
        """Start the family of a log-in with its first token, made of the secret, which is not kept."""
        first = RefreshToken(id=token_id, digest=digest_of(secret), expires_at=expires_at)
        return cls(id=id, account_id=account_id, current=first)

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

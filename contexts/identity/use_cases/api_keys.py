"""What can be done with the keys of other servers."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from contexts.identity.domain import ApiKey, CreatedApiKey, InvalidToken, key_text, parts_of_key
from contexts.identity.ports import ApiKeys, NewKeyId, NewSecret
from shared.domain.ports import Clock, NewId, UnitOfWork


@dataclass(frozen=True, slots=True)
class CreateApiKey:
    """Make a key for another server."""

    api_keys: ApiKeys
    unit_of_work: UnitOfWork
    now: Clock
    new_id: NewId
    new_key_id: NewKeyId
    new_secret: NewSecret

    def __call__(self, *, name: str, scopes: Iterable[str], expires_at: datetime) -> CreatedApiKey:
        """Return the key with the text that opens it, for the only time."""
        with self.unit_of_work():
            secret = self.new_secret()
            key = ApiKey.create(
                id=self.new_id(),
                key_id=self.new_key_id(),
                secret=secret,
                name=name,
                scopes=scopes,
                expires_at=expires_at,
                at=self.now(),
            )
            self.api_keys.add(key)
        return CreatedApiKey(key=key, token=key_text(key_id=key.key_id, secret=secret))


@dataclass(frozen=True, slots=True)
class RevokeApiKey:
    """End a key before its time."""

    api_keys: ApiKeys
    unit_of_work: UnitOfWork
    now: Clock

    def __call__(self, *, api_key_id: UUID) -> None:
        """End it; a revoked key stays revoked."""
        with self.unit_of_work():
            key = self.api_keys.get(api_key_id)
            key.revoke(at=self.now())
            self.api_keys.save(key)


@dataclass(frozen=True, slots=True)
class EnsureApiKey:
    """See to it that whoever sets an installation up holds a good key of this name."""

    api_keys: ApiKeys
    create_api_key: CreateApiKey
    unit_of_work: UnitOfWork
    now: Clock

    def __call__(self, *, name: str, scopes: Iterable[str], expires_at: datetime, kept: str | None = None) -> str:
        """Return the text of the key: the kept one while it is good, else that of a new one in its place."""
        wanted, now = frozenset(scopes), self.now()
        with self.unit_of_work():
            keys = self.api_keys.unrevoked_named(name)
            if kept and any(_opens(key, kept, at=now) and key.scopes == wanted for key in keys):
                return kept
            for key in keys:
                key.revoke(at=now)
                self.api_keys.save(key)
            return self.create_api_key(name=name, scopes=wanted, expires_at=expires_at).token


def _opens(key: ApiKey, text: str, *, at: datetime) -> bool:
    try:
        key_id, secret = parts_of_key(text)
    except InvalidToken:
        return False
    return key.key_id == key_id and key.admits(secret=secret, at=at)

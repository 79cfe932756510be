"""What can be done with the keys of other servers."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from contexts.identity.domain import ApiKey, CreatedApiKey, InvalidToken, key_text, parts_of_key
from contexts.identity.ports import ApiKeys, NewKeyId, NewSecret
from shared.domain.ports import AuditTrail, Clock, NewId, UnitOfWork


@dataclass(frozen=True, slots=True)
class CreateApiKey:
    """Make a key for another server."""

    api_keys: ApiKeys
    unit_of_work: UnitOfWork
    now: Clock
    new_id: NewId
    new_key_id: NewKeyId
    new_secret: NewSecret
    record_change: AuditTrail

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
            self.record_change(
                action="identity.create_api_key",
                subject_kind="api_key",
                subject_id=str(key.id),
                before=None,
                after={"scopes": tuple(sorted(key.scopes)), "expires_at": key.expires_at.isoformat()},
            )
        return CreatedApiKey(key=key, token=key_text(key_id=key.key_id, secret=secret))


@dataclass(frozen=True, slots=True)
class RevokeApiKey:
    """End a key before its time."""

    api_keys: ApiKeys
    unit_of_work: UnitOfWork
    now: Clock
    record_change: AuditTrail

    def __call__(self, *, api_key_id: UUID) -> None:
        """End it; a revoked key stays revoked."""
        with self.unit_of_work():
            key = self.api_keys.get(api_key_id)
            if key.revoked_at is not None:
                return
            key.revoke(at=self.now())
            self.api_keys.save(key)
            self.record_change(
                action="identity.revoke_api_key",
                subject_kind="api_key",
                subject_id=str(key.id),
                before={"revoked": False},
                after={"revoked": True},
            )


@dataclass(frozen=True, slots=True)
class RotateApiKey:
    """Exchange a key for a new one with the same rights; both are good for a while, so that nobody is cut off."""

    api_keys: ApiKeys
    create_api_key: CreateApiKey
    unit_of_work: UnitOfWork
    now: Clock
    record_change: AuditTrail

    def __call__(self, *, api_key_id: UUID, overlap: timedelta, expires_at: datetime | None = None) -> CreatedApiKey:
        """Return the new key, or raise ApiKeyNotFound, ApiKeyNotGood or InvalidOverlap.

        Unless told otherwise, the new key lasts as long as the old one was meant to.
        """
        with self.unit_of_work():
            key, now = self.api_keys.get(api_key_id), self.now()
            until = expires_at or now + (key.expires_at - key.created_at)
            created = self.create_api_key(name=key.name, scopes=key.scopes, expires_at=until)
            before = key.expires_at
            key.retire(successor=created.key, overlap=overlap, at=now)
            self.api_keys.save(key)
            self.record_change(
                action="identity.rotate_api_key",
                subject_kind="api_key",
                subject_id=str(key.id),
                before={"expires_at": before.isoformat()},
                after={"expires_at": key.expires_at.isoformat(), "successor_id": str(created.key.id)},
            )
        return created


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

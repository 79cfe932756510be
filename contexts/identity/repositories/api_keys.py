"""API keys in PostgreSQL; who only reads is known by what is remembered of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from pydantic import BaseModel, ConfigDict, ValidationError

from contexts.identity.domain import USE_NOTED_EVERY, ApiKey, ApiKeyNotFound
from contexts.identity.models import ApiKeyRow
from shared.domain.errors import LostRace
from shared.domain.ports import Cache
from shared.outbox.messages import publish_events_of
from shared.persistence.reads import CompiledRead

#: Made for each request of another server.
KEY_BY_ITS_ID = CompiledRead(lambda key_id: ApiKeyRow.objects.filter(key_id=key_id), "")


class _Remembered(BaseModel):
    """A row as it stands in the cache."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    version: int
    sequence: int
    key_id: str
    secret_hash: str
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class DjangoApiKeys:
    """API keys in ``identity_api_key``, and how they stood some seconds ago in the cache."""

    cache: Cache

    def get(self, api_key_id: UUID) -> ApiKey:
        """Return the key, locked for this unit of work, or raise ApiKeyNotFound."""
        row = ApiKeyRow.objects.select_for_update(no_key=True).filter(pk=api_key_id).first()
        if row is None:
            raise ApiKeyNotFound
        return _key_of(row)

    def find_by_key_id(self, key_id: str) -> ApiKey | None:
        """Return the key with that public part as it stands, not locked."""
        row = KEY_BY_ITS_ID.first(key_id)
        return _key_of(row) if row else None

    def recall_by_key_id(self, key_id: str) -> ApiKey | None:
        """Return the key with that public part as it stood at most API_KEYS_REMEMBERED ago."""
        try:
            answer = self.cache.remember(
                key_id, seconds=settings.API_KEYS_REMEMBERED.total_seconds(), load=partial(self._written, key_id)
            )
            return _key_of(_Remembered.model_validate_json(answer))
        except ApiKeyNotFound:
            return None
        except ValidationError:  # written by another version of this code
            return self.find_by_key_id(key_id)

    def unrevoked_named(self, name: str) -> Sequence[ApiKey]:
        """Return the keys of that name that were not revoked, locked for this unit of work."""
        rows = ApiKeyRow.objects.select_for_update(no_key=True).filter(name=name, revoked_at=None)
        return [_key_of(row) for row in rows.order_by("id")]

    def add(self, key: ApiKey) -> None:
        """Store a new key."""
        ApiKeyRow.objects.create(
            id=key.id,
            key_id=key.key_id,
            secret_hash=key.secret_digest,
            name=key.name,
            scopes=sorted(key.scopes),
            created_at=key.created_at,
            expires_at=key.expires_at,
            version=key.version,
            sequence=key.sequence,
        )
        publish_events_of(key)

    def save(self, key: ApiKey) -> None:
        """Store the changed key, or raise LostRace."""
        changed = ApiKeyRow.objects.filter(pk=key.id, version=key.version).update(
            expires_at=key.expires_at, revoked_at=key.revoked_at, version=key.version + 1, sequence=key.sequence
        )
        if not changed:
            raise LostRace(api_key_id=key.id)
        key.version += 1
        transaction.on_commit(partial(self.cache.forget, key.key_id))
        publish_events_of(key)

    def note_use(self, key: ApiKey, *, at: datetime) -> None:
        """Write down that the key was used; the condition keeps a burst of requests to one write."""
        is_old = Q(last_used_at=None) | Q(last_used_at__lte=at - USE_NOTED_EVERY)
        ApiKeyRow.objects.filter(is_old, pk=key.id).update(last_used_at=at)
        transaction.on_commit(partial(self.cache.forget, key.key_id))

    def _written(self, key_id: str) -> bytes:
        row = KEY_BY_ITS_ID.first(key_id)
        if row is None:
            raise ApiKeyNotFound  # who guesses keys leaves nothing behind
        return _Remembered.model_validate(row).model_dump_json().encode()


def _key_of(row: ApiKeyRow | _Remembered) -> ApiKey:
    return ApiKey(
        id=row.id,
        version=row.version,
        sequence=row.sequence,
        key_id=row.key_id,
        secret_digest=row.secret_hash,
        name=row.name,
        scopes=frozenset(row.scopes),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )

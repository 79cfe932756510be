"""Endpoints in ``webhooks_endpoint``, their secrets encrypted."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from contexts.webhooks.domain import (
    Anyone,
    DisabledBecause,
    Endpoint,
    EndpointId,
    EndpointNotFound,
    OwnerId,
    Secret,
)
from contexts.webhooks.models import EndpointRow, ReplayRow
from shared.domain.errors import LostRace
from shared.outbox.messages import publish_events_of
from shared.persistence.encryption import decrypt, encrypt
from shared.persistence.statements import execute

FORGET_DELIVERIES_OF_REMOVED = """
WITH told AS (
    SELECT delivery.id FROM webhooks_delivery AS delivery JOIN webhooks_endpoint AS endpoint
        ON endpoint.id = delivery.endpoint_id AND endpoint.removed_at IS NOT NULL
    LIMIT %(at_most)s FOR UPDATE OF delivery SKIP LOCKED
), log AS (DELETE FROM webhooks_attempt WHERE delivery_id IN (SELECT id FROM told))
DELETE FROM webhooks_delivery WHERE id IN (SELECT id FROM told)
"""
FORGET_REMOVED = """
DELETE FROM webhooks_endpoint AS endpoint
WHERE removed_at < %(before)s AND NOT EXISTS (SELECT FROM webhooks_delivery WHERE endpoint_id = endpoint.id)
"""


class DjangoEndpoints:
    """Endpoints in the database."""

    def get(self, endpoint_id: EndpointId, *, of_owner: OwnerId | Anyone) -> Endpoint:
        """Return the owner's endpoint, locked for this unit of work, or raise EndpointNotFound."""
        rows = EndpointRow.objects.select_for_update(no_key=True).filter(pk=endpoint_id)
        if not isinstance(of_owner, Anyone):
            rows = rows.filter(owner_id=of_owner)
        row = rows.first()
        if row is None:
            raise EndpointNotFound(endpoint_id=endpoint_id)
        return _endpoint_of(row)

    def get_all(self, ids: Collection[EndpointId]) -> Mapping[EndpointId, Endpoint]:
        """Return those endpoints that are there, locked in one order for this unit of work."""
        rows = EndpointRow.objects.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk")
        return {EndpointId(row.id): _endpoint_of(row) for row in rows}

    def count_of(self, owner_id: OwnerId) -> int:
        """Return how many endpoints the owner has; nobody else adds one for the owner before this unit of work ends."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('webhooks ' || %s, 0))", [str(owner_id)])
        return EndpointRow.objects.filter(owner_id=owner_id).count()

    def find(self, endpoint_id: EndpointId) -> Endpoint | None:
        """Return the endpoint as it stands, not locked."""
        row = EndpointRow.objects.filter(pk=endpoint_id).first()
        return _endpoint_of(row) if row else None

    def any_enabled(self) -> bool:
        """Tell whether anybody is told of anything."""
        return EndpointRow.objects.filter(disabled_because="").exists()

    def owners(self) -> Collection[OwnerId]:
        """Return whose endpoints are enabled."""
        rows = EndpointRow.objects.filter(disabled_because="").order_by()
        return [OwnerId(owner_id) for owner_id in rows.values_list("owner_id", flat=True).distinct()]

    def enabled_of(self, owners: Collection[OwnerId]) -> Sequence[EndpointId]:
        """Return which endpoints of these owners are enabled."""
        rows = EndpointRow.objects.filter(owner_id__in=owners, disabled_because="").order_by("id")
        return [EndpointId(id_) for id_ in rows.values_list("id", flat=True)]

    def hand_over(self, *, of: OwnerId, to: OwnerId) -> None:
        """Make the endpoints of one owner those of another."""
        EndpointRow.objects.filter(owner_id=of).update(owner_id=to)

    def add(self, endpoint: Endpoint) -> None:
        """Store a new endpoint."""
        EndpointRow.objects.create(
            id=endpoint.id,
            owner_id=endpoint.owner_id,
            created_at=endpoint.created_at,
            version=endpoint.version,
            **_changing(endpoint),
        )
        publish_events_of(endpoint)

    def save(self, endpoint: Endpoint) -> None:
        """Store the changed endpoint, or raise LostRace."""
        rows = EndpointRow.objects.filter(pk=endpoint.id, version=endpoint.version)
        if not rows.update(version=endpoint.version + 1, **_changing(endpoint)):
            raise LostRace(endpoint_id=endpoint.id)
        endpoint.version += 1
        publish_events_of(endpoint)

    def remove(self, endpoint: Endpoint, *, at: datetime) -> None:
        """Have the endpoint gone for everybody; what it was told is left for ``ForgetRemoved``."""
        ReplayRow.objects.filter(endpoint_id=endpoint.id).delete()
        EndpointRow.objects.filter(pk=endpoint.id).update(
            removed_at=at,
            disabled_because=DisabledBecause.BY_OWNER,
            email="",
            secret=b"",
            previous_secret=None,
            previous_secret_until=None,
        )
        publish_events_of(endpoint)

    def forget_deliveries_of_removed(self, *, at_most: int) -> int:
        """Delete what removed endpoints were told, with its log; return how many deliveries."""
        return execute(FORGET_DELIVERIES_OF_REMOVED, at_most=at_most)

    def forget_removed(self, *, removed_before: datetime) -> int:
        """Delete the endpoints that were removed before then and of which nothing else is left; return how many."""
        return execute(FORGET_REMOVED, before=removed_before)


def secrets_of(row: Any) -> tuple[Secret, ...]:
    """Return the secrets of a row, or of anything that has its columns, the newest first."""
    present = Secret(text=decrypt(bytes(row.secret)).decode())
    if row.previous_secret is None:
        return (present,)
    previous = decrypt(bytes(row.previous_secret)).decode()
    return present, Secret(text=previous, expires_at=row.previous_secret_until)


def _changing(endpoint: Endpoint) -> dict[str, Any]:
    present, *previous = endpoint.secrets
    return {
        "url": endpoint.url,
        "topics": list(endpoint.topics),
        "email": endpoint.email,
        "secret": encrypt(present.text.encode()),
        "previous_secret": encrypt(previous[0].text.encode()) if previous else None,
        "previous_secret_until": previous[0].expires_at if previous else None,
        "since": endpoint.since,
        "disabled_because": endpoint.disabled_because or "",
        "failing_since": endpoint.failing_since,
        "failures_in_a_row": endpoint.failures_in_a_row,
        "rests_until": endpoint.rests_until,
        "sequence": endpoint.sequence,
    }


def _endpoint_of(row: EndpointRow) -> Endpoint:
    return Endpoint(
        id=row.id,
        version=row.version,
        sequence=row.sequence,
        owner_id=OwnerId(row.owner_id),
        url=row.url,
        topics=tuple(row.topics),
        email=row.email,
        secrets=secrets_of(row),
        since=row.since,
        created_at=row.created_at,
        disabled_because=DisabledBecause(row.disabled_because) if row.disabled_because else None,
        failing_since=row.failing_since,
        failures_in_a_row=row.failures_in_a_row,
        rests_until=row.rests_until,
    )

"""Reads of events and of their deliveries: what happened, who was told, and what was given up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from shared.outbox.archive import CLOCK_MARGIN, first_id_at
from shared.outbox.models import ArchivedMessageRow, DeliveryRow, OutboxMessageRow
from shared.persistence.plans import planned_for_its_values

EVENT_FIELDS = (
    "id",
    "topic",
    "aggregate_id",
    "aggregate_sequence",
    "occurred_at",
    "recorded_at",
    "actor",
    "correlation_id",
    "causation_id",
    "traceparent",
    "payload",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A delivery that was given up after its last attempt."""

    id: int
    topic: str
    subscription: str
    last_error: str
    died_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingEvent:
    """An event that no relay has taken yet."""

    id: UUID
    topic: str
    recorded_at: datetime


def count_waiting_events(*, recorded_before: datetime) -> int:
    """Return how many events recorded before then still wait for a relay; an index has just those that wait."""
    return _waiting(recorded_before).count()


def longest_waiting_events(*, recorded_before: datetime, limit: int) -> Sequence[WaitingEvent]:
    """Return the events that have waited for a relay the longest."""
    return [
        WaitingEvent(id=row.id, topic=row.topic, recorded_at=row.recorded_at)
        for row in _waiting(recorded_before).order_by("id")[:limit]
    ]


def count_dead_letters() -> int:
    """Return how many deliveries were given up; an index has just those."""
    return _dead().count()


def oldest_dead_letters(*, limit: int) -> Sequence[DeadLetter]:
    """Return the deliveries that were given up first."""
    return [
        DeadLetter(
            id=row.id,
            topic=row.message.topic,
            subscription=row.subscription,
            last_error=row.last_error,
            died_at=row.finished_at,
        )
        for row in _dead().select_related("message").order_by("id")[:limit]
    ]


def _waiting(recorded_before: datetime) -> QuerySet[OutboxMessageRow]:
    return OutboxMessageRow.objects.filter(pending=True, recorded_at__lt=recorded_before)


def _dead() -> QuerySet[DeliveryRow]:
    return DeliveryRow.objects.filter(status=DeliveryRow.Status.DEAD)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventView:
    """An event as operators see it."""

    id: UUID
    topic: str
    aggregate_id: UUID
    aggregate_sequence: int
    occurred_at: datetime
    recorded_at: datetime
    actor: str
    correlation_id: str
    causation_id: str
    traceparent: str
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which events are wanted; what is None does not matter."""

    topic: str | None = None
    aggregate_id: UUID | None = None
    occurred_from: datetime | None = None
    occurred_before: datetime | None = None


def events(wanted: EventFilter, *, before: UUID | None, limit: int) -> Sequence[EventView]:
    """Return the events that are wanted, archived or not, the last one recorded first.

    The index of ids bounds the search in time; an event has its id from when it was recorded, and occurs before.
    """
    given = {
        "topic": wanted.topic,
        "aggregate_id": wanted.aggregate_id,
        "occurred_at__gte": wanted.occurred_from,
        "occurred_at__lt": wanted.occurred_before,
        "id__gte": first_id_at(wanted.occurred_from - CLOCK_MARGIN) if wanted.occurred_from else None,
        "id__lt": before,
    }
    condition = Q(**{name: value for name, value in given.items() if value is not None})
    with planned_for_its_values():
        return _events(condition, limit=limit)


def event(event_id: UUID) -> EventView | None:
    """Return one event, archived or not."""
    return next(iter(_events(Q(id=event_id), limit=1)), None)


def _events(condition: Q, *, limit: int) -> list[EventView]:
    """Return events in one statement, for one may be moved between two."""
    archived, recent = (
        table.objects.filter(condition).order_by("-id").values(*EVENT_FIELDS)[:limit]
        for table in (ArchivedMessageRow, OutboxMessageRow)
    )
    return [EventView(**row) for row in archived.union(recent, all=True).order_by("-id")[:limit]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryView:
    """A delivery of an event to a handler as operators see it."""

    id: int
    event_id: UUID
    topic: str
    handler: str
    status: str
    waits: bool
    attempts: int
    due_at: datetime
    finished_at: datetime | None
    last_error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFilter:
    """Which deliveries are wanted; what is None does not matter."""

    event_id: UUID | None = None
    topic: str | None = None
    handler: str | None = None
    status: str | None = None


def deliveries(wanted: DeliveryFilter, *, before: int | None = None, limit: int) -> Sequence[DeliveryView]:
    """Return the deliveries that are wanted, the newest first; indexes have those of an event, and the unfinished."""
    given = {
        "message_id": wanted.event_id,
        "message__topic": wanted.topic,
        "subscription": wanted.handler,
        "status": wanted.status,
        "id__lt": before,
    }
    rows = DeliveryRow.objects.filter(**{name: value for name, value in given.items() if value is not None})
    with planned_for_its_values():
        return [_delivery_view_of(row) for row in _with_topic(rows).order_by("-id")[:limit]]


def delivery(delivery_id: int) -> DeliveryView | None:
    """Return one delivery."""
    row = _with_topic(DeliveryRow.objects.filter(id=delivery_id)).first()
    return _delivery_view_of(row) if row is not None else None


def _with_topic(rows: QuerySet[DeliveryRow]) -> QuerySet[DeliveryRow]:
    return rows.select_related("message").defer("message__payload")


def _delivery_view_of(row: DeliveryRow) -> DeliveryView:
    return DeliveryView(
        id=row.pk,
        event_id=row.message_id,
        topic=row.message.topic,
        handler=row.subscription,
        status=row.status,
        waits=row.waits,
        attempts=row.attempts,
        due_at=row.due_at,
        finished_at=row.finished_at,
        last_error=row.last_error,
    )

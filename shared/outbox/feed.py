"""The feed: all events in one stable order, archived ones included, in which no reader ever skips one.

Ids and times are given before the commit, so a cursor over them skips who commits late. A place in the feed is given
by the relay instead, in the transaction that takes the message, under a lock that is held until its commit: whoever
sees a place sees all places before it. The events of one aggregate stand in the order in which they happened.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from shared.outbox.archive import CLOCK_MARGIN, first_id_at
from shared.outbox.models import ArchivedMessageRow, FeedEndRow, OutboxMessageRow

#: The lock on the only row of the table is what makes the places appear in their order.
PLACE = """
WITH feed AS (
    INSERT INTO outbox_feed_end AS feed_end (id, position) VALUES (1, %(count)s)
    ON CONFLICT (id) DO UPDATE SET position = feed_end.position + excluded.position RETURNING position
)
UPDATE outbox_message AS message SET pending = false, position = feed.position - %(count)s + placed.place
FROM feed, unnest(%(ids)s::uuid[]) WITH ORDINALITY AS placed (id, place) WHERE message.id = placed.id
"""
FIELDS = (
    "position",
    "id",
    "topic",
    "aggregate_id",
    "aggregate_sequence",
    "occurred_at",
    "recorded_at",
    "correlation_id",
    "causation_id",
    "traceparent",
    "payload",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedEntry:
    """An event in its place."""

    position: int
    id: UUID
    topic: str
    aggregate_id: UUID
    aggregate_sequence: int
    occurred_at: datetime
    recorded_at: datetime
    correlation_id: str
    causation_id: str
    traceparent: str
    payload: dict[str, Any]


def take_places(message_ids: Sequence[UUID]) -> None:
    """Put the messages at the end of the feed, in this order, as part of the transaction that relays them."""
    with connection.cursor() as cursor:
        cursor.execute(PLACE, {"ids": list(message_ids), "count": len(message_ids)})


def end_of_feed() -> int:
    """Return the last place that was given; zero when there is none."""
    return FeedEndRow.objects.values_list("position", flat=True).first() or 0


def events_after(position: int, *, topics: Collection[str] = (), limit: int) -> Sequence[FeedEntry]:
    """Return the events behind that place, in their order; no topics stand for all."""
    wanted = {"position__gt": position} | ({"topic__in": sorted(topics)} if topics else {})
    return _entries(wanted, order_by="position", limit=limit)


def events_recorded(
    *, since: datetime, until: datetime, topics: Collection[str], after: UUID, limit: int
) -> Sequence[FeedEntry]:
    """Return events of a span of time whose end is excluded, by id and behind that one; the primary key bounds it."""
    wanted = {
        "id__gt": max(after, first_id_at(since - CLOCK_MARGIN)),
        "id__lt": first_id_at(until + CLOCK_MARGIN),
        "recorded_at__gte": since,
        "recorded_at__lt": until,
        "topic__in": sorted(topics),
        "position__isnull": False,
    }
    return _entries(wanted, order_by="id", limit=limit)


def events_named(ids: Iterable[UUID]) -> Mapping[UUID, FeedEntry]:
    """Return the events of these ids that are in the feed."""
    wanted = list(ids)
    found = _entries({"id__in": wanted, "position__isnull": False}, order_by="id", limit=len(wanted))
    return {entry.id: entry for entry in found}


def _entries(wanted: Mapping[str, Any], *, order_by: str, limit: int) -> Sequence[FeedEntry]:
    """Read both tables in one statement, for an event may be moved between two."""
    archived, recent = (
        rows.filter(**wanted).order_by(order_by).values_list(*FIELDS)[:limit]
        for rows in (ArchivedMessageRow.objects, OutboxMessageRow.objects)
    )
    rows = archived.union(recent, all=True).order_by(order_by)[:limit]
    return [FeedEntry(**dict(zip(FIELDS, row, strict=True))) for row in rows]

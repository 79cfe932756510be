"""Stores events with the state that they tell of, and reads the history of an aggregate."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q

from shared.domain.model import Aggregate
from shared.outbox.codec import to_payload
from shared.outbox.meters import count_events
from shared.outbox.models import ArchivedMessageRow, OutboxMessageRow
from shared.persistence.identifiers import new_id
from shared.persistence.inserts import Insert
from shared.persistence.wakeup import wake_relay_after_commit
from shared.telemetry.context import WorkContext, current_work

INSERT_MESSAGES = Insert.into(
    OutboxMessageRow,
    "id",
    "topic",
    "aggregate_id",
    "aggregate_sequence",
    "payload",
    "occurred_at",
    "correlation_id",
    "causation_id",
    "traceparent",
    "actor",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """One event in the history of an aggregate."""

    id: UUID
    sequence: int
    topic: str
    occurred_at: datetime
    actor: str
    payload: dict[str, Any]


def publish_events_of(*aggregates: Aggregate) -> None:
    """Store what the aggregates recorded, in the transaction that stores the aggregates themselves."""
    work = current_work()
    events = [(aggregate.id, recorded) for aggregate in aggregates for recorded in aggregate.release_events()]
    if not events:
        return
    messages = [
        (
            new_id(),
            recorded.event.topic,
            aggregate_id,
            recorded.sequence,
            to_payload(recorded.event),
            recorded.event.occurred_at,
            work.correlation_id,
            work.causation_id,
            work.traceparent,
            work.actor,
        )
        for aggregate_id, recorded in events
    ]
    INSERT_MESSAGES.rows(messages)
    wake_relay_after_commit()
    transaction.on_commit(partial(count_events, [recorded.event for _, recorded in events]))


def context_of(message: OutboxMessageRow) -> WorkContext:
    """Return the context in which the reactions to a message run: same correlation, caused by the message."""
    return WorkContext(
        correlation_id=message.correlation_id,
        causation_id=str(message.id),
        traceparent=message.traceparent,
        actor=message.actor,
    )


NEWS = """
SELECT asked.id, asked.after, news.*
FROM unnest(%(ids)s::uuid[], %(after)s::int[]) AS asked(id, after) CROSS JOIN LATERAL (
    (SELECT aggregate_sequence, id, topic, occurred_at, actor, payload FROM outbox_message
      WHERE aggregate_id = asked.id AND aggregate_sequence > asked.after ORDER BY aggregate_sequence LIMIT %(limit)s)
    UNION ALL
    (SELECT aggregate_sequence, id, topic, occurred_at, actor, payload FROM outbox_message_archive
      WHERE aggregate_id = asked.id AND aggregate_sequence > asked.after ORDER BY aggregate_sequence LIMIT %(limit)s)
) AS news ORDER BY news.aggregate_sequence
"""


def continuations_of(
    wanted: Collection[tuple[UUID, int]], *, limit: int = 100
) -> Mapping[tuple[UUID, int], Sequence[HistoryEntry]]:
    """Return the next events of many aggregates, each after a number, in one statement."""
    if not wanted:
        return {}
    found: dict[tuple[UUID, int], list[HistoryEntry]] = {each: [] for each in wanted}
    ids, numbers = [each[0] for each in found], [each[1] for each in found]
    with connection.cursor() as cursor:
        cursor.execute(NEWS, {"ids": ids, "after": numbers, "limit": limit})
        for aggregate_id, after, sequence, id_, topic, at, actor, payload in cursor.fetchall():
            entry = HistoryEntry(
                sequence=sequence, id=id_, topic=topic, occurred_at=at, actor=actor, payload=json.loads(payload)
            )
            found[aggregate_id, after].append(entry)
    return {each: entries[:limit] for each, entries in found.items()}


def history_of(aggregate_id: UUID, *, after: int = 0, limit: int = 200) -> Sequence[HistoryEntry]:
    """Return the events of one aggregate in the order in which they happened, archived or not."""
    return _history(
        Q(aggregate_id=aggregate_id, aggregate_sequence__gt=after), ordered_by="aggregate_sequence", limit=limit
    )


def histories_of(aggregate_ids: Sequence[UUID], *, after: UUID | None = None, limit: int) -> Sequence[HistoryEntry]:
    """Return the events of several aggregates in the order of their ids, which is that of their recording."""
    wanted = Q(aggregate_id__in=aggregate_ids)
    if after is not None:
        wanted &= Q(id__gt=after)
    return _history(wanted, ordered_by="id", limit=limit)


def _history(wanted: Q, *, ordered_by: str, limit: int) -> Sequence[HistoryEntry]:
    """Return events, archived or not, in one statement: one may be moved between two."""
    fields = ("aggregate_sequence", "id", "topic", "occurred_at", "actor", "payload")
    archived, recent = (
        table.objects.filter(wanted).order_by(ordered_by).values_list(*fields)[:limit]
        for table in (ArchivedMessageRow, OutboxMessageRow)
    )
    return [
        HistoryEntry(sequence=sequence, id=id_, topic=topic, occurred_at=at, actor=actor, payload=payload)
        for sequence, id_, topic, at, actor, payload in archived.union(recent, all=True).order_by(ordered_by)[:limit]
    ]

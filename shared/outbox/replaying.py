"""Tells a handler once more of what happened, or for the first time of what happened before it existed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import connection

from shared.outbox.archive import CLOCK_MARGIN, COLUMNS, first_id_at
from shared.outbox.registry import Subscription, subscription_named
from shared.persistence.unit_of_work import atomic
from shared.telemetry.context import current_work

BATCH = 200
#: Each batch is due so much later than the one before it, so that a long replay leaves room for what happens now.
PACE = timedelta(seconds=1)

FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)

RANGE = """
topic = %(topic)s AND recorded_at >= %(since)s AND recorded_at < %(until)s AND id > %(after)s AND id < %(last_id)s
"""
LIVE = f"SELECT id FROM outbox_message WHERE {RANGE} AND NOT pending ORDER BY id LIMIT %(limit)s FOR KEY SHARE"  # noqa: S608 - no input
RESTORE = f"""
WITH back AS (
    DELETE FROM outbox_message_archive WHERE id IN (
        SELECT id FROM outbox_message_archive WHERE {RANGE} ORDER BY id LIMIT %(limit)s FOR UPDATE
    ) RETURNING {COLUMNS}
)
INSERT INTO outbox_message ({COLUMNS}, pending) SELECT {COLUMNS}, false FROM back RETURNING id
"""  # noqa: S608 - names of columns
DELIVER = """
INSERT INTO outbox_delivery AS delivery
    (message_id, subscription, attempts, last_error, due_at, aggregate_id, aggregate_sequence)
SELECT id, %(subscription)s, 0, '', now() + make_interval(secs => %(pause)s),
       CASE WHEN %(in_order)s THEN aggregate_id END, CASE WHEN %(in_order)s THEN aggregate_sequence END
FROM outbox_message WHERE id = ANY(%(ids)s) ORDER BY id
ON CONFLICT (message_id, subscription) DO UPDATE
SET status = 'pending', attempts = 0, waits = false, finished_at = NULL, due_at = excluded.due_at,
    aggregate_id = excluded.aggregate_id, aggregate_sequence = excluded.aggregate_sequence
WHERE delivery.status <> 'pending'
"""
COUNT = f"""
SELECT count(*) FROM (
    SELECT id FROM outbox_message WHERE {RANGE} AND NOT pending
    UNION ALL SELECT id FROM outbox_message_archive WHERE {RANGE}
) AS message WHERE NOT EXISTS (
    SELECT FROM outbox_delivery
    WHERE message_id = message.id AND subscription = %(subscription)s AND status = 'pending'
)
"""  # noqa: S608 - no input

_log = structlog.get_logger(__name__)


class NotSubscribed(LookupError):
    """The handler does not exist in the running code, or is not subscribed to the topic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """Which events are told to which handler: those of a topic, recorded in a span of time whose end is excluded."""

    handler: str
    topic: str
    since: datetime | None = None
    until: datetime | None = None


def count_replayed(replay: Replay) -> int:
    """Return how many events the replay would tell the handler of."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT, _values_of(replay) | {"subscription": _subscription_of(replay).name})
        ((count,),) = cursor.fetchall()
    return int(count)


def replay_events(replay: Replay) -> int:
    """Make the handler's deliveries of these events due again, or for the first time; return how many.

    What is still pending is left alone, so doing it twice at once has the effect of once. Archived events come back.
    Each batch is committed by itself; one that is interrupted can be run again.
    """
    subscription = _subscription_of(replay)
    replayed = 0
    for number, count in enumerate(_batches(replay, subscription)):
        replayed += count
        _log.debug("events_replayed_so_far", subscription=subscription.name, batch=number, count=replayed)
    _log.info(
        "events_replayed",
        subscription=subscription.name,
        topic=replay.topic,
        since=replay.since and replay.since.isoformat(),
        until=replay.until and replay.until.isoformat(),
        count=replayed,
        by=current_work().actor,
    )
    return replayed


def _batches(replay: Replay, subscription: Subscription) -> Iterator[int]:
    """Yield how many deliveries each batch made due; the archive comes last, for events may move there meanwhile."""
    batch = 0
    for chosen in (LIVE, RESTORE):
        values = _values_of(replay)
        while True:
            with atomic(), connection.cursor() as cursor:
                cursor.execute(chosen, values)
                ids: list[UUID] = sorted(row[0] for row in cursor.fetchall())
                if not ids:
                    break
                cursor.execute(
                    DELIVER,
                    {
                        "ids": ids,
                        "subscription": subscription.name,
                        "in_order": subscription.in_order,
                        "pause": (batch * PACE).total_seconds(),
                    },
                )
                made_due = cursor.rowcount
            values["after"] = ids[-1]
            batch += 1
            yield made_due


def _subscription_of(replay: Replay) -> Subscription:
    subscription = subscription_named(replay.handler)
    if subscription is None or replay.topic not in subscription.topics:
        raise NotSubscribed(f"no handler {replay.handler} is subscribed to {replay.topic}")
    return subscription


def _values_of(replay: Replay) -> dict[str, Any]:
    """Return the values of the range; ids sort by time, so the primary key bounds the search."""
    since, until = replay.since or FIRST, replay.until or LAST
    return {
        "topic": replay.topic,
        "since": since,
        "until": until,
        "after": first_id_at(since - CLOCK_MARGIN) if replay.since else UUID(int=0),
        "last_id": first_id_at(until + CLOCK_MARGIN) if replay.until else UUID(int=2**128 - 1),
        "limit": BATCH,
    }

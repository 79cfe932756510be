"""Carries pending messages to the workers: one delivery row per subscription, and a task as wake-up.

Any number of relays may run: each takes other rows (``SKIP LOCKED``). "Pending" is a flag on the row, not a
cursor over ids, because ids are given before the commit and a cursor would skip late committers. What a relay takes
gets its place in the feed.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import connection
from django.db.models.functions import Now

from shared.outbox import metrics
from shared.outbox.feed import take_places
from shared.outbox.messages import context_of
from shared.outbox.models import DeliveryRow, OutboxMessageRow
from shared.outbox.registry import subscribed_topics
from shared.persistence.unit_of_work import atomic
from shared.persistence.wakeup import wake_worker
from shared.telemetry.context import working_as
from shared.telemetry.tracing import traced

MESSAGES_AT_ONCE = 200
DELIVERIES_PER_TASK = 25
#: A delivery whose worker was woken is not due again before this has passed.
WAKE_UP_GRACE = timedelta(seconds=15)
TRACE = ("correlation_id", "causation_id", "traceparent", "actor")

#: Messages of which an earlier one of the same aggregate is in the hands of another relay, or beyond this batch.
TOO_EARLY = """
SELECT id FROM outbox_message AS later WHERE id = ANY(%(ids)s) AND EXISTS (
    SELECT FROM outbox_message AS earlier
    WHERE earlier.pending AND earlier.aggregate_id = later.aggregate_id
      AND earlier.aggregate_sequence < later.aggregate_sequence AND earlier.id <> ALL(%(ids)s)
)
"""

#: By SQL, for the ORM takes longer to write the rows down than PostgreSQL does to store them.
DELIVERIES = """
INSERT INTO outbox_delivery (message_id, subscription, attempts, last_error, due_at, aggregate_id, aggregate_sequence)
SELECT id, subscription, 0, '', now() + %(grace)s, CASE WHEN in_order THEN aggregate_id END,
       CASE WHEN in_order THEN aggregate_sequence END
FROM unnest(%(ids)s::uuid[]) WITH ORDINALITY AS taken (id, place)
JOIN outbox_message USING (id)
JOIN unnest(%(topics)s::text[], %(subscriptions)s::text[], %(in_order)s::boolean[])
    AS subscribed (topic, subscription, in_order) USING (topic)
ORDER BY place RETURNING id
"""

_log = structlog.get_logger(__name__)


def relay_pending_messages() -> int:
    """Turn pending messages into deliveries and wake workers for them; return how many messages it took."""
    with atomic():
        messages = _take_messages()
        if not messages:
            return 0
        deliveries = _make_deliveries(messages)
        take_places([message.id for message in messages])
    _wake_workers_for(deliveries)
    for topic, count in Counter(message.topic for message in messages).items():
        metrics.RELAYED.labels(topic).inc(count)
    for message in messages:
        with working_as(context_of(message)), traced(f"relay {message.topic}", kind="producer"):
            _log.info("event_relayed", topic=message.topic)
    return len(messages)


def dispatch_overdue_deliveries() -> int:
    """Wake workers for deliveries whose pause is over or whose wake-up was lost; return how many."""
    with atomic():
        overdue = list(
            DeliveryRow.objects.select_for_update(skip_locked=True)
            .filter(status=DeliveryRow.Status.PENDING, due_at__lte=Now())
            .order_by("due_at")
            .values_list("id", flat=True)[: MESSAGES_AT_ONCE * 2]
        )
        DeliveryRow.objects.filter(id__in=overdue).update(due_at=Now() + WAKE_UP_GRACE)
    _wake_workers_for(overdue)
    return len(overdue)


def _take_messages() -> Sequence[OutboxMessageRow]:
    """Lock pending messages, oldest first; those of one aggregate in their order, and none before an earlier one."""
    taken = list(
        OutboxMessageRow.objects.select_for_update(skip_locked=True)
        .filter(pending=True)
        .order_by("id")
        .only("id", "topic", "aggregate_id", "aggregate_sequence", *TRACE)[:MESSAGES_AT_ONCE]
    )
    if not taken:
        return ()
    with connection.cursor() as cursor:
        cursor.execute(TOO_EARLY, {"ids": [message.id for message in taken]})
        too_early = {message_id for (message_id,) in cursor.fetchall()}
    return in_turn([message for message in taken if message.id not in too_early])


def _make_deliveries(messages: Sequence[OutboxMessageRow]) -> list[int]:
    """Make one delivery of each message for each of its subscriptions; return their ids."""
    known = subscribed_topics()
    values: dict[str, Any] = {
        "grace": WAKE_UP_GRACE,
        "ids": [message.id for message in messages],
        "topics": [topic for topic, _ in known],
        "subscriptions": [subscription.name for _, subscription in known],
        "in_order": [subscription.in_order for _, subscription in known],
    }
    with connection.cursor() as cursor:
        cursor.execute(DELIVERIES, values)
        return [delivery_id for (delivery_id,) in cursor.fetchall()]


def in_turn(messages: Sequence[OutboxMessageRow]) -> Sequence[OutboxMessageRow]:
    """Have the messages of each aggregate swap their places until they stand in the order in which they happened.

    Ids are made by several machines, whose clocks differ.
    """
    turns: dict[UUID, deque[OutboxMessageRow]] = defaultdict(deque)
    for message in sorted(messages, key=lambda message: message.aggregate_sequence):
        turns[message.aggregate_id].append(message)
    return [turns[message.aggregate_id].popleft() for message in messages]


def _wake_workers_for(delivery_ids: list[int]) -> None:
    for start in range(0, len(delivery_ids), DELIVERIES_PER_TASK):
        wake_worker("outbox.deliver", queue="deliveries", ids=delivery_ids[start : start + DELIVERIES_PER_TASK])

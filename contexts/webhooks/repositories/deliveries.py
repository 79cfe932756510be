"""Deliveries in ``webhooks_delivery``: made, claimed and settled by set, for there are many."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from django.db import connection

from contexts.webhooks.domain import (
    AT_ONCE,
    FAILURES_UNTIL_REST,
    Attempt,
    Delivery,
    DeliveryId,
    DeliveryNotFound,
    DeliveryStatus,
    EndpointId,
)
from contexts.webhooks.models import AttemptRow, DeliveryRow, EndpointRow
from contexts.webhooks.ports import Claimed, FedEvent
from contexts.webhooks.repositories.endpoints import secrets_of
from shared.persistence.statements import execute

LONGEST_ERROR = 200  # characters

OWE = """
INSERT INTO webhooks_delivery
    (id, endpoint_id, event_id, topic, aggregate_id, aggregate_sequence, status, attempts, last_error, began_at, due_at)
SELECT uuidv7(), endpoint.id, event.id, event.topic, event.aggregate_id, event.sequence, 'pending', 0, '',
       %(at)s, %(at)s
FROM unnest(%(positions)s::bigint[], %(ids)s::uuid[], %(topics)s::text[], %(aggregates)s::uuid[], %(sequences)s::int[])
    AS event (position, id, topic, aggregate_id, sequence)
JOIN webhooks_endpoint AS endpoint
    ON endpoint.disabled_because = '' AND event.topic = ANY(endpoint.topics) AND endpoint.since < event.position
ORDER BY event.position
ON CONFLICT (endpoint_id, event_id) DO NOTHING
"""
OWE_AGAIN = """
INSERT INTO webhooks_delivery AS delivery
    (id, endpoint_id, event_id, topic, aggregate_id, aggregate_sequence, status, attempts, last_error, began_at, due_at)
SELECT uuidv7(), endpoint.id, event.id, event.topic, event.aggregate_id, event.sequence, 'pending', 0, '',
       %(at)s, %(at)s
FROM unnest(%(ids)s::uuid[], %(topics)s::text[], %(aggregates)s::uuid[], %(sequences)s::int[])
    AS event (id, topic, aggregate_id, sequence)
JOIN webhooks_endpoint AS endpoint ON endpoint.id = %(endpoint_id)s AND endpoint.disabled_because = ''
ON CONFLICT (endpoint_id, event_id) DO UPDATE
SET status = 'pending', attempts = 0, last_error = '', finished_at = NULL, began_at = %(at)s, due_at = %(at)s
WHERE delivery.status <> 'pending'
"""
#: The earliest of each aggregate that is due, by turns between the endpoints. One that failed of late, or rests, gets
#: one request at a time, or none.
CLAIM = """
WITH chosen AS (
    SELECT delivery.id,
           endpoint.busy + row_number() OVER (PARTITION BY endpoint.id ORDER BY due_at, delivery.id) AS turn
    FROM (
        SELECT id, coalesce(count, 0) AS busy,
               CASE WHEN failures_in_a_row < %(failures)s THEN %(at_once)s ELSE 1 END AS most
        FROM webhooks_endpoint LEFT JOIN unnest(%(busy)s::uuid[], %(counts)s::int[]) AS busy (id, count) USING (id)
        WHERE disabled_because = '' AND (rests_until IS NULL OR rests_until <= %(at)s)
    ) AS endpoint CROSS JOIN LATERAL (
        SELECT id, due_at FROM webhooks_delivery AS due
        WHERE endpoint_id = endpoint.id AND status = 'pending' AND due_at <= %(at)s AND NOT EXISTS (
            SELECT FROM webhooks_delivery AS earlier
            WHERE earlier.endpoint_id = due.endpoint_id AND earlier.aggregate_id = due.aggregate_id
              AND earlier.status = 'pending' AND earlier.aggregate_sequence < due.aggregate_sequence
        )
        ORDER BY due_at, id LIMIT greatest(endpoint.most - endpoint.busy, 0)
    ) AS delivery
    ORDER BY turn LIMIT %(limit)s
), locked AS (
    SELECT id FROM webhooks_delivery JOIN chosen USING (id)
    WHERE status = 'pending' AND due_at <= %(at)s FOR UPDATE OF webhooks_delivery SKIP LOCKED
)
UPDATE webhooks_delivery SET due_at = %(until)s WHERE id IN (SELECT id FROM locked)
RETURNING id, endpoint_id, event_id, topic, began_at, payload
"""
SETTLE = """
WITH settled AS (
    UPDATE webhooks_delivery AS delivery
    SET status = now.status, attempts = now.attempts, due_at = now.due_at, began_at = now.began_at,
        finished_at = now.finished_at, last_error = now.last_error
    FROM unnest(%(ids)s::uuid[], %(statuses)s::text[], %(attempts)s::int[], %(dues)s::timestamptz[],
                %(begun)s::timestamptz[], %(ends)s::timestamptz[], %(errors)s::text[])
        AS now (id, status, attempts, due_at, began_at, finished_at, last_error)
    WHERE delivery.id = now.id RETURNING delivery.*
)
UPDATE webhooks_delivery AS waiting
SET due_at = CASE WHEN settled.status = 'pending' THEN settled.due_at ELSE now() END
FROM settled
WHERE waiting.endpoint_id = settled.endpoint_id AND waiting.aggregate_id = settled.aggregate_id
  AND waiting.status = 'pending' AND waiting.aggregate_sequence > settled.aggregate_sequence
  AND waiting.id <> ALL(%(ids)s::uuid[])
  AND (settled.status = 'pending' OR settled.attempts > 1)
"""
GIVE_UP_ALL = """
UPDATE webhooks_delivery SET status = 'dead', finished_at = %(at)s, last_error = %(why)s
WHERE endpoint_id = %(endpoint_id)s AND status = 'pending'
"""
GIVE_UP_OVERDUE = """
UPDATE webhooks_delivery SET status = 'dead', finished_at = %(at)s,
       last_error = CASE WHEN last_error = '' THEN 'never_tried' ELSE last_error END
WHERE status = 'pending' AND began_at < %(before)s
"""
FORGET = """
WITH old AS (
    SELECT id FROM webhooks_delivery WHERE status IN ('done', 'discarded') AND finished_at < %(before)s
    ORDER BY finished_at LIMIT %(at_most)s FOR UPDATE SKIP LOCKED
), log AS (DELETE FROM webhooks_attempt WHERE delivery_id IN (SELECT id FROM old))
DELETE FROM webhooks_delivery WHERE id IN (SELECT id FROM old)
"""
FORGET_LOG = """
DELETE FROM webhooks_attempt WHERE id IN (SELECT id FROM webhooks_attempt WHERE at < %(before)s LIMIT %(at_most)s)
"""


class DjangoDeliveries:
    """Deliveries in the database."""

    def get(self, delivery_id: DeliveryId) -> Delivery:
        """Return the delivery, locked for this unit of work, or raise DeliveryNotFound."""
        row = DeliveryRow.objects.select_for_update(no_key=True).filter(pk=delivery_id).first()
        if row is None:
            raise DeliveryNotFound(delivery_id=delivery_id)
        return _delivery_of(row)

    def get_pending(self, ids: Collection[DeliveryId]) -> Mapping[DeliveryId, Delivery]:
        """Return those that are pending, locked for this unit of work."""
        rows = DeliveryRow.objects.select_for_update(no_key=True).filter(pk__in=ids, status=DeliveryStatus.PENDING)
        return {DeliveryId(row.id): _delivery_of(row) for row in rows.order_by("pk")}

    def add(self, delivery: Delivery) -> None:
        """Store a new delivery."""
        DeliveryRow.objects.create(
            id=delivery.id,
            endpoint_id=delivery.endpoint_id,
            event_id=delivery.event_id,
            topic=delivery.topic,
            aggregate_id=delivery.event_id,
            aggregate_sequence=0,
            began_at=delivery.began_at,
            due_at=delivery.due_at,
            payload=delivery.payload,
        )

    def owe(self, events: Sequence[FedEvent], *, at: datetime) -> None:
        """Make one delivery per event and enabled endpoint that listens to its topic and began before it."""
        execute(OWE, at=at, positions=[event.position for event in events], **_columns(events))

    def owe_again(self, events: Sequence[FedEvent], *, to: EndpointId, at: datetime) -> None:
        """Make these deliveries due again, or for the first time; what is pending is left alone."""
        execute(OWE_AGAIN, at=at, endpoint_id=to, **_columns(events))

    def claim(self, *, busy: Mapping[EndpointId, int], limit: int, at: datetime, until: datetime) -> Sequence[Claimed]:
        """Take due deliveries in hand until then: the earliest of each aggregate, and fairly between endpoints."""
        with connection.cursor() as cursor:
            cursor.execute(
                CLAIM,
                {
                    "busy": list(busy),
                    "counts": list(busy.values()),
                    "failures": FAILURES_UNTIL_REST,
                    "at_once": AT_ONCE,
                    "limit": limit,
                    "at": at,
                    "until": until,
                },
            )
            rows = cursor.fetchall()
        endpoints = EndpointRow.objects.in_bulk({endpoint_id for _, endpoint_id, *_ in rows})
        secrets = {endpoint_id: secrets_of(endpoint) for endpoint_id, endpoint in endpoints.items()}
        return [
            Claimed(
                delivery_id=DeliveryId(id_),
                endpoint_id=EndpointId(endpoint_id),
                event_id=event_id,
                topic=topic,
                began_at=began_at,
                payload=None if payload is None else orjson.loads(payload),
                url=endpoints[endpoint_id].url,
                secrets=secrets[endpoint_id],
            )
            for id_, endpoint_id, event_id, topic, began_at, payload in rows
            if endpoint_id in endpoints  # and was not removed this very moment
        ]

    def save(self, deliveries: Collection[Delivery]) -> None:
        """Store what became of the deliveries; those that wait for them come later, or now."""
        execute(
            SETTLE,
            ids=[each.id for each in deliveries],
            statuses=[each.status.value for each in deliveries],
            attempts=[each.attempts for each in deliveries],
            dues=[each.due_at for each in deliveries],
            begun=[each.began_at for each in deliveries],
            ends=[each.finished_at for each in deliveries],
            errors=[each.last_error[:LONGEST_ERROR] for each in deliveries],
        )

    def keep(self, attempts: Sequence[Attempt], *, numbers: Mapping[DeliveryId, int]) -> None:
        """Write the attempts down in the log."""
        AttemptRow.objects.bulk_create(
            AttemptRow(
                delivery_id=attempt.delivery_id,
                number=numbers[attempt.delivery_id],
                at=attempt.began_at,
                milliseconds=round((attempt.ended_at - attempt.began_at).total_seconds() * 1000),
                url=attempt.url,
                request_headers=dict(attempt.headers),
                request_body=attempt.body,
                status=attempt.result.status,
                headers=dict(attempt.result.headers),
                body=attempt.result.body,
                error=attempt.result.error[:LONGEST_ERROR],
            )
            for attempt in attempts
        )

    def give_up_all_of(self, endpoint_id: EndpointId, *, why: str, at: datetime) -> None:
        """Make dead letters of all that is still owed to the endpoint."""
        execute(GIVE_UP_ALL, endpoint_id=endpoint_id, why=why, at=at)

    def give_up_overdue(self, *, began_before: datetime, at: datetime) -> int:
        """Make dead letters of what was tried, or waited, for too long; return how many."""
        return execute(GIVE_UP_OVERDUE, before=began_before, at=at)

    def forget(self, *, finished_before: datetime, at_most: int) -> int:
        """Delete deliveries that ended before then, with their log; dead letters stay. Return how many."""
        return execute(FORGET, before=finished_before, at_most=at_most)

    def forget_log(self, *, before: datetime, at_most: int) -> int:
        """Delete requests and answers from before then, whatever became of their deliveries. Return how many."""
        return execute(FORGET_LOG, before=before, at_most=at_most)


def _columns(events: Sequence[FedEvent]) -> dict[str, list[Any]]:
    return {
        "ids": [event.id for event in events],
        "topics": [event.topic for event in events],
        "aggregates": [event.aggregate_id for event in events],
        "sequences": [event.sequence for event in events],
    }


def _delivery_of(row: DeliveryRow) -> Delivery:
    return Delivery(
        id=DeliveryId(row.id),
        endpoint_id=EndpointId(row.endpoint_id),
        event_id=row.event_id,
        topic=row.topic,
        status=DeliveryStatus(row.status),
        attempts=row.attempts,
        began_at=row.began_at,
        due_at=row.due_at,
        finished_at=row.finished_at,
        last_error=row.last_error,
        payload=row.payload,
    )

"""Whose turn it is: deliveries of subscriptions that are told of each aggregate's events in their order.

A delivery waits while an earlier event of its aggregate is unfinished for the same subscription, be it that its
delivery is pending or that no relay has taken it yet. One statement asks for both, so that an event which a relay
turns into a delivery meanwhile is seen as the one or the other. Who waits is woken by who ends; a lost call is made
good by the due date.
"""

from datetime import datetime, timedelta

from django.db import connection

from shared.outbox.models import DeliveryRow
from shared.outbox.registry import Subscription
from shared.outbox.relay import WAKE_UP_GRACE
from shared.persistence.unit_of_work import atomic
from shared.persistence.wakeup import wake_worker

#: How long after the due date of what it waits for a delivery looks again, if nobody woke it before.
PAUSE = timedelta(seconds=1)

UNFINISHED = """
SELECT greatest(max(due_at), now()) FROM (
    (SELECT now() AS due_at FROM outbox_message
      WHERE pending AND aggregate_id = %(aggregate_id)s AND aggregate_sequence < %(sequence)s
        AND topic = ANY(%(topics)s) ORDER BY aggregate_sequence LIMIT 1)
    UNION ALL
    (SELECT due_at FROM outbox_delivery
      WHERE status = 'pending' AND aggregate_id = %(aggregate_id)s AND subscription = %(subscription)s
        AND aggregate_sequence < %(sequence)s ORDER BY aggregate_sequence LIMIT 1)
) AS earlier HAVING count(*) > 0
"""
NEXT = """
UPDATE outbox_delivery SET waits = false, due_at = now() + make_interval(secs => %(grace)s) WHERE id = (
    SELECT id FROM (
        SELECT id FROM outbox_delivery
         WHERE status = 'pending' AND aggregate_id = %(aggregate_id)s AND subscription = %(subscription)s
           AND aggregate_sequence > %(sequence)s ORDER BY aggregate_sequence LIMIT 1
    ) AS next JOIN outbox_delivery USING (id)
    WHERE status = 'pending' AND waits FOR UPDATE OF outbox_delivery SKIP LOCKED
) RETURNING id
"""


class NotItsTurn(Exception):
    """An earlier event of the same aggregate is unfinished."""

    def __init__(self, delivery: DeliveryRow, subscription: Subscription, *, until: datetime) -> None:
        super().__init__(self.__doc__)
        self.delivery = delivery
        self.subscription = subscription
        self.until = until


def require_turn(delivery: DeliveryRow, subscription: Subscription) -> None:
    """Raise NotItsTurn while an earlier event of the aggregate is unfinished for the subscription."""
    until = _unfinished_until(delivery, subscription)
    if until is not None:
        raise NotItsTurn(delivery, subscription, until=until)


def may_go_after_all(early: NotItsTurn) -> bool:
    """Put the delivery off, and tell whether what it waited for has ended meanwhile.

    Who ends looks for who waits after its commit, and who waits looks again after its own: one of them sees the other.
    """
    with atomic():
        waiting = DeliveryRow.objects.select_for_update(skip_locked=True).filter(
            pk=early.delivery.pk, status=DeliveryRow.Status.PENDING
        )
        if not waiting.exists():
            return False  # another worker has it
        DeliveryRow.objects.filter(pk=early.delivery.pk).update(waits=True, due_at=early.until + PAUSE)
    return _unfinished_until(early.delivery, early.subscription) is None


def wake_next(ended: DeliveryRow) -> None:
    """Wake a worker for the delivery that waits for this one, which is done or given up."""
    if ended.aggregate_id is None:
        return
    with atomic(), connection.cursor() as cursor:
        cursor.execute(
            NEXT,
            {
                "aggregate_id": ended.aggregate_id,
                "subscription": ended.subscription,
                "sequence": ended.aggregate_sequence,
                "grace": WAKE_UP_GRACE.total_seconds(),
            },
        )
        woken = [delivery_id for (delivery_id,) in cursor.fetchall()]
    if woken:
        wake_worker("outbox.deliver", queue="deliveries", ids=woken)


def _unfinished_until(delivery: DeliveryRow, subscription: Subscription) -> datetime | None:
    """Return when what the delivery has to wait for is due, or None when its turn has come."""
    if delivery.aggregate_id is None:
        return None  # relayed before the subscription was in order
    with connection.cursor() as cursor:
        cursor.execute(
            UNFINISHED,
            {
                "aggregate_id": delivery.aggregate_id,
                "sequence": delivery.aggregate_sequence,
                "subscription": subscription.name,
                "topics": list(subscription.topics),
            },
        )
        found = cursor.fetchone()
    return found[0] if found else None

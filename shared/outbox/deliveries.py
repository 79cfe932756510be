"""Takes one delivery to its handler: effect and mark are committed together, or neither."""

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from functools import partial

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from shared.outbox import metrics
from shared.outbox.codec import from_payload
from shared.outbox.messages import context_of
from shared.outbox.models import DeliveryRow
from shared.outbox.registry import subscribed_together, subscription_named
from shared.outbox.turns import NotItsTurn, may_go_after_all, require_turn, wake_next
from shared.outbox.upcasting import upcasted
from shared.persistence.crash_points import crash_point
from shared.persistence.pauses import pause_after
from shared.persistence.unit_of_work import atomic, in_transaction_with_retry
from shared.resilience.time_limits import OutOfTime, bounded
from shared.telemetry.context import working_as
from shared.telemetry.tracing import traced

MAX_ATTEMPTS = 12
LAST_ERROR_LENGTH = 2000  # characters

_log = structlog.get_logger(__name__)


class UnknownSubscription(LookupError):
    """No handler of this name exists in the running code."""


def deliver(delivery_id: int) -> bool:
    """Hand the message to its handler; return whether this call did it.

    A delivery that another worker holds, or that is finished, is left alone. A failure is counted and
    the delivery is due again after a pause; after the last attempt it becomes a dead letter. One that has to
    wait for an earlier event of its aggregate is put off, which counts as no attempt.
    """
    started = time.perf_counter()
    try:
        with _bounded([delivery_id]):
            delivery = in_transaction_with_retry(lambda: _deliver_in_transaction(delivery_id))
    except NotItsTurn as early:
        return may_go_after_all(early) and deliver(delivery_id)
    except Exception as error:  # noqa: BLE001 - whatever a handler raises is counted, never lost
        _count_failure(delivery_id, error)
        return False
    if delivery is None:
        return False
    _tell(delivery, seconds=time.perf_counter() - started)
    return True


def deliver_all(delivery_ids: Sequence[int]) -> int:
    """Hand these messages to their handlers, as ``deliver`` does; return how many this call handed over.

    Those whose subscriptions allow it share one transaction. When anything goes wrong in it, nothing of it has
    happened, and each is delivered by itself, so that a failure is counted for the one that fails.
    """
    done = _deliver_together(delivery_ids)
    if len(done) == len(delivery_ids):
        return len(done)
    rest = DeliveryRow.objects.filter(pk__in=delivery_ids, status=DeliveryRow.Status.PENDING).order_by("pk")
    return len(done) + sum(deliver(delivery_id) for delivery_id in list(rest.values_list("pk", flat=True)))


def _deliver_together(delivery_ids: Sequence[int]) -> Sequence[DeliveryRow]:
    started = time.perf_counter()
    try:
        with _bounded(delivery_ids):
            done = in_transaction_with_retry(lambda: _deliver_in_one_transaction(delivery_ids))
    except Exception as error:  # noqa: BLE001 - told and counted where the delivery is made by itself
        _log.info("deliveries_parted", count=len(delivery_ids), because=type(error).__name__)
        return ()
    share = (time.perf_counter() - started) / max(1, len(done))
    for delivery in done:
        _tell(delivery, seconds=share)
    return done


def _deliver_in_one_transaction(delivery_ids: Sequence[int]) -> Sequence[DeliveryRow]:
    """Hand over what is free and may share a transaction; return it. What failed before is left to be tried alone."""
    deliveries = list(
        _free().filter(pk__in=delivery_ids, attempts=0, subscription__in=subscribed_together()).order_by("pk")
    )
    for delivery in deliveries:
        _hand_over(delivery)
    if deliveries:
        _mark_done(deliveries)
    return deliveries


def _bounded(delivery_ids: Sequence[int]) -> AbstractContextManager[None]:
    """Bound deliveries in time; a failure is counted for those that hang, though nobody comes back from them."""

    def note_hanging() -> None:
        for delivery_id in delivery_ids:
            _count_failure(delivery_id, OutOfTime(OutOfTime.__doc__))

    return bounded(
        f"deliveries {[*delivery_ids]}",
        seconds=settings.WORK_TIME_LIMIT.total_seconds(),
        note_hanging=note_hanging,
    )


def _free() -> QuerySet[DeliveryRow]:
    """Return deliveries that nobody has in hand, with their messages, locked."""
    return (
        DeliveryRow.objects.select_for_update(skip_locked=True, of=("self",))
        .select_related("message")
        .filter(status=DeliveryRow.Status.PENDING)
    )


def _deliver_in_transaction(delivery_id: int) -> DeliveryRow | None:
    """Hand the message to its handler and return the delivery, or None when it is another's or finished."""
    delivery = _free().filter(pk=delivery_id).first()
    if delivery is None:
        return None
    _hand_over(delivery)
    _mark_done([delivery])
    transaction.on_commit(partial(wake_next, delivery), robust=True)
    return delivery


def _hand_over(delivery: DeliveryRow) -> None:
    """Have the handler do what it does about the message."""
    subscription = subscription_named(delivery.subscription)
    if subscription is None:
        raise UnknownSubscription(delivery.subscription)
    if subscription.in_order:
        require_turn(delivery, subscription)
    message = delivery.message
    payload = upcasted(message.payload, topic=message.topic, to=subscription.event_type.topic)
    with working_as(context_of(message)), traced(subscription.name, kind="consumer"):
        crash_point("delivery.before_handler")
        subscription.handler(from_payload(subscription.event_type, payload))
    crash_point("delivery.after_handler")


def _mark_done(deliveries: Sequence[DeliveryRow]) -> None:
    DeliveryRow.objects.filter(pk__in=[delivery.pk for delivery in deliveries]).update(
        status=DeliveryRow.Status.DONE, attempts=F("attempts") + 1, finished_at=Now(), waits=False
    )


def _tell(delivery: DeliveryRow, *, seconds: float) -> None:
    """Count and log a delivery that was made."""
    metrics.DELIVERIES.labels(delivery.subscription, "done").inc()
    metrics.DURATION.labels(delivery.subscription).observe(seconds)
    with working_as(context_of(delivery.message)):
        _log.info("delivery_done", subscription=delivery.subscription, delivery_id=delivery.pk)


def _count_failure(delivery_id: int, error: Exception) -> None:
    with atomic():
        delivery = DeliveryRow.objects.select_for_update(of=("self",)).select_related("message").get(pk=delivery_id)
        if delivery.status != DeliveryRow.Status.PENDING:
            return
        attempts = delivery.attempts + 1
        is_dead = attempts >= MAX_ATTEMPTS
        pause = timedelta() if is_dead else pause_after(attempts)
        DeliveryRow.objects.filter(pk=delivery_id).update(
            attempts=attempts,
            waits=False,
            status=DeliveryRow.Status.DEAD if is_dead else DeliveryRow.Status.PENDING,
            finished_at=Now() if is_dead else None,
            due_at=Now() + pause,
            last_error=f"{type(error).__name__}: {error}"[:LAST_ERROR_LENGTH],
        )
        if is_dead:
            transaction.on_commit(partial(wake_next, delivery), robust=True)
    metrics.DELIVERIES.labels(delivery.subscription, "dead" if is_dead else "failed").inc()
    with working_as(context_of(delivery.message)):
        _log.error(
            "delivery_failed",
            delivery_id=delivery_id,
            subscription=delivery.subscription,
            attempts=attempts,
            dead=is_dead,
            exc_info=error,
        )

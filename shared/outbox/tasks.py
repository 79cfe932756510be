"""What wakes the workers up; the truth is in the tables, so losing a wake-up loses nothing."""

from datetime import timedelta
from typing import Any

from celery import shared_task

from shared.outbox.archive import archive_old_events
from shared.outbox.deliveries import deliver_all
from shared.outbox.relay import dispatch_overdue_deliveries, relay_pending_messages


@shared_task(name="outbox.deliver")
def deliver_batch(delivery_ids: list[str], **_: Any) -> None:
    """Deliver the named deliveries; fields that this version does not know are ignored."""
    deliver_all([int(delivery_id) for delivery_id in delivery_ids])


@shared_task(name="outbox.sweep")
def sweep_outbox(**_: Any) -> None:
    """Relay what no relay took, and wake workers for deliveries whose wake-up was lost or whose pause is over."""
    relay_pending_messages()
    dispatch_overdue_deliveries()


@shared_task(name="outbox.forget_old_events")
def forget_old_events(*, days: int = 30, **_: Any) -> None:
    """Archive events that everybody has been told of for so many days, and forget who was told of them."""
    archive_old_events(older_than=timedelta(days=days))

"""Periodic work of webhooks."""

from typing import Any

from celery import shared_task

from contexts.webhooks import wiring


@shared_task(name="webhooks.give_up_overdue")
def give_up_overdue(**_: Any) -> None:
    """Make dead letters of what no endpoint took within three days; meant for every few minutes."""
    wiring.give_up_overdue()


@shared_task(name="webhooks.disable_orphans")
def disable_orphans(**_: Any) -> None:
    """Disable the endpoints of API keys that have ended; meant for every minute."""
    wiring.disable_orphans()


@shared_task(name="webhooks.forget_deliveries")
def forget_deliveries(**_: Any) -> None:
    """Delete what ended, or was said, a month ago; meant for once an hour."""
    wiring.forget_deliveries()


@shared_task(name="webhooks.forget_removed")
def forget_removed(**_: Any) -> None:
    """Delete what removed endpoints were told; meant for every minute."""
    wiring.forget_removed()

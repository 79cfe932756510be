"""Periodic work on stock."""

from typing import Any

from celery import shared_task

from contexts.inventory.wiring import release_expired_holds


@shared_task(name="inventory.release_expired_holds")
def release_expired(**_: Any) -> None:
    """Give back what was held for orders that never came to their payment."""
    release_expired_holds()

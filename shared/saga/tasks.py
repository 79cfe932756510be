"""What wakes the workers up for sagas; the truth is in the tables."""

from typing import Any
from uuid import UUID

from celery import shared_task

from shared.saga.dispatch import dispatch_due_sagas
from shared.saga.runner import advance


@shared_task(name="saga.advance")
def advance_batch(saga_ids: list[str], **_: Any) -> None:
    """Take each of the named processes as far as it goes now; fields not known here are ignored."""
    for saga_id in saga_ids:
        advance(UUID(saga_id))


@shared_task(name="saga.sweep")
def sweep_sagas(**_: Any) -> None:
    """Wake workers for processes whose wake-up was lost, whose pause is over or whose worker died."""
    dispatch_due_sagas()

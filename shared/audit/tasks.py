"""What keeps the audit trail sealed and verified, and the laws checked; all may run any number of times, anywhere."""

from typing import Any

from celery import shared_task
from django.conf import settings

from shared.audit.checking import check_on_schedule
from shared.audit.sealing import advance_checkpoint, seal_new_entries


@shared_task(name="audit.seal")
def seal(**_: Any) -> None:
    """Seal what was recorded since the last seal."""
    seal_new_entries()


@shared_task(name="audit.checkpoint")
def checkpoint(**_: Any) -> None:
    """Verify what was sealed since the last checkpoint, and note how far the chain is whole."""
    advance_checkpoint()


@shared_task(name="audit.check")
def check(**_: Any) -> None:
    """Check the conservation laws and keep what was found."""
    check_on_schedule(every=settings.AUDIT_EVERY)

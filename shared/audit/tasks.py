"""What keeps the audit trail sealed and verified; either may run any number of times, anywhere."""

from typing import Any

from celery import shared_task

from shared.audit.sealing import advance_checkpoint, seal_new_entries


@shared_task(name="audit.seal")
def seal(**_: Any) -> None:
    """Seal what was recorded since the last seal."""
    seal_new_entries()


@shared_task(name="audit.checkpoint")
def checkpoint(**_: Any) -> None:
    """Verify what was sealed since the last checkpoint, and note how far the chain is whole."""
    advance_checkpoint()

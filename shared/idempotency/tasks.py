"""Forgets keys that no client can still be retrying."""

from datetime import timedelta
from typing import Any

from celery import shared_task
from django.db.models.functions import Now

from shared.idempotency.models import IdempotencyKeyRow

KEPT_FOR = timedelta(hours=48)
AT_ONCE = 5000


@shared_task(name="idempotency.forget_old_keys")
def forget_old_keys(**_: Any) -> None:
    """Delete keys older than two days, some at a time, so that no lock is held for long."""
    while True:
        old = IdempotencyKeyRow.objects.filter(created_at__lt=Now() - KEPT_FOR).order_by("created_at")
        if not IdempotencyKeyRow.objects.filter(id__in=list(old.values_list("id", flat=True)[:AT_ONCE])).delete()[0]:
            return

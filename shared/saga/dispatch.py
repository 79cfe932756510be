"""Finds the processes that are due, and wakes workers for them."""

from datetime import timedelta

from django.db.models import Q
from django.db.models.functions import Now

from shared.persistence.unit_of_work import atomic
from shared.persistence.wakeup import wake_worker
from shared.saga.models import SagaRow

SAGAS_AT_ONCE = 200
SAGAS_PER_TASK = 4
#: A process whose worker was woken is not due again before this has passed.
WAKE_UP_GRACE = timedelta(seconds=10)


def dispatch_due_sagas() -> int:
    """Wake workers for due processes whose lease is free; return how many."""
    with atomic():
        due = list(
            SagaRow.objects.select_for_update(skip_locked=True)
            .filter(Q(leased_until=None) | Q(leased_until__lte=Now()))
            .filter(status__in=(SagaRow.Status.RUNNING, SagaRow.Status.UNDOING), due_at__lte=Now())
            .order_by("due_at")
            .values_list("id", flat=True)[:SAGAS_AT_ONCE]
        )
        if not due:
            return 0
        SagaRow.objects.filter(id__in=due).update(due_at=Now() + WAKE_UP_GRACE)
    for start in range(0, len(due), SAGAS_PER_TASK):
        wake_worker("saga.advance", queue="sagas", ids=due[start : start + SAGAS_PER_TASK])
    return len(due)

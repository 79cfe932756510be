"""What an operator can do about a process that does not get on by itself; each pull is audited."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from django.db.models import BooleanField, ExpressionWrapper, Q
from django.db.models.functions import Now

from shared.audit.trail import record_change
from shared.domain.errors import ConflictError, EntityNotFoundError
from shared.persistence.unit_of_work import atomic
from shared.persistence.wakeup import wake_relay_after_commit
from shared.saga.models import SagaRow, SagaStepRow
from shared.saga.registry import saga_named
from shared.saga.rows import OPEN
from shared.saga.runner import give_up, may_give_up, move_on, next_step

BY_OPERATOR = "given_up_by_operator"


class SagaNotFound(EntityNotFoundError):
    """There is no such process."""


class SagaFinished(ConflictError):
    """The process has come to its end; there is nothing left to do about it."""


class SagaIsBusy(ConflictError):
    """A worker has the process in hand at this moment; try again when it is done, a minute from now at most."""


class NoWayBack(ConflictError):
    """The process cannot be undone: it is past its point of no return, or is being undone already."""


def retry(saga_id: UUID, *, reason: str) -> None:
    """Have the process try again now, under the same keys.

    Raises SagaNotFound, SagaFinished and SagaIsBusy.
    """
    _pull("saga.retry", saga_id, reason=reason, change=lambda _: None)


def skip(saga_id: UUID, *, reason: str) -> None:
    """Take the step in hand as done, because somebody has done or settled it by other means.

    Raises SagaNotFound, SagaFinished and SagaIsBusy.
    """
    _pull("saga.skip", saga_id, reason=reason, change=_skip)


def compensate(saga_id: UUID, *, reason: str) -> None:
    """Give the process up: undo what it did, the step in hand included, for it may have taken effect.

    Raises SagaNotFound, SagaFinished, SagaIsBusy and NoWayBack.
    """
    _pull("saga.compensate", saga_id, reason=reason, change=_compensate)


def _pull(action: str, saga_id: UUID, *, reason: str, change: Callable[[SagaRow], None]) -> None:
    with atomic():
        row = _locked(saga_id)
        before = _state(row)
        change(row)
        row.due_at = Now() - timedelta(seconds=1)
        row.leased_until = row.lease = None
        row.last_error = ""
        row.save()
        record_change(
            action=action,
            subject_kind="saga",
            subject_id=str(row.id),
            before=before,
            after=_state(row),
            reason=reason,
        )
        wake_relay_after_commit()


def _locked(saga_id: UUID) -> SagaRow:
    is_leased = ExpressionWrapper(Q(leased_until__gt=Now()), output_field=BooleanField())
    row = SagaRow.objects.select_for_update().filter(id=saga_id).annotate(is_leased=is_leased).first()
    if row is None:
        raise SagaNotFound(saga_id=saga_id)
    if row.status not in OPEN:
        raise SagaFinished(saga_id=saga_id)
    if row.is_leased:
        raise SagaIsBusy(saga_id=saga_id)
    return row


def _skip(row: SagaRow) -> None:
    step = next_step(saga_named(row.name), row)
    if step is None:
        return
    SagaStepRow.objects.update_or_create(
        saga=row,
        name=step.name,
        defaults={"status": SagaStepRow.Status.SKIPPED, "finished_at": Now(), "error": ""},
    )
    move_on(row)


def _compensate(row: SagaRow) -> None:
    if not may_give_up(saga_named(row.name), row):
        raise NoWayBack(saga_id=row.id)
    give_up(row, reason=BY_OPERATOR, reached=row.stage + (1 if row.attempts else 0))


def _state(row: SagaRow) -> dict[str, str | int]:
    return {"status": str(row.status), "stage": row.stage, "attempts": row.attempts}

"""The rows of a process as its runner reads and writes them.

A process takes a handful of them per turn, and there are two turns to each order: the reads are compiled once, and what
is written goes to PostgreSQL with the COMMIT (docs/decisions/0012-the-hot-path-of-an-order.md).
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.db.models.functions import Now

from shared.persistence.inserts import Insert
from shared.persistence.reads import CompiledRead
from shared.persistence.unit_of_work import Statement, send_at_the_last_moment, send_together
from shared.saga.models import SagaRow, SagaStepRow

LEASE = settings.SAGA_LEASE
OPEN = (SagaRow.Status.RUNNING, SagaRow.Status.UNDOING)
EXAMPLES = (UUID(int=1), UUID(int=2))

INSERT_STEP = Insert.into(
    SagaStepRow,
    *("saga", "name", "status", "key", "attempts", "error"),
    computed={"finished_at": "CASE WHEN %s THEN statement_timestamp() END"},
)
CHANGE_STEP = """
UPDATE saga_step SET status = %s, error = %s, finished_at = CASE WHEN %s THEN statement_timestamp() ELSE finished_at END
WHERE saga_id = %s AND name = %s
"""
REPEAT_STEP = "UPDATE saga_step SET attempts = attempts + 1 WHERE saga_id = %s AND name = %s"
STORE = """
UPDATE saga SET status = %s, stage = %s, reached = %s, reason = %s, attempts = %s, failures = %s, last_error = %s,
    lease = %s, due_at = statement_timestamp() + %s::interval, leased_until = statement_timestamp() + %s::interval
WHERE id = %s
"""
FINISH = """
UPDATE saga SET status = %s, stage = %s, reached = %s, reason = %s, attempts = %s, failures = %s, last_error = %s,
    lease = NULL, due_at = NULL, leased_until = NULL, finished_at = statement_timestamp(), data = '{}'
WHERE id = %s
"""


def _with_deadline(rows: QuerySet[SagaRow]) -> QuerySet[SagaRow]:
    """Have the rows tell whether their deadline has passed by the database's clock."""
    is_overdue = ExpressionWrapper(Q(deadline_at__lte=Now()), output_field=BooleanField())
    return rows.annotate(is_overdue=is_overdue)


FREE = CompiledRead(
    lambda saga_id, *statuses: _with_deadline(
        SagaRow.objects.select_for_update(skip_locked=True).filter(
            Q(leased_until=None) | Q(leased_until__lte=Now()), id=saga_id, status__in=statuses
        )
    ),
    EXAMPLES[0],
    *OPEN,
)
LEASED = CompiledRead(
    lambda saga_id, lease, *statuses: _with_deadline(
        SagaRow.objects.select_for_update().filter(id=saga_id, lease=lease, status__in=statuses)
    ),
    *EXAMPLES,
    *OPEN,
)


def free_saga(saga_id: UUID) -> SagaRow | None:
    """Return the open process, locked, unless another worker has it in hand."""
    return FREE.first(saga_id, *OPEN)


def leased_saga(saga_id: UUID, lease: UUID) -> SagaRow | None:
    """Return the open process, locked, if the lease is still the one that holds it."""
    return LEASED.first(saga_id, lease, *OPEN)


def insert_step(row: SagaRow, name: str, status: SagaStepRow.Status, *, key: str = "", error: str = "") -> None:
    """Store the first attempt of a step, which is over unless it is only intended."""
    is_over = status != SagaStepRow.Status.INTENDED
    send_together(_insert_in_order, (row.id, name, status.value, key, 1, error, is_over))


def _insert_in_order(steps: Sequence[tuple[Any, ...]]) -> list[Statement]:
    """Make one statement of the steps, which are numbered as they come."""
    return [Statement(INSERT_STEP.text(len(steps)), [value for step in steps for value in step])]


def change_step(row: SagaRow, name: str, status: SagaStepRow.Status, *, error: str = "", is_over: bool = True) -> None:
    """Note how a step stands."""
    send_at_the_last_moment(Statement(CHANGE_STEP, (status.value, error, is_over, row.id, name)))


def repeat_step(row: SagaRow, name: str) -> None:
    """Count one more attempt of a step."""
    send_at_the_last_moment(Statement(REPEAT_STEP, (row.id, name)))


def lease_saga(row: SagaRow) -> None:
    """Store where the process stands, in the hands of the worker whose lease it bears."""
    send_at_the_last_moment(Statement(STORE, (*_standing(row), row.lease, LEASE, LEASE, row.id)))


def put_back_saga(row: SagaRow, *, pause: timedelta) -> None:
    """Store where the process stands, free, and due after the pause."""
    send_at_the_last_moment(Statement(STORE, (*_standing(row), None, pause, None, row.id)))


def finish_saga(row: SagaRow) -> None:
    """Store how the process ended; what it was about to do, which may be secret, goes."""
    send_at_the_last_moment(Statement(FINISH, (*_standing(row), row.id)))


def _standing(row: SagaRow) -> tuple[object, ...]:
    status = SagaRow.Status(row.status).value
    return status, row.stage, row.reached, row.reason, row.attempts, row.failures, row.last_error

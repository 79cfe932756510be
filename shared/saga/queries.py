"""Reads of processes: rows to frozen values. What a process carries is not read: it may hold a payment token."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from shared.persistence.plans import planned_for_its_values
from shared.saga.models import SagaRow, SagaStepRow
from shared.saga.rows import OPEN


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    """A step as operators see it."""

    name: str
    status: str
    attempts: int
    error: str
    started_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessView:
    """A process as operators see it; its steps in the order in which they began."""

    id: UUID
    name: str
    subject_id: UUID
    status: str
    reason: str
    failures: int
    last_error: str
    created_at: datetime
    due_at: datetime | None
    deadline_at: datetime
    finished_at: datetime | None
    steps: Sequence[StepView]

    @property
    def step(self) -> StepView | None:
        """Return the step that began last, if any did."""
        return self.steps[-1] if self.steps else None


def processes_of(subject_id: UUID) -> Sequence[ProcessView]:
    """Return the processes about one aggregate, the oldest first, in two statements."""
    return [_view_of(row) for row in _with_steps(SagaRow.objects.filter(subject_id=subject_id).order_by("id"))]


def reasons_given_up(subject_ids: Sequence[UUID]) -> Mapping[UUID, set[str]]:
    """Return for which reasons processes about these aggregates were given up."""
    reasons: dict[UUID, set[str]] = {}
    rows = SagaRow.objects.filter(subject_id__in=subject_ids).exclude(reason="")
    for subject_id, reason in rows.values_list("subject_id", "reason"):
        reasons.setdefault(subject_id, set()).add(reason)
    return reasons


def process(saga_id: UUID) -> ProcessView | None:
    """Return one process."""
    row = _with_steps(SagaRow.objects.filter(id=saga_id)).first()
    return _view_of(row) if row is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessFilter:
    """Which processes are wanted; what is None does not matter."""

    name: str | None = None
    status: str | None = None
    subject_id: UUID | None = None
    is_overdue: bool | None = None


def processes(wanted: ProcessFilter, *, before: UUID | None, limit: int) -> Sequence[ProcessView]:
    """Return the processes that are wanted, the newest first: their ids are time-ordered."""
    given = {"name": wanted.name, "status": wanted.status, "subject_id": wanted.subject_id, "id__lt": before}
    rows = SagaRow.objects.filter(**{name: value for name, value in given.items() if value is not None})
    if wanted.is_overdue is not None:
        is_overdue = Q(status__in=OPEN, deadline_at__lte=Now())
        rows = rows.filter(is_overdue if wanted.is_overdue else ~is_overdue)
    with planned_for_its_values():
        return [_view_of(row) for row in _with_steps(rows.order_by("-id"))[:limit]]


def overdue_processes() -> QuerySet[SagaRow]:
    """Return the open processes past their deadline; there are few open ones, and an index has just those."""
    return SagaRow.objects.defer("data").filter(status__in=OPEN, deadline_at__lte=Now())


def count_overdue_processes() -> int:
    """Return how many open processes are past their deadline."""
    return overdue_processes().count()


def longest_overdue_processes(*, limit: int) -> Sequence[ProcessView]:
    """Return the open processes whose deadline passed first."""
    return [_view_of(row) for row in _with_steps(overdue_processes().order_by("deadline_at"))[:limit]]


def _with_steps(rows: QuerySet[SagaRow]) -> QuerySet[SagaRow]:
    return rows.defer("data").prefetch_related("steps")


def _view_of(row: SagaRow) -> ProcessView:
    return ProcessView(
        id=row.id,
        name=row.name,
        subject_id=row.subject_id,
        status=row.status,
        reason=row.reason,
        failures=row.failures,
        last_error=row.last_error,
        created_at=row.created_at,
        due_at=row.due_at,
        deadline_at=row.deadline_at,
        finished_at=row.finished_at,
        steps=[_step_view_of(step) for step in sorted(row.steps.all(), key=lambda step: step.pk)],
    )


def _step_view_of(row: SagaStepRow) -> StepView:
    return StepView(
        name=row.name,
        status=row.status,
        attempts=row.attempts,
        error=row.error,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )

"""Takes a process from where it stands as far as it goes now.

Each turn is one short transaction: it settles the call made before, runs the local steps that follow, and
commits the intent of the next call. The calls themselves are made between transactions. A worker that is
killed anywhere leaves a lease that runs out; the next worker repeats the call in hand with the same key.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast
from uuid import UUID, uuid4

import structlog
from django.conf import settings
from django.db import OperationalError
from django.db.models import Q
from django.db.models.functions import Now

from shared.domain.errors import DomainError, LostRace, OutcomeUnknown
from shared.domain.saga import Exchange, Local, Remote, Saga, SagaRun, Step, Wait
from shared.persistence.crash_points import crash_point
from shared.persistence.pauses import pause_after
from shared.persistence.unit_of_work import atomic, in_transaction_with_retry, part, savepoint
from shared.resilience.guard import refuse_inside_transaction
from shared.resilience.time_limits import OutOfTime, bounded
from shared.saga.models import SagaRow, SagaStepRow
from shared.saga.registry import saga_named
from shared.saga.rows import (
    OPEN,
    change_step,
    finish_saga,
    free_saga,
    insert_step,
    lease_saga,
    leased_saga,
    put_back_saga,
    repeat_step,
)
from shared.saga.telling import tell_of_end, tell_of_step
from shared.telemetry.context import WorkContext, working_as
from shared.telemetry.tracing import traced

LAST_ERROR_LENGTH = 2000  # characters
DEADLINE_PASSED = "deadline_passed"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """A call to another system, whose intent is committed."""

    saga_id: UUID
    saga: str
    lease: UUID
    step: Remote | Exchange[Any, Any]
    run: SagaRun
    key: str
    question: object
    context: WorkContext


@dataclass(frozen=True, slots=True)
class _Refused:
    refusal: DomainError


@dataclass(frozen=True, slots=True)
class _Failed:
    error: Exception


@dataclass(frozen=True, slots=True)
class _Answered:
    """What the other system said in an exchange, to be noted where the outcome is stored."""

    answer: object


#: How a step is part of its turn: for better or worse, or so that it can fail by itself.
_How = Callable[[], AbstractContextManager[None]]
_Verdict = None | Wait | _Refused | _Failed
_Outcome = _Verdict | _Answered


def advance(saga_id: UUID) -> None:
    """Take the process as far as it goes now; leave it alone when another worker holds its lease."""
    lease = uuid4()
    try:
        with _bounded(saga_id):
            call = _turn(lambda how: _take(saga_id, lease, how))
        while call is not None:
            with _bounded(saga_id):
                made, outcome = call, _make(call)
            with _bounded(saga_id):
                call = _turn(lambda how, made=made, outcome=outcome: _settle(made, outcome, how))  # type: ignore[misc]
    except Exception as error:  # noqa: BLE001 - whatever a step raises is counted and tried again
        _release_after_failure(saga_id, lease, error)


def _bounded(saga_id: UUID) -> AbstractContextManager[None]:
    """Bound a turn or a call in time; one that hangs is ended, and the process goes on when its lease has run out."""
    return bounded(f"saga {saga_id}", seconds=settings.WORK_TIME_LIMIT.total_seconds())


def _turn(work: Callable[[_How], _Call | None]) -> _Call | None:
    """Run a turn as one unit of work; one in which something fails is run again, with a savepoint around each step.

    Savepoints cost more than what is done in them, and hardly ever does a step fail.
    """
    try:
        return in_transaction_with_retry(lambda: work(part))
    except (LostRace, OperationalError, OutOfTime):
        raise
    except Exception as error:  # noqa: BLE001 - raised again, or counted for the step that fails
        _log.info("saga_turn_run_again", because=_describe(error))
        return in_transaction_with_retry(lambda: work(savepoint))


def _take(saga_id: UUID, lease: UUID, how: _How) -> _Call | None:
    row = free_saga(saga_id)
    if row is None:
        return None
    row.lease = lease
    with working_as(_context_of(row)):
        return _progress(row, how)


def _settle(call: _Call, outcome: _Outcome, how: _How) -> _Call | None:
    row = leased_saga(call.saga_id, call.lease)
    with working_as(call.context):
        verdict = _noted(call, outcome.answer, how) if isinstance(outcome, _Answered) else outcome
        if row is not None:
            return _settled(row, call, verdict, how)
    _log.warning("saga_lease_lost", saga_id=str(call.saga_id), step=call.step.name)
    return None


def _noted(call: _Call, answer: object, how: _How) -> _Verdict:
    """Have the step keep what it was told, which is true whoever has the process by now."""
    with traced(f"{call.saga} {call.step.name} answer", kind="consumer"), how():
        verdict = cast(Exchange[Any, Any], call.step).note(call.run, answer)
    return _Refused(verdict) if isinstance(verdict, DomainError) else verdict


def _settled(row: SagaRow, call: _Call, verdict: _Verdict, how: _How) -> _Call | None:
    """Store what came of the call, and go on from there."""
    match verdict:
        case Wait(pause=pause):
            _put_back(row, pause=pause)
            return None
        case _Failed(error=error):
            _mark_unsettled(row, call.step, error)
            _put_back(row, pause=pause_after(row.attempts), error=error)
            return None
        case _Refused(refusal=refusal):
            if not may_give_up(saga_named(row.name), row):
                _mark_unsettled(row, call.step, refusal)
                _put_back(row, pause=pause_after(row.attempts), error=refusal)
                return None
            _refuse(row, call.step, refusal)
        case None:
            change_step(row, call.step.name, SagaStepRow.Status.DONE)
            tell_of_step(row, call.step.name, "done")
            move_on(row)
    return _progress(row, how)


def _progress(row: SagaRow, how: _How) -> _Call | None:
    """Run the local steps that are next; return the call that has to be made then, its intent stored."""
    saga = saga_named(row.name)
    if getattr(row, "is_overdue", False) and may_give_up(saga, row):
        give_up(row, reason=DEADLINE_PASSED, reached=row.stage + (1 if row.attempts else 0))
    while (step := next_step(saga, row)) is not None:
        try:
            question = _do_what_is_local(row, step, how)
        except (LostRace, OperationalError):
            raise
        except Exception as error:
            if how is part:
                raise
            if not isinstance(error, DomainError) or not may_give_up(saga, row):
                _put_back_after_failure(row, error)
                return None
            _refuse(row, step, error)
            continue
        if not isinstance(step, Local):
            return _intend(row, step, question)
        insert_step(row, step.name, SagaStepRow.Status.DONE)
        tell_of_step(row, step.name, "done")
        move_on(row)
    _finish(row)
    return None


def _do_what_is_local(row: SagaRow, step: Step, how: _How) -> object:
    """Run what the step does here; a savepoint has its failure take nothing else with it."""
    match step:
        case Local():
            with traced(f"{row.name} {step.name}", kind="consumer"), how():
                step.do(_run_of(row))
        case Exchange():
            with how():
                return step.begin(_run_of(row), _key_of(row, step))
    return None


def _refuse(row: SagaRow, step: Step, refusal: DomainError) -> None:
    """Turn round, for the step that comes next cannot be done."""
    if row.attempts == 0:
        insert_step(row, step.name, SagaStepRow.Status.REFUSED, error=refusal.code)
    else:
        change_step(row, step.name, SagaStepRow.Status.REFUSED, error=refusal.code)
    tell_of_step(row, step.name, "refused")
    give_up(row, reason=refusal.code, reached=row.stage)


def _key_of(row: SagaRow, step: Step) -> str:
    return f"{row.name}:{row.subject_id}:{step.name}"


def _intend(row: SagaRow, step: Remote | Exchange[Any, Any], question: object) -> _Call:
    key = _key_of(row, step)
    if row.attempts == 0:
        insert_step(row, step.name, SagaStepRow.Status.INTENDED, key=key)
    else:
        repeat_step(row, step.name)
    row.attempts += 1
    lease_saga(row)
    assert row.lease is not None  # noqa: S101 - set by _take, for the type checker
    return _Call(
        saga_id=row.id,
        saga=row.name,
        lease=row.lease,
        step=step,
        run=_run_of(row),
        key=key,
        question=question,
        context=_context_of(row),
    )


def _make(call: _Call) -> _Outcome:
    refuse_inside_transaction()
    try:
        with working_as(call.context), traced(f"{call.saga} {call.step.name}", kind="consumer"):
            crash_point("saga.before_call")
            if isinstance(call.step, Exchange):
                outcome: _Outcome = _Answered(call.step.ask(call.question))
            else:
                outcome = call.step.do(call.run, call.key)
            crash_point("saga.after_call")
            return outcome
    except DomainError as refusal:
        return _Refused(refusal)
    except Exception as error:  # noqa: BLE001 - counted, and the call is made again with the same key
        return _Failed(error)


def next_step(saga: Saga, row: SagaRow) -> Step | None:
    """Return the step that comes next, of the way forth or of the way back; None at the end of either."""
    if row.status == SagaRow.Status.RUNNING:
        steps = [stage.step for stage in saga.stages]
    else:
        steps = [stage.undo for stage in reversed(saga.stages[: row.reached]) if stage.undo]
        steps += [saga.otherwise] if saga.otherwise else []
    return steps[row.stage] if row.stage < len(steps) else None


def may_give_up(saga: Saga, row: SagaRow) -> bool:
    """Tell whether there is a way back: not while undoing, not once the pivot is done, not without an end to it."""
    if row.status != SagaRow.Status.RUNNING or saga.otherwise is None:
        return False
    return not any(stage.pivot for stage in saga.stages[: row.stage])


def give_up(row: SagaRow, *, reason: str, reached: int) -> None:
    """Turn the process round: so many of its stages are to be undone, in reverse order."""
    row.status = SagaRow.Status.UNDOING
    row.reason = reason
    row.reached = reached
    row.stage = 0
    row.attempts = 0
    _log.info("saga_gives_up", saga=row.name, subject_id=str(row.subject_id), reason=reason)


def move_on(row: SagaRow) -> None:
    """Leave the step in hand behind."""
    row.stage += 1
    row.attempts = 0
    row.last_error = ""


def _finish(row: SagaRow) -> None:
    is_undone = row.status == SagaRow.Status.UNDOING
    row.status = SagaRow.Status.UNDONE if is_undone else SagaRow.Status.COMPLETED
    finish_saga(row)
    tell_of_end(row)


def _put_back(row: SagaRow, *, pause: timedelta, error: Exception | None = None) -> None:
    row.last_error = _describe(error) if error else ""
    put_back_saga(row, pause=pause)


def _release_after_failure(saga_id: UUID, lease: UUID, error: Exception) -> None:
    with atomic():
        row = (
            SagaRow.objects.select_for_update()
            .filter(Q(lease=lease) | Q(leased_until=None) | Q(leased_until__lte=Now()), id=saga_id)
            .filter(status__in=OPEN)
            .first()
        )
        if row is None:
            return
        with working_as(_context_of(row)):
            _put_back_after_failure(row, error)


def _put_back_after_failure(row: SagaRow, error: Exception) -> None:
    row.failures += 1
    _put_back(row, pause=pause_after(row.failures), error=error)
    _log.error("saga_failed", saga=row.name, subject_id=str(row.subject_id), exc_info=error)


def _mark_unsettled(row: SagaRow, step: Step, error: Exception) -> None:
    is_unknown = isinstance(error, OutcomeUnknown)
    status = SagaStepRow.Status.UNKNOWN if is_unknown else SagaStepRow.Status.INTENDED
    change_step(row, step.name, status, error=_describe(error), is_over=False)
    tell_of_step(row, step.name, "unsettled")
    _log.warning("saga_step_unsettled", saga=row.name, step=step.name, error=_describe(error))


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:LAST_ERROR_LENGTH]


def _run_of(row: SagaRow) -> SagaRun:
    return SagaRun(saga_id=row.id, subject_id=row.subject_id, data=row.data, reason=row.reason)


def _context_of(row: SagaRow) -> WorkContext:
    return WorkContext(
        correlation_id=row.correlation_id,
        causation_id=str(row.id),
        traceparent=row.traceparent,
        actor=row.actor,
    )

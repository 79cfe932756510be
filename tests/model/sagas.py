"""Durable processes in memory: ``shared/saga/runner.py`` once more, on a dictionary.

``test_saga_runners.py`` has both runners tell the same story.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol, TypeVar
from uuid import UUID

from shared.domain.errors import DomainError, LostRace
from shared.domain.model import Primitive
from shared.domain.ports import Clock, StartSaga
from shared.domain.saga import Exchange, Local, Remote, Saga, SagaRun, Step, Wait
from shared.saga.rows import LEASE
from tests.model.shop import ProcessSeen

T = TypeVar("T")

OPEN = ("running", "undoing")
How = Literal["plainly", "carefully"]


class Transactions(Protocol):
    """What the processes need of the memory that they are kept in."""

    def atomic(self) -> AbstractContextManager[None]: ...

    def savepoint(self) -> AbstractContextManager[None]: ...

    def with_retry(self, work: Callable[[], T]) -> T: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A row of the table of processes; a change is another row in its place."""

    id: UUID
    saga: Saga
    subject_id: UUID
    data: Mapping[str, Primitive]
    deadline_at: datetime
    due_at: datetime | None
    status: str = "running"
    stage: int = 0
    reached: int = 0
    reason: str = ""
    attempts: int = 0
    failures: int = 0
    leased_until: datetime | None = None
    lease: int | None = None

    @property
    def next_step(self) -> Step | None:
        """Return the step that comes next: forward, or back and then to another end."""
        if self.status == "running":
            steps: list[Step] = [stage.step for stage in self.saga.stages]
        else:
            steps = [stage.undo for stage in reversed(self.saga.stages[: self.reached]) if stage.undo]
            steps += [self.saga.otherwise] if self.saga.otherwise else []
        return steps[self.stage] if self.stage < len(steps) else None

    @property
    def may_give_up(self) -> bool:
        """Tell whether there is a way back."""
        if self.status != "running" or self.saga.otherwise is None:
            return False
        return not any(stage.pivot for stage in self.saga.stages[: self.stage])

    @property
    def run(self) -> SagaRun:
        """Return what a step may know."""
        return SagaRun(saga_id=self.id, subject_id=self.subject_id, data=self.data, reason=self.reason)


@dataclass(frozen=True, slots=True)
class _Call:
    process: Process
    step: Remote | Exchange[Any, Any]
    key: str
    question: object


@dataclass(frozen=True, slots=True)
class _Answered:
    answer: object


_Outcome = None | Wait | Exception | _Answered


@dataclass(slots=True)
class InMemorySagas:
    """The table of processes, and the worker that takes one of them as far as it goes."""

    memory: Transactions
    now: Clock
    processes: dict[UUID, Process] = field(default_factory=dict)
    _leases: Iterator[int] = field(default_factory=lambda: iter(range(1, 1_000_000)))

    def remember(self) -> Callable[[], None]:
        """Return what brings the present state back."""
        processes = dict(self.processes)

        def undo() -> None:
            self.processes = processes

        return undo

    def register(self, saga: Saga) -> StartSaga:
        """Return what begins the process."""

        def start(*, subject_id: UUID, data: Mapping[str, Primitive]) -> None:
            if any((each.saga.name, each.subject_id) == (saga.name, subject_id) for each in self.processes.values()):
                return
            process_id = UUID(int=2**64 + len(self.processes))
            self._keep(
                Process(
                    id=process_id,
                    saga=saga,
                    subject_id=subject_id,
                    data=dict(data),
                    deadline_at=self.now() + saga.deadline,
                    due_at=self.now(),
                )
            )

        return start

    def wake(self, *, name: str, subject_id: UUID) -> None:
        """Have the process look again now at what it waits for."""
        for each in list(self.processes.values()):
            if (each.saga.name, each.subject_id) == (name, subject_id) and each.status in OPEN:
                self._keep(replace(each, due_at=self.now()))

    def advance(self, process_id: UUID) -> None:
        """Take the process as far as it goes now; leave it alone when another worker holds its lease."""
        lease = next(self._leases)
        try:
            call = self._turn(lambda how: self._take(process_id, lease, how))
            while call is not None:
                made, outcome = call, self._make(call)
                call = self._turn(lambda how, made=made, outcome=outcome: self._settle(made, outcome, how))  # type: ignore[misc]
        except Exception:  # noqa: BLE001 - whatever a step raises is counted and tried again
            self._release_after_failure(process_id, lease)

    def seen(self) -> list[ProcessSeen]:
        """Return what the model looks at."""
        return [
            ProcessSeen(
                id=each.id,
                name=each.saga.name,
                subject_id=each.subject_id,
                status=each.status,
                is_open=each.status in OPEN,
                is_due=each.due_at is not None and each.due_at <= self.now() and self._is_free(each),
                will_be_due=each.due_at is not None,
            )
            for each in self.processes.values()
        ]

    def _is_free(self, process: Process) -> bool:
        return process.leased_until is None or process.leased_until <= self.now()

    def _turn(self, work: Callable[[How], _Call | None]) -> _Call | None:
        """Run a turn; one in which something fails is run again, with a savepoint around each step."""
        try:
            return self.memory.with_retry(lambda: work("plainly"))
        except LostRace:
            raise
        except Exception:  # noqa: BLE001 - raised again, or counted for the step that fails
            return self.memory.with_retry(lambda: work("carefully"))

    def _take(self, process_id: UUID, lease: int, how: How) -> _Call | None:
        process = self.processes[process_id]
        if process.status not in OPEN or not self._is_free(process):
            return None
        return self._progress(replace(process, lease=lease), how)

    def _make(self, call: _Call) -> _Outcome:
        try:
            if isinstance(call.step, Exchange):
                return _Answered(call.step.ask(call.question))
            return call.step.do(call.process.run, call.key)
        except Exception as error:  # noqa: BLE001 - a refusal, or a failure that is tried again
            return error

    def _settle(self, call: _Call, outcome: _Outcome, how: How) -> _Call | None:
        process = self.processes[call.process.id]
        if isinstance(outcome, _Answered):
            assert isinstance(call.step, Exchange)
            outcome = call.step.note(call.process.run, outcome.answer)
        if not self._is_mine(process, call):
            return None
        if isinstance(outcome, Wait):
            self._put_back(process, pause=outcome.pause)
            return None
        if isinstance(outcome, DomainError) and process.may_give_up:
            return self._progress(_giving_up(process, reason=outcome.code, reached=process.stage), how)
        if outcome is not None:
            self._put_back(process, pause=_pause_after(process.attempts))
            return None
        return self._progress(_moved_on(process), how)

    def _is_mine(self, process: Process, call: _Call) -> bool:
        return process.lease == call.process.lease and process.status in OPEN

    def _progress(self, process: Process, how: How) -> _Call | None:
        """Run the local steps that are next; return the call that has to be made then, its intent stored."""
        if process.deadline_at <= self.now() and process.may_give_up:
            reached = process.stage + (1 if process.attempts else 0)
            process = _giving_up(process, reason="deadline_passed", reached=reached)
        while (step := process.next_step) is not None:
            try:
                question = self._do_what_is_local(process, step)
            except LostRace:
                raise
            except Exception as error:
                if how == "plainly":
                    raise
                if not isinstance(error, DomainError) or not process.may_give_up:
                    self._put_back_after_failure(process)
                    return None
                process = _giving_up(process, reason=error.code, reached=process.stage)
                continue
            if not isinstance(step, Local):
                return self._intend(process, step, question)
            process = _moved_on(process)
        ended = "undone" if process.status == "undoing" else "completed"
        self._keep(replace(process, status=ended, due_at=None, leased_until=None, lease=None, data={}))
        return None

    def _do_what_is_local(self, process: Process, step: Step) -> object:
        """Run what the step does here in a savepoint, so that its failure takes nothing else with it."""
        match step:
            case Local():
                with self.memory.savepoint():
                    step.do(process.run)
            case Exchange():
                with self.memory.savepoint():
                    return step.begin(process.run, _key_of(process, step))
        return None

    def _intend(self, process: Process, step: Remote | Exchange[Any, Any], question: object) -> _Call:
        until = self.now() + LEASE
        process = replace(process, attempts=process.attempts + 1, leased_until=until, due_at=until)
        self._keep(process)
        return _Call(process, step, _key_of(process, step), question)

    def _put_back(self, process: Process, *, pause: timedelta) -> None:
        self._keep(replace(process, due_at=self.now() + pause, leased_until=None, lease=None))

    def _release_after_failure(self, process_id: UUID, lease: int) -> None:
        with self.memory.atomic():
            process = self.processes[process_id]
            if process.status in OPEN and (process.lease == lease or self._is_free(process)):
                self._put_back_after_failure(process)

    def _put_back_after_failure(self, process: Process) -> None:
        failed = replace(process, failures=process.failures + 1)
        self._put_back(failed, pause=_pause_after(failed.failures))

    def _keep(self, process: Process) -> None:
        self.processes[process.id] = process


def _giving_up(process: Process, *, reason: str, reached: int) -> Process:
    return replace(process, status="undoing", reason=reason, reached=reached, stage=0, attempts=0)


def _key_of(process: Process, step: Step) -> str:
    return f"{process.saga.name}:{process.subject_id}:{step.name}"


def _moved_on(process: Process) -> Process:
    return replace(process, stage=process.stage + 1, attempts=0)


def _pause_after(attempts: int) -> timedelta:
    return timedelta(seconds=min(900.0, 0.5 * 2 ** min(attempts, 20)))

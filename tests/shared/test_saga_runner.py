"""A process about a lamp: its wire is laid, the electrician is called, the lamp is hung, the owner is told."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from django.db.models import F

from shared.domain.errors import ConflictError, DomainError, ExternalAPIError, OutcomeUnknown
from shared.domain.model import Primitive
from shared.domain.saga import Exchange, Local, Remote, Saga, SagaRun, Stage, Wait
from shared.persistence.pauses import FIRST_PAUSE
from shared.persistence.unit_of_work import Statement, atomic, send_at_the_last_moment
from shared.resilience.guard import refuse_inside_transaction
from shared.saga.dispatch import dispatch_due_sagas
from shared.saga.models import SagaRow, SagaStepRow
from shared.saga.registry import SagaStarter, register, wake_saga
from shared.saga.rows import LEASE
from shared.saga.runner import DEADLINE_PASSED, advance
from shared.telemetry.context import WorkContext, current_work, working_as
from tests.shared.database import LONGEST_WAIT, InThread, Traces, database_time, execute, failing_unit_of_work

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_sagas")]

WORK = WorkContext(correlation_id="request-1", causation_id="click-1", traceparent="00-1-2-01", actor="customer:7")
NAME = "testing.hang_lamp"


class ElectricianRefused(ConflictError):
    """The electrician does not come to this house."""


class Killed(BaseException):
    """The worker is gone; nothing may run after this."""


@dataclass(slots=True)
class House:
    """The steps of the process, which do as they are told and write down what was done, and with which key."""

    traces: Traces
    answers: dict[str, deque[Wait | BaseException | Callable[[], None]]] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    runs: list[SagaRun] = field(default_factory=list)
    work: list[WorkContext] = field(default_factory=list)
    failed: set[str] = field(default_factory=set)

    def will(self, name: str, *answers: Wait | BaseException | Callable[[], None]) -> None:
        """Have the step answer so, the next times that it runs; then it succeeds."""
        self.answers[name] = deque(answers)

    def local(self, name: str) -> Local:
        """Make a step that leaves a trace in this database."""

        def do(run: SagaRun) -> None:
            self._note(run)
            self.traces.write(name)
            self._answer_here(name)

        return Local(name=name, do=do)

    def remote(self, name: str) -> Remote:
        """Make a step that is done elsewhere."""

        def do(run: SagaRun, key: str) -> Wait | None:
            self._note(run)
            self.calls.append((name, key))
            return self._answer(name)

        return Remote(name=name, do=do)

    def exchange(self, name: str) -> Exchange[str, str]:
        """Make a step that is done elsewhere, about which this database keeps a trace before and after."""

        def begin(run: SagaRun, key: str) -> str:
            self._note(run)
            self.traces.write(f"{name}: begun {len(self.calls) + 1}")
            self._answer_here(f"{name}: begin")
            return key

        def ask(key: str) -> str:
            self.calls.append((name, key))
            answer = f"answer {len(self.calls)}"
            self._answer(name)
            return answer

        def note(run: SagaRun, answer: str) -> Wait | DomainError | None:
            self._note(run)
            self.traces.write(f"{name}: {answer}")
            try:
                return self._answer_here(f"{name}: note")
            except DomainError as refusal:
                return refusal

        return Exchange(name=name, begin=begin, ask=ask, note=note)

    @property
    def called(self) -> list[str]:
        """Return the calls that were made, oldest first."""
        return [name for name, _ in self.calls]

    def keys_of(self, name: str) -> list[str]:
        """Return the key of each call of this step."""
        return [key for called, key in self.calls if called == name]

    def _note(self, run: SagaRun) -> None:
        self.runs.append(run)
        self.work.append(current_work())

    def _answer_here(self, name: str) -> Wait | None:
        """Answer in this database, where a turn in which something fails is run twice: fail both times."""
        answers = self.answers.get(name)
        if answers and isinstance(answers[0], Exception) and name not in self.failed:
            self.failed.add(name)
            raise answers[0]
        self.failed.discard(name)
        return self._answer(name)

    def _answer(self, name: str) -> Wait | None:
        answers = self.answers.get(name)
        answer = answers.popleft() if answers else None
        if isinstance(answer, BaseException):
            raise answer
        if callable(answer):
            answer()
            return None
        return answer


@pytest.fixture
def house(traces: Traces) -> House:
    return House(traces)


@pytest.fixture
def begin(house: House) -> SagaStarter:
    """Have a process with a way back until the lamp hangs."""
    return register(
        Saga(
            name=NAME,
            stages=(
                Stage(step=house.local("lay wire"), undo=house.local("remove wire")),
                Stage(step=house.remote("book electrician"), undo=house.remote("cancel electrician")),
                Stage(step=house.local("hang lamp"), pivot=True),
                Stage(step=house.remote("tell owner")),
            ),
            otherwise=house.local("give up"),
            deadline=timedelta(hours=1),
        )
    )


@pytest.fixture
def begin_with_exchange(house: House) -> SagaStarter:
    """Have a process that asks the electrician for a date, and keeps what he says."""
    return register(
        Saga(
            name=NAME,
            stages=(
                Stage(step=house.local("lay wire"), undo=house.local("remove wire")),
                Stage(step=house.exchange("ask electrician")),
                Stage(step=house.local("hang lamp"), pivot=True),
            ),
            otherwise=house.local("give up"),
            deadline=timedelta(hours=1),
        )
    )


@pytest.fixture
def begin_without_way_back(house: House) -> SagaStarter:
    """Have a process that can only go on."""
    return register(
        Saga(
            name=NAME,
            stages=(Stage(step=house.local("lay wire")), Stage(step=house.remote("book electrician"))),
            otherwise=None,
            deadline=timedelta(hours=1),
        )
    )


def begun(begin: SagaStarter, *, data: dict[str, Primitive] | None = None) -> UUID:
    """Begin the process about a new lamp, and return the id of the process."""
    subject_id = uuid4()
    with atomic():
        begin(subject_id=subject_id, data=data or {"colour": "red"})
    return SagaRow.objects.get(subject_id=subject_id).id


def row_of(saga_id: UUID) -> SagaRow:
    return SagaRow.objects.get(id=saga_id)


def steps_of(saga_id: UUID) -> list[tuple[str, str, int]]:
    """Return name, status and attempts of each step that was begun, oldest first."""
    rows = SagaStepRow.objects.filter(saga_id=saga_id).order_by("id")
    return [(row.name, row.status, row.attempts) for row in rows]


def let_lease_run_out(saga_id: UUID) -> None:
    assert SagaRow.objects.filter(id=saga_id).update(leased_until=F("leased_until") - LEASE - LEASE) == 1


def let_deadline_pass(saga_id: UUID) -> None:
    assert SagaRow.objects.filter(id=saga_id).update(deadline_at=F("created_at") - LEASE) == 1


def due_after(moment: datetime, row: SagaRow) -> timedelta:
    """Return how long after the moment the process is due."""
    assert row.due_at is not None
    return row.due_at - moment


class TestBegin:
    def test_stores_the_process_due_at_once(self, begin: SagaStarter) -> None:
        row = row_of(begun(begin, data={"colour": "red"}))

        assert (row.name, row.status, row.stage, row.data) == (NAME, "running", 0, {"colour": "red"})
        assert row.due_at is not None
        assert row.deadline_at - row.due_at == timedelta(hours=1)

    def test_twice_for_one_subject_leaves_the_first_undisturbed(self, begin: SagaStarter) -> None:
        saga_id = begun(begin, data={"colour": "red"})

        begin(subject_id=row_of(saga_id).subject_id, data={"colour": "blue"})

        assert SagaRow.objects.count() == 1
        assert row_of(saga_id).data == {"colour": "red"}

    def test_is_undone_with_the_unit_of_work_that_it_belongs_to(self, begin: SagaStarter) -> None:
        with failing_unit_of_work():
            begin(subject_id=uuid4(), data={})

        assert SagaRow.objects.count() == 0

    def test_of_two_processes_with_one_name_is_refused(self, begin: SagaStarter) -> None:
        with pytest.raises(ValueError, match=r"two sagas are named testing\.hang_lamp; rename one"):
            register(Saga(name=NAME, stages=(), otherwise=None, deadline=timedelta(hours=1)))


class TestHappyPath:
    def test_runs_all_steps_in_order_in_one_go(self, begin: SagaStarter, house: House) -> None:
        saga_id = begun(begin)

        advance(saga_id)

        assert house.traces.all == ["lay wire", "hang lamp"]
        assert house.called == ["book electrician", "tell owner"]
        assert steps_of(saga_id) == [
            ("lay wire", "done", 1),
            ("book electrician", "done", 1),
            ("hang lamp", "done", 1),
            ("tell owner", "done", 1),
        ]

    def test_ends_with_nothing_left_to_do_and_no_data_kept(self, begin: SagaStarter, house: House) -> None:
        saga_id = begun(begin, data={"card": "tok_secret"})

        advance(saga_id)

        row = row_of(saga_id)
        assert (row.status, row.data, row.due_at, row.leased_until, row.lease) == ("completed", {}, None, None, None)
        assert row.finished_at is not None
        assert all(run.data == {"card": "tok_secret"} for run in house.runs)

    def test_is_over_when_it_is_over(self, begin: SagaStarter, house: House) -> None:
        saga_id = begun(begin)
        advance(saga_id)

        advance(saga_id)

        assert len(house.calls) == 2
        assert row_of(saga_id).status == "completed"

    def test_tells_the_other_system_a_key_of_its_own_for_each_step(self, begin: SagaStarter, house: House) -> None:
        saga_id = begun(begin)

        advance(saga_id)

        subject_id = row_of(saga_id).subject_id
        assert house.calls == [
            ("book electrician", f"testing.hang_lamp:{subject_id}:book electrician"),
            ("tell owner", f"testing.hang_lamp:{subject_id}:tell owner"),
        ]

    def test_carries_on_the_work_that_began_it(self, begin: SagaStarter, house: House) -> None:
        with working_as(WORK):
            saga_id = begun(begin)

        advance(saga_id)

        assert set(house.work) == {
            WorkContext(
                correlation_id="request-1", causation_id=str(saga_id), traceparent="00-1-2-01", actor="customer:7"
            )
        }
        assert current_work() == WorkContext()

    def test_commits_the_intent_of_a_call_before_it_is_made(
        self, begin: SagaStarter, house: House, in_thread: InThread
    ) -> None:
        saga_id = begun(begin)
        seen: list[list[tuple[str, str, int]]] = []
        house.will("book electrician", lambda: seen.append(in_thread(lambda: steps_of(saga_id)).result(LONGEST_WAIT)))

        advance(saga_id)

        assert seen == [[("lay wire", "done", 1), ("book electrician", "intended", 1)]]


class TestRefusal:
    def test_of_a_call_undoes_what_was_finished_and_then_gives_up(self, begin: SagaStarter, house: House) -> None:
        house.will("book electrician", ElectricianRefused())
        saga_id = begun(begin)

        advance(saga_id)

        assert house.traces.all == ["lay wire", "remove wire", "give up"]
        assert house.called == ["book electrician"]
        assert steps_of(saga_id) == [
            ("lay wire", "done", 1),
            ("book electrician", "refused", 1),
            ("remove wire", "done", 1),
            ("give up", "done", 1),
        ]
        row = row_of(saga_id)
        assert (row.status, row.reason, row.data) == ("undone", "electrician_refused", {})

    def test_of_a_local_step_leaves_no_effect_of_it(self, begin: SagaStarter, house: House) -> None:
        house.will("lay wire", ElectricianRefused())
        saga_id = begun(begin)

        advance(saga_id)

        assert house.traces.all == ["give up"]
        assert steps_of(saga_id) == [("lay wire", "refused", 1), ("give up", "done", 1)]

    def test_undoes_in_reverse_order(self, begin: SagaStarter, house: House) -> None:
        order: list[str] = []
        house.will("hang lamp", ElectricianRefused())
        house.will("cancel electrician", lambda: order.append("cancel electrician"))
        house.will("remove wire", lambda: order.append("remove wire"))
        house.will("give up", lambda: order.append("give up"))
        saga_id = begun(begin)

        advance(saga_id)

        assert order == ["cancel electrician", "remove wire", "give up"]
        assert row_of(saga_id).status == "undone"

    def test_tells_each_undoing_step_why(self, begin: SagaStarter, house: House) -> None:
        house.will("hang lamp", ElectricianRefused())
        saga_id = begun(begin)

        advance(saga_id)

        # the wire, the call and the lamp; the lamp once more in a savepoint; then the way back
        assert [run.reason for run in house.runs] == [*[""] * 4, *["electrician_refused"] * 3]

    def test_keeps_its_first_reason_and_goes_on_undoing_however_often_that_is_refused(
        self, begin: SagaStarter, house: House
    ) -> None:
        house.will("hang lamp", ElectricianRefused())
        house.will("cancel electrician", ElectricianRefused(), OutcomeUnknown())
        saga_id = begun(begin)

        for _ in range(3):
            assert row_of(saga_id).status != "undone"
            advance(saga_id)

        assert len(set(house.keys_of("cancel electrician"))) == 1
        assert ("cancel electrician", "done", 3) in steps_of(saga_id)
        assert (row_of(saga_id).status, row_of(saga_id).reason) == ("undone", "electrician_refused")

    def test_after_the_pivot_is_tried_again_until_it_succeeds(self, begin: SagaStarter, house: House) -> None:
        house.will("tell owner", ElectricianRefused())
        saga_id = begun(begin)

        advance(saga_id)
        row = row_of(saga_id)
        assert (row.status, row.stage, row.reason) == ("running", 3, "")
        assert row.last_error.startswith("ElectricianRefused: The electrician does not come to this house.")
        assert steps_of(saga_id)[-1] == ("tell owner", "intended", 1)

        advance(saga_id)
        assert row_of(saga_id).status == "completed"
        assert len(set(house.keys_of("tell owner"))) == 1
        assert "give up" not in house.traces.all

    def test_without_a_way_back_is_tried_again(self, begin_without_way_back: SagaStarter, house: House) -> None:
        house.will("lay wire", ElectricianRefused())
        house.will("book electrician", ElectricianRefused())
        saga_id = begun(begin_without_way_back)

        advance(saga_id)
        assert (row_of(saga_id).status, row_of(saga_id).failures) == ("running", 1)
        advance(saga_id)
        assert steps_of(saga_id) == [("lay wire", "done", 1), ("book electrician", "intended", 1)]
        advance(saga_id)

        assert row_of(saga_id).status == "completed"


class TestExchange:
    def test_keeps_what_was_asked_with_its_intent_and_what_was_told_with_its_outcome(
        self, begin_with_exchange: SagaStarter, house: House, in_thread: InThread
    ) -> None:
        saga_id = begun(begin_with_exchange)
        seen: list[tuple[list[str], list[tuple[str, str, int]]]] = []

        def look() -> None:
            seen.append(in_thread(lambda: (house.traces.all, steps_of(saga_id))).result(LONGEST_WAIT))

        house.will("ask electrician", look)

        advance(saga_id)

        assert seen == [
            (["lay wire", "ask electrician: begun 1"], [("lay wire", "done", 1), ("ask electrician", "intended", 1)])
        ]
        assert house.traces.all == ["lay wire", "ask electrician: begun 1", "ask electrician: answer 1", "hang lamp"]
        assert (row_of(saga_id).status, house.called) == ("completed", ["ask electrician"])
        assert {work.causation_id for work in house.work} == {str(saga_id)}

    def test_that_is_refused_before_anybody_was_asked_asks_nobody(
        self, begin_with_exchange: SagaStarter, house: House
    ) -> None:
        house.will("ask electrician: begin", ElectricianRefused())
        saga_id = begun(begin_with_exchange)

        advance(saga_id)

        assert house.called == []
        assert house.traces.all == ["lay wire", "remove wire", "give up"]
        assert ("ask electrician", "refused", 1) in steps_of(saga_id)
        assert (row_of(saga_id).status, row_of(saga_id).reason) == ("undone", "electrician_refused")

    def test_that_is_refused_when_it_is_tried_again_says_so_of_the_step_in_hand(
        self, begin_with_exchange: SagaStarter, house: House
    ) -> None:
        house.will("ask electrician", OutcomeUnknown())
        saga_id = begun(begin_with_exchange)
        advance(saga_id)
        house.will("ask electrician: begin", ElectricianRefused())

        advance(saga_id)

        assert [step for step in steps_of(saga_id) if step[0] == "ask electrician"] == [
            ("ask electrician", "refused", 1)
        ]
        assert row_of(saga_id).status == "undone"

    def test_that_is_refused_keeps_what_was_told(self, begin_with_exchange: SagaStarter, house: House) -> None:
        house.will("ask electrician: note", ElectricianRefused())
        saga_id = begun(begin_with_exchange)

        advance(saga_id)

        assert house.traces.all == [
            *("lay wire", "ask electrician: begun 1", "ask electrician: answer 1", "remove wire", "give up")
        ]
        assert ("ask electrician", "refused", 1) in steps_of(saga_id)

    def test_that_has_to_wait_keeps_what_was_told_and_asks_again(
        self, begin_with_exchange: SagaStarter, house: House
    ) -> None:
        house.will("ask electrician: note", Wait(pause=timedelta(minutes=7)))
        saga_id = begun(begin_with_exchange)

        advance(saga_id)
        assert (row_of(saga_id).status, row_of(saga_id).stage) == ("running", 1)
        assert house.traces.all[-1] == "ask electrician: answer 1"
        advance(saga_id)

        assert row_of(saga_id).status == "completed"
        assert len(set(house.keys_of("ask electrician"))) == 1
        assert len(house.called) == 2

    @pytest.mark.parametrize("part", ["begin", "note"])
    def test_that_fails_here_leaves_no_trace_of_that_and_is_gone_through_again(
        self, begin_with_exchange: SagaStarter, house: House, part: str
    ) -> None:
        house.will(f"ask electrician: {part}", ZeroDivisionError())
        saga_id = begun(begin_with_exchange)

        advance(saga_id)
        row = row_of(saga_id)
        assert (row.status, row.stage, row.failures, row.leased_until) == ("running", 1, 1, None)
        assert house.traces.all == ["lay wire", *(["ask electrician: begun 1"] if part == "note" else [])]
        advance(saga_id)

        assert row_of(saga_id).status == "completed"
        assert house.traces.all[-2:] == [f"ask electrician: answer {len(house.calls)}", "hang lamp"]
        assert len(set(house.keys_of("ask electrician"))) == 1

    def test_keeps_what_a_late_worker_was_told_but_lets_it_change_nothing_else(
        self, begin_with_exchange: SagaStarter, house: House
    ) -> None:
        saga_id = begun(begin_with_exchange)

        def be_late() -> None:
            let_lease_run_out(saga_id)
            advance(saga_id)

        house.will("ask electrician", be_late)

        advance(saga_id)

        assert {"ask electrician: answer 1", "ask electrician: answer 2"} <= set(house.traces.all)
        assert house.traces.all.count("hang lamp") == 1
        assert (row_of(saga_id).status, row_of(saga_id).failures) == ("completed", 0)

    def test_asks_outside_any_transaction(self, begin_with_exchange: SagaStarter, house: House) -> None:
        house.will("ask electrician", refuse_inside_transaction)
        saga_id = begun(begin_with_exchange)

        advance(saga_id)

        assert row_of(saga_id).status == "completed"


class TestTurn:
    def test_in_which_something_fails_is_run_again_and_leaves_its_effects_once(
        self, begin: SagaStarter, house: House
    ) -> None:
        def fail() -> None:
            raise ZeroDivisionError

        house.will("hang lamp", fail)  # the first time only
        saga_id = begun(begin)

        advance(saga_id)

        assert house.traces.all == ["lay wire", "hang lamp"]
        assert house.called == ["book electrician", "tell owner"]
        assert ("hang lamp", "done", 1) in steps_of(saga_id)
        assert (row_of(saga_id).status, row_of(saga_id).failures) == ("completed", 0)

    def test_that_the_database_refuses_is_counted_with_the_reason(
        self, begin_with_exchange: SagaStarter, house: House
    ) -> None:
        def leave_what_is_refused() -> None:
            send_at_the_last_moment(Statement("SELECT 1 / 0"))

        house.will("ask electrician: note", *[leave_what_is_refused] * 2)  # without savepoints, and with them
        saga_id = begun(begin_with_exchange)

        advance(saga_id)

        row = row_of(saga_id)
        assert (row.status, row.stage, row.failures) == ("running", 1, 1)
        assert row.last_error.startswith("DataError: division by zero")
        assert house.traces.all == ["lay wire", "ask electrician: begun 1"]


class TestWait:
    def test_puts_the_process_back_for_the_pause_and_asks_again_with_the_same_key(
        self, begin: SagaStarter, house: House
    ) -> None:
        house.will("book electrician", Wait(pause=timedelta(minutes=7)))
        saga_id = begun(begin)
        before = database_time()

        advance(saga_id)

        row = row_of(saga_id)
        assert (row.status, row.stage, row.leased_until, row.last_error) == ("running", 1, None, "")
        assert due_after(before, row) >= timedelta(minutes=7)
        assert due_after(database_time(), row) <= timedelta(minutes=7)
        assert steps_of(saga_id)[-1] == ("book electrician", "intended", 1)

        advance(saga_id)

        assert row_of(saga_id).status == "completed"
        first, second = house.keys_of("book electrician")
        assert first == second
        assert house.traces.all == ["lay wire", "hang lamp"]


class TestFailure:
    @pytest.mark.parametrize(
        ("error", "status"),
        [
            (OutcomeUnknown(), "unknown"),
            (ExternalAPIError(), "intended"),
            (ZeroDivisionError(), "intended"),
        ],
        ids=["no answer", "no connection", "a bug"],
    )
    def test_of_a_call_is_kept_and_the_call_repeated_with_the_same_key(
        self, begin: SagaStarter, house: House, error: Exception, status: str
    ) -> None:
        house.will("book electrician", error)
        saga_id = begun(begin)

        advance(saga_id)

        assert steps_of(saga_id)[-1] == ("book electrician", status, 1)
        row = row_of(saga_id)
        assert (row.status, row.leased_until) == ("running", None)
        assert row.last_error.startswith(type(error).__name__)

        advance(saga_id)

        assert row_of(saga_id).status == "completed"
        assert ("book electrician", "done", 2) in steps_of(saga_id)
        assert len(set(house.keys_of("book electrician"))) == 1
        assert row_of(saga_id).last_error == ""

    def test_pauses_longer_each_time(self, begin: SagaStarter, house: House) -> None:
        house.will("book electrician", *[OutcomeUnknown() for _ in range(4)])
        saga_id = begun(begin)

        for attempt in range(1, 5):
            before = database_time()
            advance(saga_id)
            longest = timedelta(seconds=FIRST_PAUSE * 2**attempt)
            assert due_after(before, row_of(saga_id)) >= longest / 2
            assert due_after(database_time(), row_of(saga_id)) <= longest

    def test_of_a_local_step_keeps_the_call_before_it_and_is_run_again(self, begin: SagaStarter, house: House) -> None:
        house.will("hang lamp", ZeroDivisionError("by zero"))
        saga_id = begun(begin)

        advance(saga_id)

        row = row_of(saga_id)
        assert (row.status, row.failures, row.leased_until) == ("running", 1, None)
        assert row.last_error == "ZeroDivisionError: by zero"
        assert house.traces.all == ["lay wire"]

        advance(saga_id)

        assert row_of(saga_id).status == "completed"
        assert house.traces.all == ["lay wire", "hang lamp"]
        assert house.called.count("book electrician") == 1

    def test_of_code_that_no_longer_knows_the_process_is_kept_for_code_that_does(self, begin: SagaStarter) -> None:
        saga_id = begun(begin)
        execute("UPDATE saga SET name = 'testing.of_tomorrow' WHERE id = %s", saga_id)

        advance(saga_id)

        assert (row_of(saga_id).status, row_of(saga_id).failures) == ("running", 1)
        assert row_of(saga_id).last_error == "UnknownSaga: testing.of_tomorrow"

    def test_that_is_a_call_inside_a_transaction_never_reaches_the_other_system(
        self, begin: SagaStarter, house: House
    ) -> None:
        saga_id = begun(begin)

        with atomic():
            advance(saga_id)

        assert house.calls == []
        assert row_of(saga_id).last_error.startswith("CalledInsideTransaction: ")
        assert row_of(saga_id).status == "running"

    def test_that_is_a_call_inside_a_transaction_of_the_steps_own_is_counted(
        self, begin_without_way_back: SagaStarter, house: House
    ) -> None:
        def call_with_rows_locked() -> None:
            with atomic():
                refuse_inside_transaction()

        house.will("book electrician", call_with_rows_locked)
        saga_id = begun(begin_without_way_back)

        advance(saga_id)

        assert row_of(saga_id).last_error.startswith("CalledInsideTransaction: ")


class TestLease:
    def test_is_respected_by_another_worker(self, begin: SagaStarter, house: House, in_thread: InThread) -> None:
        calling, go_on = threading.Event(), threading.Event()

        def dawdle() -> None:
            calling.set()
            go_on.wait(LONGEST_WAIT)

        house.will("book electrician", dawdle)
        saga_id = begun(begin)
        slow = in_thread(lambda: advance(saga_id))
        assert calling.wait(LONGEST_WAIT)

        advance(saga_id)
        assert house.called == ["book electrician"]
        assert dispatch_due_sagas() == 0

        go_on.set()
        slow.result(LONGEST_WAIT)
        assert row_of(saga_id).status == "completed"
        assert house.called == ["book electrician", "tell owner"]

    def test_that_ran_out_is_taken_over_with_the_same_key_and_the_late_worker_changes_nothing(
        self, begin: SagaStarter, house: House, in_thread: InThread
    ) -> None:
        calling, go_on = threading.Event(), threading.Event()

        def dawdle() -> None:
            calling.set()
            go_on.wait(LONGEST_WAIT)

        house.will("book electrician", dawdle)
        saga_id = begun(begin)
        slow = in_thread(lambda: advance(saga_id))
        assert calling.wait(LONGEST_WAIT)
        let_lease_run_out(saga_id)

        advance(saga_id)
        assert row_of(saga_id).status == "completed"
        go_on.set()
        slow.result(LONGEST_WAIT)

        assert house.called == ["book electrician", "book electrician", "tell owner"]
        assert len(set(house.keys_of("book electrician"))) == 1
        assert house.traces.all == ["lay wire", "hang lamp"]
        assert [status for _, status, _ in steps_of(saga_id)] == ["done"] * 4

    def test_of_a_late_worker_does_not_undo_what_another_one_finished(
        self, begin: SagaStarter, house: House, in_thread: InThread
    ) -> None:
        calling, go_on = threading.Event(), threading.Event()

        def dawdle_and_refuse() -> None:
            calling.set()
            go_on.wait(LONGEST_WAIT)
            raise ElectricianRefused

        house.will("book electrician", dawdle_and_refuse)
        saga_id = begun(begin)
        slow = in_thread(lambda: advance(saga_id))
        assert calling.wait(LONGEST_WAIT)
        let_lease_run_out(saga_id)
        house.will("book electrician", Wait(pause=timedelta(minutes=1)))

        advance(saga_id)
        go_on.set()
        slow.result(LONGEST_WAIT)

        assert (row_of(saga_id).status, row_of(saga_id).reason) == ("running", "")
        assert steps_of(saga_id)[-1] == ("book electrician", "intended", 2)

    def test_of_a_killed_worker_is_waited_out_and_its_call_repeated_with_the_same_key(
        self, begin: SagaStarter, house: House
    ) -> None:
        house.will("book electrician", Killed())
        saga_id = begun(begin)
        with pytest.raises(Killed):
            advance(saga_id)

        advance(saga_id)
        assert house.called == ["book electrician"]
        let_lease_run_out(saga_id)
        advance(saga_id)

        assert row_of(saga_id).status == "completed"
        assert ("book electrician", "done", 2) in steps_of(saga_id)
        assert len(set(house.keys_of("book electrician"))) == 1
        assert house.traces.all == ["lay wire", "hang lamp"]


class TestDeadline:
    def test_that_passed_before_anything_was_done_gives_up_at_once(self, begin: SagaStarter, house: House) -> None:
        saga_id = begun(begin)
        let_deadline_pass(saga_id)

        advance(saga_id)

        assert (row_of(saga_id).status, row_of(saga_id).reason) == ("undone", DEADLINE_PASSED)
        assert house.traces.all == ["give up"]
        assert house.calls == []

    def test_undoes_the_step_in_flight_too_for_it_may_have_been_done(self, begin: SagaStarter, house: House) -> None:
        house.will("book electrician", OutcomeUnknown())
        saga_id = begun(begin)
        advance(saga_id)
        let_deadline_pass(saga_id)

        advance(saga_id)

        assert (row_of(saga_id).status, row_of(saga_id).reason) == ("undone", DEADLINE_PASSED)
        assert house.called == ["book electrician", "cancel electrician"]
        assert house.traces.all == ["lay wire", "remove wire", "give up"]

    def test_that_passed_while_a_call_was_made_undoes_that_call(self, begin: SagaStarter, house: House) -> None:
        saga_id = begun(begin)
        house.will("book electrician", lambda: let_deadline_pass(saga_id))

        advance(saga_id)

        assert house.called == ["book electrician", "cancel electrician"]
        assert row_of(saga_id).status == "undone"
        assert "hang lamp" not in house.traces.all

    def test_that_passed_after_the_pivot_changes_nothing(self, begin: SagaStarter, house: House) -> None:
        house.will("tell owner", OutcomeUnknown())
        saga_id = begun(begin)
        advance(saga_id)
        let_deadline_pass(saga_id)

        advance(saga_id)

        assert (row_of(saga_id).status, row_of(saga_id).reason) == ("completed", "")

    def test_without_a_way_back_changes_nothing(self, begin_without_way_back: SagaStarter, house: House) -> None:
        saga_id = begun(begin_without_way_back)
        let_deadline_pass(saga_id)

        advance(saga_id)

        assert row_of(saga_id).status == "completed"


class TestDispatch:
    def test_wakes_workers_for_what_is_due_and_only_once_in_a_while(self, begin: SagaStarter) -> None:
        due, later, finished = begun(begin), begun(begin), begun(begin)
        advance(finished)
        execute("UPDATE saga SET due_at = now() + interval '1 minute' WHERE id = %s", later)

        assert [dispatch_due_sagas(), dispatch_due_sagas()] == [1, 0]

        assert due_after(database_time(), row_of(due)) > timedelta()

    @pytest.mark.django_db(transaction=True)
    def test_leaves_alone_what_another_sweeper_has_in_hand(self, begin: SagaStarter, in_thread: InThread) -> None:
        begun(begin)
        begun(begin)

        with atomic():
            first = dispatch_due_sagas()
            second = in_thread(dispatch_due_sagas).result(LONGEST_WAIT)

        assert (first, second) == (2, 0)

    def test_wakes_workers_for_what_a_killed_one_left_once_its_lease_has_run_out(
        self, begin: SagaStarter, house: House
    ) -> None:
        house.will("book electrician", Killed())
        saga_id = begun(begin)
        with pytest.raises(Killed):
            advance(saga_id)

        assert dispatch_due_sagas() == 0
        let_lease_run_out(saga_id)
        SagaRow.objects.filter(id=saga_id).update(due_at=F("due_at") - LEASE - LEASE)
        assert dispatch_due_sagas() == 1

    def test_of_a_process_that_is_woken_does_not_wait_for_its_pause(self, begin: SagaStarter, house: House) -> None:
        house.will("book electrician", Wait(pause=timedelta(hours=1)))
        saga_id = begun(begin)
        advance(saga_id)
        assert dispatch_due_sagas() == 0

        wake_saga(name=NAME, subject_id=row_of(saga_id).subject_id)

        assert dispatch_due_sagas() == 1

    def test_leaves_what_is_finished_finished(self, begin: SagaStarter) -> None:
        saga_id = begun(begin)
        advance(saga_id)

        wake_saga(name=NAME, subject_id=row_of(saga_id).subject_id)

        assert row_of(saga_id).due_at is None
        assert dispatch_due_sagas() == 0

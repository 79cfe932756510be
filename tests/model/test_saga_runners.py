"""The runner of the model and the runner of the house tell the same story, whatever the steps answer and when."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol
from uuid import UUID, uuid4

import pytest
from django.db.models import F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.domain.errors import ConflictError, ExternalAPIError, OutcomeUnknown
from shared.domain.saga import Exchange, Local, Remote, Saga, SagaRun, Stage, Wait
from shared.persistence.unit_of_work import atomic
from shared.saga import registry
from shared.saga.models import SagaRow
from shared.saga.registry import SagaStarter
from shared.saga.runner import advance
from tests.model.memory import Memory
from tests.model.sagas import InMemorySagas
from tests.model.workers import Killed
from tests.shared.fakes import SettableClock

pytestmark = pytest.mark.django_db

Entry = tuple[str | int, ...]
Script = Mapping[str, Sequence[str]]

DEADLINE = timedelta(minutes=10)
LOCAL = ("lay wire", "remove wire", "hang lamp", "give up", "order", "strike out")
REMOTE = ("book", "cancel", "tell", "ask", "note", "take back", "note it")
PAUSES = {"advance": timedelta(), "lease runs out": timedelta(seconds=61), "deadline passes": DEADLINE}

locals_answer = st.lists(st.sampled_from(["done", "refuse", "fail", "die"]), max_size=2)
remotes_answer = st.lists(st.sampled_from(["done", "refuse", "fail", "unknown", "wait", "die"]), max_size=3)
scripts = st.fixed_dictionaries(dict.fromkeys(LOCAL, locals_answer) | dict.fromkeys(REMOTE, remotes_answer))
actions = st.lists(st.sampled_from(tuple(PAUSES)), min_size=3, max_size=10)


class Refused(ConflictError):
    """The electrician does not come to this house."""


@dataclass(slots=True)
class House:
    """The steps of a process, which answer by a script and write down when they were asked."""

    script: Script
    story: list[Entry] = field(default_factory=list)
    _answers: dict[str, deque[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._answers = {name: deque(answers) for name, answers in self.script.items()}

    def local(self, name: str) -> Local:
        def do(run: SagaRun) -> None:
            self.story.append((name, run.reason))
            self._answer(name)

        return Local(name=name, do=do)

    def remote(self, name: str) -> Remote:
        def do(run: SagaRun, key: str) -> Wait | None:
            self.story.append((name, run.reason, key))
            return self._answer(name)

        return Remote(name=name, do=do)

    def exchange(self, begin: str, ask: str, note: str) -> Exchange[str, Entry]:
        def do_begin(run: SagaRun, key: str) -> str:
            self.story.append((begin, run.reason, key))
            self._answer(begin)
            return key

        def do_ask(key: str) -> Entry:
            self.story.append((ask, key))
            self._answer(ask)
            return (ask, key)

        def do_note(run: SagaRun, answer: Entry) -> Wait | Refused | None:
            self.story.append((note, run.reason, *answer))
            try:
                return self._answer(note)
            except Refused as refusal:
                return refusal

        return Exchange(name=ask, begin=do_begin, ask=do_ask, note=do_note)

    def saga(self, *, has_way_back: bool, pivot: bool) -> Saga:
        return Saga(
            name="model.hang_lamp",
            stages=(
                Stage(step=self.local("lay wire"), undo=self.local("remove wire")),
                Stage(step=self.remote("book"), undo=self.remote("cancel")),
                Stage(
                    step=self.exchange("order", "ask", "note"),
                    undo=self.exchange("strike out", "take back", "note it"),
                ),
                Stage(step=self.local("hang lamp"), pivot=pivot),
                Stage(step=self.remote("tell")),
            ),
            otherwise=self.local("give up") if has_way_back else None,
            deadline=DEADLINE,
        )

    def _answer(self, name: str) -> Wait | None:
        answers: Mapping[str, Callable[[], BaseException]] = {
            "refuse": Refused,
            "fail": ExternalAPIError,
            "unknown": OutcomeUnknown,
            "die": Killed,
        }
        answer = self._answers[name].popleft() if self._answers[name] else "done"
        if answer in answers:
            raise answers[answer]()
        return Wait(pause=timedelta(seconds=5)) if answer == "wait" else None


class Runner(Protocol):
    """One of the two: begins a process, takes it further, lets time pass, and tells where it stands."""

    def advance(self) -> None: ...

    def let_time_pass(self, pause: timedelta) -> None: ...

    def state(self) -> Entry: ...


class InMemory:
    """The runner of the model."""

    def __init__(self, saga: Saga, subject_id: UUID) -> None:
        self.now = SettableClock()
        memory = Memory()
        self.sagas = InMemorySagas(memory=memory, now=self.now)
        memory.parts = [self.sagas]
        with memory.atomic():
            self.sagas.register(saga)(subject_id=subject_id, data={"colour": "red"})
        (self.id,) = self.sagas.processes

    def advance(self) -> None:
        self.sagas.advance(self.id)

    def let_time_pass(self, pause: timedelta) -> None:
        self.now.move_on(pause)

    def state(self) -> Entry:
        process = self.sagas.processes[self.id]
        return (
            process.status,
            process.stage,
            process.reached,
            process.reason,
            process.attempts,
            process.failures,
            process.leased_until is not None,
            process.due_at is not None,
            len(process.data),
        )


class OnPostgres:
    """The runner of the house."""

    def __init__(self, saga: Saga, subject_id: UUID) -> None:
        registry._sagas[saga.name] = saga
        with atomic():
            SagaStarter(saga)(subject_id=subject_id, data={"colour": "red"})
        self.id = SagaRow.objects.get(subject_id=subject_id).id

    def advance(self) -> None:
        advance(self.id)

    def let_time_pass(self, pause: timedelta) -> None:
        SagaRow.objects.filter(id=self.id).update(
            due_at=F("due_at") - pause, leased_until=F("leased_until") - pause, deadline_at=F("deadline_at") - pause
        )

    def state(self) -> Entry:
        row = SagaRow.objects.get(id=self.id)
        return (
            row.status,
            row.stage,
            row.reached,
            row.reason,
            row.attempts,
            row.failures,
            row.leased_until is not None,
            row.due_at is not None,
            len(row.data),
        )


def story_of(
    runner: Callable[[Saga, UUID], Runner],
    script: Script,
    actions: Sequence[str],
    *,
    subject_id: UUID,
    has_way_back: bool,
    pivot: bool,
) -> list[Entry]:
    """Return which steps were asked, with which keys and reasons, and where the process stood after each action."""
    house = House(script)
    running = runner(house.saga(has_way_back=has_way_back, pivot=pivot), subject_id)
    for action in actions:
        running.let_time_pass(PAUSES[action])
        with suppress(Killed):
            running.advance()
        house.story.append(running.state())
    return house.story


class TestRunners:
    @settings(
        max_examples=100,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(script=scripts, actions=actions, has_way_back=st.booleans(), pivot=st.booleans())
    def test_tell_the_same_story(
        self,
        own_sagas: None,
        script: Script,
        actions: Sequence[str],
        has_way_back: bool,
        pivot: bool,
    ) -> None:
        subject_id = uuid4()

        told = [
            story_of(runner, script, actions, subject_id=subject_id, has_way_back=has_way_back, pivot=pivot)
            for runner in (InMemory, OnPostgres)
        ]

        assert told[0] == told[1]


@pytest.fixture
def own_sagas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the processes of this test after it."""
    monkeypatch.setattr(registry, "_sagas", {})

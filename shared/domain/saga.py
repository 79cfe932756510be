"""The words in which a context declares a durable process (Garcia-Molina and Salem, "Sagas", 1987).

A *local* step commits its effect and its completion together. A *remote* step commits its intent and its
key first, calls the other system outside any transaction, and then commits the outcome. An *exchange* is a remote
step whose own records of intent and outcome are part of these two commits. Whatever is killed in between is resumed
from the tables, with the same key.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID

from shared.domain.errors import DomainError
from shared.domain.model import Primitive

Question = TypeVar("Question")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class SagaRun:
    """What a step may know of the process that it belongs to."""

    saga_id: UUID
    subject_id: UUID
    data: Mapping[str, Primitive]
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """The answer of a remote step that is not settled yet: ask again after the pause, with the same key."""

    pause: timedelta


LocalWork = Callable[[SagaRun], None]
RemoteWork = Callable[[SagaRun, str], "Wait | None"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Local:
    """A step in this database: runs in the transaction that marks it done; a DomainError refuses it."""

    name: str
    do: LocalWork


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A step in another system: called with the same key until it answers; a DomainError refuses it."""

    name: str
    do: RemoteWork


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange(Generic[Question, Answer]):
    """A step in another system that keeps records of its own about what it asked and what it was told.

    ``begin`` runs in the transaction that stores the intent; a DomainError refuses the step. ``ask`` calls the other
    system, outside any transaction. ``note`` runs in the transaction that stores the outcome, also for a worker that
    has lost the process meanwhile: so it locks nothing but the step's own records. It returns a refusal instead of
    raising it, so that what it wrote stays.
    """

    name: str
    begin: Callable[[SagaRun, str], Question]
    ask: Callable[[Question], Answer]
    note: Callable[[SagaRun, Answer], Wait | DomainError | None]


Step = Local | Remote | Exchange[Any, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A step of the process, and the step that undoes it."""

    step: Step
    undo: Step | None = None
    pivot: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Saga:
    """A durable process: its stages in order, what it does when it has to give up, and by when it must end.

    A refusal before the pivot undoes the finished stages in reverse order and then runs ``otherwise``.
    After the pivot, and in a saga without ``otherwise``, there is no way back: steps are retried until they
    succeed or an operator decides.
    """

    name: str
    stages: tuple[Stage, ...]
    otherwise: Local | None
    deadline: timedelta

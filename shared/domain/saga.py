"""The words in which a context declares a durable process (Garcia-Molina and Salem, "Sagas", 1987).

A *local* step commits its effect and its completion together. A *remote* step commits its intent and its
key first, calls the other system outside any transaction, and then commits the outcome. Whatever is
killed in between is resumed from the tables, with the same key.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from shared.domain.model import Primitive


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


Step = Local | Remote


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

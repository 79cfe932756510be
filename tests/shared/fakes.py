"""Small real implementations of the kernel's ports, for tests that need neither a database nor Django."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar
from uuid import UUID

from shared.audit.privacy import checked_text, recordable
from shared.domain.errors import LostRace
from shared.domain.model import Aggregate, Event, Primitive, RecordedEvent

A = TypeVar("A", bound=Aggregate)

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


class SettableClock:
    """The port Clock, standing still until it is moved."""

    def __init__(self, at: datetime = NOON) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def move_on(self, pause: timedelta) -> None:
        """Let the time go by."""
        self.at += pause


class SequentialIds:
    """The port NewId, counting from one."""

    def __init__(self) -> None:
        self.given = 0

    def __call__(self) -> UUID:
        self.given += 1
        return UUID(int=self.given)


@dataclass(slots=True)
class RecordingSagaStarter:
    """The port StartSaga, in a dictionary: what was begun about which subject, and only the first time."""

    begun: dict[UUID, Mapping[str, Primitive]] = field(default_factory=dict)

    def __call__(self, *, subject_id: UUID, data: Mapping[str, Primitive]) -> None:
        self.begun.setdefault(subject_id, dict(data))


@dataclass(slots=True)
class ObservedUnitOfWork:
    """The port UnitOfWork, telling whether one is open now and how many came to a good end."""

    depth: int = 0
    committed: int = 0

    @property
    def is_open(self) -> bool:
        """Tell whether a transaction would be open now."""
        return self.depth > 0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        self.depth += 1
        try:
            yield
            if self.depth == 1:
                self.committed += 1
        finally:
            self.depth -= 1


class Shelf(Generic[A]):
    """Keeps aggregates as a database would: hands out copies, refuses stale ones, and keeps their events."""

    def __init__(self) -> None:
        self.kept: dict[UUID, A] = {}
        self.history: list[tuple[UUID, RecordedEvent]] = []

    def __len__(self) -> int:
        return len(self.kept)

    def __iter__(self) -> Iterator[A]:
        return (deepcopy(aggregate) for aggregate in list(self.kept.values()))

    @property
    def events(self) -> list[Event]:
        """Return what was published, oldest first."""
        return [recorded.event for _, recorded in self.history]

    def find(self, aggregate_id: UUID) -> A | None:
        """Return a copy of the aggregate."""
        return deepcopy(self.kept.get(aggregate_id))

    def keep(self, aggregate: A) -> None:
        """Keep a copy, or raise LostRace when another version was kept since this one was handed out."""
        kept = self.kept.get(aggregate.id)
        if aggregate.version != (kept.version if kept is not None else 0):
            raise LostRace
        aggregate.version += 1
        self.history.extend((aggregate.id, recorded) for recorded in aggregate.release_events())
        self.kept[aggregate.id] = deepcopy(aggregate)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedChange:
    """What an audit trail was told."""

    action: str
    subject_kind: str
    subject_id: str
    before: Mapping[str, Primitive] | None
    after: Mapping[str, Primitive] | None
    reason: str


@dataclass(slots=True)
class InMemoryAuditTrail:
    """The port AuditTrail, in a list."""

    changes: list[RecordedChange] = field(default_factory=list)

    def __call__(
        self,
        *,
        action: str,
        subject_kind: str,
        subject_id: str,
        before: Mapping[str, Primitive] | None,
        after: Mapping[str, Primitive] | None,
        reason: str = "",
    ) -> None:
        self.changes.append(
            RecordedChange(
                action=checked_text(action),
                subject_kind=checked_text(subject_kind),
                subject_id=checked_text(subject_id),
                before=recordable(before),
                after=recordable(after),
                reason=checked_text(reason),
            )
        )

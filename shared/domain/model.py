"""The building blocks of every domain module: facts and aggregates."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from shared.domain.errors import VersionMismatch

Scalar = str | int | bool | None
Primitive = Scalar | list["Primitive"] | tuple["Primitive", ...] | Mapping[str, "Primitive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened, told in the past tense and in primitives."""

    topic: ClassVar[str]

    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """An event and its place in the history of its aggregate, counted from 1 without gaps."""

    sequence: int
    event: Event


@dataclass(slots=True, kw_only=True, eq=False)
class Aggregate:
    """A cluster of objects that changes as one; it remembers what happened to it until it is saved."""

    id: UUID
    version: int = 0
    sequence: int = 0
    _recorded: list[RecordedEvent] = field(default_factory=list, init=False, repr=False)

    def must_be_at(self, version: int | None) -> None:
        """Refuse when somebody changed it since this version of it was read; None stands for any."""
        if version is not None and version != self.version:
            raise VersionMismatch(version=self.version)

    def record(self, event: Event) -> None:
        """Note that the event happened to this aggregate."""
        self.sequence += 1
        self._recorded.append(RecordedEvent(self.sequence, event))

    def release_events(self) -> tuple[RecordedEvent, ...]:
        """Hand over the events recorded since the last call, oldest first."""
        released = tuple(self._recorded)
        self._recorded.clear()
        return released

"""What tests of the kernel begin with: lamps, which are switched on and off."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID, uuid4

from shared.domain.model import Aggregate, Event
from tests.shared.fakes import NOON


@dataclass(frozen=True, slots=True, kw_only=True)
class LampSwitched(Event):
    """A lamp went on or off."""

    topic: ClassVar[str] = "testing.lamp_switched.v1"

    is_on: bool
    room: str = "kitchen"


def switched(*, on: bool, room: str = "kitchen") -> LampSwitched:
    """Build the news of a lamp."""
    return LampSwitched(is_on=on, room=room, occurred_at=NOON)


def a_lamp(*, switches: int = 0, id: UUID | None = None) -> Aggregate:  # noqa: A002 - the field's own name
    """Build a lamp that has been switched on and off so many times and has yet to tell of it."""
    lamp = Aggregate(id=id or uuid4())
    for turn in range(switches):
        lamp.record(switched(on=turn % 2 == 0))
    return lamp

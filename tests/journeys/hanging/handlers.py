"""Handlers that never come back."""

import time
from dataclasses import dataclass
from typing import ClassVar

from shared.domain.model import Event
from shared.outbox.registry import subscribe


@dataclass(frozen=True, slots=True, kw_only=True)
class Looped(Event):
    """Somebody goes round in circles."""

    topic: ClassVar[str] = "testing.looped.v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slept(Event):
    """Somebody waits for what never comes."""

    topic: ClassVar[str] = "testing.slept.v1"


@subscribe(Looped)
def go_round_in_circles(event: Looped) -> None:
    """Run until told to stop."""
    while True:
        time.sleep(0.01)


@subscribe(Slept)
def sleep_for_an_hour(event: Slept) -> None:
    """Wait inside the C library, where no exception reaches a thread."""
    time.sleep(3600)

"""Counts events in the process that recorded them, once they are committed."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from shared.domain.model import Event
from shared.outbox.metrics import RECORDED

E = TypeVar("E", bound=Event)

_meters: dict[type[Event], Callable[[Any], None]] = {}


def meter(event_type: type[E]) -> Callable[[Callable[[E], None]], Callable[[E], None]]:
    """Have the function count each event of this type; it must not do anything else, nor fail.

    A process that is killed between the commit and the count leaves the event uncounted: counters show trends, the
    tables hold the truth.
    """

    def register(count: Callable[[E], None]) -> Callable[[E], None]:
        if _meters.setdefault(event_type, count) is not count:
            raise ValueError(f"two meters count {event_type.__name__}; make them one")
        return count

    return register


def count_events(events: Sequence[Event]) -> None:
    """Count the events by topic, and as their meters say."""
    for event in events:
        RECORDED.labels(event.topic).inc()
        count = _meters.get(type(event))
        if count is not None:
            count(event)

"""Spans of the work in hand; nobody keeps any unless the process was told to (``config/telemetry.py``)."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Literal, Protocol

from shared.telemetry.context import current_work, working_as

#: The span kinds of OpenTelemetry that occur here (OpenTelemetry specification, "SpanKind").
Kind = Literal["internal", "producer", "consumer"]


class Tracer(Protocol):
    """What keeps spans."""

    def span(self, name: str, *, kind: Kind, parent: str) -> AbstractContextManager[str]:
        """Run the block as a span below the traceparent; give the traceparent of what the block sets in motion."""

    def traceparent(self) -> str:
        """Return the traceparent of the span in hand, or nothing."""


_tracer: Tracer | None = None


def trace_with(tracer: Tracer | None) -> None:
    """Have this process keep spans from now on, or none."""
    global _tracer
    _tracer = tracer


def traceparent_in_hand() -> str:
    """Return the traceparent of the span in hand, or nothing when nobody traces."""
    return _tracer.traceparent() if _tracer else ""


@contextmanager
def traced(name: str, *, kind: Kind = "internal") -> Iterator[None]:
    """Run the block as a span of the work in hand; events and processes that begin in it continue from there.

    The name is one of few: no ids, for spans are counted by it.
    """
    if _tracer is None:
        yield
        return
    work = current_work()
    with (
        _tracer.span(name, kind=kind, parent=work.traceparent) as traceparent,
        working_as(replace(work, traceparent=traceparent)),
    ):
        yield

"""Who started the work in hand, and which work it belongs to; carried from request to event to worker."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

import structlog


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkContext:
    """The thread that runs through everything that one request sets in motion.

    ``correlation_id`` is the same for all of it; ``causation_id`` names what set off this part: the request, the event
    or the process. ``traceparent`` is the W3C Trace Context header; ``actor`` is a kind and an id, such as
    ``customer:…``.
    """

    correlation_id: str = ""
    causation_id: str = ""
    traceparent: str = ""
    actor: str = "system"

    @property
    def log_fields(self) -> dict[str, str]:
        """Return what stands in every log line of the work."""
        fields = {"correlation_id": self.correlation_id, "causation_id": self.causation_id, "actor": self.actor}
        return fields | ({"trace_id": self.traceparent.split("-")[1]} if self.traceparent else {})

    @property
    def headers(self) -> dict[str, str]:
        """Return what a call to another system tells of the work (W3C Trace Context, section 3.2)."""
        told = {"traceparent": self.traceparent, "X-Correlation-ID": self.correlation_id}
        return {name: value for name, value in told.items() if value}


_current: ContextVar[WorkContext] = ContextVar("work_context", default=WorkContext())  # noqa: B039 - it is frozen


def current_work() -> WorkContext:
    """Return the context of the work in hand."""
    return _current.get()


@contextmanager
def working_as(context: WorkContext) -> Iterator[None]:
    """Carry the context through the block, into every log line and every recorded event."""
    token = _current.set(context)
    try:
        with structlog.contextvars.bound_contextvars(**context.log_fields):
            yield
    finally:
        _current.reset(token)


def act_as(actor: str) -> None:
    """Note who acts, once that is known, for the rest of the work in hand."""
    _current.set(replace(_current.get(), actor=actor))
    structlog.contextvars.bind_contextvars(actor=actor)

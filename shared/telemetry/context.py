"""Who started the work in hand, and which work it belongs to; carried from request to event to worker."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

import structlog


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkContext:
    """The thread that runs through everything that one request sets in motion.

    ``traceparent`` is the W3C Trace Context header; ``actor`` is a kind and an id, such as ``customer:…``.
    """

    correlation_id: str = ""
    causation_id: str = ""
    traceparent: str = ""
    actor: str = "system"


_current: ContextVar[WorkContext] = ContextVar("work_context", default=WorkContext())  # noqa: B039 - it is frozen


def current_work() -> WorkContext:
    """Return the context of the work in hand."""
    return _current.get()


@contextmanager
def working_as(context: WorkContext) -> Iterator[None]:
    """Carry the context through the block, into every log line and every recorded event."""
    token = _current.set(context)
    try:
        with structlog.contextvars.bound_contextvars(
            correlation_id=context.correlation_id, causation_id=context.causation_id, actor=context.actor
        ):
            yield
    finally:
        _current.reset(token)


def act_as(actor: str) -> None:
    """Note who acts, once that is known, for the rest of the work in hand."""
    _current.set(replace(_current.get(), actor=actor))
    structlog.contextvars.bind_contextvars(actor=actor)

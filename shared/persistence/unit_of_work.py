"""The unit of work on PostgreSQL: one transaction, work left for its last moment, and lost races run again."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar

from django.db import OperationalError, connection, transaction

from shared.domain.errors import LostRace
from shared.persistence.crash_points import crash_point

T = TypeVar("T")
LastWork = Callable[[], None]

#: SQLSTATEs that mean "run the transaction again" (PostgreSQL manual, appendix A).
RETRYABLE_SQLSTATES = frozenset({"40001", "40P01"})
ATTEMPTS = 6


@dataclass(frozen=True, slots=True)
class _LastMoment:
    """What is left for the end: things that are dealt with together, by what deals with them, and then the rest."""

    together: dict[Callable[[Sequence[Any]], None], list[Any]] = field(default_factory=dict)
    work: list[LastWork] = field(default_factory=list)


_last_moment: ContextVar[_LastMoment | None] = ContextVar("last_moment", default=None)


class RolledBackInside(RuntimeError):
    """An error inside a nested unit of work was swallowed: nothing of the outer one can be committed any more."""


@contextmanager
def atomic() -> Iterator[None]:
    """Open the unit of work, or join the one that is open; all of it is committed, or nothing."""
    if _last_moment.get() is not None:
        with transaction.atomic(savepoint=False):
            yield
        return
    with _with_last_moment(), transaction.atomic():
        yield
        _do_last_work()
        _refuse_silent_rollback()
        crash_point("unit_of_work.before_commit")
    crash_point("unit_of_work.after_commit")


@contextmanager
def savepoint() -> Iterator[None]:
    """Open a part of the unit of work that can fail by itself."""
    with _with_last_moment(), transaction.atomic():
        yield
        _do_last_work()


def at_the_last_moment(work: LastWork) -> None:
    """Do the work just before the commit, so that the rows it locks stay locked as briefly as possible.

    A refusal that it raises leaves the unit of work by its end, and undoes all of it.
    """
    pending = _last_moment.get()
    if pending is None:
        work()
        return
    pending.work.append(work)


def together_at_the_last_moment(work: Callable[[Sequence[T]], None], thing: T) -> None:
    """Do the work on this and on all other things that are left for it, once, ahead of other work of the last moment."""
    pending = _last_moment.get()
    if pending is None:
        work([thing])
        return
    pending.together.setdefault(work, []).append(thing)


def in_transaction_with_retry(work: Callable[[], T]) -> T:
    """Run the work as one unit of work, again from the start when another transaction was faster.

    Raises LostRace, or the database's own error, after the sixth attempt.
    """
    if _last_moment.get() is not None:
        return work()
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with atomic():
                return work()
        except LostRace:
            if attempt == ATTEMPTS:
                raise
        except OperationalError as error:
            if attempt == ATTEMPTS or sqlstate_of(error) not in RETRYABLE_SQLSTATES:
                raise
    raise AssertionError("unreachable: the last attempt returns or raises")


def sqlstate_of(error: BaseException) -> str | None:
    """Return the SQLSTATE of a database error, as psycopg reports it."""
    return getattr(error.__cause__, "sqlstate", None)


def constraint_of(error: BaseException) -> str | None:
    """Return the name of the constraint that a database error is about, if it is about one."""
    return getattr(getattr(error.__cause__, "diag", None), "constraint_name", None)


@contextmanager
def _with_last_moment() -> Iterator[None]:
    token = _last_moment.set(_LastMoment())
    try:
        yield
    finally:
        _last_moment.reset(token)


def _refuse_silent_rollback() -> None:
    if connection.needs_rollback:
        raise RolledBackInside(RolledBackInside.__doc__)


def _do_last_work() -> None:
    """Do what was left, and what that leaves in turn; what is dealt with together always comes first."""
    pending = _last_moment.get()
    done = 0
    while pending is not None and (pending.together or done < len(pending.work)):
        if pending.together:
            deal_with = next(iter(pending.together))
            deal_with(pending.together.pop(deal_with))
        else:
            pending.work[done]()
            done += 1

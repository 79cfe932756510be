"""The unit of work on PostgreSQL: one transaction, work left for its last moment, and lost races run again."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from django.db import OperationalError, connection, transaction

from shared.domain.errors import LostRace
from shared.persistence.crash_points import crash_point

T = TypeVar("T")
LastWork = Callable[[], None]

#: SQLSTATEs that mean "run the transaction again" (PostgreSQL manual, appendix A).
RETRYABLE_SQLSTATES = frozenset({"40001", "40P01"})
ATTEMPTS = 6

_last_moment: ContextVar[list[LastWork] | None] = ContextVar("last_moment", default=None)


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
    pending.append(work)


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


@contextmanager
def _with_last_moment() -> Iterator[None]:
    token = _last_moment.set([])
    try:
        yield
    finally:
        _last_moment.reset(token)


def _refuse_silent_rollback() -> None:
    if connection.needs_rollback:
        raise RolledBackInside(RolledBackInside.__doc__)


def _do_last_work() -> None:
    for work in _last_moment.get() or ():
        work()

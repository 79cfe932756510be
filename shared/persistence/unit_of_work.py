"""The unit of work on PostgreSQL: one transaction, statements left for its last moment, and lost races run again.

What is left for the last moment is sent with the COMMIT in one go (libpq's pipeline mode), so that the rows that it
locks are locked for no longer than PostgreSQL itself needs: no answer travels to this process and back in between.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog
from django.db import DatabaseError, OperationalError, connection, transaction
from psycopg.pq import TransactionStatus

from shared.domain.errors import LostRace
from shared.persistence.crash_points import crash_point

T = TypeVar("T")

#: SQLSTATEs that mean "run the transaction again" (PostgreSQL manual, appendix A).
SERIALIZATION_FAILURE = "40001"
RETRYABLE_SQLSTATES = frozenset({SERIALIZATION_FAILURE, "40P01"})
ATTEMPTS = 6

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement whose answer nobody reads: what has to be refused, the database refuses by an error.

    An error with SQLSTATE 40001, or about a ``contested`` constraint, means that another transaction was faster.
    """

    text: str
    values: Sequence[Any] = ()
    contested: frozenset[str] = frozenset()


Compose = Callable[[Sequence[T]], Sequence[Statement]]
COMMIT = Statement("COMMIT")


@dataclass(slots=True)
class _LastMoment:
    """What is left for the end of a unit of work, or of a part of it."""

    holds_parts: bool = False

    gathered: dict[Compose[Any], list[Any]] = field(default_factory=dict)
    statements: list[Statement] = field(default_factory=list)
    afterwards: dict[Callable[[], Statement | None], None] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Return how many things wait."""
        return len(self.statements) + sum(map(len, self.gathered.values()))

    def to_send(self) -> list[Statement]:
        """Return what was gathered, composed, and then the rest."""
        composed = [statement for compose, things in self.gathered.items() for statement in compose(things)]
        return composed + self.statements

    def to_send_afterwards(self) -> list[Statement]:
        """Return what follows the commit."""
        return [statement for make in self.afterwards if (statement := make()) is not None]


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
    is_outermost = not connection.in_atomic_block
    with _with_last_moment() as pending, transaction.atomic():
        yield
        _refuse_silent_rollback()
        crash_point("unit_of_work.before_commit")
        _send(pending, and_commit=is_outermost)
    crash_point("unit_of_work.after_commit")


@contextmanager
def part() -> Iterator[None]:
    """Open a part of the unit of work that sees what the parts before it have left for the last moment."""
    _send_what_parts_left()
    whole = _last_moment.get()
    before = whole.size if whole else 0
    yield
    if whole is not None and whole.size > before:
        whole.holds_parts = True


@contextmanager
def savepoint() -> Iterator[None]:
    """Open a part of the unit of work that can fail by itself."""
    _send_what_parts_left()
    with _with_last_moment() as pending, transaction.atomic():
        yield
        _send(pending, and_commit=False)
    for make in pending.afterwards:
        send_after_commit(make)


def send_at_the_last_moment(statement: Statement) -> None:
    """Send the statement just before the commit, so that the rows it locks stay locked as briefly as possible."""
    pending = _last_moment.get()
    if pending is None:
        _execute([statement])
        return
    pending.statements.append(statement)


def send_together(compose: Compose[T], thing: T) -> None:
    """Send what is composed of this and all other such things, by the end of the unit of work."""
    pending = _last_moment.get()
    if pending is None:
        _execute(compose([thing]))
        return
    pending.gathered.setdefault(compose, []).append(thing)


def send_after_commit(make: Callable[[], Statement | None]) -> None:
    """Send the statement that this makes, if any, right after the commit; its failure is logged and harms nothing."""
    pending = _last_moment.get()
    if pending is None:
        transaction.on_commit(lambda: _execute_afterwards(make()))
        return
    pending.afterwards[make] = None


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
def _with_last_moment() -> Iterator[_LastMoment]:
    pending = _LastMoment()
    token = _last_moment.set(pending)
    try:
        yield pending
    finally:
        _last_moment.reset(token)


def _send_what_parts_left() -> None:
    pending = _last_moment.get()
    if pending is not None and pending.holds_parts:
        statements = pending.to_send()
        pending.gathered.clear()
        pending.statements.clear()
        pending.holds_parts = False
        _execute(statements)


def _refuse_silent_rollback() -> None:
    if connection.needs_rollback:
        raise RolledBackInside(RolledBackInside.__doc__)


def _send(pending: _LastMoment, *, and_commit: bool) -> None:
    statements = pending.to_send()
    if not and_commit:
        _execute(statements)
    elif statements and _is_in_transaction():
        _execute(statements, then=[COMMIT, *pending.to_send_afterwards()])
    else:
        _execute(statements)
        for make in pending.afterwards:
            transaction.on_commit(lambda make=make: _execute_afterwards(make()))  # type: ignore[misc]


def _is_in_transaction() -> bool:
    """Tell whether BEGIN has been sent, which psycopg does with the first statement and cannot do in a pipeline."""
    return bool(connection.connection.info.transaction_status == TransactionStatus.INTRANS)


def _execute(statements: Sequence[Statement], then: Sequence[Statement] = ()) -> None:
    """Send the statements, and then the commit with what follows it; raise LostRace when one of them was too late."""
    if not statements:
        return
    cursors = []
    try:
        with connection.wrap_database_errors, connection.connection.pipeline() if then else nullcontext():
            for statement in (*statements, *then):
                cursors.append(connection.cursor())
                cursors[-1].execute(statement.text, statement.values or None)
    except DatabaseError as error:
        if then and len(cursors) > len(statements) and cursors[len(statements)].statusmessage == "COMMIT":
            _log.warning("not_sent_after_commit", error=str(error))
            return
        contested = {name for statement in statements for name in statement.contested}
        if sqlstate_of(error) == SERIALIZATION_FAILURE or constraint_of(error) in contested:
            raise LostRace from error
        raise


def _execute_afterwards(statement: Statement | None) -> None:
    try:
        _execute([statement] if statement else [])
    except DatabaseError as error:
        _log.warning("not_sent_after_commit", error=str(error))

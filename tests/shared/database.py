"""A table to leave traces in, and threads that have connections of their own."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar
from uuid import UUID

from django.db import connection

from shared.persistence.unit_of_work import Statement, atomic

T = TypeVar("T")

LONGEST_WAIT = 20.0  # seconds until a test gives up on something that should have happened


class InThread(Protocol):
    """Runs work in a thread that has a connection of its own."""

    def __call__(self, work: Callable[[], T]) -> "Future[T]": ...


@dataclass(frozen=True, slots=True)
class Traces:
    """What was written to the database and is still there; a note may stand there once, at commit."""

    def write(self, note: str) -> None:
        """Leave a note in the current transaction."""
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO testing_trace (note) VALUES (%s)", [note])

    def writing(self, note: str) -> Statement:
        """Return the statement that leaves a note."""
        return Statement("INSERT INTO testing_trace (note) VALUES (%s)", [note])

    def touch(self, note: str) -> None:
        """Lock the note until the transaction ends."""
        with connection.cursor() as cursor:
            cursor.execute("UPDATE testing_trace SET touched = touched + 1 WHERE note = %s", [note])

    def touched(self, note: str) -> int:
        """Return how often the note was touched."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT touched FROM testing_trace WHERE note = %s", [note])
            (touched,) = cursor.fetchone() or (0,)
            return int(touched)

    @property
    def all(self) -> list[str]:
        """Return the notes, oldest first."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT note FROM testing_trace ORDER BY id")
            return [note for (note,) in cursor.fetchall()]


CREATE_TRACES = """
CREATE TABLE testing_trace (
    id bigserial PRIMARY KEY, note text UNIQUE DEFERRABLE INITIALLY DEFERRED, touched integer DEFAULT 0
)
"""
DROP_TRACES = "DROP TABLE testing_trace"


def execute(sql: str, *values: str | int | datetime | UUID) -> int:
    """Run the statement and return how many rows it changed."""
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        changed: int = cursor.rowcount
        return changed


def database_time() -> datetime:
    """Return what the clock of the database shows this very moment."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (now,) = cursor.fetchone() or (None,)
        assert isinstance(now, datetime)
        return now


@contextmanager
def failing_unit_of_work() -> Iterator[None]:
    """Open a unit of work that fails at its end, whatever is done in it."""
    with suppress(ZeroDivisionError), atomic():
        yield
        raise ZeroDivisionError

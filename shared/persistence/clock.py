"""The time, which is one for all processes: that of the database."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from django.db import connection

#: Seconds after which the database is asked again; a quartz drifts by less than a millisecond meanwhile.
ASKED_EVERY = 30.0
#: Goes on while the machine sleeps, where there is such a clock (clock_gettime(2)).
STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def _steady() -> float:
    return time.clock_gettime(STEADY)


def _time_of_database() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (now,) = cursor.fetchone() or (None,)
    assert isinstance(now, datetime)  # noqa: S101 - for the type checker
    return now.astimezone(UTC)


class DatabaseClock:
    """The port Clock: the database's clock, carried on by this process's own steady one.

    What one process writes down and another compares must not hang on how well their machines' clocks are set: a
    promise of stock would run out too early, and a request to a provider would be taken to be lost while it is under
    way. The database is asked once in ``ASKED_EVERY`` seconds, not for each look at the clock; a machine whose clock is
    wrong, or is set while the process runs, goes by the same time as all others.

    Raises what the database raises when it has to be asked and does not answer.
    """

    __slots__ = ("_ask", "_asked_at", "_lock", "_steady", "_time")

    def __init__(
        self, *, ask: Callable[[], datetime] = _time_of_database, steady: Callable[[], float] = _steady
    ) -> None:
        self._ask = ask
        self._steady = steady
        self._lock = threading.Lock()
        self._time: datetime | None = None
        self._asked_at = 0.0

    def __call__(self) -> datetime:
        """Return the time, with its zone, which is UTC."""
        known, asked_at = self._last_answer()
        return known + timedelta(seconds=self._steady() - asked_at)

    def _last_answer(self) -> tuple[datetime, float]:
        with self._lock:
            known, asked_at = self._time, self._asked_at
            if known is not None and self._steady() - asked_at < ASKED_EVERY:
                return known, asked_at
        # Not under the lock: a database that does not answer holds up nobody but who asks it.
        asked_at = self._steady()
        known = self._ask()
        with self._lock:
            self._time, self._asked_at = known, asked_at
        return known, asked_at


database_time = DatabaseClock()

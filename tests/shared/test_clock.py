"""All processes go by one clock, whatever the clocks of their machines show."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from shared.persistence.clock import ASKED_EVERY, DatabaseClock, database_time
from tests.shared.database import database_time as asked_right_now

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


class Steady:
    """A steady clock that is moved by hand."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class TestDatabaseClock:
    def test_goes_on_between_two_questions(self) -> None:
        steady, asked = Steady(), []

        def ask() -> datetime:
            asked.append(steady.seconds)
            return NOON

        clock = DatabaseClock(ask=ask, steady=steady)
        first = clock()
        steady.seconds += ASKED_EVERY - 1

        assert (first, clock()) == (NOON, NOON + timedelta(seconds=ASKED_EVERY - 1))
        assert len(asked) == 1

    def test_asks_again_after_a_while(self) -> None:
        steady, answers = Steady(), iter((NOON, NOON + timedelta(hours=1)))
        clock = DatabaseClock(ask=lambda: next(answers), steady=steady)
        clock()
        steady.seconds += ASKED_EVERY

        assert clock() == NOON + timedelta(hours=1)

    def test_does_not_count_the_time_that_the_answer_took_twice(self) -> None:
        steady = Steady()

        def ask() -> datetime:
            steady.seconds += 2
            return NOON

        assert DatabaseClock(ask=ask, steady=steady)() == NOON + timedelta(seconds=2)

    @pytest.mark.django_db
    @pytest.mark.parametrize("hours", [-1, 1])
    def test_does_not_care_for_the_clock_of_the_machine(self, hours: int) -> None:
        with time_machine.travel(datetime.now(tz=UTC) + timedelta(hours=hours), tick=True):
            assert abs(DatabaseClock()() - asked_right_now()) < timedelta(seconds=5)

    @pytest.mark.django_db
    def test_tells_utc(self) -> None:
        assert database_time().tzinfo is UTC

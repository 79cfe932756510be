"""Statements over lists: right for every length, and not planned anew for each short one."""

from collections.abc import Sequence

import pytest
from django.db import connection

from shared.persistence.arrays import LONGEST, ListStatement

pytestmark = pytest.mark.django_db

OFTEN = 20
PAIRS = ListStatement.over("SELECT n, word FROM unnest({}, {}) AS pair (n, word) ORDER BY n", "bigint", "text")
FOUND = ListStatement.over("SELECT n FROM numbered WHERE n %% %s = 0 AND n = ANY({}) ORDER BY n", "bigint")


@pytest.fixture(autouse=True)
def numbered() -> None:
    """Have a table that is worth an index."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE numbered ON COMMIT DROP AS SELECT n FROM generate_series(1, 20000) AS n")
        cursor.execute("CREATE UNIQUE INDEX ON numbered (n)")
        cursor.execute("ANALYZE numbered")


@pytest.mark.parametrize("length", [0, 1, 2, LONGEST, LONGEST + 1, 300])
def test_takes_lists_of_any_length(length: int) -> None:
    numbers = list(range(1, length + 1))
    words = [f"word {number}" for number in numbers]

    with connection.cursor() as cursor:
        cursor.execute(*PAIRS.of(numbers, words))
        assert cursor.fetchall() == list(zip(numbers, words, strict=True))
        cursor.execute(*FOUND.of(numbers, before=[3]))
        assert [n for (n,) in cursor.fetchall()] == numbers[2::3]


@pytest.mark.parametrize("numbers", [[7], [7, 70_000, 7_000_000_000]])
def test_keeps_one_plan(numbers: Sequence[int]) -> None:
    with connection.cursor() as cursor:
        for offset in range(OFTEN):
            cursor.execute(*FOUND.of([number + offset for number in numbers], before=[1]))

        five_unprepared, five_planned = 5, 5
        kept = OFTEN - five_unprepared - five_planned
        assert _plans_of("%FROM numbered%ARRAY[%") == [(five_planned, kept)]


def test_is_needed_as_long_as_one_parameter_is_planned_anew_each_time() -> None:
    with connection.cursor() as cursor:
        for offset in range(OFTEN):
            cursor.execute("SELECT n FROM numbered WHERE n = ANY(%s::bigint[])", [[7 + offset]])

        ((_, kept),) = _plans_of("%FROM numbered%")
        assert kept == 0, "PostgreSQL keeps the plan by now: ListStatement can go"


def _plans_of(like: str) -> list[tuple[int, int]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT custom_plans, generic_plans FROM pg_prepared_statements WHERE statement LIKE %s", [like])
        return list(cursor.fetchall())

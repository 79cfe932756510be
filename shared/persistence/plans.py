"""Statements that are planned for their values, where one plan for all values would be a bad one for some."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction


@contextmanager
def planned_for_its_values() -> Iterator[None]:
    """Have each statement of the block planned for the values that it is run with; for reads with optional filters.

    A statement that a connection has run often is prepared, and then PostgreSQL may plan it once for any values
    (PostgreSQL manual, PREPARE, "Notes"). Such a plan knows neither rare values nor partial indexes nor what is
    searched for, and with a LIMIT it may walk the whole table.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL plan_cache_mode = force_custom_plan")
        yield

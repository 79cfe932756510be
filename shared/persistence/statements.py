"""Statements in SQL where what they do to many rows is said best by themselves."""

from typing import Any

from django.db import connection


def execute(sql: str, **values: Any) -> int:
    """Run the statement and return how many rows it changed, deleted or returned."""
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return int(cursor.rowcount)

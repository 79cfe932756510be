"""Inserts whose text is made once, for the few tables that every order writes.

Django compiles an INSERT anew each time, which costs more than PostgreSQL needs to run it
(docs/decisions/0012-inserts-of-an-order.md). The model still names table and columns, so that a renamed field fails at
import, and constraints, migrations and reads stay where they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import orjson
from django.db import connection, models
from psycopg.types.json import Jsonb
from psycopg.types.numeric import Int8


@dataclass(frozen=True, slots=True)
class Insert:
    """An INSERT of one or more rows into the table of a model."""

    table: str
    columns: tuple[str, ...]
    _texts: dict[int, str] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def into(cls, model: type[models.Model], *fields: str) -> Self:
        """Return the INSERT of these fields; raises FieldDoesNotExist for a field that the model lacks."""
        meta = model._meta  # noqa: SLF001 - Django's documented way to ask a model about itself
        return cls(str(meta.db_table), tuple(str(meta.get_field(name).column) for name in fields))  # type: ignore[union-attr]

    def rows(self, rows: Sequence[Sequence[Any]]) -> None:
        """Insert the rows, each with one value per column, in one statement; none is no statement."""
        if not rows:
            return
        with connection.cursor() as cursor:
            cursor.execute(self._text(len(rows)), [_adapted(value) for row in rows for value in row])

    def _text(self, count: int) -> str:
        if count not in self._texts:
            columns = ", ".join(f'"{column}"' for column in self.columns)
            row = f"({', '.join(['%s'] * len(self.columns))})"
            values = ", ".join([row] * count)
            self._texts[count] = f'INSERT INTO "{self.table}" ({columns}) VALUES {values}'  # noqa: S608
        return self._texts[count]


def _adapted(value: Any) -> Any:
    """Give numbers one type, whatever their size, so that the statement is prepared once; make JSON of mappings."""
    if type(value) is int:
        return Int8(value)
    if isinstance(value, dict):
        return Jsonb(value, dumps=orjson.dumps)
    return value

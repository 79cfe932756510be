"""Inserts whose text is made once, and which a unit of work sends together, for the tables that every order writes.

Django compiles an INSERT anew each time, which costs more than PostgreSQL needs to run it, and sends each by itself,
which costs as much again (docs/decisions/0012-the-hot-path-of-an-order.md). The model still names table and columns,
so that a renamed field fails at import, and constraints, migrations and reads stay where they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import orjson
from django.db import models
from psycopg.types.json import Jsonb
from psycopg.types.numeric import Int8

from shared.persistence.unit_of_work import Statement, send_together

Rows = Sequence[Sequence[Any]]
#: psycopg takes a statement with more values apart each time it is sent (3.3, ``psycopg._queries``).
MOST_VALUES = 50


@dataclass(frozen=True, slots=True, eq=False)
class Insert:
    """An INSERT of rows into the table of a model."""

    table: str
    columns: tuple[str, ...]
    placeholders: tuple[str, ...]
    conflict: str = ""
    contested: str = ""
    _texts: dict[int, str] = field(default_factory=dict, repr=False)

    @classmethod
    def into(
        cls,
        model: type[models.Model],
        *fields: str,
        computed: Mapping[str, str] | None = None,
        conflict: str = "",
        contested: str = "",
    ) -> Self:
        """Return the INSERT of these fields; raises FieldDoesNotExist for a field that the model lacks.

        ``computed`` gives the SQL of a field's value, with ``%s`` in it if it takes a parameter; ``conflict`` is what
        follows ON CONFLICT; ``contested`` names the constraint whose violation means that another transaction
        inserted the row first: it raises LostRace.
        """
        meta = model._meta  # noqa: SLF001 - Django's documented way to ask a model about itself
        values = dict.fromkeys(fields, "%s") | dict(computed or {})
        columns = tuple(str(meta.get_field(name).column) for name in values)  # type: ignore[union-attr]
        return cls(str(meta.db_table), columns, tuple(values.values()), conflict, contested)

    def rows(self, rows: Rows) -> None:
        """Insert the rows, each with one value per ``%s``, by the end of the unit of work; at once when none is open.

        What is read before that end does not see them.
        """
        if rows:
            send_together(_together, _Pending(self, rows))

    def text(self, count: int) -> str:
        """Return the statement for so many rows."""
        if count not in self._texts:
            columns = ", ".join(f'"{column}"' for column in self.columns)
            values = ", ".join([f"({', '.join(self.placeholders)})"] * count)
            conflict = f" ON CONFLICT {self.conflict}" if self.conflict else ""
            self._texts[count] = f'INSERT INTO "{self.table}" ({columns}) VALUES {values}{conflict}'  # noqa: S608
        return self._texts[count]


@dataclass(frozen=True, slots=True)
class _Pending:
    insert: Insert
    rows: Rows


#: The text of some inserts together, by which they are and how many rows each has.
_texts: dict[tuple[tuple[Insert, int], ...], str] = {}


def _together(pending: Sequence[_Pending]) -> list[Statement]:
    """Make as few statements of the inserts as psycopg still remembers how to send."""
    groups: list[list[_Pending]] = []
    room = 0
    for each in pending:
        count = sum(map(len, each.rows))
        if not groups or count > room:
            groups.append([])
            room = MOST_VALUES
        groups[-1].append(each)
        room -= count
    return [_statement_of(group) for group in groups]


def _statement_of(pending: Sequence[_Pending]) -> Statement:
    """Make one statement of the inserts: all but the last are common table expressions, which always run."""
    return Statement(
        _text_of(tuple((each.insert, len(each.rows)) for each in pending)),
        [adapted(value) for each in pending for row in each.rows for value in row],
        contested=frozenset(each.insert.contested for each in pending if each.insert.contested),
    )


def _text_of(inserts: tuple[tuple[Insert, int], ...]) -> str:
    text = _texts.get(inserts)
    if text is None:
        *first, last = (insert.text(count) for insert, count in inserts)
        before = ", ".join(f"i{number} AS ({each})" for number, each in enumerate(first))
        text = _texts[inserts] = f"WITH {before} {last}" if before else last
    return text


def adapted(value: Any) -> Any:
    """Give numbers one type, whatever their size, so that the statement is prepared once; make JSON of mappings."""
    if type(value) is int:
        return Int8(value)
    if isinstance(value, dict):
        return Jsonb(value, dumps=orjson.dumps)
    return value

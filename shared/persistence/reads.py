"""Reads that the ORM compiles once, for the few that nearly every request makes.

Django builds and compiles a query anew each time, which costs several times what PostgreSQL needs to run it
(docs/decisions/0012-the-hot-path-of-an-order.md).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar

from django.db import connection, models, transaction

Row = TypeVar("Row", bound=models.Model)

#: Django itself says so only where it compiles the query, which happens once.
LOCKS_NOTHING = "a row is locked until the end of the transaction, and there is none: read it inside a unit of work"


class NotCompilable(TypeError):
    """The query has other parameters than those it was given; give each once, in their order in the SQL."""


@dataclass(frozen=True, slots=True)
class _Compiled:
    text: str
    locks: bool
    fields: tuple[str, ...]
    annotations: tuple[str, ...]
    converters: tuple[tuple[int, Sequence[Callable[..., Any]], Any], ...]


class CompiledRead(Generic[Row]):
    """A query for rows of one model whose values, not whose form, differ from time to time.

    ``CompiledRead(lambda id: OrderRow.objects.filter(id=id), UUID(int=0))``: the examples stand for the values while
    the query is compiled, and have to differ from each other.
    """

    def __init__(self, query: Callable[..., models.QuerySet[Row]], *examples: Any) -> None:
        self._query = query
        self._examples = examples

    def all(self, *values: Any) -> list[Row]:
        """Return the rows of the query with these values."""
        compiled = self._compiled
        if compiled.locks and not connection.in_atomic_block:
            raise transaction.TransactionManagementError(LOCKS_NOTHING)
        with connection.cursor() as cursor:
            cursor.execute(compiled.text, values)
            found = cursor.fetchall()
        return [self._row(compiled, values) for values in found]

    def first(self, *values: Any) -> Row | None:
        """Return the first of the rows, or None; the query says by its own LIMIT how many are sent."""
        return next(iter(self.all(*values)), None)

    def _row(self, compiled: _Compiled, values: tuple[Any, ...]) -> Row:
        if compiled.converters:
            converted = list(values)
            for place, converters, expression in compiled.converters:
                for convert in converters:
                    converted[place] = convert(converted[place], expression, connection)
            values = tuple(converted)
        count = len(compiled.fields)
        row = self._model.from_db(connection.alias, compiled.fields, values[:count])
        for name, value in zip(compiled.annotations, values[count:], strict=True):
            setattr(row, name, value)
        return row

    @cached_property
    def _model(self) -> type[Row]:
        return self._query(*self._examples).model

    @cached_property
    def _compiled(self) -> _Compiled:
        compiler = self._query(*self._examples).query.get_compiler(connection=connection)
        text, parameters = compiler.as_sql()
        if tuple(parameters) != self._examples:
            raise NotCompilable(f"{NotCompilable.__doc__} Has: {parameters!r}")
        expressions = [expression for expression, _, _ in compiler.select]
        count = len(expressions) - len(compiler.annotation_col_map)  # annotations come last
        return _Compiled(
            text=text,
            locks=compiler.query.select_for_update,
            fields=tuple(expression.target.attname for expression in expressions[:count]),
            annotations=tuple(compiler.annotation_col_map),
            converters=tuple(
                (place, converters, expression)
                for place, (converters, expression) in compiler.get_converters(expressions).items()
            ),
        )

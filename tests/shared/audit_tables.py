"""Ways around the guards of the audit trail, for tests: those that the owner of the tables has."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest
from django.db.backends.base.operations import BaseDatabaseOperations

from tests.shared.database import execute

#: Which triggers keep each table as it is.
GUARDS = {
    "audit_entry": ("audit_entry_is_append_only",),
    "audit_seal": ("audit_seal_is_append_only",),
    "audit_checkpoint": ("audit_checkpoint_is_append_only",),
    "audit_stream": ("audit_stream_is_append_only", "audit_stream_is_kept_by_triggers"),
}


def guards(change: str) -> Sequence[str]:
    """Return the statements that switch the guards: DISABLE, or ENABLE ALWAYS."""
    return [f"ALTER TABLE {table} {change} TRIGGER {guard}" for table, names in GUARDS.items() for guard in names]


@contextmanager
def unguarded() -> Iterator[None]:
    """Switch the guards off for the block, as nobody but the owner of the tables can."""
    for statement in guards("DISABLE"):
        execute(statement)
    yield
    for statement in guards("ENABLE ALWAYS"):
        execute(statement)


def let_tests_empty_the_tables(patch: pytest.MonkeyPatch) -> None:
    """Have Django empty the tables between tests, although the database refuses that."""
    flush: Callable[[BaseDatabaseOperations, Sequence[str]], None] = BaseDatabaseOperations.execute_sql_flush

    def flush_all(self: BaseDatabaseOperations, statements: Sequence[str]) -> None:
        flush(self, [*guards("DISABLE"), *statements, *guards("ENABLE ALWAYS")])

    patch.setattr(BaseDatabaseOperations, "execute_sql_flush", flush_all)

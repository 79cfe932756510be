"""One look at the database, while others go on writing."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction

#: A look at all orders takes longer than anything that somebody waits for.
LONGEST_STATEMENT = "10min"


@contextmanager
def snapshot() -> Iterator[None]:
    """Read the database as it is now until the end of the block, without writing; in a transaction, as that does."""
    with transaction.atomic():
        if len(connection.atomic_blocks) == 1:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                cursor.execute(f"SET LOCAL statement_timeout = '{LONGEST_STATEMENT}'")
        yield

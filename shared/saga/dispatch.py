"""Finds the processes that are due, and wakes workers for them."""

from datetime import timedelta
from typing import Any

from django.db import connection

from shared.persistence.wakeup import wake_worker

SAGAS_AT_ONCE = 200
SAGAS_PER_TASK = 4
#: A process whose worker was woken is not due again before this has passed.
WAKE_UP_GRACE = timedelta(seconds=10)

#: One statement, run at every turn of the relay.
DUE = """
WITH due AS MATERIALIZED (
    SELECT id FROM saga
    WHERE status IN ('running', 'undoing') AND due_at <= statement_timestamp()
        AND (leased_until IS NULL OR leased_until <= statement_timestamp())
    ORDER BY due_at LIMIT %(most)s FOR UPDATE SKIP LOCKED
)
UPDATE saga SET due_at = statement_timestamp() + %(grace)s FROM due WHERE saga.id = due.id RETURNING saga.id
"""


def dispatch_due_sagas() -> int:
    """Wake workers for due processes whose lease is free; return how many."""
    with connection.cursor() as cursor:
        values: dict[str, Any] = {"grace": WAKE_UP_GRACE, "most": SAGAS_AT_ONCE}
        cursor.execute(DUE, values)
        due = [saga_id for (saga_id,) in cursor.fetchall()]
    for start in range(0, len(due), SAGAS_PER_TASK):
        wake_worker("saga.advance", queue="sagas", ids=due[start : start + SAGAS_PER_TASK])
    return len(due)

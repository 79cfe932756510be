"""Takes the free text of persons out of events that were stored, in both tables."""

from collections.abc import Sequence
from uuid import UUID

from django.db import connection

REDACT = """
UPDATE {table} SET payload = jsonb_set(payload, ARRAY[%s], to_jsonb(%s::text))
WHERE aggregate_id = ANY(%s) AND topic = %s AND jsonb_exists(payload, %s)
"""
TABLES = ("outbox_message", "outbox_message_archive")


def redact(*, aggregate_ids: Sequence[UUID], topic: str, field: str, instead: str) -> None:
    """Put another text in the place of one field of such events; all else of them stays as it was told."""
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(REDACT.format(table=table), [field, instead, list(aggregate_ids), topic, field])

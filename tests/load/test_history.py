"""The written history is one that the use cases might have left behind."""

from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection

from contexts.ordering.domain import number_of
from shared.audit.laws import check_laws
from shared.outbox.registry import subscriptions_of
from tests.load.history import Size, fill
from tests.load.history.filling import TOPICS

pytestmark = pytest.mark.django_db(transaction=True)

SIZE = Size(orders=400, customers=40, skus=60, days=60)

FOREIGN_KEYS = """
SELECT c.conrelid::regclass::text, a.attname, c.confrelid::regclass::text, b.attname
FROM pg_constraint AS c
JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
JOIN pg_attribute AS b ON b.attrelid = c.confrelid AND b.attnum = c.confkey[1]
WHERE c.contype = 'f'
"""


class TestHistory:
    def test_breaks_no_law_and_no_foreign_key(self) -> None:
        fill(database_url(), SIZE)

        assert [finding.law.title for finding in check_laws(full=True) if not finding.holds] == []
        assert {what: count for what, count in dangling().items() if count} == {}

    def test_is_added_to_by_a_second_run(self) -> None:
        fill(database_url(), SIZE)
        fill(database_url(), SIZE, seed=0.5)

        assert rows("SELECT count(*) FROM ordering_order") == [(2 * SIZE.orders,)]
        assert [finding.law.title for finding in check_laws() if not finding.holds] == []

    def test_numbers_orders_and_tells_of_them_as_the_code_does(self) -> None:
        fill(database_url(), SIZE)

        numbers = rows("SELECT id, number FROM ordering_order")
        told = rows(
            "SELECT topic, count(*) FROM outbox_message GROUP BY topic"
            " UNION ALL SELECT topic, count(*) FROM outbox_message_archive GROUP BY topic"
        )
        delivered = rows(
            "SELECT DISTINCT topic, subscription FROM outbox_delivery JOIN outbox_message AS m ON m.id = message_id"
        )
        assert all(number == number_of(id_) for id_, number in numbers)
        assert {topic for topic, _ in told} == set(TOPICS)
        assert set(delivered) <= {(topic, each.name) for topic in TOPICS for each in subscriptions_of(topic)}


def rows(sql: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query."""
    with connection.cursor() as cursor:
        cursor.execute(sql)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found


def dangling() -> dict[str, int]:
    """Return how many rows point nowhere, by foreign key."""
    found = {}
    for table, column, other, key in rows(FOREIGN_KEYS):
        exists = f"EXISTS (SELECT FROM {other} AS o WHERE o.{key} = t.{column})"
        ((count,),) = rows(f"SELECT count(*) FROM {table} AS t WHERE t.{column} IS NOT NULL AND NOT {exists}")  # noqa: S608
        found[f"{table}.{column}"] = count
    return found


def database_url() -> str:
    """Return the address of the test's own database."""
    settings = connection.settings_dict
    who = f"{quote(settings['USER'])}:{quote(settings['PASSWORD'])}"
    return f"postgresql://{who}@{settings['HOST']}:{settings['PORT']}/{settings['NAME']}"

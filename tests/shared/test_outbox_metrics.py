"""How far the deliveries lag behind is on the metrics page, and asking costs an index scan at most."""

from datetime import timedelta

import pytest
from django.db import connection

from shared.outbox.messages import publish_events_of
from shared.outbox.registry import subscribe
from shared.outbox.relay import relay_pending_messages
from shared.persistence.unit_of_work import atomic
from shared.telemetry.metrics import GAUGES, TableCollector
from tests.shared.builders import LampSwitched, a_lamp
from tests.shared.database import database_time, execute

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_subscriptions")]

LAG = (
    "orderly_deliveries_overdue",
    "orderly_deliveries_overdue_seconds",
    "orderly_deliveries_oldest_pending_seconds",
)


def lag() -> list[float]:
    """Return how many are overdue, for how long the first one has been, and how old the oldest event is."""
    values = {family.name: family.samples[0].value for family in TableCollector().collect() if family.samples}
    return [values[name] for name in LAG]


class TestLag:
    def test_is_nothing_when_nothing_is_pending(self) -> None:
        assert lag() == [0, 0, 0]

    def test_tells_what_is_overdue_from_what_is_not_due_yet(self) -> None:
        @subscribe(LampSwitched)
        def note_lamp(event: LampSwitched) -> None: ...

        with atomic():
            publish_events_of(a_lamp(switches=2))
        relay_pending_messages()
        execute("UPDATE outbox_message SET recorded_at = %s", database_time() - timedelta(minutes=2))
        assert lag()[:2] == [0, 0]

        execute(
            "UPDATE outbox_delivery SET due_at = %s WHERE id = (SELECT min(id) FROM outbox_delivery)",
            database_time() - timedelta(minutes=1),
        )

        assert lag() == [1, pytest.approx(60, abs=10), pytest.approx(120, abs=10)]

    @pytest.mark.parametrize("name", LAG)
    def test_is_found_by_index_among_very_many(self, name: str) -> None:
        execute("""
            INSERT INTO outbox_message (id, topic, aggregate_id, aggregate_sequence, payload, occurred_at,
                                        correlation_id, causation_id, traceparent, actor, pending)
            SELECT gen_random_uuid(), 't.v1', gen_random_uuid(), 1, '{}', now(), '', '', '', 's', false
            FROM generate_series(1, 20000)
        """)
        execute("""
            INSERT INTO outbox_delivery (message_id, subscription, due_at, last_error, attempts, status, finished_at)
            SELECT id, 's', now(), '', 0, CASE WHEN nr < 100 THEN 'pending' ELSE 'done' END,
                   CASE WHEN nr < 100 THEN NULL ELSE now() END
            FROM (SELECT id, row_number() OVER () AS nr FROM outbox_message) AS message
        """)
        execute("ANALYZE outbox_message, outbox_delivery")
        (sql,) = (sql for gauge, _, sql, _ in GAUGES if gauge == name)
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN {sql}")
            plan = "\n".join(line for (line,) in cursor.fetchall())

        assert "Seq Scan" not in plan, plan
        assert "outbox_delivery_due" in plan, plan

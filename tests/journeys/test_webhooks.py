"""Another server hears of every event, whatever is killed or wiped on the way."""

from collections import defaultdict
from collections.abc import Iterator

import pytest
import redis

from tests.journeys.orders import an_order, cancel, place
from tests.journeys.system import PROCESSES, System, eventually, running_system
from tests.journeys.webhooks import TOPICS, add_endpoint
from tests.webhooks.receiver import Answer, Received, Receiver, listening

pytestmark = pytest.mark.journey

TOLD_WITHIN = 180.0  # seconds


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    """Run a whole system that sends webhooks."""
    with running_system(processes=(*PROCESSES, "webhooks")) as running:
        yield running


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Run another server."""
    with listening() as running:
        yield running


def events_of(system: System, order_ids: list[str]) -> dict[str, list[str]]:
    """Return the events of each order, in their order."""
    found = defaultdict(list)
    for order_id, event_id in system.query(
        """
        SELECT aggregate_id::text, id::text FROM outbox_message
        WHERE aggregate_id = ANY(%s::uuid[]) AND topic = ANY(%s) ORDER BY aggregate_id, aggregate_sequence
        """,
        order_ids,
        TOPICS,
    ):
        found[order_id].append(event_id)
    return found


def end_leases(system: System) -> None:
    """Make what a killed sender had in hand due again, instead of a minute later."""
    system.query("UPDATE webhooks_delivery SET due_at = now() WHERE status = 'pending' RETURNING 1")


def place_and_cancel(system: System, *, count: int) -> list[str]:
    """Place so many orders, cancel every other one once it has its stock, and return their ids."""
    ((sku,),) = system.query("SELECT sku FROM inventory_stock_item ORDER BY on_hand - held DESC LIMIT 1")
    with system.client() as client:
        ids = [place(client, an_order(sku)).json()["id"] for _ in range(count)]
        for order_id in ids[::2]:
            cancel(client, order_id)
    return ids


class TestKilledSystem:
    def test_tells_of_each_event_under_one_id_and_in_the_order_of_its_aggregate(
        self, system: System, receiver: Receiver
    ) -> None:
        endpoint_id = add_endpoint(system, receiver.url)

        def slow_at_first(_: Received) -> Answer:
            return Answer(after=3600 if len(receiver.received) <= 5 else 0)

        receiver.answers = slow_at_first
        order_ids = place_and_cancel(system, count=6)
        eventually(lambda: len(receiver.received) >= 5, within=TOLD_WITHIN, what="requests under way")
        system.kill("webhooks")
        order_ids += place_and_cancel(system, count=4)
        with redis.Redis.from_url(system.redis_url) as broker:
            broker.flushall()
        for name in ("relay", "worker"):
            system.kill(name)
            system.start(name)
        end_leases(system)
        system.start("webhooks")
        order_ids += place_and_cancel(system, count=4)
        eventually(system.is_idle, within=TOLD_WITHIN, what="quiet")
        events = events_of(system, order_ids)
        wanted = {event_id for ids in events.values() for event_id in ids}
        eventually(lambda: wanted <= set(receiver.ids), within=TOLD_WITHIN, what="all events' arrival")

        first = list(dict.fromkeys(receiver.ids))
        assert set(first) == wanted
        assert len(receiver.ids) > len(first), "what was under way is repeated"
        for ids in events.values():
            assert sorted(ids, key=first.index) == ids
        eventually(
            lambda: system.query("SELECT DISTINCT status FROM webhooks_delivery") == [("done",)],
            within=TOLD_WITHIN,
            what="the end of all deliveries",
        )
        audit = system.manage("audit")
        assert audit.returncode == 0, audit.stdout
        assert endpoint_id not in audit.stdout
        assert system.told_secrets() == []

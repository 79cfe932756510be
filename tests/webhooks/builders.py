"""What tests of webhooks begin with: endpoints, events on their way, and a process that sends."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

from django.db import connections
from django.utils import timezone

from contexts.ordering.events import OrderCancelled, OrderConfirmed, OrderPlaced
from contexts.webhooks import wiring
from contexts.webhooks.domain import Endpoint, OwnerId
from contexts.webhooks.gateways import HttpSender
from contexts.webhooks.management.sender import Sender
from shared.domain.model import Aggregate, Event
from shared.embedded.processes import wait_until
from shared.outbox.messages import publish_events_of
from shared.outbox.relay import relay_pending_messages
from shared.persistence.unit_of_work import atomic
from shared.resilience.outbound import outbound
from tests.shared.database import LONGEST_WAIT
from tests.shared.fakes import NOON

PLACED, CONFIRMED, CANCELLED = OrderPlaced.topic, OrderConfirmed.topic, OrderCancelled.topic
OWNER = OwnerId(UUID(int=7))


def an_endpoint(url: str, *topics: str, owner_id: OwnerId = OWNER, email: str = "") -> Endpoint:
    """Have the URL told of the topics, of placed orders unless others are given."""
    return wiring.add_endpoint(owner_id=owner_id, url=url, topics=topics or (PLACED,), email=email)


def order_placed(order_id: UUID) -> Event:
    """Build the news of an order."""
    return OrderPlaced(
        order_id=order_id,
        number="ORD-1",
        customer_id=None,
        currency="EUR",
        total_minor=1980,
        shipping_method="standard",
        lines=(("ESP-250", 2, 990),),
        occurred_at=NOON,
    )


def order_cancelled(order_id: UUID, *, reason: str = "payment_declined") -> Event:
    """Build the news of an order that was given up."""
    return OrderCancelled(order_id=order_id, number="ORD-1", reason=reason, lines=(("ESP-250", 2),), occurred_at=NOON)


def happened(*news: Callable[[UUID], Event], aggregate: Aggregate | None = None) -> Aggregate:
    """Have it happen to one order, one event after the other, and relay it."""
    order = aggregate or Aggregate(id=uuid4())
    for build in news or (order_placed,):
        order.record(build(order.id))
    with atomic():
        publish_events_of(order)
    while relay_pending_messages():
        pass
    return order


def fan_out() -> None:
    """Turn all that happened into deliveries."""
    while wiring.fan_out() + wiring.fulfil_replays():
        pass


def send_until(done: Callable[[], bool], *, seconds: float = LONGEST_WAIT) -> None:
    """Run a sender in this process until the condition holds, and fail when it does not come to hold."""

    def wait() -> bool:
        try:
            return wait_until(done, seconds=seconds)
        finally:
            connections.close_all()

    async def run() -> None:
        sender = a_sender()
        working = asyncio.create_task(sender.run())
        try:
            assert await asyncio.to_thread(wait), "it did not happen"
        finally:
            sender.stop()
            await working

    asyncio.run(run())


def a_sender(**others: Any) -> Sender:
    """Build a sender as the command does."""
    return Sender(
        http=HttpSender(outbound=outbound, at_once=8, now=timezone.now),
        find_work=(wiring.fan_out, wiring.fulfil_replays),
        claim=wiring.claim_deliveries,
        settle=wiring.settle_attempts,
        at_most=50,
        **others,
    )

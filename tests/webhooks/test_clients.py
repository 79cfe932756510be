"""Connections of one endpoint are no other's, are not kept for ever, and go to addresses that were checked."""

import asyncio
from uuid import UUID, uuid4

from django.utils import timezone

from contexts.webhooks.domain import Attempt, DeliveryId, EndpointId, Secret
from contexts.webhooks.gateways import sending
from contexts.webhooks.ports import Request
from shared.resilience.outbound import Outbound
from tests.shared.fakes import NOON


def an_id() -> EndpointId:
    """Return the id of another endpoint."""
    return EndpointId(uuid4())


class TestClients:
    def test_are_kept_for_the_next_request_of_the_same_endpoint_only(self) -> None:
        async def run() -> None:
            clients, one, other = sending.Clients(outbound=Outbound(), at_once=8), an_id(), an_id()
            async with clients.of(one) as first:
                pass
            async with clients.of(one) as second, clients.of(other) as third:
                assert second is first
                assert third is not first
            await clients.close()
            assert first.is_closed
            assert third.is_closed

        asyncio.run(run())

    def test_are_closed_when_there_are_many_but_not_in_the_middle_of_a_request(self) -> None:
        async def run() -> None:
            clients = sending.Clients(outbound=Outbound(), at_once=8)
            async with clients.of(an_id()) as idle:
                pass
            async with clients.of(an_id()) as busy:
                for _ in range(sending.KEPT_CLIENTS):
                    async with clients.of(an_id()) as last:
                        pass
                assert idle.is_closed
                assert not busy.is_closed
                assert not last.is_closed
            await clients.close()

        asyncio.run(run())


class TestAddress:
    def test_is_looked_up_and_checked_at_each_request(self) -> None:
        """A name that was public when the endpoint was added may lead to our own network later (DNS rebinding)."""
        answers = iter([["93.184.215.14"], ["169.254.169.254"]])
        outbound = Outbound(resolve=lambda _: next(answers))
        url = "https://shop.example/hooks"
        outbound.check(url)

        async def send() -> Attempt:
            async with sending.HttpSender(outbound=lambda: outbound, at_once=8, now=timezone.now) as sender:
                return await sender.send(a_request(url))

        assert asyncio.run(send()).result.error == "url_not_allowed"


def a_request(url: str) -> Request:
    """Build a request to the URL."""
    return Request(
        delivery_id=DeliveryId(UUID(int=1)),
        endpoint_id=an_id(),
        message_id=str(UUID(int=2)),
        url=url,
        secrets=(Secret.of(bytes(32)),),
        topic="ordering.order_placed.v1",
        occurred_at=NOON,
        payload={},
    )

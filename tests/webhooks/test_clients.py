"""Connections of one endpoint are no other's, and are not kept for ever."""

import asyncio
from uuid import uuid4

from contexts.webhooks.domain import EndpointId
from contexts.webhooks.gateways import sending
from shared.resilience.outbound import Outbound


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

"""A stream of server-sent events, from its first answer to its end (HTML standard, section 9.2)."""

import asyncio
import time
from dataclasses import dataclass
from random import randint
from typing import Final
from uuid import UUID

from shared.live.hub import Follower
from shared.live.metrics import ENDED
from shared.live.news import HEARTBEAT, Feed, Permit, retry_hint
from shared.live.places import Place
from shared.live.service import Live
from shared.server.exchange import Exchange, Headers, HTTPProtocol, Transport

HEARTBEAT_EVERY: Final = 15.0  # seconds
#: What one stream carries. The server keeps what the client has not read yet, and cannot tell how much that is; so a
#: client that does not read costs no more than this.
MOST_BYTES: Final = 64 * 1024
RETRY: Final = (1000, 5000)  # milliseconds; each client another one, so that they do not come back all at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """A continuation that sends news until there can be none, or the client has to connect again."""

    live: Live
    place: Place
    feed: Feed
    key: UUID
    position: str
    permit: Permit
    lasts: float  # seconds

    async def __call__(self, exchange: Exchange) -> None:
        """Keep the answer open and send what is new."""
        follower = self.live.hub.follow(feed=self.feed, key=self.key, position=self.position, permit=self.permit)
        self.live.enter(self.place)
        gone = asyncio.ensure_future(_until_gone(exchange.protocol))
        gone.add_done_callback(lambda _: follower.close(reason="client_gone"))
        reason = "client_gone"
        try:
            transport = exchange.protocol.response_stream(exchange.status, _open_ended(exchange.headers))
            await transport.send_bytes(exchange.body)
            reason = await self._send_news(follower, transport, sent=len(exchange.body))
            if reason not in ("final", "client_gone"):
                await transport.send_bytes(retry_hint(randint(*RETRY)))  # noqa: S311 - spreads clients, hides nothing
        except RuntimeError:  # RSGI's way to say that the connection is closed
            reason = "client_gone"
        finally:
            gone.cancel()
            self.live.hub.leave(follower)
            self.live.leave(self.place)
            ENDED.labels(reason).inc()

    async def _send_news(self, follower: Follower, transport: Transport, *, sent: int) -> str:
        """Send news and heartbeats; return why no more was sent."""
        ends_at = time.monotonic() + self.lasts
        while (left := ends_at - time.monotonic()) > 0:
            news = await follower.news(within=min(HEARTBEAT_EVERY, left))
            if follower.closed_for is not None:
                return follower.closed_for
            data = news.encode() if news is not None else HEARTBEAT
            await transport.send_bytes(data)
            sent += len(data)
            if news is not None and news.is_last:
                return "final"
            if sent > MOST_BYTES:
                return "full"
        return "time_over"


async def _until_gone(protocol: HTTPProtocol) -> None:
    await protocol.client_disconnect()


def _open_ended(headers: Headers) -> Headers:
    return [(name, value) for name, value in headers if name.lower() != "content-length"]

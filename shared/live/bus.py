"""How the web processes hear of changes: pub/sub on Valkey, one channel per thing, only of what is followed here.

PostgreSQL's NOTIFY would tell every process of every change, and a statement would have to take its one lock. A
message that is lost is made good by the hub, which looks every two seconds anyway.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.live.telling import CHANGED

PAUSE_AFTER_FAILURE: Final = 1.0  # seconds
LISTENED_FOR: Final = 5.0  # seconds
OWN: Final = f"{CHANGED}nothing"  # so that there is always something to listen to

_log = structlog.get_logger(__name__)


class Bus:
    """A subscription that outlives its connections."""

    def __init__(self, *, url: str) -> None:
        self._url = url
        self._keys: set[UUID] = set()
        self._subscribed: set[str] = set()
        self._changed = asyncio.Event()

    def add(self, key: UUID) -> None:
        """Listen for changes of this, too."""
        self._keys.add(key)
        self._changed.set()

    def remove(self, key: UUID) -> None:
        """Listen no longer for changes of this."""
        self._keys.discard(key)
        self._changed.set()

    async def listen(self, *, on_change: Callable[[UUID], None], on_doubt: Callable[[], None]) -> None:
        """Call back for each change of what is listened for, and where changes may have been missed; for ever."""
        while True:
            try:
                async with Redis.from_url(self._url) as client, client.pubsub() as subscription:
                    await subscription.subscribe(OWN)
                    self._subscribed = set()
                    on_doubt()
                    async with asyncio.TaskGroup() as both:
                        both.create_task(self._keep_subscribed(subscription))
                        both.create_task(_hear(subscription, on_change))
            except* (RedisError, OSError) as errors:
                _log.warning("changes_not_heard", error=str(errors.exceptions[0]))
            await asyncio.sleep(PAUSE_AFTER_FAILURE)

    async def _keep_subscribed(self, subscription: Any) -> None:
        """Have the subscription follow what is wanted."""
        self._changed.set()
        while True:
            await self._changed.wait()
            self._changed.clear()
            wanted = {f"{CHANGED}{key}" for key in self._keys}
            if added := wanted - self._subscribed:
                await subscription.subscribe(*added)
            if dropped := self._subscribed - wanted:
                await subscription.unsubscribe(*dropped)
            self._subscribed = wanted


async def _hear(subscription: Any, on_change: Callable[[UUID], None]) -> None:
    """Call back for each message, and once a subscription has begun: what happened before was not heard."""
    while True:
        message = await subscription.get_message(timeout=LISTENED_FOR)
        if message is None or message["type"] not in ("message", "subscribe"):
            continue
        name = message["channel"].decode()
        if name != OWN:
            on_change(UUID(name.removeprefix(CHANGED)))

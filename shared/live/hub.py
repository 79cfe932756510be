"""One reader for all who wait for news in this process: woken by a change, else it looks every two seconds.

Who follows something has a position and nothing is kept for it: news is read from the tables when it can be sent. So
a lost call loses nothing, and a slow follower holds no memory.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Final, Protocol
from uuid import UUID

import structlog
from django.db import connections

from shared.live.news import Asked, Feed, News, Permit

GATHERED_FOR: Final = 0.02  # seconds in which changes are gathered for one read
POLL: Final = 2.0  # seconds
AT_ONCE: Final = 500  # followers in one read

_log = structlog.get_logger(__name__)


class Changes(Protocol):
    """Where a hub hears of changes."""

    def add(self, key: UUID) -> None:
        """Listen for changes of this, too."""

    def remove(self, key: UUID) -> None:
        """Listen no longer for changes of this."""

    async def listen(self, *, on_change: Callable[[UUID], None], on_doubt: Callable[[], None]) -> None:
        """Call back for each change, and where changes may have been missed; for ever."""


class Follower:
    """Somebody who waits for news of one thing."""

    __slots__ = ("_answer", "_hub", "closed_for", "feed", "is_stale", "key", "permit", "position")

    def __init__(self, hub: "Hub", *, feed: Feed, key: UUID, position: str, permit: Permit | None) -> None:
        self._hub = hub
        self._answer: asyncio.Future[News | None] | None = None
        self.feed = feed
        self.key = key
        self.position = position
        self.permit = permit
        self.is_stale = True
        self.closed_for: str | None = None

    @property
    def is_waiting(self) -> bool:
        """Tell whether news could be handed over."""
        return self._answer is not None and not self._answer.done()

    async def news(self, *, within: float) -> News | None:
        """Return what is new since the last time, or None after so many seconds or when the follower is closed."""
        if self.closed_for is not None:
            return None
        loop = asyncio.get_running_loop()
        self._answer = loop.create_future()
        alarm = loop.call_later(within, self.hand, None)
        if self.is_stale:
            self._hub.look_soon()
        try:
            return await self._answer
        finally:
            alarm.cancel()

    def hand(self, news: News | None) -> None:
        """End the wait."""
        if self._answer is None or self._answer.done():
            return
        if news is not None:
            self.position = news.position
        self._answer.set_result(news)

    def close(self, *, reason: str) -> None:
        """End this wait and all that would follow; the first reason stands."""
        if self.closed_for is None:
            self.closed_for = reason
        self.hand(None)


class Hub:
    """Who follows what in this process; all but the reading happens on the event loop."""

    def __init__(self, *, bus: Changes) -> None:
        self._bus = bus
        self._followers: defaultdict[UUID, set[Follower]] = defaultdict(set)
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="live-reader")
        self._is_going_to_look = False
        self._is_looking = False
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to listen and to look."""
        self._tasks = [
            loop.create_task(self._bus.listen(on_change=self.look_at, on_doubt=self.look_at_all)),
            loop.create_task(self._poll()),
        ]

    async def stop(self) -> None:
        """Let go of everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._reader.shutdown(wait=False, cancel_futures=True)

    def follow(self, *, feed: Feed, key: UUID, position: str, permit: Permit | None = None) -> Follower:
        """Add a follower, to whom everything after the position is news as long as the permit is good."""
        follower = Follower(self, feed=feed, key=key, position=position, permit=permit)
        if not self._followers[key]:
            self._bus.add(key)
        self._followers[key].add(follower)
        return follower

    def leave(self, follower: Follower) -> None:
        """Forget a follower."""
        remaining = self._followers[follower.key]
        remaining.discard(follower)
        if not remaining:
            del self._followers[follower.key]
            self._bus.remove(follower.key)

    def close_all(self) -> None:
        """Close all followers, for the process stops."""
        for follower in self._all():
            follower.close(reason="draining")

    def look_at(self, key: UUID) -> None:
        """Look whether there is news of this."""
        for follower in self._followers.get(key, ()):
            follower.is_stale = True
            self.look_soon()

    def look_at_all(self) -> None:
        """Look whether there is news of anything."""
        for follower in self._all():
            follower.is_stale = True
        if self._followers:
            self.look_soon()

    def look_soon(self) -> None:
        """Look once the changes of a moment are gathered; a look that goes on is followed by another."""
        if self._is_going_to_look:
            return
        self._is_going_to_look = True
        if not self._is_looking:
            asyncio.get_running_loop().call_later(GATHERED_FOR, self._begin_to_look)

    def _all(self) -> list[Follower]:
        return [follower for followers in self._followers.values() for follower in followers]

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(POLL)
            self.look_at_all()

    def _begin_to_look(self) -> None:
        self._is_looking = True
        self._looking = asyncio.get_running_loop().create_task(self._look())

    async def _look(self) -> None:
        self._is_going_to_look = False
        waiting: defaultdict[Feed, list[Follower]] = defaultdict(list)
        for follower in self._all():
            if follower.is_stale and follower.is_waiting:
                follower.is_stale = False
                waiting[follower.feed].append(follower)
        try:
            for feed, followers in waiting.items():
                for start in range(0, len(followers), AT_ONCE):
                    await self._tell(feed, followers[start : start + AT_ONCE])
        except Exception as error:  # noqa: BLE001 - the next look, two seconds on at most, asks again
            _log.warning("news_not_read", error=f"{type(error).__name__}: {error}")
        finally:
            self._is_looking = False
            if self._is_going_to_look:
                asyncio.get_running_loop().call_later(GATHERED_FOR, self._begin_to_look)

    async def _tell(self, feed: Feed, followers: Iterable[Follower]) -> None:
        by_asked: defaultdict[Asked, list[Follower]] = defaultdict(list)
        for follower in followers:
            by_asked[follower.key, follower.position].append(follower)
        permits = {asked: {each.permit for each in who} for asked, who in by_asked.items()}
        found, withdrawn = await asyncio.get_running_loop().run_in_executor(self._reader, _read, feed, permits)
        for asked, news in found.items():
            for follower in by_asked[asked]:
                if follower.permit in withdrawn:
                    follower.close(reason="not_allowed")
                else:
                    follower.hand(news)


def _read(
    feed: Feed, permits: Mapping[Asked, Collection[Permit | None]]
) -> tuple[Mapping[Asked, News], Collection[Permit]]:
    """Return the news, and the permits of those whom there is news for that are no longer good."""
    try:
        found = feed(permits.keys())
        concerned = {permit for asked in found for permit in permits[asked] if permit is not None}
        return found, {permit for permit in concerned if not copy_context().run(permit)}
    finally:
        connections.close_all()  # back to the pool

"""What a web process needs to keep its clients up to date; views find it in the WSGI environment."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from shared.live.bus import Bus
from shared.live.hub import Hub
from shared.live.metrics import OPEN, forget_dead_processes
from shared.live.places import RENEWED_EVERY, Place, Places
from shared.server.draining import is_draining, when_draining

EXTRA: Final = "orderly.live"
FREED_EVERY: Final = 0.1  # seconds


class Live:
    """The hub, and the places that open streams take."""

    def __init__(self, *, redis_url: str, most_streams: int) -> None:
        self.hub = Hub(bus=Bus(url=redis_url))
        self._places = Places(url=redis_url)
        self._most_streams = most_streams
        self._open: set[Place] = set()
        self._left: list[Place] = []
        self._housekeeper = ThreadPoolExecutor(max_workers=1, thread_name_prefix="live-places")
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def takes_streams(self) -> bool:
        """Tell whether this process can hold one more stream."""
        return len(self._open) < self._most_streams and not is_draining()

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin."""
        forget_dead_processes()
        self.hub.start(loop)
        self._tasks = [
            loop.create_task(self._every(RENEWED_EVERY, self._renew)),
            loop.create_task(self._every(FREED_EVERY, self._free)),
        ]
        when_draining(self.hub.close_all)

    async def stop(self) -> None:
        """Let go of everything, the places of the last streams among it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._free()
        await self.hub.stop()
        self._housekeeper.shutdown(wait=False)

    def take_place(self, caller: str, *, most: int) -> Place | None:
        """Return a place for a stream of the caller, or None when it has as many as it may; called in a thread."""
        return self._places.take(caller, most=most)

    def enter(self, place: Place) -> None:
        """Count a stream as open."""
        self._open.add(place)
        OPEN.set(len(self._open))

    def leave(self, place: Place) -> None:
        """Count a stream as closed."""
        self._open.discard(place)
        self._left.append(place)
        OPEN.set(len(self._open))

    async def _every(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(seconds)
            await work()

    async def _renew(self) -> None:
        if self._open:
            await self._in_thread(self._places.renew, list(self._open))

    async def _free(self) -> None:
        if self._left:
            left, self._left = self._left, []
            await self._in_thread(self._places.free, left)

    async def _in_thread(self, work: Callable[[Any], None], places: list[Place]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._housekeeper, work, places)

"""At most so many calls at once, so that one slow vendor cannot take every thread of a process."""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager, suppress

from shared.resilience import metrics
from shared.resilience.errors import VendorBusy

Ticket = Future[None]


class Bulkhead:
    """A number of slots for threads and coroutines alike, first come, first served.

    M. Nygard, "Release It!", 2nd ed. 2018, "Bulkheads". Entering raises VendorBusy when no slot came free in time.
    """

    def __init__(self, name: str, *, slots: int) -> None:
        self._name = name
        self._free = slots
        self._lock = threading.Lock()
        self._queue: deque[Ticket] = deque()

    @contextmanager
    def slot(self, *, patience: float) -> Iterator[None]:
        """Hold a slot, after a wait of so many seconds at most."""
        ticket = self._queued()
        if ticket is not None:
            try:
                ticket.result(timeout=patience)
            except TimeoutError:
                self._refuse(ticket, patience)
            except BaseException:
                self._abandon(ticket)
                raise
        try:
            yield
        finally:
            self._leave()

    @asynccontextmanager
    async def aslot(self, *, patience: float) -> AsyncIterator[None]:
        """Hold a slot, after a wait of so many seconds at most, in a coroutine."""
        ticket = self._queued()
        if ticket is not None:
            try:
                async with asyncio.timeout(patience):
                    await asyncio.wrap_future(ticket)
            except TimeoutError:
                self._refuse(ticket, patience)
            except BaseException:
                self._abandon(ticket)
                raise
        try:
            yield
        finally:
            self._leave()

    def _queued(self) -> Ticket | None:
        """Take a free slot and return None, or queue for one."""
        with self._lock:
            if self._free > 0:
                self._free -= 1
                return None
            ticket = Ticket()
            self._queue.append(ticket)
            return ticket

    def _leave(self) -> None:
        with self._lock:
            while self._queue:
                ticket = self._queue.popleft()
                if ticket.set_running_or_notify_cancel():
                    ticket.set_result(None)
                    return
            self._free += 1

    def _refuse(self, ticket: Ticket, patience: float) -> None:
        """Raise VendorBusy, unless a slot was handed over at this very moment."""
        if not ticket.cancel():
            return
        with self._lock, suppress(ValueError):
            self._queue.remove(ticket)
        metrics.BULKHEAD_REFUSALS.labels(self._name).inc()
        metrics.CALLS.labels(self._name, "busy").inc()
        raise VendorBusy(vendor=self._name, retry_after=patience) from None

    def _abandon(self, ticket: Ticket) -> None:
        """Leave the queue; a slot that was handed over at this very moment is given on."""
        if not ticket.cancel():
            self._leave()

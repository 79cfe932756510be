"""The loop of the process that sends: many requests at once, while the database is asked from two threads.

Whatever happens to the process, the tables hold the truth: what was claimed and not settled is due again when its
lease ends, under the same ``webhook-id``.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TypeVar

import structlog
from django.db import DatabaseError, InterfaceError, close_old_connections, connections

from contexts.webhooks.domain import Attempt, EndpointId
from contexts.webhooks.gateways import HttpSender
from contexts.webhooks.ports import Request
from contexts.webhooks.use_cases import ClaimDeliveries, SettleAttempts
from shared.persistence.crash_points import crash_point
from shared.persistence.unit_of_work import in_transaction_with_retry

T = TypeVar("T")

POLL = 0.2  # seconds after which the tables are looked at again when there was nothing to do
PAUSE_AFTER_FAILURE = 1.0  # seconds
#: What stops is given so long for requests that are under way.
DRAIN = 4.0  # seconds
CLAIMED_AT_ONCE = 100
SETTLED_AT_ONCE = 200

_log = structlog.get_logger(__name__)


class Sender:
    """Finds work, claims deliveries, sends them all at once, and settles what came of them."""

    def __init__(
        self,
        *,
        http: HttpSender,
        find_work: Sequence[Callable[[], int]],
        claim: ClaimDeliveries,
        settle: SettleAttempts,
        at_most: int,
    ) -> None:
        self._http = http
        self._find_work = find_work
        self._claim = claim
        self._settle = settle
        self._at_most = at_most
        self._stopping = asyncio.Event()
        self._settled = asyncio.Event()
        self._busy: Counter[EndpointId] = Counter()
        self._attempts: asyncio.Queue[tuple[EndpointId, Attempt]] = asyncio.Queue()
        self._under_way: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        """Claim nothing more, and end once what is under way is settled, or was given its time."""
        self._stopping.set()
        self._settled.set()

    async def run(self) -> None:
        """Work until told to stop."""
        with ThreadPoolExecutor(1, "find") as finding, ThreadPoolExecutor(1, "settle") as settling:
            async with self._http:
                settler = asyncio.create_task(self._keep_settling(settling))
                while not self._stopping.is_set():
                    if not await self._find(finding):
                        await self._rest()
                if self._under_way:
                    await asyncio.wait(self._under_way, timeout=DRAIN)
                for task in self._under_way:
                    task.cancel()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._attempts.join(), timeout=DRAIN)
                settler.cancel()
                with suppress(asyncio.CancelledError):
                    await settler
            for thread in (finding, settling):
                thread.submit(connections.close_all).result()

    async def _find(self, thread: ThreadPoolExecutor) -> int:
        """Look for work once, and return how much there was."""
        try:
            found = 0
            for find in self._find_work:
                found += await self._in(thread, find)
            free = min(self._at_most - self._busy.total(), CLAIMED_AT_ONCE)
            if free > 0:
                busy = dict(self._busy)
                requests = await self._in(thread, partial(self._claim, busy=busy, limit=free))
                for request in requests:
                    self._begin(request)
                found += len(requests)
        except (DatabaseError, InterfaceError) as error:
            _log.warning("webhooks_lost_the_database", error=str(error))
            await asyncio.sleep(PAUSE_AFTER_FAILURE)
            return 0
        return found

    def _begin(self, request: Request) -> None:
        self._busy[request.endpoint_id] += 1
        task = asyncio.create_task(self._send(request))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _send(self, request: Request) -> None:
        crash_point("webhooks.before_request")
        attempt = await self._http.send(request)
        crash_point("webhooks.after_request")
        self._attempts.put_nowait((request.endpoint_id, attempt))

    async def _keep_settling(self, thread: ThreadPoolExecutor) -> None:
        while True:
            batch = [await self._attempts.get()]
            while len(batch) < SETTLED_AT_ONCE and not self._attempts.empty():
                batch.append(self._attempts.get_nowait())
            attempts = [attempt for _, attempt in batch]
            try:
                await self._in(thread, partial(self._settle, attempts=attempts))
            except Exception as error:  # noqa: BLE001 - what is not settled is sent again when its lease ends
                _log.error("webhooks_not_settled", count=len(batch), exc_info=error)
            for endpoint_id, _ in batch:
                self._busy[endpoint_id] -= 1
                if not self._busy[endpoint_id]:
                    del self._busy[endpoint_id]
                self._attempts.task_done()
            self._settled.set()

    async def _rest(self) -> None:
        """Wait for something to be settled, which may make room and release what waited for it, or for a while."""
        self._settled.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._settled.wait(), timeout=POLL)

    async def _in(self, thread: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        def run() -> T:
            close_old_connections()
            return in_transaction_with_retry(work)

        return await asyncio.get_running_loop().run_in_executor(thread, run)

"""Tell the time in whole milliseconds since the epoch, and wait without sleeping past a signal."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], int]


def system_clock() -> int:
    """Return the milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def iso(*, at: int) -> str:
    """Write a moment as RFC 3339 in UTC, to the millisecond."""
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def is_set_within(*, event: asyncio.Event, seconds: float | None) -> bool:
    """Wait for the event at most so long (None: for ever) and tell whether it is set."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True

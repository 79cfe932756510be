"""Measure what open streams cost those who place orders, how soon they tell of a change, and what memory each takes.

    python -m tests.load.streams [--streams 1000] [--rounds 3] [--seconds 8]

One web process holds all streams. Orders are placed without and with them, in turn, in one run; then orders are
cancelled one by one while others are placed, and the time from the answer to the event is taken.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

from tests.journeys.orders import an_order, cancel, place
from tests.journeys.system import System, eventually, running_system
from tests.load.http_load import Template
from tests.load.report import record
from tests.load.sending import load, ordering
from tests.load.server_interfaces import serving

ORDERS = 100  # that are followed, each by as many streams
CHANGES = 40
TOLD = {"MOST_STREAMS_OF_A_KEY": "100000", "MOST_STREAMS": "100000", "LOG_LEVEL": "ERROR", "DATABASE_POOL_SIZE": "16"}


class Streams:
    """Many open streams, held by one event loop in a thread of its own."""

    def __init__(self, system: System, order_ids: list[str]) -> None:
        self.system = system
        self.order_ids = order_ids
        self.told: dict[str, list[float]] = {}
        self.open = 0
        self._loop = asyncio.new_event_loop()
        self._tasks: list[asyncio.Task[None]] = []

    def hold(self) -> None:
        """Open the streams, a hundred at a time, and read them until stopped."""
        self._loop.run_until_complete(self._hold())

    def stop(self) -> None:
        """Close all streams."""
        for task in self._tasks:
            self._loop.call_soon_threadsafe(task.cancel)

    async def _hold(self) -> None:
        gate = asyncio.Semaphore(20)
        self._tasks = [asyncio.create_task(self._follow(order_id, gate)) for order_id in self.order_ids]
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _follow(self, order_id: str, gate: asyncio.Semaphore) -> None:
        async with gate:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.system.port)
            writer.write(
                f"GET /api/v1/orders/{order_id}/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                f"Authorization: Bearer {self.system.api_key}\r\n\r\n".encode()
            )
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            self.open += 1
        try:
            while line := await reader.readline():
                if line.startswith(b"event: ordering.order_cancelled"):
                    self.told.setdefault(order_id, []).append(time.monotonic())
        finally:
            writer.close()


@contextmanager
def open_streams(system: System, order_ids: list[str]) -> Iterator[Streams]:
    """Hold one stream for each of the ids during the block."""
    streams = Streams(system, order_ids)
    thread = Thread(target=streams.hold, daemon=True)
    thread.start()
    eventually(lambda: streams.open == len(order_ids), within=120, what="open streams")
    try:
        yield streams
    finally:
        streams.stop()
        thread.join(timeout=30)


def main() -> None:
    """Run the comparison and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=8)
    options = parser.parse_args()
    with running_system(processes=("psp",), told=TOLD) as system, serving(system, "rsgi") as pid:
        system.query("UPDATE inventory_stock_item SET backorder_limit = 100000000 RETURNING 1")
        skus = [sku for (sku,) in system.query("SELECT DISTINCT sku FROM inventory_stock_item ORDER BY sku")]
        with system.client() as client:
            orders = [place(client, an_order(skus[0])).json()["id"] for _ in range(ORDERS)]
        followed = [orders[number % ORDERS] for number in range(options.streams)]
        placing = [ordering(sku) for sku in skus]
        load(system, placing, connections=8, seconds=3)
        without, with_streams, memory = [], [], []
        for _ in range(options.rounds):
            before = memory_of(pid)
            without.append(load(system, placing, connections=8, seconds=options.seconds).percentile(0.95))
            with open_streams(system, followed):
                memory.append((memory_of(pid) - before) / options.streams)
                with_streams.append(load(system, placing, connections=8, seconds=options.seconds).percentile(0.95))
            _say(f"p95 of POST /orders: {without[-1]:.1f} ms without, {with_streams[-1]:.1f} ms with streams")
        ratio = statistics.median(b / a for a, b in zip(without, with_streams, strict=True))
        _say(f"median of the pairs: x {ratio:.3f}")
        _say(f"memory per stream, first opened: {memory[0] / 1024:.1f} KiB")
        with open_streams(system, followed) as streams:
            delays = sorted(_delays(system, streams, orders[:CHANGES], placing))
        p50, p95 = statistics.median(delays), delays[int(len(delays) * 0.95)]
        _say(
            f"from the answer to the event, {len(delays)} events under load: p50 {1000 * p50:.0f} ms, "
            f"p95 {1000 * p95:.0f} ms, most {1000 * delays[-1]:.0f} ms"
        )
    pairs = ", ".join(f"{a:.1f} → {b:.1f}" for a, b in zip(without, with_streams, strict=True))
    told_after = ", ".join(f"{1000 * delay:.0f}" for delay in (p50, p95, delays[-1]))
    record(
        "streams",
        title="Open streams",
        command="make streams",
        words=f"{options.streams:,} streams on one server process; orders from eight connections, {options.seconds} s "
        "each.",
        rows=[
            "| what | measured |",
            "|---|---|",
            f"| p95 of `POST /orders`, ms: without → with them, in pairs | {pairs} |",
            f"| median of the pairs | {ratio:.3f} |",
            f"| memory of one stream | {memory[0] / 1024:.1f} KiB |",
            f"| from the answer to the event, ms: p50, p95, longest | {told_after} |",
        ],
    )


def _delays(system: System, streams: Streams, orders: list[str], placing: Sequence[Template]) -> list[float]:
    """Cancel the orders while others are placed; return how long each stream took to tell, in seconds."""
    loading = Thread(target=lambda: load(system, placing, connections=8, seconds=10))
    loading.start()
    answered = {}
    with system.client() as client:
        for order_id in orders:
            assert cancel(client, order_id).is_success
            answered[order_id] = time.monotonic()
            time.sleep(0.1)
    each = len(streams.order_ids) // ORDERS
    eventually(lambda: sum(map(len, streams.told.values())) >= each * len(orders), what="all events")
    loading.join()
    return [max(told - answered[order_id], 0) for order_id, all_told in streams.told.items() for told in all_told]


def memory_of(group: int) -> int:
    """Return the resident memory of a process group, in bytes (proc(5))."""
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(stat.read_text().rpartition(")")[2].split()[2]) == group:
                total += int((stat.parent / "statm").read_text().split()[1]) * 4096
        except OSError:
            continue
    return total


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

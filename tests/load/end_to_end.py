"""How long an order takes until it is confirmed: ``python -m tests.load.end_to_end [--rates 100] [--seconds 60]``.

First one order at a time on an idle system, then so many a second, through server, relay, worker and provider.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Iterator, Sequence

import httpx2

from tests.journeys.orders import an_order, place
from tests.journeys.system import System, eventually, running_system
from tests.load.report import record
from tests.load.sending import database_cpu, keep_in_stock, load, ordering, skus_of
from tests.load.server_interfaces import group_cpu

ALONE = 100
CONNECTIONS = 32
SETTLED_WITHIN = 600.0  # seconds
LOOKED_EVERY = 0.005  # seconds
LAG = """
SELECT count(*)::float / greatest(extract(epoch FROM max(confirmed.recorded_at) - min(placed_at)), 0.001),
       extract(epoch FROM percentile_cont(0.5) WITHIN GROUP (ORDER BY confirmed.recorded_at - placed_at)),
       extract(epoch FROM percentile_cont(0.95) WITHIN GROUP (ORDER BY confirmed.recorded_at - placed_at)),
       extract(epoch FROM max(confirmed.recorded_at - placed_at))
FROM ordering_order
JOIN outbox_message AS confirmed
    ON confirmed.aggregate_id = ordering_order.id AND confirmed.topic = 'ordering.order_confirmed.v1'
WHERE placed_at >= %s
"""


def main() -> None:
    """Measure and keep the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", type=int, nargs="+", default=[100])
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args()
    told = {"LOG_LEVEL": "WARNING", "DATABASE_POOL_SIZE": "5", "WEB_THREADS": "2"}
    rows = []
    with running_system(durable=True, told=told) as system:
        system.start_as("worker-2", kind="worker")
        for row in measure(system, rates=options.rates, seconds=options.seconds):
            sys.stdout.write(row + "\n")
            sys.stdout.flush()
            rows.append(row)
    record(
        "end_to_end",
        title="From placed to confirmed",
        command="make bench",
        words=f"{options.seconds} s each; server of two processes with two threads each, two workers of four threads "
        "each, one relay, beat, the provider's simulator. Alone: from the request until `GET /orders/{id}` says "
        "confirmed. Under load: from the order's `placed_at` until its confirmation was written down. CPU is that of "
        "all these processes and PostgreSQL, per order.",
        rows=[
            "| orders | confirmed per second | p50 ms | p95 ms | longest ms | CPU |",
            "|---|---|---|---|---|---|",
            *rows,
        ],
    )


def measure(system: System, *, rates: Sequence[int], seconds: int) -> Iterator[str]:
    """Measure one order at a time, then each rate."""
    skus = skus_of(system)
    keep_in_stock(system)
    load(system, [ordering(sku) for sku in skus], connections=8, seconds=5, rate=50)
    eventually(system.is_idle, within=SETTLED_WITHIN, what="the end of the warm-up")
    with system.client() as client:
        alone = sorted(1000 * seconds_until_confirmed(client, skus[n % len(skus)]) for n in range(ALONE))
    p95 = alone[int(0.95 * len(alone))]
    yield f"| one at a time | | {statistics.median(alone):.0f} | {p95:.0f} | {alone[-1]:.0f} | |"
    for rate in rates:
        yield at_rate(system, skus, rate=rate, seconds=seconds)


def seconds_until_confirmed(client: httpx2.Client, sku: str) -> float:
    """Place an order and look at it until it is confirmed."""
    begun = time.perf_counter()
    path = f"/api/v1/orders/{place(client, an_order(sku)).json()['id']}"
    eventually(lambda: client.get(path).json()["status"] == "confirmed", what="confirmation", every=LOOKED_EVERY)
    return time.perf_counter() - begun


def at_rate(system: System, skus: Sequence[str], *, rate: int, seconds: int) -> str:
    """Place so many orders a second, wait until all are settled, and tell how long they took."""
    ((since,),) = system.query("SELECT now()")
    before = cpu_of_all(system)
    result = load(
        system,
        [ordering(sku) for sku in skus],
        connections=CONNECTIONS,
        seconds=seconds,
        rate=rate,
        count=rate * seconds,
    )
    eventually(system.is_idle, within=SETTLED_WITHIN, what="the end of all checkouts", every=0.1)
    cpu = 1000 * (cpu_of_all(system) - before) / len(result.milliseconds)
    ((confirmed, *lags),) = system.query(LAG, since)
    shown = " | ".join(f"{1000 * float(lag):.0f}" for lag in lags)
    return f"| {rate} a second ({len(result.milliseconds)}) | {confirmed:.0f} | {shown} | {cpu:.2f} ms |"


def cpu_of_all(system: System) -> float:
    """Return the seconds of CPU that all processes of the system have used."""
    return database_cpu(system) + sum(group_cpu(process.pid) for process in system.processes.values())


if __name__ == "__main__":
    main()

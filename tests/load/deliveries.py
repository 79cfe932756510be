"""How fast events reach their handlers: ``python -m tests.load.deliveries [--orders 4000] [--workers 2]``.

The events of a history of orders are made pending again; then relay and workers are started, and drain them through the
handlers that the running code has. Tells deliveries per second, and milliseconds of CPU per delivery, which hardly
hang on what else the machine does.
"""

import argparse
import sys
from dataclasses import dataclass

import psycopg
import redis

from tests.journeys.system import System, eventually, running_system
from tests.load.report import record
from tests.load.sending import database_cpu
from tests.load.server_interfaces import group_cpu

DRAINED_WITHIN = 600.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """What came of one run."""

    deliveries: int
    seconds: float
    relay_cpu: float
    workers_cpu: float
    database_cpu: float

    def row(self, what: str) -> str:
        """Return the row of the table."""
        cpu = " + ".join(
            f"{1000 * seconds / self.deliveries:.2f}"
            for seconds in (self.relay_cpu, self.workers_cpu, self.database_cpu)
        )
        return f"| {what} | {self.deliveries} | {self.deliveries / self.seconds:.0f} | {cpu} |"


def main() -> None:
    """Fill, drain and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=4000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--log-level", default="WARNING")
    options = parser.parse_args()
    told = {"LOG_LEVEL": options.log_level, "DATABASE_POOL_SIZE": "16"}
    with running_system(processes=("psp",), durable=True, told=told) as system:
        fill(system, orders=options.orders)
        drained = drain(system, workers=options.workers)
    row = drained.row(f"{options.workers} of four threads each")
    sys.stdout.write(row + "\n")
    record(
        "deliveries",
        title="Deliveries",
        command="make bench",
        words=f"The events of {options.orders:,} orders, through one relay and the handlers of the running code; from "
        f"the first delivery to the last, log level {options.log_level}.",
        rows=[
            "| workers | deliveries | per second | CPU ms each: relay + workers + PostgreSQL |",
            "|---|---|---|---|",
            row,
        ],
    )


def fill(system: System, *, orders: int) -> None:
    """Write the history, and have all its events be told anew."""
    done = system.run("tests.load.history", "--orders", str(orders), "--skus", "500", "--live-days", "100000")
    assert done.returncode == 0, done.stdout + done.stderr
    with psycopg.connect(system.database_url, autocommit=True) as connection:
        connection.execute("TRUNCATE outbox_delivery")
        connection.execute("UPDATE outbox_message SET pending = true, position = NULL")
        connection.execute("VACUUM (ANALYZE) outbox_message")


def drain(system: System, *, workers: int) -> Drained:
    """Start workers, then a relay; wait until nothing is left, and tell how long it took from the first to the last."""
    names = [f"worker-{number}" for number in range(workers)]
    for name in names:
        system.start_as(name, kind="worker")
    eventually(lambda: waiting_workers(system) >= workers, within=120, what="readiness of the workers", every=0.2)
    before = [group_cpu(system.processes[name].pid) for name in names], database_cpu(system)
    system.start("relay")
    eventually(system.is_idle, within=DRAINED_WITHIN, what="the end of all deliveries", every=0.2)
    ((deliveries, seconds),) = system.query(
        "SELECT count(*), extract(epoch FROM max(finished_at) - min(finished_at))::float FROM outbox_delivery"
        " WHERE status = 'done'"
    )
    return Drained(
        deliveries=deliveries,
        seconds=seconds,
        relay_cpu=group_cpu(system.processes["relay"].pid),
        workers_cpu=sum(group_cpu(system.processes[name].pid) for name in names) - sum(before[0]),
        database_cpu=database_cpu(system) - before[1],
    )


def waiting_workers(system: System) -> int:
    """Return how many workers wait for a task."""
    with redis.Redis.from_url(system.redis_url) as broker:
        return sum(client["cmd"] == "brpop" for client in broker.client_list())


if __name__ == "__main__":
    main()

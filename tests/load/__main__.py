"""Measure Orderly beside the floor of the same run and write docs/performance.md: ``python -m tests.load``."""

import argparse
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import psycopg

from tests.journeys.orders import an_order, place
from tests.journeys.system import ROOT, System, running_system
from tests.load.floor import floor_tps
from tests.load.http_load import Result, Template
from tests.load.report import record
from tests.load.sending import cpu_of, keep_in_stock, load, ordering

SKUS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One row of the table."""

    what: str
    connections: int
    result: Result
    floor: float | None = None
    cpu: float | None = None

    @property
    def row(self) -> str:
        """Return the row."""
        share = f"{100 * self.result.rate / self.floor:.1f} % of {self.floor:.0f} tps" if self.floor else ""
        cpu = f"{self.cpu:.2f} ms" if self.cpu is not None else ""
        figures = f"{self.result.rate:.0f} | {self.result.percentile(0.5):.1f} | {self.result.percentile(0.95):.1f}"
        return f"| {self.what} | {self.connections} | {figures} | {share} | {cpu} |"


def main() -> None:
    """Run all measurements and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--few", type=int, default=10_000, help="orders in the tables for the first half")
    parser.add_argument("--many", type=int, default=1_000_000, help="orders in the tables for the second half")
    options = parser.parse_args()
    told = {"LOG_LEVEL": "ERROR", "DATABASE_POOL_SIZE": "16", "WEB_THREADS": "2"}
    with running_system(processes=("psp", "web"), durable=True, told=told) as system:
        measuring = measure(system, seconds=options.seconds, few=options.few, many=options.many)
        rows = [said(measured) for measured in measuring]
    write(rows, seconds=options.seconds)


def said(measured: Measured) -> str:
    """Show the row as soon as it is there, and return it."""
    sys.stdout.write(measured.row + "\n")
    sys.stdout.flush()
    return measured.row


def measure(system: System, *, seconds: int, few: int, many: int) -> Iterator[Measured]:
    """Measure placing orders beside the floor, and again, with reads, with many more orders in the tables.

    Relay and workers stand still meanwhile.
    """
    skus = [sku for (sku,) in system.query("SELECT DISTINCT sku FROM inventory_stock_item ORDER BY sku")][:SKUS]
    ((product,),) = system.query("SELECT id::text FROM catalog_product LIMIT 1")
    placing = partial(measure_placing, system, seconds=seconds)
    have_history(system, skus, orders=few)
    yield placing(f"`POST /orders`, one line, {few:,} orders there", skus, connections=8)
    yield placing("`POST /orders`, one line", skus, connections=32)
    yield placing("`POST /orders`, all of one sku", skus[:1], connections=32)
    have_history(system, skus, orders=many - few)
    yield placing(f"`POST /orders`, one line, {many:,} orders there", skus, connections=8)
    token = customer_with_orders(system, skus[0])
    for what, path in (
        ("`GET /products/{id}`", f"/api/v1/products/{product}"),
        ("`GET /products`, 20", "/api/v1/products?limit=20"),
        (f"`GET /orders`, own, 20, {many:,} orders there", "/api/v1/orders?limit=20"),
    ):
        template = Template(method="GET", path=path)
        before = cpu_of(system)
        result = load(system, [template], connections=8, seconds=seconds, token=token)
        cpu = 1000 * (cpu_of(system) - before) / len(result.milliseconds)
        yield Measured(what=what, connections=8, result=result, cpu=cpu)


def measure_placing(system: System, what: str, skus: Sequence[str], *, connections: int, seconds: int) -> Measured:
    """Measure placing orders for one of these skus each, and the floor just before it."""
    floor = floor_tps(system.database_url, seconds=seconds, hot=len(skus) == 1)
    before = cpu_of(system)
    result = load(system, [ordering(sku) for sku in skus], connections=connections, seconds=seconds)
    cpu = 1000 * (cpu_of(system) - before) / len(result.milliseconds)
    return Measured(what=what, connections=connections, result=result, floor=floor, cpu=cpu)


def have_history(system: System, skus: Sequence[str], *, orders: int) -> None:
    """Write so many orders of the past into the tables, have the database settle, and warm everything up."""
    command = [sys.executable, "-m", "tests.load.history", "--orders", str(orders)]
    subprocess.run(command, cwd=ROOT, env=system.environment, stdout=subprocess.DEVNULL, check=True)
    with psycopg.connect(system.database_url, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")
        connection.execute("CHECKPOINT")
    keep_in_stock(system)
    load(system, [ordering(sku) for sku in skus], connections=8, seconds=3)


def customer_with_orders(system: System, sku: str) -> str:
    """Register a customer, place thirty orders, and return the customer's token."""
    person = {"email": "bench@example.com", "password": "correct horse battery staple", "name": "Ada"}
    with system.client() as client:
        registered = client.post("/api/v1/customers", json=person)
        assert registered.status_code == 201, registered.text
        credentials = {"email": person["email"], "password": person["password"]}
        token = str(client.post("/api/v1/auth/tokens", json=credentials).json()["access_token"])
        client.headers["Authorization"] = f"Bearer {token}"
        for _ in range(30):
            assert place(client, an_order(sku)).status_code == 201
    return token


def write(rows: Sequence[str], *, seconds: int) -> None:
    """Keep the table."""
    record(
        "requests",
        title="Requests",
        command="make bench",
        words=f"{seconds} s each; server of two processes with two threads"
        " each. The floor is pgbench with the least SQL that an order needs "
        "(`tests/load/floor.py`), eight clients, just before each row. CPU is that of server and PostgreSQL, per "
        "request.",
        rows=[
            "| request | connections | per second | p50 ms | p95 ms | share of the floor | CPU |",
            "|---|---|---|---|---|---|---|",
            *rows,
        ],
    )


if __name__ == "__main__":
    main()

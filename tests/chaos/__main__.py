"""Run the kill matrix and write docs/kill-matrix.md: ``python -m tests.chaos [--rounds N] [--only TEXT]``."""

import argparse
import platform
import random
import sys
import time
from collections import Counter
from datetime import UTC, datetime

from tests.chaos.disasters import DISASTERS
from tests.chaos.matrix import KILLS, kill_at, settle_and_judge, under_load, write_table
from tests.chaos.systems import CrashingSystem, crashing_system
from tests.journeys.system import ROOT

MOST_PASSES = 12


def main() -> None:
    """Do everything in turn, round after round, judge after each round, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", default="", help="what the title contains; then no table is written")
    options = parser.parse_args()
    started, orders, accepted, times = time.monotonic(), 0, 0, Counter[str]()
    with crashing_system() as system:
        for number in range(1, options.rounds + 1):
            with under_load(system) as load:
                for title in _titles(options.only):
                    _strike(system, title)
                    times[title] += 1
                    sys.stdout.write(f"{time.monotonic() - started:6.0f} s  round {number}: {title}\n")
                    sys.stdout.flush()
            counts = settle_and_judge(system, load)
            orders, accepted = counts["orders"], accepted + counts["accepted"]
            sys.stdout.write(f"{time.monotonic() - started:6.0f} s  round {number}: {counts}\n")
            sys.stdout.flush()
    if options.only:
        return
    facts = (
        f"{datetime.now(tz=UTC):%Y-%m-%d}, Python {platform.python_version()}: {options.rounds} rounds in"
        f" {time.monotonic() - started:.0f} s, {orders} orders, {accepted} of them answered with 201."
    )
    rows = [(title, count, "nothing lost, doubled or stuck") for title, count in times.items()]
    write_table(rows, path=ROOT / "docs" / "kill-matrix.md", facts=facts)


def _titles(wanted: str) -> list[str]:
    titles = [*(kill.title for kill in KILLS), *DISASTERS]
    return [title for title in titles if wanted in title]


def _strike(system: CrashingSystem, title: str) -> None:
    if title in DISASTERS:
        DISASTERS[title](system)
        return
    (kill,) = (kill for kill in KILLS if kill.title == title)
    kill_at(system, kill, passes=random.randint(1, MOST_PASSES))  # noqa: S311 - not a secret


if __name__ == "__main__":
    main()

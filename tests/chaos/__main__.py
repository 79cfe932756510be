"""Run the kill matrix and write docs/kill-matrix.md: ``python -m tests.chaos [--rounds N]``."""

import argparse
import platform
import random
import sys
import time
from datetime import UTC, datetime

from tests.chaos.matrix import DISASTERS, KILLS, kill_at, settle_and_judge, under_load, write_table
from tests.chaos.systems import crashing_system
from tests.journeys.system import ROOT

MOST_PASSES = 12


def main() -> None:
    """Kill everything in turn, round after round, judge after each round, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1)
    rounds = parser.parse_args().rounds
    started, orders, accepted = time.monotonic(), 0, 0
    with crashing_system() as system:
        for number in range(1, rounds + 1):
            with under_load(system) as load:
                for kill in KILLS:
                    kill_at(system, kill, passes=random.randint(1, MOST_PASSES))  # noqa: S311 - not a secret
                    sys.stdout.write(f"round {number}: killed {kill.title}\n")
                for title, strike in DISASTERS.items():
                    strike(system)
                    sys.stdout.write(f"round {number}: {title}\n")
            counts = settle_and_judge(system, load)
            orders, accepted = counts["orders"], accepted + counts["accepted"]
            sys.stdout.write(f"round {number}: {counts}\n")
            sys.stdout.flush()
    facts = (
        f"{datetime.now(tz=UTC):%Y-%m-%d}, Python {platform.python_version()}: {rounds} rounds in"
        f" {time.monotonic() - started:.0f} s, {orders} orders, {accepted} of them answered with 201."
    )
    rows = [(kill.title, rounds, "nothing lost, doubled or stuck") for kill in KILLS]
    rows += [(title, rounds, "nothing lost, doubled or stuck") for title in DISASTERS]
    write_table(rows, path=ROOT / "docs" / "kill-matrix.md", facts=facts)


if __name__ == "__main__":
    main()

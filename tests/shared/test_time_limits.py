"""Work is told when its time is over; what ends in time, or a moment too late, is left alone."""

import subprocess
import sys
import time

import pytest

from shared.resilience.time_limits import EXIT_STATUS, OutOfTime, bounded

HANG = """
import sys, time
from shared.resilience.time_limits import bounded
with bounded("a nap", seconds=0.2, note_hanging=lambda: print("noted", flush=True)):
    time.sleep(60)
"""


def go_round_in_circles() -> None:
    """Run until told to stop."""
    with bounded("a loop", seconds=0.05):
        while True:
            time.sleep(0.01)


class TestBounded:
    def test_stops_what_takes_too_long(self) -> None:
        with pytest.raises(OutOfTime):
            go_round_in_circles()

    def test_lets_work_end_in_time_again_and_again(self) -> None:
        done = 0
        for _ in range(1000):
            with bounded("an instant", seconds=5):
                done += 1

        assert done == 1000

    def test_passes_on_what_the_work_raises(self) -> None:
        with pytest.raises(ZeroDivisionError), bounded("a mistake", seconds=5):
            raise ZeroDivisionError

    def test_ends_the_process_when_the_work_cannot_be_told(self) -> None:
        done = subprocess.run([sys.executable, "-c", HANG], capture_output=True, text=True, timeout=60, check=False)

        assert (done.returncode, done.stdout.splitlines()[-1]) == (EXIT_STATUS, "noted")
        assert "time.sleep(60)" in done.stdout + done.stderr or "work_hangs" in done.stdout + done.stderr

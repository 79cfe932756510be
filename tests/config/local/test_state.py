"""What a killed run leaves behind, and how the next one finds it."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.local.checkout import Checkout
from config.local.state import RUN_ID, RunState, Started, stop_leftovers
from shared.embedded.processes import ProcessId, wait_until

LEADER_WITH_A_CHILD = "sleep 60 & echo $!; wait"


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    checkout = Checkout(root=tmp_path)
    checkout.data_dir.mkdir()
    return checkout


@pytest.fixture
def left_over(checkout: Checkout) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process of a run that was killed, and the process id of its child."""
    leader = subprocess.Popen(
        ["/bin/sh", "-c", LEADER_WITH_A_CHILD],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {RUN_ID: "the-killed-run"},
        start_new_session=True,
    )
    assert leader.stdout is not None
    child = int(leader.stdout.readline())
    process = ProcessId.of(leader.pid)
    assert process is not None
    remember(checkout, process)
    yield leader, child
    for pid in (leader.pid, child):
        if ProcessId.of(pid) is not None:
            os.kill(pid, signal.SIGKILL)
    leader.communicate()


def remember(checkout: Checkout, process: ProcessId, *, run_id: str = "the-killed-run") -> None:
    started = (Started(name="web", process=process),)
    RunState(run_id=run_id, port=8000, started=started).write(checkout)


class TestStopLeftovers:
    def test_stops_what_still_runs_and_says_so(
        self, checkout: Checkout, left_over: tuple[subprocess.Popen[str], int]
    ) -> None:
        leader, child = left_over
        assert stop_leftovers(checkout) == ("web",)
        assert wait_until(lambda: ProcessId.of(child) is None, seconds=5)
        assert leader.wait(timeout=5) == -signal.SIGTERM
        assert RunState.read(checkout) is None

    def test_finds_the_children_of_a_process_that_is_gone(
        self, checkout: Checkout, left_over: tuple[subprocess.Popen[str], int]
    ) -> None:
        leader, child = left_over
        leader.kill()
        leader.wait()
        assert stop_leftovers(checkout) == ("web",)
        assert ProcessId.of(child) is None

    def test_spares_a_later_process_with_the_same_number(
        self, checkout: Checkout, left_over: tuple[subprocess.Popen[str], int]
    ) -> None:
        leader, _ = left_over
        remember(checkout, ProcessId(pid=leader.pid, started="long ago"), run_id="another-run")
        assert stop_leftovers(checkout) == ()
        assert leader.poll() is None

    def test_has_nothing_to_do_after_a_clean_end(self, checkout: Checkout) -> None:
        assert stop_leftovers(checkout) == ()

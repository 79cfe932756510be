"""Which processes the current `make run` has started, written down for the one that must clean up.

One `make run` a checkout: it holds the lock of a file for as long as it lives, and the kernel gives the
lock back when it dies. Whoever has the lock and finds a state file has found the leftovers of a killed run.
"""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Final

from config.local.checkout import CannotRun, Checkout
from shared.embedded.files import read_or_empty, try_lock, write_private
from shared.embedded.processes import ProcessId, environment_has, members_of_groups

RUN_ID: Final = "ORDERLY_RUN_ID"
STOP_SECONDS: Final = 15.0
KILL_SECONDS: Final = 5.0
SWEEPER_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A process that a run has started, the leader of a process group of its own."""

    name: str
    process: ProcessId


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """What one run has started so far."""

    run_id: str
    port: int
    started: tuple[Started, ...]

    def write(self, checkout: Checkout) -> None:
        """Keep the state in the checkout's data directory."""
        write_private(checkout.run_state, json.dumps(asdict(self), indent=1))

    @classmethod
    def read(cls, checkout: Checkout) -> "RunState | None":
        """Return the state that a run has kept, or None."""
        text = read_or_empty(checkout.run_state)
        if not text:
            return None
        entry = json.loads(text)
        started = [Started(name=one["name"], process=ProcessId(**one["process"])) for one in entry["started"]]
        return cls(run_id=entry["run_id"], port=entry["port"], started=tuple(started))

    def living(self) -> dict[str, list[ProcessId]]:
        """Return whom of this run to ask to stop: leaders, and the group of a leader that is gone."""
        groups = members_of_groups([one.process.pid for one in self.started])
        found = {one.name: self._to_ask(one.process, groups[one.process.pid]) for one in self.started}
        return {name: processes for name, processes in found.items() if processes}

    def _to_ask(self, leader: ProcessId, group: list[ProcessId]) -> list[ProcessId]:
        if leader.is_alive():
            return [leader]
        marker = f"{RUN_ID}={self.run_id}"
        return [member for member in group if environment_has(member, marker=marker)]


@contextmanager
def the_only_run(checkout: Checkout, *, role: str = "run") -> Iterator[None]:
    """Hold the checkout's lock, or raise CannotRun while another `make run` has it.

    A sweeper, which cleans up behind a killed run, is waited for.
    """
    descriptor = os.open(checkout.run_lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline = time.monotonic() + SWEEPER_SECONDS
        while not try_lock(descriptor):
            holder = os.pread(descriptor, 100, 0).decode(errors="replace").split()
            if role == "sweep" or holder[:1] != ["sweep"] or time.monotonic() > deadline:
                raise CannotRun(_already_running(checkout, holder))
            time.sleep(0.1)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{role} {os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def stop_leftovers(checkout: Checkout) -> tuple[str, ...]:
    """Stop what a killed run has left behind and return the names; the caller holds the lock."""
    state = RunState.read(checkout)
    if state is None:
        return ()
    left = state.living()
    _stop(state)
    checkout.run_state.unlink(missing_ok=True)
    return tuple(left)


def _stop(state: RunState) -> None:
    """Ask each process once to stop, its orphans when it has gone, and kill whoever does not listen."""
    for signal_number, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, KILL_SECONDS)):
        asked: set[ProcessId] = set()
        deadline = time.monotonic() + seconds
        while living := [process for processes in state.living().values() for process in processes]:
            if time.monotonic() > deadline:
                break
            for process in set(living) - asked:
                process.send(signal_number)
            asked.update(living)
            time.sleep(POLL_SECONDS)
        else:
            return
    stuck = ", ".join(str(process.pid) for process in living)
    raise CannotRun(f"Processes of an earlier run do not stop: {stuck}. End them, then try again.")


def _already_running(checkout: Checkout, holder: list[str]) -> str:
    state = RunState.read(checkout)
    where = f" at http://localhost:{state.port}" if state is not None else ""
    pid = holder[1] if len(holder) > 1 else "unknown"
    return (
        f"Another `make run` of this checkout is alive{where} (process {pid}): "
        "use that one, or stop it with Ctrl-C first."
    )

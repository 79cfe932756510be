"""Operating system processes: who they are, whether they live, how they end.

A process id alone is recycled by the kernel; together with the time of its start it names one process
for ever. Linux answers from /proc, other systems through ps(1).
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROC = Path("/proc")
POLL_SECONDS = 0.02
DEAD_STATES = ("Z", "X")

_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessId:
    """One process, never mistaken for a later one that was given the same number."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> "ProcessId | None":
        """Name the process that has the number now, or return None when there is none."""
        reap()
        started = _started(pid)
        return None if started is None else cls(pid=pid, started=started)

    @classmethod
    def current(cls) -> "ProcessId":
        """Name this process."""
        return cls(pid=os.getpid(), started=_started(os.getpid()) or "")

    def is_alive(self) -> bool:
        """Tell whether this very process still runs; a zombie does not."""
        return ProcessId.of(self.pid) == self

    def send(self, signal_number: int) -> None:
        """Send the signal, unless the process has ended."""
        if self.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal_number)

    def wait(self, *, seconds: float) -> bool:
        """Wait for the end of the process and tell whether it came within the seconds."""
        return wait_until(lambda: not self.is_alive(), seconds=seconds)

    def stop(self, *, signals: Sequence[tuple[int, float]]) -> bool:
        """Send each signal in turn, waiting the given seconds after each, until the process has ended."""
        for signal_number, seconds in signals:
            self.send(signal_number)
            if self.wait(seconds=seconds):
                return True
        return False


def wait_until(condition: Callable[[], bool], *, seconds: float) -> bool:
    """Poll the condition and tell whether it became true within the seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def spawn(
    command: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str],
    options: Mapping[str, Any] | None = None,
) -> ProcessId:
    """Start a process in a session of its own, so that it outlives this one and its Ctrl-C."""
    with log.open("ab") as output:
        child = subprocess.Popen(  # noqa: S603  (the command is built by this package)
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            cwd="/",
            start_new_session=True,
            **(options or {}),
        )
    _children[child.pid] = child
    return ProcessId(pid=child.pid, started=_started(child.pid) or "")


def reap() -> None:
    """Collect the children that have ended, so that none stays behind as a zombie."""
    for pid, child in list(_children.items()):
        if child.poll() is not None:
            _children.pop(pid, None)


def command_line(pid: int) -> str:
    """Return the words of the process's command, or nothing when it is not to be seen."""
    try:
        return (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return "" if _has_proc() else _ps("command", pid)


def members_of_groups(groups: Collection[int]) -> dict[int, list[ProcessId]]:
    """Return the living processes of each of the process groups."""
    found: dict[int, list[ProcessId]] = {group: [] for group in groups}
    for pid, group in _groups():
        if group in found and (process := ProcessId.of(pid)) is not None:
            found[group].append(process)
    return found


def environment_has(process: ProcessId, *, marker: str) -> bool | None:
    """Tell whether the process was started with `NAME=value`, or return None where nobody can tell."""
    try:
        entries = (PROC / str(process.pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return None
    return marker.encode() in entries


def signal_group(group: int, signal_number: int) -> bool:
    """Send the signal to a whole process group and tell whether there was one."""
    try:
        os.killpg(group, signal_number)
    except (ProcessLookupError, PermissionError):  # macOS refuses for a group of zombies
        return False
    return True


def ends_with_status(returncode: int) -> str:
    """Say in words how a process ended: with a status, or by a signal."""
    if returncode < 0:
        return f"was killed by {signal.Signals(-returncode).name}"
    return f"ended with status {returncode}"


def _started(pid: int) -> str | None:
    fields = _stat(pid)
    if fields is not None:
        return None if fields[0] in DEAD_STATES else f"{_boot_id()}:{fields[19]}"
    if _has_proc():
        return None
    if _ps("stat", pid)[:1] in ("", *DEAD_STATES):
        return None
    return _ps("lstart", pid) or None


def _stat(pid: int) -> list[str] | None:
    """Return the fields of /proc/PID/stat from the third one, `state`, onwards (proc_pid_stat(5))."""
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()


def _groups() -> list[tuple[int, int]]:
    if not _has_proc():
        lines = _run_ps("-axo", "pid=,pgid=").splitlines()
        return [(int(pid), int(group)) for pid, group in (line.split() for line in lines)]
    pids = [int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()]
    return [(pid, int(fields[2])) for pid in pids if (fields := _stat(pid)) is not None]


def _has_proc() -> bool:
    return (PROC / "self" / "stat").exists()


def _boot_id() -> str:
    try:
        return (PROC / "sys/kernel/random/boot_id").read_text().strip()[:8]
    except OSError:
        return "-"


def _ps(column: str, pid: int) -> str:
    return _run_ps("-ww", "-o", f"{column}=", "-p", str(pid)).strip()


def _run_ps(*arguments: str) -> str:
    return subprocess.run(["ps", *arguments], capture_output=True, text=True, check=False).stdout  # noqa: S603, S607

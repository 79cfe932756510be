"""Bounds work in time, in threads, where Celery's own limits do nothing: its pool of threads ignores them.

First the thread is told to stop by an exception, which Python raises at its next instruction. A thread that waits
inside a call into C does not come to one; if it is still at it when the grace is over, what hangs is noted and the
process ends itself, loudly, to be started again by whoever supervises it. Nothing is lost by that: what was in hand is
in the tables.
"""

import ctypes
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import structlog

#: How much more than its time the work gets to end itself, as a share of that time.
GRACE = 0.2
EXIT_STATUS = 70  # EX_SOFTWARE of sysexits.h
LOOK_EVERY = 0.5  # seconds

_log = structlog.get_logger(__name__)


class OutOfTime(Exception):
    """The work took longer than it may; it is counted as failed, and tried again later."""


@dataclass(slots=True, eq=False)
class _Work:
    """Something that a thread has in hand."""

    what: str
    seconds: float
    note_hanging: Callable[[], object]
    thread: int = field(default_factory=threading.get_ident)
    since: float = field(default_factory=time.monotonic)
    is_told: bool = False

    @property
    def taken(self) -> float:
        """Return how many times its seconds the work has taken."""
        return (time.monotonic() - self.since) / self.seconds


_in_hand: set[_Work] = set()
_lock = threading.Lock()
_watcher: threading.Thread | None = None


@contextmanager
def bounded(what: str, *, seconds: float, note_hanging: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Raise OutOfTime in this thread when the block takes longer; end the process when that does not help.

    ``note_hanging`` is called from another thread just before the process ends, to count the failure. Blocks of one
    thread are not nested.
    """
    work = _Work(what, seconds, note_hanging)
    with _lock:
        _in_hand.add(work)
        _watch()
    try:
        yield
    finally:
        _let_go(work)


def _let_go(work: _Work) -> None:
    try:
        _forget(work)
    except OutOfTime:  # raised at the very end of the work; it is not raised twice
        _forget(work)
        raise
    if work.is_told and sys.exc_info()[0] is None:
        with suppress(OutOfTime):
            _raise_in(work.thread, None)  # too late: the work ended by itself


def _forget(work: _Work) -> None:
    with _lock:
        _in_hand.discard(work)


def _watch() -> None:
    """Have one watcher in this process; a forked one has none of its parent's threads."""
    global _watcher
    if _watcher is None or not _watcher.is_alive():
        _watcher = threading.Thread(target=_look_after_all, name="time-limits", daemon=True)
        _watcher.start()


def _look_after_all() -> None:
    while True:
        time.sleep(LOOK_EVERY)
        with _lock:
            late = [work for work in _in_hand if work.taken > 1 and not work.is_told]
            hanging = [work for work in _in_hand if work.taken > 1 + GRACE and work.is_told]
            for work in late:
                work.is_told = True
                _raise_in(work.thread, OutOfTime)
        for work in late:
            _log.error("work_out_of_time", work=work.what, seconds=work.seconds, stack=_stack_of(work.thread))
        if hanging:
            _end(hanging)


def _end(hanging: list[_Work]) -> None:
    """Note what hangs, and end this process."""
    for work in hanging:
        _log.critical("work_hangs", work=work.what, seconds=work.seconds, stack=_stack_of(work.thread))
        try:
            work.note_hanging()
        except Exception as error:  # noqa: BLE001 - the process ends either way, and the work is found again
            _log.error("hanging_work_not_noted", work=work.what, error=str(error))
    sys.stderr.flush()
    os._exit(EXIT_STATUS)


def _raise_in(thread: int, error: type[BaseException] | None) -> None:
    """Raise the error at the thread's next instruction, or take back one that was not raised yet (Python/C API)."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread), ctypes.py_object(error) if error is not None else None
    )


def _stack_of(thread: int) -> str:
    frame = sys._current_frames().get(thread)  # noqa: SLF001 - documented, "for debugging"
    return "".join(traceback.format_stack(frame)) if frame else ""

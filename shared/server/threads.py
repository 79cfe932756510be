"""The threads in which Django answers: a fixed number, with a bounded queue before them."""

import threading
from collections.abc import Callable
from queue import SimpleQueue

import structlog

_log = structlog.get_logger(__name__)


class NoRoom(Exception):
    """As much work waits as may wait."""


class Threads:
    """A fixed number of threads; all that they need of the database is one connection each."""

    __slots__ = ("_count", "_most_waiting", "_queue")

    def __init__(self, *, count: int, most_waiting: int) -> None:
        self._count = count
        self._most_waiting = most_waiting
        self._queue: SimpleQueue[Callable[[], None]] = SimpleQueue()

    def start(self) -> None:
        """Start the threads; they end with the process."""
        for number in range(self._count):
            threading.Thread(target=self._work, name=f"web-{number + 1}", daemon=True).start()

    def submit(self, work: Callable[[], None]) -> None:
        """Have the work done by the thread that is free first, or raise NoRoom."""
        if self._queue.qsize() >= self._most_waiting:
            raise NoRoom
        self._queue.put(work)

    def _work(self) -> None:
        while True:
            work = self._queue.get()
            try:
                work()
            except Exception as error:  # noqa: BLE001 - the thread outlives whatever it is given
                _log.error("thread_work_failed", exc_info=error)
            del work  # a waiting thread keeps nothing alive

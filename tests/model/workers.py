"""Workers that can be stopped anywhere: between two commits, around a call to the provider, or for ever.

Each worker is a thread, but only one thread of the whole test runs at any moment: a job goes on until it has
passed as many points as its fate allows, and then hands back to the test. So every interleaving is the test's
own choice, and the same choice gives the same run.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

Job = Callable[[], None]

PATIENCE = 30.0  # seconds until a worker that neither ends nor stops is taken to hang


class Killed(BaseException):
    """The process is gone: what it had not committed never happened, and nothing after this runs."""


@dataclass(frozen=True, slots=True)
class Fate:
    """How many points a worker passes before it stops; None lets it run to the end of its job."""

    points: int | None = None
    dies: bool = False


RUNS_ON = Fate()


class Worker:
    """One thread, which does one job at a time and stops where its fate wants it to."""

    def __init__(self, name: str) -> None:
        self.stopped_at = ""
        self._fate = RUNS_ON
        self._job: Job | None = None
        self._error: BaseException | None = None
        self._may_go = threading.Semaphore(0)
        self._has_stopped = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._live, name=name, daemon=True)
        self._thread.start()

    @property
    def is_busy(self) -> bool:
        """Tell whether it is stopped in the middle of a job."""
        return self._job is not None

    def begin(self, job: Job, fate: Fate) -> None:
        """Do the job as far as its fate lets it."""
        assert not self.is_busy
        self._job = job
        self.go_on(fate)

    def go_on(self, fate: Fate) -> None:
        """Do more of the job in hand; raise what it raises."""
        self._fate = fate
        self._may_go.release()
        assert self._has_stopped.acquire(timeout=PATIENCE), f"a worker hangs after {self.stopped_at}"
        error, self._error = self._error, None
        if error is not None:
            raise error

    def die(self) -> None:
        """Have it end here, in the middle of its job."""
        self.go_on(Fate(points=-1, dies=True))

    def leave(self) -> None:
        """End the thread."""
        self._job = None
        self._may_go.release()
        self._thread.join(PATIENCE)

    def reach(self, point: str, *, in_transaction: bool) -> None:
        """Stop here if the fate wants it; a worker that holds locks may die, but does not dawdle."""
        if self._fate.points is None:
            return
        if self._fate.points > 0:
            self._fate = Fate(points=self._fate.points - 1, dies=self._fate.dies)
            return
        if self._fate.dies:
            raise Killed
        if not in_transaction:
            self._stop(point)

    def _stop(self, point: str) -> None:
        self.stopped_at = point
        self._has_stopped.release()
        self._may_go.acquire()
        if self._fate.points == -1:
            raise Killed

    def _live(self) -> None:
        _own.worker = self
        while True:
            self._may_go.acquire()
            if self._job is None:
                break
            try:
                self._job()
            except Killed:
                pass
            except BaseException as error:  # noqa: BLE001 - handed to the test
                self._error = error
            self._job = None
            self._has_stopped.release()
        for hang_up in _at_the_end:
            hang_up()


class Workers:
    """The workers of one test."""

    def __init__(self, count: int = 4) -> None:
        self._all = [Worker(f"worker-{number}") for number in range(count)]

    @property
    def busy(self) -> list[Worker]:
        """Return those that are stopped in the middle of a job."""
        return [worker for worker in self._all if worker.is_busy]

    def do(self, job: Job, fate: Fate = RUNS_ON) -> None:
        """Have the job done: by a worker of its own when it may be stopped, else at once."""
        if fate.points is None:
            job()
            return
        idle = next((worker for worker in self._all if not worker.is_busy), None)
        if idle is None:
            idle = self._all[0]
            idle.die()
        idle.begin(job, fate)

    def kill_all(self) -> None:
        """End every job in hand."""
        for worker in self.busy:
            worker.die()

    def leave(self) -> None:
        """End the threads."""
        for worker in self._all:
            worker.leave()


_own = threading.local()
_at_the_end: list[Callable[[], None]] = []


def reach(point: str, *, in_transaction: bool = False) -> None:
    """Tell that the work in hand has come to a point where a process may stop or die."""
    worker: Worker | None = getattr(_own, "worker", None)
    if worker is not None:
        worker.reach(point, in_transaction=in_transaction)


@contextmanager
def some_workers(*, hang_up: Callable[[], None] = lambda: None) -> Iterator[Workers]:
    """Have workers for the time of a test; each calls ``hang_up`` in its own thread when it leaves."""
    workers = Workers()
    _at_the_end.append(hang_up)
    try:
        yield workers
    finally:
        workers.kill_all()
        workers.leave()
        _at_the_end.remove(hang_up)

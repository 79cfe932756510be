"""The processes of one `make run`: started, watched, and stopped in an order that loses nothing."""

import datetime
import queue
import secrets
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from types import FrameType
from typing import Any, TextIO

from honcho.colour import get_colours
from honcho.printer import Message, Printer

from config.local.checkout import CannotRun, Checkout
from config.local.children import Child, Line
from config.local.readiness import READY_PATH, ReadinessProbe
from config.local.state import RUN_ID, RunState, Started
from shared.embedded.processes import ends_with_status

PSP = "psp"
STOP_ORDER = (("web", "beat"), ("relay", "worker"), ("webhooks", PSP))
GRACE_SECONDS = 20.0  # longer than Celery's soft shutdown
READY_SECONDS = 90.0
TICK_SECONDS = 0.1
SAME_KEYSTROKE_SECONDS = 0.5


class StopRequest:
    """Ctrl-C, SIGTERM or a closed terminal, noted and acted upon where it is safe; twice means at once."""

    __slots__ = ("_at",)

    def __init__(self) -> None:
        """Nobody has asked yet."""
        self._at: list[float] = []

    def listen(self) -> None:
        """Note these signals from now on instead of dying of them."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup wants the terminal to be survived
            signal.signal(signal.SIGHUP, self._note)

    def __bool__(self) -> bool:
        """Tell whether somebody has asked."""
        return bool(self._at)

    @property
    def is_urgent(self) -> bool:
        """Tell whether somebody has asked again; make may pass one keystroke on twice."""
        return bool(self._at) and self._at[-1] - self._at[0] > SAME_KEYSTROKE_SECONDS

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self._at.append(time.monotonic())


class Supervisor:
    """The parent of all processes of one run.

    What they say goes to the log of the run; it is printed only while they are watched.
    """

    __slots__ = (
        "_checkout",
        "_children",
        "_colours",
        "_lines",
        "_log",
        "_port",
        "_printer",
        "_run_id",
        "_stop",
    )

    def __init__(self, *, checkout: Checkout, port: int, output: TextIO, stop: StopRequest) -> None:
        """Start nothing yet."""
        self._checkout = checkout
        self._port = port
        self._stop = stop
        self._children: list[Child] = []
        self._lines: queue.SimpleQueue[Line] = queue.SimpleQueue()
        self._run_id = secrets.token_hex(8)
        self._printer = Printer(output)
        self._colours: dict[str, Any] = {}
        self._log = checkout.run_log.open("w", buffering=1)

    def run_to_end(self, *, name: str, command: str, environment: Mapping[str, str]) -> None:
        """Run a command that ends by itself; raise CannotRun with its last lines when it fails."""
        child = self._start(name=name, command=command, environment=environment)
        while child.returncode is None and not self._stop:
            self._next_line()
        self._stop_children([child])
        self._children.remove(child)
        if child.returncode != 0 and not self._stop:
            raise CannotRun(_ending(child))

    def start(self, *, commands: Mapping[str, str], environment: Mapping[str, str]) -> None:
        """Start the commands, each under its name."""
        self._printer.width = max(map(len, commands))
        self._colours = dict(zip(commands, get_colours(), strict=False))
        for name, command in commands.items():
            self._start(name=name, command=command, environment=environment)

    def wait_until_ready(self, probe: ReadinessProbe, *, seconds: float = READY_SECONDS) -> None:
        """Wait for the first answer 200; raise CannotRun when a process ends first or the time is over."""
        deadline = time.monotonic() + seconds
        while not probe.is_ready and not self._stop:
            self._next_line()
            self._check_children()
            if time.monotonic() > deadline:
                raise CannotRun(
                    f"The system is not ready after {seconds:.0f} s. What the processes said is in "
                    f"{self._checkout.run_log}. The last answer to {READY_PATH}: {probe.last_answer}"
                )

    def watch(self) -> None:
        """Print what the processes say until somebody asks to stop; raise CannotRun when one ends."""
        while not self._stop:
            line = self._next_line()
            if line is not None:
                self._print(line)
            self._check_children()

    def stop_all(self) -> None:
        """Stop what takes work first and what others call last; afterwards none is left."""
        for stage in self._stages():
            self._stop_children(stage)
        self._children.clear()
        self._checkout.run_state.unlink(missing_ok=True)
        self._log.close()

    def _start(self, *, name: str, command: str, environment: Mapping[str, str]) -> Child:
        child = Child(
            name=name,
            command=command,
            environment={**environment, RUN_ID: self._run_id},
            directory=self._checkout.root,
            lines=self._lines,
        )
        self._children.append(child)
        started = tuple(Started(name=one.name, process=one.process) for one in self._children)
        RunState(run_id=self._run_id, port=self._port, started=started).write(self._checkout)
        return child

    def _stages(self) -> Iterator[list[Child]]:
        known = {name for names in STOP_ORDER for name in names}
        yield [child for child in self._children if child.name not in known]
        for names in STOP_ORDER:
            yield [child for child in self._children if child.name in names]

    def _stop_children(self, children: list[Child]) -> None:
        for child in children:
            child.ask_to_stop()
        deadline = time.monotonic() + GRACE_SECONDS
        while any(child.returncode is None for child in children):
            if time.monotonic() > deadline or self._stop.is_urgent:
                break
            self._next_line()
        for child in children:
            child.kill_group()
        while self._next_line(seconds=0) is not None:
            continue

    def _check_children(self) -> None:
        for child in self._children:
            if child.returncode is not None:
                child.kill_group()
                raise CannotRun(_ending(child))

    def _next_line(self, *, seconds: float = TICK_SECONDS) -> Line | None:
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            return None
        self._log.write(f"{line.name} | {line.text}\n")
        return line

    def _print(self, line: Line) -> None:
        now = datetime.datetime.now().astimezone()
        colour = self._colours.get(line.name)
        with suppress(OSError):  # nobody reads any more; that is no reason to stop
            self._printer.write(Message(type="line", data=line.text, time=now, name=line.name, colour=colour))


def _ending(child: Child) -> str:
    said = "\n".join(f"  {line}" for line in child.last_lines) or "  (it said nothing)"
    return f"{child.name} {ends_with_status(child.returncode or 0)}. Its last lines:\n{said}"

"""Child processes: started in a group of their own, read line by line, and stopped to the last member.

Honcho's own Manager is not used, only its Procfile parser and its printer: it kills all children five
seconds after the first has ended (KILL_WAIT), signals them all at once, forks a Python for each that
ignores signals and outlives a killed parent, and has no moment at which the system counts as up.
"""

import contextlib
import queue
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shared.embedded.processes import ProcessId, signal_group

LINES_KEPT = 25
DRAIN_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a child's output."""

    name: str
    text: str


class Child:
    """One running command."""

    __slots__ = ("_popen", "_reader", "last_lines", "name", "process")

    def __init__(
        self,
        *,
        name: str,
        command: str,
        environment: Mapping[str, str],
        directory: Path,
        lines: "queue.SimpleQueue[Line]",
    ) -> None:
        """Start the command, a simple one in the words of the shell, and pass its lines on."""
        self.name = name
        self.last_lines: deque[str] = deque(maxlen=LINES_KEPT)
        self._popen = subprocess.Popen(  # noqa: S603  (the words of the Procfile)
            ["/bin/sh", "-c", f"exec {command}"],  # exec: the group's leader is the command, not a shell
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            cwd=directory,
            start_new_session=True,
        )
        self.process = ProcessId.of(self._popen.pid) or ProcessId(pid=self._popen.pid, started="")
        self._reader = threading.Thread(target=self._read, args=(lines,), name=f"read-{name}", daemon=True)
        self._reader.start()

    @property
    def returncode(self) -> int | None:
        """Return how the command ended, or None while it runs."""
        return self._popen.poll()

    def ask_to_stop(self) -> None:
        """Send SIGTERM to the command; its own children are its own business."""
        if self.returncode is None:
            self._popen.send_signal(signal.SIGTERM)

    def kill_group(self) -> None:
        """Kill what is left of the command's process group, and read its output to the end."""
        signal_group(self._popen.pid, signal.SIGKILL)
        self._popen.wait()
        self._reader.join(timeout=DRAIN_SECONDS)

    def _read(self, lines: "queue.SimpleQueue[Line]") -> None:
        stream = self._popen.stdout
        if stream is None:
            return
        with contextlib.suppress(ValueError, OSError), stream:
            for raw in stream:
                text = raw.decode(errors="replace").rstrip()
                self.last_lines.append(text)
                lines.put(Line(name=self.name, text=text))

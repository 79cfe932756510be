"""Named places at which the kill matrix ends a process with SIGKILL, to show that nothing is lost there.

Off, a crash point is a call of an empty function. On (``settings.CRASH_DIRECTORY``, which production settings do
not read), the first process of the armed kind that reaches the armed point takes the file ``armed`` away and
kills itself. The file holds four words: the point, the kind of process, how often it is passed before, and a nonce.
"""

import os
import signal
from collections.abc import Callable
from pathlib import Path

from django.conf import settings

Point = Callable[[str], None]


class CrashPoints:
    """Kills this process at the armed point, once."""

    def __init__(self, *, directory: Path, process: str) -> None:
        self._armed = directory / "armed"
        self._process = process
        self._nonce = ""
        self._passed = 0

    def reach(self, point: str) -> None:
        """End this process if the point is armed for it and was passed often enough."""
        try:
            wanted, process, passes, nonce = self._armed.read_text().split()
        except (OSError, ValueError):
            return
        if (wanted, process) != (point, self._process):
            return
        if nonce != self._nonce:
            self._nonce, self._passed = nonce, 0
        self._passed += 1
        if self._passed > int(passes) and self._take():
            os.kill(os.getpid(), signal.SIGKILL)

    def _take(self) -> bool:
        try:
            self._armed.rename(self._armed.with_name(f"reached-{self._nonce}"))
        except OSError:
            return False
        return True


def _pass(point: str) -> None:
    """Do nothing."""


def _configured() -> Point:
    directory = getattr(settings, "CRASH_DIRECTORY", "")
    if not directory:
        return _pass
    return CrashPoints(directory=Path(directory), process=settings.PROCESS_KIND).reach


crash_point: Point = _configured()

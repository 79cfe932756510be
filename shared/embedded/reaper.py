"""A last will: a command that runs when this process dies without having said goodbye.

A small shell reads from a pipe whose other end only this process holds. When the process dies, however it
dies, the kernel closes that end, and the shell runs the command. Unlike PR_SET_PDEATHSIG (Linux) this works
on macOS too, survives a change of credentials and can do more than send a signal.
"""

import contextlib
import os
import subprocess
import sys
import weakref
from collections.abc import Sequence
from pathlib import Path

import shared

CHECKOUT = Path(shared.__file__).resolve().parents[1]
SCRIPT = 'read -r goodbye && exit 0; exec "$@"'

_living: "weakref.WeakSet[Reaper]" = weakref.WeakSet()


class Reaper:
    """The keeper of one last will, until it is dismissed."""

    __slots__ = ("__weakref__", "_shell")

    def __init__(self, *, module: str, arguments: Sequence[str]) -> None:
        """Have `python -m module arguments` run should this process be killed."""
        self._shell = subprocess.Popen(  # noqa: S603  (a constant script; the words are arguments)
            ["/bin/sh", "-c", SCRIPT, "reaper", sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=CHECKOUT,
            start_new_session=True,
        )
        _living.add(self)

    def dismiss(self) -> None:
        """Say goodbye: the command will not run."""
        if self._shell.stdin is None or self._shell.stdin.closed:
            return
        with contextlib.suppress(BrokenPipeError):
            self._shell.stdin.write(b"goodbye\n")
            self._shell.stdin.flush()
        with contextlib.suppress(BrokenPipeError):
            self._shell.stdin.close()
        self._shell.wait()

    def forget(self) -> None:
        """Close a forked child's copy of the pipe, which would hide the parent's death."""
        if self._shell.stdin is not None:
            self._shell.stdin.close()


def _forget_all() -> None:
    for reaper in list(_living):
        reaper.forget()


os.register_at_fork(after_in_child=_forget_all)

"""One line a step, with the seconds it took; the same text on a terminal and in a log."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

WIDTH = 46


class Progress:
    """The lines that `make run` writes before the system is up."""

    __slots__ = ("_output", "_since")

    def __init__(self, *, output: TextIO) -> None:
        """Write to the stream and count from now."""
        self._output = output
        self._since = time.monotonic()

    @property
    def seconds(self) -> float:
        """Return the seconds since the beginning."""
        return time.monotonic() - self._since

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Announce a step, and at its end tell how long it took."""
        began = time.monotonic()
        self._write(f"  {title} ".ljust(WIDTH, "."))
        try:
            yield
        except BaseException:
            self._write(" not done\n")
            raise
        self._write(f" {time.monotonic() - began:4.1f} s\n")

    def say(self, text: str) -> None:
        """Write a line of its own."""
        self._write(f"{text}\n")

    def _write(self, text: str) -> None:
        with suppress(OSError):  # a reader who has left must not keep the steps from being taken
            self._output.write(text)
            self._output.flush()

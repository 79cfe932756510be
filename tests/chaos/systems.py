"""A whole Orderly whose crash points can be armed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.journeys.system import System, running_system

#: Longer than a call to the provider can take, short enough that a killed worker's work is soon taken over.
LEASE = 15  # seconds


@contextmanager
def crashing_system() -> Iterator[System]:
    """Run a durable system with crash points."""
    with TemporaryDirectory(prefix="orderly-crash-") as directory:
        told = {"CRASH_DIRECTORY": directory, "SAGA_LEASE_SECONDS": str(LEASE)}
        with running_system(durable=True, told=told) as system:
            system.crash_directory = Path(directory)
            yield system

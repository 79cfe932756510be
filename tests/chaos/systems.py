"""A whole Orderly whose crash points can be armed, and whose cable to the provider can be cut."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.chaos.network import Cable
from tests.journeys.system import System, running

#: Longer than a call to the provider can take, short enough that a killed worker's work is soon taken over.
LEASE = 15  # seconds


@dataclass(slots=True)
class CrashingSystem(System):
    """The system with what breaks it."""

    crash_directory: Path = Path()
    cable: Cable = field(default_factory=Cable)


@contextmanager
def crashing_system() -> Iterator[CrashingSystem]:
    """Run a durable system with crash points; its worker reaches the provider through a cable."""
    cable = Cable()
    cable.plug_in()
    with TemporaryDirectory(prefix="orderly-crash-") as directory:
        told = {
            "CRASH_DIRECTORY": directory,
            "SAGA_LEASE_SECONDS": str(LEASE),
            "PSP_SIMULATOR_URL": f"http://127.0.0.1:{cable.port}",
        }
        try:
            with running(CrashingSystem, durable=True, told=told) as system:
                system.crash_directory, system.cable = Path(directory), cable
                cable.to_port = system.psp_port
                yield system
        finally:
            cable.unplug()

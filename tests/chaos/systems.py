"""A whole Orderly whose crash points can be armed, whose cable can be cut, and that tells another server."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.chaos.network import Cable
from tests.journeys.system import PROCESSES, System, running
from tests.journeys.webhooks import add_endpoint
from tests.webhooks.receiver import Receiver, listening

#: Longer than a call to the provider can take, short enough that a killed worker's work is soon taken over.
LEASE = 15  # seconds


@dataclass(slots=True)
class CrashingSystem(System):
    """The system with what breaks it."""

    crash_directory: Path = Path()
    cable: Cable = field(default_factory=Cable)
    other_server: Receiver = field(default_factory=Receiver)


@contextmanager
def crashing_system() -> Iterator[CrashingSystem]:
    """Run a durable system with crash points; its worker reaches the provider through a cable."""
    cable = Cable()
    cable.plug_in()
    with TemporaryDirectory(prefix="orderly-crash-") as directory, listening() as other_server:
        told = {
            "CRASH_DIRECTORY": directory,
            "SAGA_LEASE_SECONDS": str(LEASE),
            "PSP_SIMULATOR_URL": f"http://127.0.0.1:{cable.port}",
        }
        try:
            with running(CrashingSystem, processes=(*PROCESSES, "webhooks"), durable=True, told=told) as system:
                system.crash_directory, system.cable = Path(directory), cable
                cable.to_port = system.psp_port
                system.other_server = other_server
                add_endpoint(system, other_server.url)
                yield system
        finally:
            cable.unplug()

"""A simulator and a receiver that all tests share, and a maker of simulators for those that break them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .running import Receiver, Simulator

MakeSimulator = Callable[..., Simulator]


@pytest.fixture(scope="session")
def receiver() -> Iterator[Receiver]:
    """Listen for the webhooks of the shared simulator."""
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture(scope="session")
def simulator(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[Simulator]:
    """Run one simulator for every test that leaves it as it was."""
    ledger = tmp_path_factory.mktemp("simulator") / "ledger.db"
    simulator = Simulator(ledger=ledger, arguments=receiver.arguments)
    yield simulator
    assert simulator.stop() == (0, "")


@pytest.fixture
def a_simulator(tmp_path: Path) -> Iterator[MakeSimulator]:
    """Run simulators of the test's own, each with the same ledger."""
    made: list[Simulator] = []

    def make(*arguments: str) -> Simulator:
        made.append(Simulator(ledger=tmp_path / "ledger.db", arguments=arguments))
        return made[-1]

    yield make
    for simulator in made:
        simulator.stop()

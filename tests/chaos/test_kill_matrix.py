"""Each crash point once, under load, on real processes; the long run is ``make chaos``."""

from collections.abc import Iterator

import pytest

from tests.chaos.matrix import DISASTERS, KILLS, Load, kill_at, settle_and_judge, under_load
from tests.chaos.systems import crashing_system
from tests.journeys.system import System

pytestmark = [pytest.mark.journey, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    """Run a system whose crash points can be armed."""
    with crashing_system() as running:
        yield running


class TestKilledSystem:
    def test_loses_doubles_and_leaves_nothing(self, system: System) -> None:
        with under_load(system) as load:
            for passes, kill in enumerate(KILLS):
                kill_at(system, kill, passes=passes % 5)
            for strike in DISASTERS.values():
                strike(system)
        counts = settle_and_judge(system, load)

        assert counts["accepted"] > 0

    def test_is_judged_by_something_that_can_say_no(self, system: System) -> None:
        ((order_id,),) = system.query("SELECT id::text FROM ordering_order WHERE status = 'confirmed' LIMIT 1")
        system.query("UPDATE ordering_order SET status = 'pending' WHERE id = %s RETURNING 1", order_id)
        try:
            with pytest.raises(AssertionError, match="is pending without a process"):
                settle_and_judge(system, Load(system=system, skus=[]))
        finally:
            system.query("UPDATE ordering_order SET status = 'confirmed' WHERE id = %s RETURNING 1", order_id)

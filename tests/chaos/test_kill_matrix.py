"""The shortest run of the kill matrix that has something of everything; the whole of it is ``make chaos``."""

from collections.abc import Iterator

import pytest

from tests.chaos.disasters import DISASTERS
from tests.chaos.matrix import KILLS, Load, kill_at, settle_and_judge, under_load
from tests.chaos.systems import CrashingSystem, crashing_system

pytestmark = [pytest.mark.journey, pytest.mark.timeout(600)]

#: One of each kind: what is committed and not told, what is told and not noted, what is done and not acknowledged.
SHORT = frozenset(
    {
        "web: unit_of_work.after_commit",
        "relay: broker.after_publish",
        "worker: unit_of_work.before_commit",
        "worker: provider.after_answer",
        "worker: celery.before_acknowledge",
        "webhooks: webhooks.after_request",
        "broker: FLUSHALL",
        "network to the provider: answers lost",
        "PostgreSQL: SIGKILL",
        "disk of the outbox: full",
    }
)


@pytest.fixture(scope="module")
def system() -> Iterator[CrashingSystem]:
    """Run a system whose crash points can be armed."""
    with crashing_system() as running:
        yield running


class TestKilledSystem:
    def test_is_tried_with_things_that_exist(self) -> None:
        assert {*(kill.title for kill in KILLS), *DISASTERS} >= SHORT

    def test_loses_doubles_and_leaves_nothing(self, system: CrashingSystem) -> None:
        with under_load(system) as load:
            for passes, kill in enumerate(kill for kill in KILLS if kill.title in SHORT):
                kill_at(system, kill, passes=passes)
            for strike in (strike for title, strike in DISASTERS.items() if title in SHORT):
                strike(system)
        counts = settle_and_judge(system, load)

        assert counts["accepted"] > 0

    def test_is_judged_by_something_that_can_say_no(self, system: CrashingSystem) -> None:
        ((order_id,),) = system.query("SELECT id::text FROM ordering_order WHERE status = 'confirmed' LIMIT 1")
        system.query("UPDATE ordering_order SET status = 'pending' WHERE id = %s RETURNING 1", order_id)
        try:
            with pytest.raises(AssertionError, match="is pending without a process"):
                settle_and_judge(system, Load(system=system, skus=[]))
        finally:
            system.query("UPDATE ordering_order SET status = 'confirmed' WHERE id = %s RETURNING 1", order_id)

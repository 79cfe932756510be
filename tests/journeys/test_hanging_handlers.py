"""A handler that hangs is neither waited for in silence nor tried for ever, though threads know no time limit."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from shared.outbox.deliveries import MAX_ATTEMPTS
from shared.resilience.time_limits import EXIT_STATUS
from tests.journeys.system import System, eventually, running_system

pytestmark = pytest.mark.journey

TOLD = {"DJANGO_SETTINGS_MODULE": "tests.journeys.hanging.settings", "LOG_LEVEL": "WARNING"}
INSERT = """
INSERT INTO outbox_message (id, topic, aggregate_id, aggregate_sequence, payload, occurred_at, correlation_id,
                            causation_id, traceparent, actor)
VALUES (gen_random_uuid(), %s, %s, 1, '{"occurred_at": "2026-05-01T12:00:00Z"}', now(), '', '', '', 'system')
RETURNING 1
"""
STATE = """
SELECT delivery.status, attempts, last_error FROM outbox_delivery AS delivery
JOIN outbox_message AS message ON message.id = message_id WHERE topic = %s
"""


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    """Run workers whose handlers hang."""
    with running_system(processes=("relay", "worker"), told=TOLD) as running:
        yield running


class TestHangingHandler:
    def test_is_stopped_and_counted_when_it_can_be_told(self, system: System) -> None:
        tell(system, "testing.looped.v1")

        status, attempts, error = eventually(lambda: failed(system, "testing.looped.v1"), within=40, what="a failure")
        assert (status, attempts >= 1, error.split(":")[0]) == ("pending", True, "OutOfTime")
        assert "work_out_of_time" in system.log_of("worker")
        assert "go_round_in_circles" in system.log_of("worker")
        assert system.processes["worker"].poll() is None

    def test_ends_its_worker_and_is_counted_when_it_cannot(self, system: System) -> None:
        tell(system, "testing.slept.v1")
        worker = system.processes["worker"]

        eventually(lambda: worker.poll() == EXIT_STATUS, within=60, what="the end of the worker")
        assert failed(system, "testing.slept.v1") is not None
        assert "work_hangs" in system.log_of("worker")

    def test_is_given_up_in_the_end(self, system: System) -> None:
        system.query("UPDATE outbox_delivery SET attempts = %s, due_at = now() RETURNING 1", MAX_ATTEMPTS - 1)
        for _ in range(3):
            if state(system, "testing.slept.v1")[0] == "dead":
                break
            system.start("worker")
            worker = system.processes["worker"]
            eventually(lambda: worker.poll() is not None, within=60, what="the end of the worker")  # noqa: B023

        assert state(system, "testing.slept.v1")[0] == "dead"


def tell(system: System, topic: str) -> None:
    """Publish an event."""
    system.query(INSERT, topic, str(uuid4()))


def state(system: System, topic: str) -> tuple[str, int, str]:
    """Return status, attempts and last error of the delivery of the topic."""
    ((status, attempts, error),) = system.query(STATE, topic)
    return status, attempts, error


def failed(system: System, topic: str) -> tuple[str, int, str] | None:
    """Return the state of the delivery once a failure was counted."""
    found = system.query(STATE, topic)
    return state(system, topic) if found and found[0][1] else None

"""Scripted faults hit the next operations and no others."""

import time

import httpx2
import pytest

from .running import Simulator, unique


class TestFaults:
    def test_error_before_writes_nothing(self, simulator: Simulator) -> None:
        key = unique()
        with simulator.fault("error_before", count=2):
            statuses = [simulator.authorise(key=key, reference="r").status_code for _ in range(3)]

        assert statuses == [500, 500, 201]

    def test_error_after_has_charged(self, simulator: Simulator) -> None:
        key, reference = unique(), unique("order")
        with simulator.fault("error_after"):
            first, second = (simulator.authorise(key=key, reference=reference) for _ in range(2))

        assert (first.status_code, second.status_code) == (500, 201)
        assert second.headers["Idempotency-Replayed"] == "true"
        assert len(simulator.entries(reference)) == 1

    def test_dropped_connection_has_charged_and_answers_nothing(self, simulator: Simulator) -> None:
        key = unique()
        with simulator.fault("drop_connection"), pytest.raises(httpx2.RemoteProtocolError):
            simulator.authorise(key=key)

        assert simulator.operation(key).json()["status"] == "succeeded"

    def test_latency_hits_any_operation(self, simulator: Simulator) -> None:
        authorization_id = simulator.an_authorization()
        with simulator.fault("latency", ms=300):
            started = time.monotonic()
            simulator.capture(authorization_id, 1)

        assert time.monotonic() - started >= 0.3

    def test_replays_use_up_nothing(self, simulator: Simulator) -> None:
        key = unique()
        simulator.authorise(key=key, reference="r")
        with simulator.fault("error_before"):
            assert simulator.authorise(key=key, reference="r").status_code == 201
            assert len(simulator.get("/_control/faults")["faults"]) == 1

    def test_can_be_listed_and_cleared(self, simulator: Simulator) -> None:
        with simulator.fault("latency", count=7, ms=1):
            assert simulator.get("/_control/faults") == {"faults": [{"kind": "latency", "count": 7, "ms": 1}]}
            simulator.client.delete("/_control/faults")

            assert simulator.get("/_control/faults") == {"faults": []}

    @pytest.mark.parametrize(
        "body", [{}, {"kind": "earthquake"}, {"kind": "latency", "count": 0}, {"kind": "latency", "ms": -1}]
    )
    def test_are_refused_when_they_mean_nothing(self, simulator: Simulator, body: dict[str, object]) -> None:
        answer = simulator.client.post("/_control/faults", json=body)

        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")

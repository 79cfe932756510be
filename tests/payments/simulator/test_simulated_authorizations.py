"""What each token does."""

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import httpx2
import pytest

from .running import Receiver, Simulator, unique


@pytest.fixture(scope="module", autouse=True)
def slow_answer(simulator: Simulator) -> Iterator["Future[tuple[httpx2.Response, float]]"]:
    """Ask with the slow token at the start, so that the other tests fill the time until the answer."""

    def ask() -> tuple[httpx2.Response, float]:
        started = time.monotonic()
        return simulator.authorise(token="tok_slow"), time.monotonic() - started

    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(ask)


class TestApproved:
    def test_answers_with_the_whole_authorization(self, simulator: Simulator) -> None:
        answer = simulator.authorise(amount=1_234, reference="order-17")

        assert answer.status_code == 201
        authorization = answer.json()
        assert authorization.pop("id").startswith("auth_")
        assert authorization.pop("created_at").endswith("Z")
        assert authorization == {
            "status": "authorized",
            "amount": 1_234,
            "currency": "EUR",
            "reference": "order-17",
            "captured": 0,
            "refunded": 0,
            "voided": False,
            "failure_code": None,
        }

    def test_can_be_read_again(self, simulator: Simulator) -> None:
        authorization = simulator.authorise().json()

        assert simulator.authorization(authorization["id"]) == authorization


class TestDeclined:
    @pytest.mark.parametrize(
        ("token", "failure_code"),
        [("tok_declined", "card_declined"), ("tok_insufficient_funds", "insufficient_funds")],
    )
    def test_is_an_answer_and_not_an_error(self, simulator: Simulator, token: str, failure_code: str) -> None:
        reference = unique("order")

        answer = simulator.authorise(token=token, reference=reference)

        assert answer.status_code == 201
        assert (answer.json()["status"], answer.json()["failure_code"]) == ("declined", failure_code)
        assert simulator.entries(reference) == []

    def test_says_so_when_looked_up(self, simulator: Simulator) -> None:
        key = unique()
        simulator.authorise(token="tok_declined", key=key)

        operation = simulator.operation(key).json()

        assert (operation["kind"], operation["status"]) == ("authorise", "declined")
        assert operation["resource"]["failure_code"] == "card_declined"

    def test_moves_no_money(self, simulator: Simulator) -> None:
        authorization_id = simulator.an_authorization(token="tok_declined")

        for answer in (
            simulator.capture(authorization_id, 1),
            simulator.refund(authorization_id, 1),
            simulator.void(authorization_id),
        ):
            assert (answer.status_code, answer.json()["code"]) == (409, "authorization_not_authorized")


class TestUnknownToken:
    def test_is_refused_and_writes_nothing(self, simulator: Simulator) -> None:
        key = unique()

        answer = simulator.authorise(token="tok_nobody_knows", key=key)

        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_token")
        assert simulator.operation(key).status_code == 404


class TestSlow:
    def test_is_charged_when_the_client_gives_up(self, simulator: Simulator) -> None:
        key = unique()
        with pytest.raises(httpx2.ReadTimeout):
            simulator.authorise(token="tok_slow", key=key, timeout=0.2)

        assert simulator.operation(key).json()["status"] == "succeeded"


class TestTimeoutAfterCharge:
    def test_charges_then_keeps_silent_once(self, simulator: Simulator) -> None:
        key, reference = unique(), unique("order")
        with pytest.raises(httpx2.ReadTimeout):
            simulator.authorise(token="tok_timeout_after_charge", key=key, reference=reference, timeout=0.3)

        found = simulator.operation(key).json()
        again = simulator.authorise(token="tok_timeout_after_charge", key=key, reference=reference, timeout=1)

        assert again.status_code == 201
        assert again.headers["Idempotency-Replayed"] == "true"
        assert again.json() == found["resource"]
        assert [entry["kind"] for entry in simulator.entries(reference)] == ["authorise"]


class TestErrorAfterCharge:
    def test_charges_then_fails_once(self, simulator: Simulator) -> None:
        key, reference = unique(), unique("order")

        first, second = (
            simulator.authorise(token="tok_error_after_charge", key=key, reference=reference) for _ in range(2)
        )

        assert (first.status_code, first.json()["code"]) == (500, "processing_error")
        assert (second.status_code, second.json()["status"]) == (201, "authorized")
        assert second.headers["Idempotency-Replayed"] == "true"
        assert len(simulator.entries(reference)) == 1


class TestErrorBeforeCharge:
    def test_fails_once_and_charges_on_retry(self, simulator: Simulator) -> None:
        key, reference = unique(), unique("order")

        first = simulator.authorise(token="tok_error_before_charge", key=key, reference=reference)
        nothing = simulator.operation(key)
        second = simulator.authorise(token="tok_error_before_charge", key=key, reference=reference)

        assert (first.status_code, first.json()["code"]) == (500, "processing_error")
        assert (nothing.status_code, nothing.json()["code"]) == (404, "operation_not_found")
        assert second.status_code == 201
        assert "Idempotency-Replayed" not in second.headers
        assert len(simulator.entries(reference)) == 1


class TestRequiresAction:
    def test_is_approved_two_seconds_later(self, simulator: Simulator, receiver: Receiver) -> None:
        key, reference = unique(), unique("order")
        authorization_id = simulator.an_authorization(token="tok_requires_action", key=key, reference=reference)

        assert receiver.of(reference) == []
        assert simulator.authorization(authorization_id)["status"] == "requires_action"
        assert simulator.operation(key).json()["status"] == "requires_action"
        assert simulator.entries(reference) == []
        assert simulator.capture(authorization_id, 1).json()["code"] == "authorization_not_authorized"

        # Nothing is asked meanwhile: the simulator has to notice by itself.
        assert receiver.wait_for(reference)[0].event["type"] == "authorization.succeeded"

        assert simulator.authorization(authorization_id)["status"] == "authorized"
        assert [entry["key"] for entry in simulator.entries(reference)] == [key]
        assert simulator.operation(key).json()["status"] == "succeeded"
        assert simulator.capture(authorization_id, 1_000).status_code == 201

    def test_can_be_approved_by_hand(self, simulator: Simulator) -> None:
        authorization_id = simulator.an_authorization(token="tok_requires_action")

        first, second = (simulator.client.post(f"/_control/approve/{authorization_id}") for _ in range(2))

        assert first.json()["status"] == "authorized"
        assert second.json() == first.json()

    def test_can_be_declined_by_hand(self, simulator: Simulator) -> None:
        authorization_id = simulator.an_authorization(token="tok_requires_action")

        declined = simulator.client.post(f"/_control/decline/{authorization_id}").json()
        approved = simulator.client.post(f"/_control/approve/{authorization_id}")

        assert (declined["status"], declined["failure_code"]) == ("declined", "authentication_failed")
        assert (approved.status_code, approved.json()["code"]) == (409, "not_awaiting_action")

    def test_is_not_approved_once_voided(self, simulator: Simulator) -> None:
        reference = unique("order")
        authorization_id = simulator.an_authorization(token="tok_requires_action", reference=reference)

        assert simulator.void(authorization_id).json()["status"] == "voided"
        assert simulator.client.post(f"/_control/approve/{authorization_id}").status_code == 409
        assert simulator.entries(reference) == []


class TestSlowToTheEnd:
    def test_answers_after_three_seconds(self, slow_answer: "Future[tuple[httpx2.Response, float]]") -> None:
        answer, took = slow_answer.result()

        assert answer.json()["status"] == "authorized"
        assert 3.0 <= took < 6.0

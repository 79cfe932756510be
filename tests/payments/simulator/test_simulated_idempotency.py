"""One key, one operation, one answer."""

from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from .running import Simulator, unique, until


class TestSameKey:
    def test_gives_the_same_answer_and_no_second_charge(self, simulator: Simulator) -> None:
        key, reference = unique(), unique("order")

        first, second = (simulator.authorise(key=key, reference=reference) for _ in range(2))

        assert second.content == first.content
        assert "Idempotency-Replayed" not in first.headers
        assert second.headers["Idempotency-Replayed"] == "true"
        assert len(simulator.entries(reference)) == 1

    def test_answers_what_was_answered_then(self, simulator: Simulator) -> None:
        key, reference = unique(), unique("order")
        first = simulator.authorise(key=key, reference=reference)
        simulator.capture(first.json()["id"], 1_000)

        assert simulator.authorise(key=key, reference=reference).content == first.content

    @pytest.mark.parametrize("token", ["tok_approved", "tok_declined", "tok_error_before_charge"])
    def test_charges_once_for_twenty_twins(self, simulator: Simulator, token: str) -> None:
        key, reference = unique(), unique("order")

        with ThreadPoolExecutor(20) as pool:
            sent = [pool.submit(simulator.authorise, key=key, reference=reference, token=token) for _ in range(20)]
            answers = [future.result() for future in sent]

        failed = [answer for answer in answers if answer.status_code == 500]
        assert len(failed) == (1 if token == "tok_error_before_charge" else 0)
        assert len({answer.content for answer in answers if answer.status_code == 201}) == 1
        replayed = [answer for answer in answers if "Idempotency-Replayed" in answer.headers]
        assert len(replayed) == 19 - len(failed)
        assert len(simulator.entries(reference)) == (0 if token == "tok_declined" else 1)

    def test_waits_for_a_twin_that_is_still_being_decided(self, simulator: Simulator) -> None:
        key, reference = unique(), unique("order")
        with simulator.fault("latency", ms=500), ThreadPoolExecutor(1) as pool:
            first = pool.submit(simulator.authorise, key=key, reference=reference)
            until(lambda: simulator.operation(key).status_code == 409)
            second = simulator.authorise(key=key, reference=reference)

        assert second.content == first.result().content
        assert second.headers["Idempotency-Replayed"] == "true"

    def test_refuses_another_body(self, simulator: Simulator) -> None:
        key, reference = unique(), unique("order")
        simulator.authorise(key=key, reference=reference, amount=1)

        answer = simulator.authorise(key=key, reference=reference, amount=2)

        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")

    def test_refuses_another_operation(self, simulator: Simulator) -> None:
        key = unique()
        authorization_id = simulator.an_authorization(key=key)

        assert simulator.capture(authorization_id, 1, key=key).json()["code"] == "idempotency_key_reused"

    def test_captures_once_for_twenty_twins(self, simulator: Simulator) -> None:
        authorization_id, key = simulator.an_authorization(), unique()

        with ThreadPoolExecutor(20) as pool:
            sent = [pool.submit(simulator.capture, authorization_id, 100, key=key) for _ in range(20)]
            answers = [future.result() for future in sent]

        assert {answer.status_code for answer in answers} == {201}
        assert simulator.authorization(authorization_id)["captured"] == 100

    def test_keeps_a_refusal(self, simulator: Simulator) -> None:
        authorization_id, key = simulator.an_authorization(token="tok_requires_action"), unique()
        first = simulator.capture(authorization_id, 1, key=key)
        simulator.client.post(f"/_control/approve/{authorization_id}")

        second = simulator.capture(authorization_id, 1, key=key)

        assert (first.status_code, second.status_code) == (409, 409)
        assert second.headers["Idempotency-Replayed"] == "true"


class TestKey:
    @pytest.mark.parametrize("action", ["captures", "refunds", "void"])
    def test_is_required(self, simulator: Simulator, action: str) -> None:
        path = f"/v1/authorizations/{simulator.an_authorization()}/{action}"

        answer = simulator.client.post(path, json={} if action == "void" else {"amount": 1})

        assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_required")

    def test_is_visible_text_of_at_most_255_characters(self, simulator: Simulator) -> None:
        assert simulator.authorise(key="k" * 256).json()["code"] == "idempotency_key_invalid"
        assert simulator.authorise(key="a b").json()["code"] == "idempotency_key_invalid"


class TestLookup:
    def test_says_when_nothing_has_arrived(self, simulator: Simulator) -> None:
        answer = simulator.operation(unique())

        assert (answer.status_code, answer.json()["code"]) == (404, "operation_not_found")

    def test_says_when_nothing_is_decided_yet(self, simulator: Simulator) -> None:
        key = unique()
        with simulator.fault("latency", ms=400), pytest.raises(httpx2.ReadTimeout):
            simulator.authorise(key=key, timeout=0.2)

        assert simulator.operation(key).json()["code"] == "operation_in_progress"
        until(lambda: simulator.operation(key).status_code == 200)

    def test_tells_a_capture_with_its_authorization_as_it_now_stands(self, simulator: Simulator) -> None:
        authorization_id, key = simulator.an_authorization(), unique()
        capture = simulator.capture(authorization_id, 600, key=key).json()
        simulator.refund(authorization_id, 100)

        operation = simulator.operation(key).json()

        assert (operation["key"], operation["kind"], operation["status"]) == (key, "capture", "succeeded")
        assert operation["error"] is None
        assert operation["resource"]["id"] == capture["id"]
        assert operation["resource"]["authorization"]["refunded"] == 100

    def test_tells_a_refusal(self, simulator: Simulator) -> None:
        authorization_id, key = simulator.an_authorization(amount=5), unique()
        simulator.capture(authorization_id, 6, key=key)

        operation = simulator.operation(key).json()

        assert (operation["status"], operation["error"]["code"]) == (
            "refused",
            "capture_exceeds_authorization",
        )
        assert operation["resource"]["id"] == authorization_id

    def test_finds_a_key_with_a_slash(self, simulator: Simulator) -> None:
        key = unique("payment/17/authorise")
        simulator.authorise(key=key)

        assert simulator.operation(key).json()["key"] == key
        assert simulator.operation(key.replace("/", "%2F")).json()["key"] == key

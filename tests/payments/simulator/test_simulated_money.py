"""Captures, refunds and voids never move more than was promised."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from .running import Simulator, unique


class TestCapture:
    def test_answers_with_the_capture_and_its_authorization(self, simulator: Simulator) -> None:
        authorization_id = simulator.an_authorization(amount=1_000, reference="order-18")

        answer = simulator.capture(authorization_id, 400)

        assert answer.status_code == 201
        capture = answer.json()
        assert capture["id"].startswith("cap_")
        assert (capture["status"], capture["amount"], capture["currency"]) == ("succeeded", 400, "EUR")
        assert (capture["authorization_id"], capture["reference"]) == (authorization_id, "order-18")
        assert capture["authorization"] == simulator.authorization(authorization_id)
        assert capture["authorization"]["captured"] == 400

    def test_takes_parts_up_to_the_whole(self, simulator: Simulator) -> None:
        authorization_id = simulator.an_authorization(amount=1_000)

        answers = [simulator.capture(authorization_id, amount) for amount in (400, 600, 1)]

        assert [answer.status_code for answer in answers] == [201, 201, 409]
        assert answers[-1].json()["code"] == "capture_exceeds_authorization"
        assert simulator.authorization(authorization_id)["captured"] == 1_000

    def test_never_takes_more_when_many_try_at_once(self, simulator: Simulator) -> None:
        authorization_id = simulator.an_authorization(amount=1_000)

        with ThreadPoolExecutor(10) as pool:
            sent = [pool.submit(simulator.capture, authorization_id, 300) for _ in range(10)]
            statuses = sorted(future.result().status_code for future in sent)

        assert statuses == [201] * 3 + [409] * 7
        assert simulator.authorization(authorization_id)["captured"] == 900

    def test_is_refused_once_voided(self, simulator: Simulator) -> None:
        authorization_id = simulator.an_authorization()
        simulator.void(authorization_id)

        answer = simulator.capture(authorization_id, 1)

        assert (answer.status_code, answer.json()["code"]) == (409, "authorization_voided")


class TestRefund:
    def test_gives_back_parts_up_to_what_was_captured(self, simulator: Simulator) -> None:
        authorization_id = simulator.an_authorization(amount=1_000)
        simulator.capture(authorization_id, 500)

        answers = [simulator.refund(authorization_id, amount) for amount in (200, 300, 1)]

        assert [answer.status_code for answer in answers] == [201, 201, 409]
        assert answers[0].json()["id"].startswith("ref_")
        assert answers[-1].json()["code"] == "refund_exceeds_capture"
        assert simulator.authorization(authorization_id)["refunded"] == 500

    def test_gives_back_no_more_of_a_capture_than_it_took(self, simulator: Simulator) -> None:
        authorization_id = simulator.an_authorization(amount=1_000)
        capture_id = simulator.capture(authorization_id, 300).json()["id"]
        simulator.capture(authorization_id, 700)

        answers = [simulator.refund(authorization_id, amount, capture_id=capture_id) for amount in (200, 101, 100)]

        assert [answer.status_code for answer in answers] == [201, 409, 201]
        assert answers[0].json()["capture_id"] == capture_id

    def test_is_refused_for_a_capture_of_another(self, simulator: Simulator) -> None:
        authorization_id, other_id = simulator.an_authorization(), simulator.an_authorization()
        simulator.capture(authorization_id, 1_000)
        capture_id = simulator.capture(other_id, 1_000).json()["id"]

        answer = simulator.refund(authorization_id, 1, capture_id=capture_id)

        assert (answer.status_code, answer.json()["code"]) == (404, "capture_not_found")

    def test_is_refused_before_a_capture(self, simulator: Simulator) -> None:
        answer = simulator.refund(simulator.an_authorization(), 1)

        assert (answer.status_code, answer.json()["code"]) == (409, "refund_exceeds_capture")


class TestVoid:
    def test_releases_the_promise_and_is_harmless_twice(self, simulator: Simulator) -> None:
        reference = unique("order")
        authorization_id = simulator.an_authorization(reference=reference)

        first, second = (simulator.void(authorization_id) for _ in range(2))

        assert (first.status_code, second.status_code) == (200, 200)
        assert (first.json()["status"], first.json()["voided"]) == ("voided", True)
        assert second.json() == first.json()
        assert [entry["kind"] for entry in simulator.entries(reference)] == ["authorise", "void"]

    def test_is_refused_once_captured(self, simulator: Simulator) -> None:
        authorization_id = simulator.an_authorization()
        simulator.capture(authorization_id, 1)

        answer = simulator.void(authorization_id)

        assert (answer.status_code, answer.json()["code"]) == (409, "authorization_captured")


class TestUnknownAuthorization:
    @pytest.mark.parametrize("action", ["captures", "refunds", "void"])
    def test_is_not_found(self, simulator: Simulator, action: str) -> None:
        key = unique()

        answer = simulator.post(
            f"/v1/authorizations/auth_0/{action}", {} if action == "void" else {"amount": 1}, key=key
        )

        assert (answer.status_code, answer.json()["code"]) == (404, "authorization_not_found")
        assert simulator.operation(key).status_code == 404

from typing import Any

import pytest
from django.test import Client

pytestmark = pytest.mark.urls("tests.shared.failing_urls")

everywhere = pytest.mark.parametrize("api", ["ninja", "drf", "plain"])


@pytest.fixture
def caller() -> Client:
    """Call as somebody far away, to whom a failure is an answer."""
    return Client(raise_request_exception=False)


class TestFailure:
    @everywhere
    @pytest.mark.parametrize(
        ("kind", "status", "code", "retry_after"),
        [
            ("defect", 500, "internal_error", None),
            ("refusal", 409, "teapot_is_hot", None),
            ("wait", 409, "teapot_is_hot", "3"),
            ("vendor", 503, "external_api_error", "7"),
            ("database", 503, "database_connection_error", "1"),
            ("nothing", 404, "not_found", None),
        ],
    )
    def test_is_the_same_problem_in_both_apis(
        self, caller: Client, api: str, kind: str, status: int, code: str, retry_after: str | None
    ) -> None:
        answer = caller.get(f"/api/{api}/{kind}", headers={"X-Request-ID": "teatime"})
        problem: dict[str, Any] = answer.json()

        assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
        assert (problem["code"], problem["status"], problem["instance"]) == (code, status, f"/api/{api}/{kind}")
        assert problem["request_id"] == answer["X-Request-ID"] == "teatime"
        assert answer.get("Retry-After") == retry_after
        assert "hunter2" not in answer.content.decode()

    @everywhere
    def test_carries_the_details_of_a_refusal(self, caller: Client, api: str) -> None:
        assert caller.get(f"/api/{api}/refusal").json()["celsius"] == 95

    @pytest.mark.parametrize("api", ["ninja", "drf"])
    def test_of_a_kind_of_the_framework_keeps_its_status(self, caller: Client, api: str) -> None:
        answer = caller.get(f"/api/{api}/teapot")

        assert (answer.status_code, answer["Content-Type"]) == (418, "application/problem+json")
        assert answer.json()["detail"] == "I am a teapot."

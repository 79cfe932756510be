"""Webhooks as an operator's program sees them."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import Client

from contexts.webhooks import wiring
from contexts.webhooks.domain import EndpointId
from contexts.webhooks.models import DeliveryRow
from shared.audit.models import AuditEntryRow
from tests.shop import a_key
from tests.webhooks.builders import CANCELLED, OWNER, PLACED, an_endpoint, fan_out, happened
from tests.webhooks.test_client_api import URL

pytestmark = pytest.mark.django_db

ENDPOINTS, DELIVERIES, DEAD = (f"/api/ops/v1/webhook-{each}" for each in ("endpoints", "deliveries", "dead-letters"))
REASON = {"reason": "they mended it"}


class Desk:
    """An operator's program."""

    def __init__(self, *scopes: str) -> None:
        self.client = Client()
        self.token = a_key(*(scopes or ("ops:*",)))

    def get(self, path: str, **query: Any) -> Any:
        """Send a GET."""
        return self.client.get(path, query, headers={"Authorization": f"Bearer {self.token}"})

    def post(self, path: str, body: Any, **headers: str) -> Any:
        """Send a POST."""
        sent = {"Authorization": f"Bearer {self.token}", "Idempotency-Key": uuid4().hex} | headers
        return self.client.post(path, body, content_type="application/json", headers=sent)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def dead_letters(count: int = 1, *, url: str = URL) -> list[UUID]:
    """Have so many deliveries given up, and their endpoint enabled again; return their ids."""
    endpoint = an_endpoint(url)
    for _ in range(count):
        happened()
    fan_out()
    for enabled in (False, True):
        wiring.switch_endpoint(endpoint_id=EndpointId(endpoint.id), enabled=enabled, reason="test")
    rows = DeliveryRow.objects.filter(endpoint_id=endpoint.id, status="dead").order_by("id")
    return list(rows.values_list("id", flat=True))


def code_of(answer: Any) -> tuple[int, str]:
    """Return status and code of a problem."""
    assert answer["Content-Type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


class TestEndpoints:
    def test_of_all_owners_are_listed_by_pages_without_secrets(self, desk: Desk) -> None:
        ids = [str(an_endpoint(URL).id) for _ in range(3)]
        first = desk.get(ENDPOINTS, limit=2).json()
        second = desk.get(ENDPOINTS, limit=2, cursor=first["next_cursor"]).json()

        assert [each["id"] for each in first["items"] + second["items"]] == ids
        assert first["items"][0]["owner_id"] == str(OWNER)
        assert "secret" not in first["items"][0]

    def test_are_found_by_how_they_do(self, desk: Desk) -> None:
        an_endpoint(URL)

        def count(**query: str) -> int:
            return len(desk.get(ENDPOINTS, **query).json()["items"])

        assert [count(enabled="true"), count(enabled="false"), count(failing="true")] == [1, 0, 0]
        assert desk.get(ENDPOINTS, colour="red").status_code == 422

    def test_are_disabled_and_enabled_with_a_reason_that_the_audit_keeps(self, desk: Desk) -> None:
        path = f"{ENDPOINTS}/{an_endpoint(URL).id}"
        disabled = desk.post(f"{path}/disable", REASON)
        enabled = desk.post(f"{path}/enable", REASON, **{"If-Match": disabled["ETag"]})

        assert disabled.json()["disabled_because"] == "by_operator"
        assert enabled.json()["enabled"]
        assert desk.get(path).json() == enabled.json()
        entries = AuditEntryRow.objects.filter(subject_kind="webhook_endpoint").order_by("at")
        assert [entry.action for entry in entries] == ["webhooks.disable_endpoint", "webhooks.enable_endpoint"]
        assert {entry.reason for entry in entries} == {REASON["reason"]}
        assert code_of(desk.post(f"{path}/disable", REASON, **{"If-Match": '"v0"'})) == (412, "version_mismatch")
        assert desk.post(f"{path}/disable", {}).status_code == 422

    def test_are_told_once_more_of_a_span_and_of_topics(self, desk: Desk) -> None:
        path = f"{ENDPOINTS}/{an_endpoint(URL).id}/replay"
        span = {"from": "2026-03-01T00:00:00Z", "to": "2026-03-02T00:00:00Z"}
        asked = desk.post(path, REASON | span | {"topics": [CANCELLED]})

        assert asked.status_code == 200
        assert (asked.json()["topics"], asked.json()["is_done"]) == ([CANCELLED], False)
        assert asked.json()["since"] == span["from"]
        assert AuditEntryRow.objects.get(action="webhooks.replay").reason == REASON["reason"]
        assert desk.post(path, REASON).status_code == 422
        assert code_of(desk.post(path, REASON | span | {"topics": ["x"]})) == (422, "unknown_topic")

    def test_that_are_not_there_are_not_found(self, desk: Desk) -> None:
        assert code_of(desk.get(f"{ENDPOINTS}/{uuid4()}")) == (404, "endpoint_not_found")


class TestDeliveries:
    def test_are_listed_and_found(self, desk: Desk) -> None:
        endpoint = an_endpoint(URL)
        for _ in range(2):
            happened()
        fan_out()
        (newest, oldest) = desk.get(DELIVERIES).json()["items"]

        assert newest["id"] > oldest["id"]
        assert desk.get(f"{DELIVERIES}/{newest['id']}").json() == newest
        assert (
            len(desk.get(DELIVERIES, endpoint_id=str(endpoint.id), topic=PLACED, status="pending").json()["items"]) == 2
        )
        assert desk.get(DELIVERIES, status="done").json()["items"] == []
        assert desk.get(DELIVERIES, status="lost").status_code == 422
        assert code_of(desk.get(f"{DELIVERIES}/{uuid4()}")) == (404, "delivery_not_found")


class TestDeadLetters:
    def test_are_retried_and_audited(self, desk: Desk) -> None:
        (id_,) = dead_letters()
        assert [each["id"] for each in desk.get(DEAD).json()["items"]] == [str(id_)]
        answer = desk.post(f"{DEAD}/{id_}/retry", REASON)

        assert (answer.json()["status"], answer.json()["attempts"]) == ("pending", 0)
        assert desk.get(DEAD).json()["items"] == []
        entry = AuditEntryRow.objects.get(action="webhooks.retry_delivery")
        assert (entry.before, entry.after, entry.reason) == (
            {"status": "dead"},
            {"status": "pending"},
            REASON["reason"],
        )
        assert code_of(desk.post(f"{DEAD}/{id_}/retry", REASON)) == (409, "delivery_is_under_way")

    def test_are_discarded(self, desk: Desk) -> None:
        (id_,) = dead_letters()

        assert desk.post(f"{DEAD}/{id_}/discard", REASON).json()["status"] == "discarded"
        assert AuditEntryRow.objects.filter(action="webhooks.discard_delivery").count() == 1

    def test_are_dealt_with_in_bulk_by_filter(self, desk: Desk) -> None:
        dead_letters(3)
        other = dead_letters(2)
        endpoint = str(DeliveryRow.objects.get(pk=other[0]).endpoint_id)

        assert desk.post(f"{DEAD}/retry", REASON | {"endpoint_id": endpoint}).json() == {"count": 2}
        assert desk.post(f"{DEAD}/discard", REASON | {"all": True, "limit": 2}).json() == {"count": 2}
        assert desk.post(f"{DEAD}/discard", REASON | {"topic": "a.b.v1"}).json() == {"count": 0}
        assert DeliveryRow.objects.filter(status="dead").count() == 1

    def test_of_a_disabled_endpoint_stay_dead_until_it_is_enabled(self, desk: Desk) -> None:
        (id_,) = dead_letters()
        endpoint_id = EndpointId(DeliveryRow.objects.get(pk=id_).endpoint_id)
        wiring.switch_endpoint(endpoint_id=endpoint_id, enabled=False, reason="test")

        assert code_of(desk.post(f"{DEAD}/{id_}/retry", REASON)) == (409, "endpoint_is_disabled")
        assert desk.post(f"{DEAD}/retry", REASON | {"all": True}).json() == {"count": 0}

    @pytest.mark.parametrize("verb", ["retry", "discard"])
    @pytest.mark.parametrize("choice", [{}, {"limit": 200}, {"all": False}])
    def test_are_left_alone_unless_somebody_says_which(self, desk: Desk, verb: str, choice: dict[str, object]) -> None:
        (id_,) = dead_letters()

        assert code_of(desk.post(f"{DEAD}/{verb}", REASON | choice)) == (422, "selection_required")
        assert DeliveryRow.objects.get(pk=id_).status == "dead"

    def test_need_another_scope_to_be_dealt_with_than_to_be_read(self) -> None:
        (id_,) = dead_letters()
        reader = Desk("ops:webhooks:read")

        assert reader.get(DEAD).status_code == 200
        assert code_of(reader.post(f"{DEAD}/{id_}/retry", REASON)) == (403, "insufficient_scope")
        assert code_of(Desk("orders:read").get(DEAD)) == (403, "insufficient_scope")

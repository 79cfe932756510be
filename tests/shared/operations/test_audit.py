"""The audit trail as an operator's program sees it."""

from typing import Any
from uuid import uuid4

import pytest

from shared.audit.models import AuditEntryRow
from shared.audit.trail import record_change
from shared.telemetry.context import WorkContext, working_as
from tests.shop import Shop, a_customer, a_key

pytestmark = pytest.mark.django_db

LIST = "/api/ops/v1/audit"


def change(lamp: str, *, action: str = "testing.switch", actor: str = "staff:1", kind: str = "lamp") -> str:
    """Record that somebody switched a lamp; return the id of the entry."""
    with working_as(WorkContext(actor=actor, correlation_id="request-1")):
        record_change(
            action=action,
            subject_kind=kind,
            subject_id=lamp,
            before={"is_on": False},
            after={"is_on": True},
            reason="it was dark",
        )
    return str(AuditEntryRow.objects.latest("id").id)


def code_of(answer: Any) -> tuple[int, str]:
    """Return status and code of a problem."""
    assert answer["Content-Type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


class TestList:
    def ids_of(self, answer: Any) -> list[str]:
        return [each["id"] for each in answer.json()["items"]]

    def test_pages_the_newest_first(self, operator: Shop) -> None:
        changes = [change(lamp) for lamp in ("a", "b", "c")]

        page = operator.get(LIST, {"limit": 2, "subject_kind": "lamp"}).json()
        rest = operator.get(LIST, {"limit": 2, "subject_kind": "lamp", "cursor": page["next_cursor"]}).json()

        assert [each["id"] for each in page["items"] + rest["items"]] == changes[::-1]
        assert rest["next_cursor"] is None

    def test_finds_by_actor_action_subject_and_time(self, operator: Shop) -> None:
        hers = change("a", actor="staff:2")
        broken = change("a", action="testing.break")
        heater = change("a", kind="heater")

        assert self.ids_of(operator.get(LIST, {"actor": "staff:2"})) == [hers]
        assert self.ids_of(operator.get(LIST, {"action": "testing.break"})) == [broken]
        assert self.ids_of(operator.get(LIST, {"subject_id": "a"})) == [heater, broken, hers]
        assert self.ids_of(operator.get(LIST, {"subject_kind": "lamp", "subject_id": "a"})) == [broken, hers]
        at = AuditEntryRow.objects.get(id=broken).at.isoformat()
        of_a = {"subject_id": "a"}
        assert self.ids_of(operator.get(LIST, of_a | {"at_from": at})) == [heater, broken]
        assert self.ids_of(operator.get(LIST, of_a | {"at_before": at})) == [hers]

    @pytest.mark.parametrize("query", [{"limit": 101}, {"cursor": "?"}, {"at_from": "yesterday"}, {"colour": "red"}])
    def test_refuses_a_malformed_query(self, operator: Shop, query: dict[str, Any]) -> None:
        assert code_of(operator.get(LIST, query))[0] == 422


class TestGet:
    def test_shows_who_changed_what_and_why(self, operator: Shop) -> None:
        entry_id = change("a")

        shown = operator.get(f"{LIST}/{entry_id}").json()

        assert (shown["actor"], shown["action"], shown["reason"]) == ("staff:1", "testing.switch", "it was dark")
        assert (shown["before"], shown["after"]) == ({"is_on": False}, {"is_on": True})
        assert shown["correlation_id"] == "request-1"
        assert shown["digest"] == bytes(AuditEntryRow.objects.get(id=entry_id).digest).hex() != ""

    def test_of_an_unknown_entry_is_not_found(self, operator: Shop) -> None:
        assert code_of(operator.get(f"{LIST}/{uuid4()}")) == (404, "audit_entry_not_found")


class TestAccess:
    def test_needs_the_scope(self) -> None:
        assert Shop(key=a_key("ops:audit:read")).get(LIST).status_code == 200
        assert code_of(Shop(key=a_key("ops:orders:read")).get(LIST)) == (403, "insufficient_scope")
        _, token = a_customer()
        assert code_of(Shop(key=token).get(LIST)) == (403, "insufficient_scope")

    @pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
    def test_is_to_read_only(self, operator: Shop, method: str) -> None:
        entry_id = change("a")
        answer = getattr(operator.client, method)(
            f"{LIST}/{entry_id}",
            "{}",
            content_type="application/json",
            headers={"Authorization": f"Bearer {operator.key}"},
        )

        assert code_of(answer) == (405, "method_not_allowed")

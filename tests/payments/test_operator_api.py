"""Payments as an operator's program sees them."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.db.models.functions import Now
from pytest_django.fixtures import Settings

from contexts.payments.domain import OperationKind, Payment
from contexts.payments.gateways import ConfiguredGateways
from contexts.payments.models import PaymentRow
from contexts.payments.repositories import DjangoPayments
from shared.audit.models import AuditEntryRow
from shared.outbox.models import OutboxMessageRow
from shared.persistence.unit_of_work import atomic
from tests.payments.builders import (
    a_declined_payment,
    an_authorized_payment,
    an_unknown_payment,
)
from tests.payments.simulator.running import SECRET, Simulator
from tests.shop import Shop, a_customer, a_key

pytestmark = pytest.mark.django_db

LIST = "/api/ops/v1/payments"


@pytest.fixture
def operator() -> Shop:
    """Return somebody who may do everything, where there is nothing yet."""
    return Shop(key=a_key("ops:*"))


def keep(payment: Payment) -> str:
    """Store a payment as its repository does, under keys of its own."""
    for operation in payment.operations.values():
        operation.key = f"{operation.key}:{payment.id}"
    with atomic():
        DjangoPayments().save(payment)
    return str(payment.id)


def key_of(payment: Payment) -> str:
    """Return the key under which the provider was asked."""
    return payment.key_of(OperationKind.AUTHORIZE)


def ids_of(answer: Any) -> list[str]:
    """Return which payments a list answered with."""
    assert answer.status_code == 200, answer.content
    return [each["id"] for each in answer.json()["items"]]


def code_of(answer: Any) -> tuple[int, str]:
    """Return status and code of a problem."""
    assert answer["Content-Type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


class TestList:
    def test_pages_the_newest_first(self, operator: Shop) -> None:
        kept = sorted(keep(an_authorized_payment()) for _ in range(3))

        page = operator.get(LIST, {"limit": 2}).json()
        rest = operator.get(LIST, {"limit": 2, "cursor": page["next_cursor"]}).json()

        assert [each["id"] for each in page["items"] + rest["items"]] == kept[::-1]
        assert rest["next_cursor"] is None

    def test_finds_by_status_order_method_and_time(self, operator: Shop) -> None:
        unknown, declined = an_unknown_payment(), a_declined_payment()
        for payment in (unknown, declined):
            keep(payment)

        assert ids_of(operator.get(LIST, {"status": "unknown"})) == [str(unknown.id)]
        assert ids_of(operator.get(LIST, {"order_id": str(declined.order_id)})) == [str(declined.id)]
        assert len(ids_of(operator.get(LIST, {"method": "simulator"}))) == 2
        assert ids_of(operator.get(LIST, {"method": "stripe"})) == []
        assert len(ids_of(operator.get(LIST, {"created_from": "2026-03-02", "created_before": "2026-03-03"}))) == 2
        assert ids_of(operator.get(LIST, {"created_from": "2026-03-03"})) == []

    def test_finds_what_has_been_open_for_too_long(self, operator: Shop) -> None:
        old, fresh, settled = an_unknown_payment(), an_unknown_payment(), an_authorized_payment()
        for payment in (old, fresh, settled):
            keep(payment)
        PaymentRow.objects.filter(id=fresh.id).update(created_at=Now() - timedelta(minutes=4))
        PaymentRow.objects.exclude(id=fresh.id).update(created_at=Now() - timedelta(minutes=6))

        assert ids_of(operator.get(LIST, {"status": "unknown", "overdue": "true"})) == [str(old.id)]
        assert ids_of(operator.get(LIST, {"status": "unknown", "overdue": "false"})) == [str(fresh.id)]

    @pytest.mark.parametrize(
        "query", [{"limit": 0}, {"cursor": "?"}, {"status": "lost"}, {"order_id": "7"}, {"overdue": "soon"}, {"x": 1}]
    )
    def test_refuses_a_malformed_query(self, operator: Shop, query: dict[str, Any]) -> None:
        assert code_of(operator.get(LIST, query))[0] == 422


class TestGet:
    def test_shows_what_was_asked_of_the_provider(self, operator: Shop) -> None:
        payment = an_unknown_payment()
        keep(payment)

        answer = operator.get(f"{LIST}/{payment.id}")

        assert (answer.status_code, answer["ETag"]) == (200, '"v1"')
        assert answer.json()["amount"] == {"amount": "44.90", "currency": "EUR"}
        (operation,) = answer.json()["operations"]
        assert (operation["kind"], operation["status"], operation["key"]) == ("authorize", "unknown", key_of(payment))
        assert operator.get(f"{LIST}/{payment.id}", None, **{"If-None-Match": '"v1"'}).status_code == 304

    def test_of_an_unknown_payment_is_not_found(self, operator: Shop) -> None:
        assert code_of(operator.get(f"{LIST}/{uuid4()}")) == (404, "payment_not_found")


@pytest.mark.django_db(transaction=True)
class TestResolve:
    """Against the simulator itself: providers are not called inside a transaction."""

    @pytest.fixture
    def simulator(self, tmp_path: Path, settings: Settings) -> Iterator[Simulator]:
        """Run a simulator that the shop knows."""
        simulator = Simulator(ledger=tmp_path / "ledger.db")
        settings.PSP_SIMULATOR_URL = f"http://127.0.0.1:{simulator.port}"
        settings.PSP_SIMULATOR_SECRET = SECRET
        yield simulator
        simulator.stop()

    @pytest.fixture
    def unknown(self) -> Payment:
        """Have a payment about which the provider did not answer."""
        payment = an_unknown_payment()
        keep(payment)
        return payment

    def charge(self, payment: Payment, *, token: str) -> None:
        """Have the provider carry out what it did not answer to."""
        gateway = ConfiguredGateways().serving("simulator")
        gateway.authorize(key=key_of(payment), amount=payment.amount, token=token, reference=str(payment.order_id))

    @pytest.mark.parametrize(
        ("token", "status", "topic"),
        [
            ("tok_approved", "authorized", "payments.payment_authorized.v1"),
            ("tok_declined", "failed", "payments.payment_declined.v1"),
        ],
    )
    def test_takes_note_of_what_the_provider_says(
        self, simulator: Simulator, operator: Shop, unknown: Payment, token: str, status: str, topic: str
    ) -> None:
        self.charge(unknown, token=token)

        answer = operator.post(f"{LIST}/{unknown.id}/resolve", {"reason": "the customer called"})

        assert (answer.status_code, answer.json()["status"]) == (200, status)
        assert answer["ETag"] == f'"v{answer.json()["version"]}"' != '"v1"'
        assert OutboxMessageRow.objects.filter(aggregate_id=unknown.id, topic=topic).count() == 1
        entry = AuditEntryRow.objects.get(action="payments.resolve_payment", subject_id=str(unknown.id))
        assert (entry.before, entry.reason) == ({"status": "unknown"}, "the customer called")
        assert entry.actor.startswith("key:")

    def test_makes_nothing_up_when_the_provider_never_heard_of_it(
        self, simulator: Simulator, operator: Shop, unknown: Payment
    ) -> None:
        answer = operator.post(f"{LIST}/{unknown.id}/resolve", {})

        assert (answer.status_code, answer.json()["status"]) == (200, "unknown")

    def test_makes_nothing_up_when_the_provider_does_not_answer(self, operator: Shop, unknown: Payment) -> None:
        answer = operator.post(f"{LIST}/{unknown.id}/resolve", {})

        assert (answer.status_code, "Retry-After" in answer) == (503, True)
        assert PaymentRow.objects.get(id=unknown.id).status == "unknown"

    def test_of_an_unknown_payment_is_not_found(self, operator: Shop) -> None:
        assert code_of(operator.post(f"{LIST}/{uuid4()}/resolve", {})) == (404, "payment_not_found")

    @pytest.mark.parametrize("body", [{"reason": 7}, {"status": "authorized"}, {"reason": "x" * 201}])
    def test_takes_no_outcome_from_anybody(self, operator: Shop, unknown: Payment, body: Any) -> None:
        assert code_of(operator.post(f"{LIST}/{unknown.id}/resolve", body))[0] == 422
        assert PaymentRow.objects.get(id=unknown.id).status == "unknown"


class TestAccess:
    def test_needs_the_scopes(self) -> None:
        payment_id = keep(an_unknown_payment())
        reader = Shop(key=a_key("ops:payments:read"))

        assert reader.get(LIST).status_code == 200
        assert code_of(reader.post(f"{LIST}/{payment_id}/resolve", {})) == (403, "insufficient_scope")

    def test_is_not_for_customers(self) -> None:
        _, token = a_customer()

        assert code_of(Shop(key=token).get(LIST)) == (403, "insufficient_scope")

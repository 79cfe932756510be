"""What every implementation of the port Payments does, and what PostgreSQL adds to it."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from contexts.payments.domain import OperationKind, Payment, PaymentId, PaymentNotFound
from contexts.payments.models import OperationRow
from contexts.payments.ports import Payments
from contexts.payments.repositories import DjangoPayments
from shared.domain.errors import LostRace
from shared.domain.money import Money
from shared.domain.ports import UnitOfWork
from shared.outbox.messages import history_of
from shared.persistence.unit_of_work import atomic
from tests.payments.builders import (
    AUTHORIZE_KEY,
    VOID_KEY,
    a_declined_payment,
    a_voided_payment,
    an_attempted_payment,
    an_authorized_payment,
    an_opened_payment,
    an_order_id,
    an_outcome,
    an_unknown_payment,
)
from tests.payments.fakes import InMemoryPayments
from tests.shared.database import execute
from tests.shared.fakes import NOON

LATER = NOON + timedelta(hours=1)


def facts_of(payment: Payment) -> dict[str, object]:
    """Return everything about the payment that is kept, and nothing that is not."""
    facts = asdict(payment)
    del facts["_recorded"], facts["version"]
    return facts


class PaymentsContract:
    """Each test runs on each implementation; a subclass says how its own is made and looked into."""

    payments: Payments
    unit_of_work: UnitOfWork

    def topics_of(self, payment: Payment) -> Sequence[str]:
        """Return what was published of the payment, oldest first."""
        raise NotImplementedError

    def save(self, payment: Payment) -> Payment:
        """Store the payment in a unit of work of its own."""
        with self.unit_of_work():
            self.payments.save(payment)
        return payment

    def get(self, payment: Payment) -> Payment:
        """Return the payment as it is stored, in a unit of work of its own."""
        with self.unit_of_work():
            found = self.payments.for_order(payment.order_id)
        assert found is not None
        return found

    def test_is_found_by_its_id(self) -> None:
        payment = self.save(an_unknown_payment())

        with self.unit_of_work():
            assert facts_of(self.payments.get(PaymentId(payment.id))) == facts_of(payment)
            with pytest.raises(PaymentNotFound):
                self.payments.get(PaymentId(payment.order_id))

    @pytest.mark.parametrize(
        "build",
        [
            an_opened_payment,
            an_attempted_payment,
            an_unknown_payment,
            an_authorized_payment,
            a_declined_payment,
            a_voided_payment,
        ],
    )
    def test_gives_back_what_was_stored(self, build: Callable[[], Payment]) -> None:
        payment = self.save(build())

        assert facts_of(self.get(payment)) == facts_of(payment)

    def test_keeps_money_in_its_currency(self) -> None:
        payment = self.save(an_opened_payment(amount=Money(10**15, "KWD")))

        assert self.get(payment).amount == Money(10**15, "KWD")

    def test_finds_nothing_for_an_order_without_payment(self) -> None:
        self.save(an_authorized_payment())

        with self.unit_of_work():
            assert self.payments.for_order(an_order_id()) is None

    def test_finds_each_order_its_own(self) -> None:
        first, second = self.save(an_authorized_payment()), self.save(a_declined_payment(key="another"))

        assert (self.get(first).id, self.get(second).id) == (first.id, second.id)

    def test_stores_every_change_of_the_payment_and_its_operations(self) -> None:
        payment = self.save(an_attempted_payment())

        changes: tuple[Callable[[Payment], None], ...] = (
            lambda p: p.lose_sight(at=NOON),
            lambda p: p.attempt_authorization(key="another", at=LATER),
            lambda p: p.settle_authorization(an_outcome(reference="auth_9"), at=LATER),
            lambda p: p.give_up(),
            lambda p: p.attempt_void(key=VOID_KEY, at=LATER),
            lambda p: p.settle_void(at=LATER),
        )
        for change in changes:
            payment = self.get(payment)
            change(payment)
            self.save(payment)
            assert facts_of(self.get(payment)) == facts_of(payment)

        assert self.get(payment).key_of(OperationKind.AUTHORIZE) == AUTHORIZE_KEY

    def test_publishes_what_happened_once_and_in_order(self) -> None:
        payment = self.save(an_attempted_payment())
        payment.lose_sight(at=NOON)
        self.save(payment)
        payment.settle_authorization(an_outcome(), at=LATER)
        self.save(payment)
        self.save(payment)

        assert self.topics_of(payment) == ["payments.payment_became_unknown.v1", "payments.payment_authorized.v1"]

    def test_refuses_to_store_what_somebody_else_changed_meanwhile(self) -> None:
        payment = self.save(an_attempted_payment())
        first, second = self.get(payment), self.get(payment)
        first.settle_authorization(an_outcome(), at=LATER)
        self.save(first)
        second.never_arrived(at=LATER)

        with pytest.raises(LostRace):
            self.save(second)

        assert self.get(payment).status == "authorized"
        assert self.topics_of(payment) == ["payments.payment_authorized.v1"]


class TestInMemoryPayments(PaymentsContract):
    unit_of_work = staticmethod(nullcontext)

    @pytest.fixture(autouse=True)
    def _fresh(self) -> None:
        self.fake = self.payments = InMemoryPayments()

    def topics_of(self, payment: Payment) -> Sequence[str]:
        return [event.topic for event in self.fake.events]


@pytest.mark.django_db
class TestDjangoPayments(PaymentsContract):
    payments = DjangoPayments()
    unit_of_work = staticmethod(atomic)

    def topics_of(self, payment: Payment) -> Sequence[str]:
        return [entry.topic for entry in history_of(payment.id)]


@pytest.mark.django_db
class TestLastWordOfTheDatabase:
    """Whatever the code does, PostgreSQL refuses these."""

    @pytest.fixture
    def payment(self) -> Payment:
        payment = an_attempted_payment()
        DjangoPayments().save(payment)
        return payment

    def test_keeps_one_payment_per_order(self, payment: Payment) -> None:
        with pytest.raises(IntegrityError, match="payments_payment_order_id"), transaction.atomic():
            DjangoPayments().save(an_opened_payment(order_id=payment.order_id))

    def test_keeps_each_key_for_one_request(self, payment: Payment) -> None:
        with pytest.raises(IntegrityError, match="payments_operation_key"), transaction.atomic():
            DjangoPayments().save(an_attempted_payment(key=payment.key_of(OperationKind.AUTHORIZE)))

    def test_keeps_one_request_of_each_kind(self, payment: Payment) -> None:
        with pytest.raises(IntegrityError, match="payments_operation_once_per_kind"), transaction.atomic():
            OperationRow.objects.create(
                payment_id=payment.id, kind="authorize", key="another", status="intended", attempted_at=NOON
            )

    def test_keeps_amounts_from_falling_below_nothing(self, payment: Payment) -> None:
        with pytest.raises(IntegrityError, match="payments_amount_not_negative"), transaction.atomic():
            execute("UPDATE payments_payment SET amount_minor = -1 WHERE id = %s", payment.id)

    def test_keeps_a_payment_that_the_provider_was_asked_about(self, payment: Payment) -> None:
        execute("SET CONSTRAINTS ALL IMMEDIATE")

        with pytest.raises(IntegrityError, match="payments_operation"), transaction.atomic():
            execute("DELETE FROM payments_payment WHERE id = %s", payment.id)

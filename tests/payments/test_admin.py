from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from contexts.payments.domain import Payment
from contexts.payments.repositories import DjangoPayments
from shared.persistence.unit_of_work import atomic
from tests.identity.builders import an_account_row
from tests.payments.builders import (
    AUTHORIZE_KEY,
    REFERENCE,
    a_declined_payment,
    an_attempted_payment,
    an_authorized_payment,
    an_opened_payment,
    an_unknown_payment,
)

pytestmark = pytest.mark.django_db

LIST = "admin:payments_paymentrow_changelist"


@pytest.fixture
def site(client: Client) -> Client:
    client.force_login(an_account_row(email="op@example.com", operator=True))
    return client


def stored(payment: Payment) -> Payment:
    with atomic():
        DjangoPayments().save(payment)
    return payment


def page_of(payment: Payment) -> str:
    return reverse("admin:payments_paymentrow_change", args=[payment.id])


class TestPaymentList:
    def test_tells_amount_state_and_order(self, site: Client) -> None:
        payment = stored(a_declined_payment())
        page = site.get(reverse(LIST)).content.decode()
        for text in ("44.90 EUR", "failed", "card_declined", str(payment.order_id)):
            assert text in page
        assert reverse("admin:ordering_orderrow_change", args=[payment.order_id]) in page

    def test_finds_by_id_order_reference_and_state(self, site: Client) -> None:
        payment, unknown = stored(an_authorized_payment()), stored(an_unknown_payment_with_own_key())

        def ids(**query: str) -> list[object]:
            return [row.id for row in site.get(reverse(LIST), query).context["cl"].result_list]

        assert len(ids()) == 2
        for term in (str(payment.id), str(payment.order_id), REFERENCE):
            assert ids(q=term) == [payment.id]
        assert ids(status__exact="unknown") == [unknown.id]
        assert ids(q="auth_2") == []

    def test_takes_as_many_statements_for_many_payments_as_for_one(self, site: Client) -> None:
        stored(an_opened_payment())
        site.get(reverse(LIST))
        with CaptureQueriesContext(connection) as few:
            site.get(reverse(LIST))
        for _ in range(20):
            stored(an_opened_payment())
        with CaptureQueriesContext(connection) as many:
            site.get(reverse(LIST))
        assert len(many) == len(few)
        assert not [query for query in many if "COUNT(" in query["sql"]]


class TestPaymentPage:
    def test_tells_what_was_asked_of_the_provider(self, site: Client) -> None:
        payment = stored(an_unknown_payment())
        page = site.get(page_of(payment)).content.decode()
        for text in ("unknown", AUTHORIZE_KEY, "44.90 EUR", "simulator"):
            assert text in page

    def test_changes_nothing(self, site: Client) -> None:
        payment = stored(an_unknown_payment())
        assert site.get(reverse("admin:payments_paymentrow_add")).status_code == 403
        assert site.post(page_of(payment), {"status": "authorized"}).status_code == 403
        assert site.post(reverse("admin:payments_paymentrow_delete", args=[payment.id])).status_code == 403


def an_unknown_payment_with_own_key() -> Payment:
    payment = an_attempted_payment(key=f"ordering.checkout:{uuid4()}:authorize_payment")
    payment.lose_sight(at=payment.created_at)
    return payment

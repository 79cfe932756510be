from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from contexts.identity.models import AccountRow
from contexts.ordering.domain import Order
from contexts.ordering.models import OrderRow, ShippingMethodRow
from contexts.ordering.repositories import DjangoOrders
from contexts.ordering.wiring import offer_shipping_method
from shared.outbox.models import OutboxMessageRow
from shared.persistence.admin import DEEPEST_ROW, ROWS_PER_PAGE
from shared.persistence.unit_of_work import atomic
from shared.saga.models import SagaRow, SagaStepRow
from tests.identity.builders import an_account_row
from tests.ordering.builders import (
    a_cancelled_order,
    a_confirmed_order,
    a_customer_id,
    a_placed_order,
    a_shipped_order,
    a_shipping_method,
    an_order_request,
    euros,
)
from tests.shared.fakes import NOON

pytestmark = pytest.mark.django_db

LIST = "admin:ordering_orderrow_changelist"
TOKEN = "tok_secret_of_the_customer"


@pytest.fixture
def operator() -> AccountRow:
    row: AccountRow = an_account_row(email="op@example.com", operator=True)
    return row


@pytest.fixture
def site(client: Client, operator: AccountRow) -> Client:
    client.force_login(operator)
    return client


def stored(order: Order) -> Order:
    with atomic():
        DjangoOrders().save(order)
    return order


def a_checkout(order: Order, **values: Any) -> SagaRow:
    row: SagaRow = SagaRow.objects.create(
        name="ordering.checkout",
        subject_id=order.id,
        data={"token": TOKEN},
        due_at=NOON,
        deadline_at=NOON + timedelta(minutes=30),
        actor="anonymous",
        **values,
    )
    return row


def page_of(order: Order) -> str:
    return reverse("admin:ordering_orderrow_change", args=[order.id])


def numbers_on(response: Any) -> set[str]:
    return {row.number for row in response.context["cl"].result_list}


def messages_of(response: Any) -> str:
    return " ".join(str(message) for message in get_messages(response.wsgi_request))


class TestOrderList:
    def test_shows_states_in_words_and_money_with_the_decimals_of_its_currency(self, site: Client) -> None:
        order = stored(a_confirmed_order())
        OrderRow.objects.filter(id=order.id).update(currency="JPY")
        page = site.get(reverse(LIST)).content.decode()
        for text in (order.number, order.email, "confirmed", "authorized", "unfulfilled", "4,490 JPY"):
            assert text in page

    def test_takes_as_many_statements_for_many_orders_as_for_one_and_counts_none(self, site: Client) -> None:
        stored(a_placed_order())
        site.get(reverse(LIST))
        with CaptureQueriesContext(connection) as few:
            site.get(reverse(LIST))
        for _ in range(20):
            stored(a_confirmed_order())
        with CaptureQueriesContext(connection) as many:
            site.get(reverse(LIST))
        assert len(many) == len(few)
        assert not [query for query in many if "COUNT(" in query["sql"]]

    def test_pages_without_counting(self, site: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("contexts.ordering.admin.OrderAdmin.list_per_page", 2)
        for hours in range(3):
            stored(a_placed_order(at=NOON + timedelta(hours=hours)))
        first, second = site.get(reverse(LIST)), site.get(reverse(LIST), {"p": "2"})
        assert [len(numbers_on(page)) for page in (first, second)] == [2, 1]
        assert numbers_on(first).isdisjoint(numbers_on(second))
        assert "?p=2" in first.content.decode()
        assert "?p=3" not in second.content.decode()

    @pytest.mark.parametrize("page", [DEEPEST_ROW // ROWS_PER_PAGE + 1, -1])
    def test_goes_no_deeper_than_it_may(self, site: Client, page: int) -> None:
        stored(a_placed_order())
        assert site.get(reverse(LIST), {"p": str(page)}).headers["Location"].endswith("?e=1")

    def test_finds_by_number_address_and_id(self, site: Client) -> None:
        customer = a_customer_id()
        order = stored(a_placed_order(customer_id=customer, request=an_order_request(email="Grace@Example.com")))
        stored(a_placed_order())
        for term in (order.number, order.number[:6].lower(), f" {order.id} ", str(customer), "grace@example.com"):
            assert numbers_on(site.get(reverse(LIST), {"q": term})) == {order.number}, term
        assert numbers_on(site.get(reverse(LIST), {"q": str(uuid4())})) == set()

    @pytest.mark.parametrize(
        "query",
        [
            {"status__exact": "cancelled"},
            {"payment_status__exact": "unknown"},
            {"fulfillment_status__exact": "shipped"},
            {"placed_at_from": "2026-01-02", "placed_at_to": "2026-01-02"},
        ],
    )
    def test_filters_by_states_and_days(self, site: Client, query: dict[str, str]) -> None:
        order, other = stored(a_placed_order()), stored(a_placed_order())
        rows = OrderRow.objects.filter(id=order.id)
        rows.update(placed_at="2026-01-02T23:59:59Z", payment_status="unknown", fulfillment_status="shipped")
        rows.update(status="cancelled", cancelled_at=NOON)
        OrderRow.objects.filter(id=other.id).update(placed_at="2026-01-03T00:00:00Z")
        assert numbers_on(site.get(reverse(LIST), query)) == {order.number}

    def test_leaves_out_a_day_that_cannot_be_read(self, site: Client) -> None:
        order = stored(a_placed_order())
        assert numbers_on(site.get(reverse(LIST), {"placed_at_from": "soon"})) == {order.number}

    def test_tells_that_there_is_nothing(self, site: Client) -> None:
        assert "Nothing here yet" in site.get(reverse(LIST)).content.decode()
        assert "Nothing matches" in site.get(reverse(LIST), {"q": "ABCD"}).content.decode()


class TestOrderPage:
    def test_tells_lines_money_addresses_and_history(self, site: Client) -> None:
        order = a_placed_order()
        order.cancel(reason="ordered twice", at=NOON + timedelta(minutes=1))
        stored(order)
        page = site.get(page_of(order)).content.decode()
        for text in (
            order.number,
            "The SHIRT-M",
            "20.00 EUR",
            "44.90 EUR",
            "12 St James&#x27;s Square",
            "Order placed",
            "Order cancelled",
            "ordered twice",
            "Ordered as a guest",
        ):
            assert text in page, text
        assert page.index("Order placed") < page.index("Order cancelled")

    def test_tells_of_its_processes_but_not_what_they_carry(self, site: Client) -> None:
        order = stored(a_placed_order())
        saga = a_checkout(order, last_error="OutcomeUnknown: no answer")
        SagaStepRow.objects.create(saga=saga, name="authorize_payment", status="unknown")
        page = site.get(page_of(order)).content.decode()
        for text in ("ordering.checkout", "authorize payment", "OutcomeUnknown: no answer"):
            assert text in page
        assert TOKEN not in page

    def test_tells_what_happened_to_the_payment_and_links_to_it(self, site: Client) -> None:
        order = stored(a_confirmed_order(customer_id=a_customer_id()))
        assert order.payment.id
        OutboxMessageRow.objects.create(
            id=uuid4(),
            topic="payments.payment_voided.v1",
            aggregate_id=order.payment.id,
            aggregate_sequence=1,
            payload={},
            occurred_at=NOON,
            actor="system",
        )
        page = site.get(page_of(order)).content.decode()
        assert "Payment voided" in page
        assert reverse("admin:payments_paymentrow_change", args=[order.payment.id]) in page
        assert reverse("admin:identity_accountrow_change", args=[order.customer_id]) in page

    def test_takes_as_many_statements_for_many_lines_as_for_one(self, site: Client) -> None:
        small = stored(a_placed_order())
        large = stored(a_placed_order(request=an_order_request(lines={f"SKU-{n}": 1 for n in range(12)})))
        site.get(page_of(small))
        with CaptureQueriesContext(connection) as few:
            site.get(page_of(small))
        with CaptureQueriesContext(connection) as many:
            site.get(page_of(large))
        assert len(many) == len(few)

    def test_changes_nothing(self, site: Client) -> None:
        order = stored(a_placed_order())
        assert site.get(reverse("admin:ordering_orderrow_add")).status_code == 403
        assert site.post(page_of(order), {"number": "X"}).status_code == 403
        assert site.post(reverse("admin:ordering_orderrow_delete", args=[order.id]), {"post": "yes"}).status_code == 403
        assert "_save" not in site.get(page_of(order)).content.decode()

    @pytest.mark.parametrize("object_id", [str(uuid4()), "nonsense"])
    def test_sends_those_who_follow_a_wrong_link_home(self, site: Client, object_id: str) -> None:
        response = site.get(reverse("admin:ordering_orderrow_change", args=[object_id]))
        assert response.status_code in (302, 404)


class TestCancel:
    def post(self, site: Client, order_id: object, **form: str) -> Any:
        url = reverse("admin:ordering_orderrow_cancel", args=[order_id])
        return site.post(url, {"_form_submitted": "on", "reason": "ordered twice"} | form)

    def test_asks_for_a_reason(self, site: Client) -> None:
        order = stored(a_placed_order())
        page = site.get(reverse("admin:ordering_orderrow_cancel", args=[order.id])).content.decode()
        assert "Cancel this order?" in page
        assert "This field is required" in self.post(site, order.id, reason="").content.decode()
        assert OrderRow.objects.get().status == "pending"

    def test_gives_the_order_up_and_records_who_did(self, site: Client, operator: AccountRow) -> None:
        order = stored(a_confirmed_order())
        response = self.post(site, order.id)
        assert response.headers["HX-Redirect"] == page_of(order)
        assert messages_of(response) == "The order is cancelled."
        row, message = OrderRow.objects.get(), OutboxMessageRow.objects.get(topic="ordering.order_cancelled.v1")
        assert (row.status, row.cancel_reason) == ("cancelled", "ordered twice")
        assert message.actor == f"staff:{operator.pk}"

    def test_tells_why_it_is_refused(self, site: Client) -> None:
        order = stored(a_shipped_order())
        response = self.post(site, order.id)
        assert "ask for a return instead" in messages_of(response)
        assert OrderRow.objects.get().status == "confirmed"

    def test_tells_of_an_order_that_is_not_there(self, site: Client) -> None:
        assert "There is no such order" in messages_of(self.post(site, uuid4()))
        assert self.post(site, "nonsense").status_code == 404

    def test_is_not_offered_once_cancelled(self, site: Client) -> None:
        cancelled, pending = stored(a_cancelled_order()), stored(a_placed_order())
        assert "Cancel order" in site.get(page_of(pending)).content.decode()
        assert "Cancel order" not in site.get(page_of(cancelled)).content.decode()

    def test_is_refused_to_those_who_may_only_look(self, client: Client) -> None:
        clerk = an_account_row(email="clerk@example.com", is_staff=True)
        clerk.user_permissions.set(Permission.objects.filter(codename__in=["view_orderrow", "view_orderlinerow"]))
        client.force_login(clerk)
        order = stored(a_placed_order())
        assert "Cancel order" not in client.get(page_of(order)).content.decode()
        assert self.post(client, order.id).status_code == 403


class TestShippingMethods:
    def form(self, **values: str) -> dict[str, str]:
        return {"code": "express", "name": "Express", "currency": "JPY", "price": "1290"} | values

    def test_are_offered_through_the_use_case(self, site: Client) -> None:
        site.post(reverse("admin:ordering_shippingmethodrow_add"), self.form())
        row = ShippingMethodRow.objects.get()
        assert (row.code, row.currency, row.price_minor) == ("express", "JPY", 1290)
        assert LogEntry.objects.get().object_id == str(row.pk)
        assert "1,290 JPY" in site.get(reverse("admin:ordering_shippingmethodrow_changelist")).content.decode()

    def test_are_repriced_under_the_code_that_they_have(self, site: Client) -> None:
        offer_shipping_method(method=a_shipping_method(price=euros("4.90")))
        row = ShippingMethodRow.objects.get()
        url = reverse("admin:ordering_shippingmethodrow_change", args=[row.pk])
        assert 'value="4.90"' in site.get(url).content.decode()
        site.post(url, self.form(code="other", currency="USD", name="Slow", price="3.50"))
        row.refresh_from_db()
        assert (row.code, row.currency, row.name, row.price_minor) == ("standard", "EUR", "Slow", 350)

    @pytest.mark.parametrize(
        ("change", "complaint"),
        [
            ({"price": "12.5"}, "decimals"),
            ({"price": "-1"}, "not negative"),
            ({"currency": "yen"}, "Three capital letters"),
            ({"code": ""}, "required"),
        ],
    )
    def test_are_not_offered_at_bad_values(self, site: Client, change: dict[str, str], complaint: str) -> None:
        response = site.post(reverse("admin:ordering_shippingmethodrow_add"), self.form(**change))
        assert complaint in str(response.context["adminform"].form.errors)
        assert not ShippingMethodRow.objects.exists()

    def test_are_not_offered_twice(self, site: Client) -> None:
        for _ in range(2):
            response = site.post(reverse("admin:ordering_shippingmethodrow_add"), self.form())
        assert "already exists" in str(response.context["adminform"].form.errors)

    def test_are_never_deleted(self, site: Client) -> None:
        offer_shipping_method(method=a_shipping_method())
        url = reverse("admin:ordering_shippingmethodrow_delete", args=[ShippingMethodRow.objects.get().pk])
        assert site.post(url, {"post": "yes"}).status_code == 403

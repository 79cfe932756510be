"""What every implementation of the port Orders does, and what PostgreSQL adds to it."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction

from contexts.ordering.domain import (
    ANYONE,
    CustomerId,
    FulfillmentStatus,
    Order,
    OrderId,
    OrderNotFound,
    PaymentStatus,
)
from contexts.ordering.models import OrderLineRow, OrderRow
from contexts.ordering.ports import Orders
from contexts.ordering.repositories import DjangoOrders
from shared.domain.errors import LostRace
from shared.domain.money import Money
from shared.domain.ports import UnitOfWork
from shared.outbox.messages import history_of
from shared.persistence.unit_of_work import atomic
from tests.ordering.builders import (
    MUG,
    SHIRT,
    a_cancelled_order,
    a_confirmed_order,
    a_customer_id,
    a_failed_payment,
    a_pending_order,
    a_placed_order,
    a_quote,
    a_shipped_order,
    a_shipping_method,
    an_address,
    an_authorized_payment,
    an_order_request,
)
from tests.ordering.fakes import InMemoryOrders
from tests.shared.database import execute, failing_unit_of_work
from tests.shared.fakes import NOON

LATER = NOON + timedelta(hours=1)


def facts_of(order: Order) -> dict[str, object]:
    """Return everything about the order that is kept, and nothing that is not."""
    facts = asdict(order)
    del facts["_recorded"], facts["version"]
    return facts


class OrdersContract:
    """Each test runs on each implementation; a subclass says how its own is made and looked into."""

    orders: Orders
    unit_of_work: UnitOfWork

    def topics_of(self, order: Order) -> Sequence[str]:
        """Return what was published of the order, oldest first."""
        raise NotImplementedError

    def save(self, order: Order) -> Order:
        """Store the order in a unit of work of its own."""
        with self.unit_of_work():
            self.orders.save(order)
        return order

    def get(self, order: Order) -> Order:
        """Return the order as it is stored, in a unit of work of its own."""
        with self.unit_of_work():
            return self.orders.get(OrderId(order.id), of_customer=ANYONE)

    @pytest.mark.parametrize("build", [a_pending_order, a_confirmed_order, a_cancelled_order, a_shipped_order])
    def test_gives_back_what_was_stored(self, build: Callable[[], Order]) -> None:
        order = self.save(build())

        assert facts_of(self.get(order)) == facts_of(order)

    def test_keeps_addresses_and_the_order_of_the_lines(self) -> None:
        request = an_order_request(
            lines=((SHIRT, 2), (MUG, 1), (SHIRT, 3)),
            shipping_address=an_address(line1="At home"),
            billing_address=an_address(line1="Ünder the bridge 7 — left"),
        )

        stored = self.get(self.save(a_placed_order(request=request)))

        assert stored.quantities == ((SHIRT, 2), (MUG, 1), (SHIRT, 3))
        assert stored.shipping_address.line1 == "At home"
        assert stored.billing_address.line1 == "Ünder the bridge 7 — left"

    @pytest.mark.parametrize("currency", ["JPY", "EUR", "KWD"])
    def test_keeps_money_in_its_currency(self, currency: str) -> None:
        order = a_placed_order(
            request=an_order_request(currency=currency),
            quotes={SHIRT: a_quote(unit_price=Money(2001, currency))},
            shipping_method=a_shipping_method(price=Money(10**15, currency)),
        )

        stored = self.get(self.save(order))

        assert stored.total == Money(10**15 + 4002, currency)
        assert stored.lines[0].unit_price == Money(2001, currency)

    def test_gives_the_customer_their_own_order(self) -> None:
        customer_id = a_customer_id()
        order = self.save(a_pending_order(customer_id=customer_id))

        with self.unit_of_work():
            assert self.orders.get(OrderId(order.id), of_customer=customer_id).customer_id == customer_id

    @pytest.mark.parametrize("owner", [CustomerId(uuid4()), None], ids=["another customer's", "nobody's"])
    def test_does_not_show_a_customer_an_order_that_is(self, owner: CustomerId | None) -> None:
        order = self.save(a_pending_order(customer_id=owner))

        with pytest.raises(OrderNotFound) as refusal, self.unit_of_work():
            self.orders.get(OrderId(order.id), of_customer=a_customer_id())

        assert refusal.value.details == {"order_id": order.id}

    def test_does_not_find_what_is_not_there(self) -> None:
        with pytest.raises(OrderNotFound), self.unit_of_work():
            self.orders.get(OrderId(uuid4()), of_customer=ANYONE)

    def test_stores_every_change(self) -> None:
        order = self.save(a_pending_order())
        payment = an_authorized_payment()

        with self.unit_of_work():
            order = self.orders.get(OrderId(order.id), of_customer=ANYONE)
            order.confirm(payment=payment, at=LATER)
            order.cancel(reason="changed my mind", at=LATER)
            order.fulfillment_status = FulfillmentStatus.RETURNED
            self.orders.save(order)

        assert facts_of(self.get(order)) == facts_of(order)
        assert self.get(order).payment == payment

    def test_keeps_why_a_payment_failed(self) -> None:
        order = a_pending_order()
        order.note_payment(a_failed_payment(failure_code="card_declined"))

        stored = self.get(self.save(order))

        assert (stored.payment.status, stored.payment.failure_code) == (PaymentStatus.FAILED, "card_declined")

    def test_publishes_what_happened_once_and_in_order(self) -> None:
        order = self.save(a_placed_order())
        order.confirm(payment=an_authorized_payment(), at=LATER)
        order.cancel(reason="changed my mind", at=LATER)
        self.save(order)
        self.save(order)

        assert self.topics_of(order) == [
            "ordering.order_placed.v1",
            "ordering.order_confirmed.v1",
            "ordering.order_cancelled.v1",
        ]
        assert self.get(order).sequence == 3

    def test_counts_the_version_up_with_each_change(self) -> None:
        order = self.save(a_pending_order())
        assert order.version == self.get(order).version == 1

        self.save(order)
        assert order.version == self.get(order).version == 2

    def test_refuses_to_store_what_somebody_else_changed_meanwhile(self) -> None:
        order = self.save(a_placed_order())
        first, second = self.get(order), self.get(order)
        first.cancel(reason="changed my mind", at=LATER)
        self.save(first)
        second.confirm(payment=an_authorized_payment(), at=LATER)

        with pytest.raises(LostRace):
            self.save(second)

        assert self.get(order).status == "cancelled"
        assert self.topics_of(order) == ["ordering.order_placed.v1", "ordering.order_cancelled.v1"]


class TestInMemoryOrders(OrdersContract):
    unit_of_work = staticmethod(nullcontext)

    @pytest.fixture(autouse=True)
    def _fresh(self) -> None:
        self.fake = self.orders = InMemoryOrders()

    def topics_of(self, order: Order) -> Sequence[str]:
        return [event.topic for event in self.fake.events]


@pytest.mark.django_db
class TestDjangoOrders(OrdersContract):
    orders = DjangoOrders()
    unit_of_work = staticmethod(atomic)

    def topics_of(self, order: Order) -> Sequence[str]:
        return [entry.topic for entry in history_of(order.id)]

    def test_stores_nothing_when_the_unit_of_work_fails(self) -> None:
        order = a_placed_order()

        with failing_unit_of_work():
            self.orders.save(order)

        assert not OrderRow.objects.filter(id=order.id).exists()
        assert self.topics_of(order) == []


@pytest.mark.django_db
class TestLastWordOfTheDatabase:
    """Whatever the code does, PostgreSQL refuses these."""

    @pytest.fixture
    def order(self) -> Order:
        order = a_placed_order()
        DjangoOrders().save(order)
        return order

    @pytest.mark.parametrize(
        ("change", "constraint"),
        [
            pytest.param("total_minor = total_minor - 1", "ordering_order_total_adds_up", id="another total"),
            pytest.param("subtotal_minor = subtotal_minor + 1", "ordering_order_total_adds_up", id="another subtotal"),
            pytest.param("discount_minor = 1", "ordering_order_total_adds_up", id="a discount out of thin air"),
            pytest.param("tax_minor = 1", "ordering_order_total_adds_up", id="a tax out of thin air"),
            pytest.param(
                "captured_minor = 1", "ordering_order_money_in_bounds", id="more captured than was authorised"
            ),
            pytest.param(
                "authorized_minor = 9, captured_minor = 5, refunded_minor = 6",
                "ordering_order_money_in_bounds",
                id="more refunded than was captured",
            ),
            pytest.param("status = 'cancelled'", "ordering_order_cancelled_at_some_time", id="cancelled at no time"),
            pytest.param(
                "cancelled_at = now()", "ordering_order_cancelled_at_some_time", id="a time but not cancelled"
            ),
        ],
    )
    def test_keeps_the_sums_right(self, order: Order, change: str, constraint: str) -> None:
        with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
            execute(f"UPDATE ordering_order SET {change} WHERE id = %s", order.id)  # noqa: S608 - from the list

    @pytest.mark.parametrize("change", ["quantity = 0", "quantity = 1, shipped = 2", "shipped = 1, returned = 2"])
    def test_keeps_the_units_of_a_line_in_bounds(self, order: Order, change: str) -> None:
        with pytest.raises(IntegrityError, match="ordering_order_line_units_in_bounds"), transaction.atomic():
            execute(f"UPDATE ordering_order_line SET {change} WHERE order_id = %s", order.id)  # noqa: S608 - ditto

    def test_keeps_order_numbers_unique(self, order: Order) -> None:
        twin = a_placed_order()
        twin.number = order.number

        with pytest.raises(IntegrityError, match="ordering_order_number"), transaction.atomic():
            DjangoOrders().save(twin)

    def test_keeps_one_line_per_place(self, order: Order) -> None:
        row = OrderLineRow.objects.get(order_id=order.id)
        row.id = uuid4()

        with pytest.raises(IntegrityError, match="ordering_order_line_place"), transaction.atomic():
            row.save(force_insert=True)

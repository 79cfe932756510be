from dataclasses import replace
from typing import TypeVar
from uuid import UUID, uuid4

import pytest

from contexts.ordering.domain import (
    ANYONE,
    Anyone,
    CustomerId,
    EmailRequired,
    Order,
    OrderAlreadyShipped,
    OrderId,
    OrderNotFound,
    OrderRequest,
    OrderStatus,
    PaymentMethodNotAccepted,
    PaymentStatus,
    PriceHasChanged,
    ShippingMethodNotFound,
    UnknownSku,
)
from contexts.ordering.events import OrderCancelled, OrderPlaced
from contexts.ordering.use_cases import AddNote, CancelOrder, NotePayment, OfferShippingMethod, PlaceOrder
from shared.domain.errors import ConflictError, DomainError, VersionMismatch
from shared.domain.money import Money
from tests.ordering.builders import (
    EMAIL,
    MUG,
    SHIRT,
    TOKEN,
    a_cancelled_order,
    a_customer_id,
    a_failed_payment,
    a_pending_order,
    a_quote,
    a_shipped_order,
    a_shipping_method,
    an_authorized_payment,
    an_order_request,
    euros,
)
from tests.ordering.fakes import (
    FixedPriceList,
    InMemoryOrders,
    InMemoryShippingMethods,
    KnownCustomers,
    ObedientPayments,
    ObedientStock,
)
from tests.shared.fakes import (
    NOON,
    InMemoryAuditTrail,
    ObservedUnitOfWork,
    RecordedChange,
    RecordingSagaStarter,
    SequentialIds,
    SettableClock,
)

E = TypeVar("E", bound=DomainError)


class OutOfStock(ConflictError):
    """There is nothing left."""


class Shop:
    """The use cases of ordering over ports in memory."""

    def __init__(self) -> None:
        self.orders = InMemoryOrders()
        self.shipping_methods = InMemoryShippingMethods(a_shipping_method())
        self.stock = ObedientStock()
        self.payments = ObedientPayments()
        self.customers = KnownCustomers()
        self.begin_checkout = RecordingSagaStarter()
        self.unit_of_work = ObservedUnitOfWork()
        self.place = PlaceOrder(
            orders=self.orders,
            prices=FixedPriceList(a_quote(sku=SHIRT), a_quote(sku=MUG, unit_price=euros("7.50"))),
            shipping_methods=self.shipping_methods,
            stock=self.stock,
            payments=self.payments,
            customers=self.customers,
            begin_checkout=self.begin_checkout,
            unit_of_work=self.unit_of_work,
            new_id=SequentialIds(),
            now=SettableClock(),
        )
        self.record_change = InMemoryAuditTrail()
        self.cancel = CancelOrder(
            orders=self.orders, record_change=self.record_change, unit_of_work=self.unit_of_work, now=SettableClock()
        )
        self.add_note = AddNote(
            orders=self.orders,
            record_change=self.record_change,
            unit_of_work=self.unit_of_work,
            new_id=SequentialIds(),
            now=SettableClock(),
        )
        self.note_payment = NotePayment(orders=self.orders, payments=self.payments, unit_of_work=self.unit_of_work)
        self.offer_shipping = OfferShippingMethod(
            shipping_methods=self.shipping_methods, unit_of_work=self.unit_of_work
        )

    def has(self, order: Order) -> OrderId:
        """Have the order among the stored ones."""
        self.orders.save(order)
        return OrderId(order.id)

    def order(self, order_id: OrderId) -> Order:
        """Return the order as it is stored."""
        return self.orders.get(order_id, of_customer=ANYONE)


@pytest.fixture
def shop() -> Shop:
    return Shop()


class TestPlaceOrder:
    def test_stores_the_order_at_todays_prices(self, shop: Shop) -> None:
        placed = shop.place(request=an_order_request(lines={SHIRT: 1, MUG: 2}), customer_id=None)

        stored = shop.order(OrderId(placed.id))
        assert stored.total == euros("39.90")
        assert [line.unit_price for line in stored.lines] == [euros("20.00"), euros("7.50")]
        assert (stored.status, stored.placed_at, stored.email) == (OrderStatus.PENDING, NOON, EMAIL)
        assert shop.unit_of_work.committed == 1

    def test_gives_order_and_lines_an_id_each(self, shop: Shop) -> None:
        placed = shop.place(request=an_order_request(lines=((SHIRT, 1), (MUG, 2), (SHIRT, 1))), customer_id=None)

        assert len({placed.id, *(line.id for line in placed.lines)}) == 4

    def test_holds_the_units_of_each_sku(self, shop: Shop) -> None:
        placed = shop.place(request=an_order_request(lines=((SHIRT, 1), (MUG, 2), (SHIRT, 3))), customer_id=None)

        assert shop.stock.held == {OrderId(placed.id): {SHIRT: 4, MUG: 2}}
        assert shop.stock.secured == []

    def test_begins_the_checkout_with_all_that_it_needs(self, shop: Shop) -> None:
        placed = shop.place(request=an_order_request(), customer_id=None)

        assert shop.begin_checkout.begun == {
            placed.id: {"method": "simulator", "token": TOKEN, "amount_minor": 4490, "currency": "EUR"}
        }

    def test_asks_no_provider_itself(self, shop: Shop) -> None:
        shop.place(request=an_order_request(), customer_id=None)

        assert shop.payments.authorizations == []

    def test_tells_that_the_order_was_placed(self, shop: Shop) -> None:
        placed = shop.place(request=an_order_request(), customer_id=None)

        (event,) = shop.orders.events
        assert isinstance(event, OrderPlaced)
        assert (event.order_id, event.total_minor) == (placed.id, 4490)

    def test_belongs_to_the_customer_who_placed_it(self, shop: Shop) -> None:
        customer_id = a_customer_id()

        placed = shop.place(request=an_order_request(), customer_id=customer_id)

        assert shop.orders.get(OrderId(placed.id), of_customer=customer_id).customer_id == customer_id

    def test_takes_the_customers_own_address_when_none_is_given(self, shop: Shop) -> None:
        customer_id = a_customer_id()
        shop.customers.emails[customer_id] = "grace@example.com"

        placed = shop.place(request=an_order_request(email=None), customer_id=customer_id)

        assert placed.email == "grace@example.com"

    def test_prefers_the_address_that_is_given(self, shop: Shop) -> None:
        customer_id = a_customer_id()
        shop.customers.emails[customer_id] = "grace@example.com"

        placed = shop.place(request=an_order_request(email="office@example.com"), customer_id=customer_id)

        assert placed.email == "office@example.com"

    @pytest.mark.parametrize("customer_id", [None, CustomerId(uuid4())], ids=["API key", "customer without address"])
    def test_is_refused_when_there_is_no_address_to_write_to(self, shop: Shop, customer_id: CustomerId | None) -> None:
        refusal = self._refusal(shop, EmailRequired, request=an_order_request(email=None), customer_id=customer_id)

        assert (refusal.code, refusal.at) == ("email_required", "/email")
        assert refusal.message.startswith("An order that is not placed by a customer needs an e-mail address")

    def test_is_refused_for_a_payment_method_that_nobody_serves(self, shop: Shop) -> None:
        refusal = self._refusal(shop, PaymentMethodNotAccepted, request=an_order_request(method="cash"))

        assert (refusal.code, refusal.at) == ("payment_method_not_accepted", "/payment/method")
        assert refusal.message == "This payment method is not accepted here."
        assert refusal.details == {"method": "cash"}

    def test_is_refused_for_a_shipping_method_that_nobody_offers(self, shop: Shop) -> None:
        refusal = self._refusal(shop, ShippingMethodNotFound, request=an_order_request(shipping_method="by-drone"))

        assert (refusal.code, refusal.at) == ("shipping_method_not_found", "/shipping_method")
        assert refusal.details == {"shipping_method": "by-drone", "currency": "EUR"}

    def test_is_refused_for_a_sku_that_is_not_for_sale_in_the_currency(self, shop: Shop) -> None:
        shop.offer_shipping(method=a_shipping_method(price=Money(500, "USD")))

        refusal = self._refusal(shop, UnknownSku, request=an_order_request(currency="USD"))

        assert (refusal.code, refusal.at) == ("variant_not_found", "/lines/0/sku")

    def test_is_refused_when_the_price_has_changed(self, shop: Shop) -> None:
        refusal = self._refusal(shop, PriceHasChanged, request=an_order_request(expected_total=euros("1.00")))

        assert refusal.details == {"total": euros("44.90"), "expected_total": euros("1.00")}

    def test_is_refused_when_stock_refuses(self, shop: Shop) -> None:
        shop.stock.refusal = OutOfStock()

        refusal = self._refusal(shop, OutOfStock, request=an_order_request())

        assert refusal is shop.stock.refusal

    def _refusal(self, shop: Shop, kind: type[E], *, request: OrderRequest, customer_id: CustomerId | None = None) -> E:
        """Return the refusal, having seen that nothing came of the order."""
        with pytest.raises(kind) as refusal:
            shop.place(request=request, customer_id=customer_id)
        assert len(shop.orders) == 0
        assert shop.orders.events == []
        assert shop.stock.held == {}
        assert shop.begin_checkout.begun == {}
        assert not shop.unit_of_work.is_open
        return refusal.value


class TestCancelOrder:
    def test_gives_up_the_customers_order(self, shop: Shop) -> None:
        customer_id = a_customer_id()
        order_id = shop.has(a_pending_order(customer_id=customer_id))

        cancelled = shop.cancel(order_id=order_id, of_customer=customer_id, reason="changed my mind")

        assert cancelled.status is shop.order(order_id).status is OrderStatus.CANCELLED
        (event,) = shop.orders.events
        assert isinstance(event, OrderCancelled)
        assert (event.order_id, event.reason) == (order_id, "changed my mind")
        assert shop.record_change.changes == []  # what customers write must stay erasable

    def test_may_be_done_by_an_operator_for_any_order(self, shop: Shop) -> None:
        order_id = shop.has(a_pending_order(customer_id=a_customer_id()))

        shop.cancel(order_id=order_id, of_customer=ANYONE, reason="fraud")

        assert shop.order(order_id).cancel_reason == "fraud"
        assert shop.record_change.changes == [
            RecordedChange(
                action="ordering.cancel_order",
                subject_kind="order",
                subject_id=str(order_id),
                before={"status": "pending"},
                after={"status": "cancelled"},
                reason="fraud",
            )
        ]

    def test_twice_tells_of_it_once(self, shop: Shop) -> None:
        order_id = shop.has(a_pending_order())

        shop.cancel(order_id=order_id, of_customer=ANYONE, reason="changed my mind")
        shop.cancel(order_id=order_id, of_customer=ANYONE, reason="really")

        assert len(shop.orders.events) == len(shop.record_change.changes) == 1
        assert shop.order(order_id).cancel_reason == "changed my mind"

    def test_of_another_customers_order_finds_no_order(self, shop: Shop) -> None:
        order_id = shop.has(a_pending_order(customer_id=a_customer_id()))

        self._finds_nothing(shop, order_id, of_customer=a_customer_id())

        assert shop.order(order_id).status is OrderStatus.PENDING

    def test_of_an_order_without_a_customer_finds_no_order_for_a_customer(self, shop: Shop) -> None:
        order_id = shop.has(a_pending_order(customer_id=None))

        self._finds_nothing(shop, order_id, of_customer=a_customer_id())

    def test_of_an_order_that_does_not_exist_finds_no_order(self, shop: Shop) -> None:
        self._finds_nothing(shop, OrderId(uuid4()), of_customer=ANYONE)

    def test_is_refused_once_shipped(self, shop: Shop) -> None:
        order_id = shop.has(a_shipped_order())

        with pytest.raises(OrderAlreadyShipped, match="A shipped order cannot be cancelled; ask for a return instead"):
            shop.cancel(order_id=order_id, of_customer=ANYONE, reason="too late")

        assert shop.order(order_id).status is OrderStatus.CONFIRMED
        assert shop.orders.events == []
        assert shop.record_change.changes == []

    def _finds_nothing(self, shop: Shop, order_id: OrderId, *, of_customer: CustomerId | Anyone) -> None:
        with pytest.raises(OrderNotFound, match=r"There is no such order among yours\.") as refusal:
            shop.cancel(order_id=order_id, of_customer=of_customer, reason="mine?")
        assert refusal.value.code == "order_not_found"
        assert refusal.value.details == {"order_id": order_id}

    def test_is_refused_at_another_version_than_was_seen(self, shop: Shop) -> None:
        order_id = shop.has(a_pending_order())

        with pytest.raises(VersionMismatch):
            shop.cancel(order_id=order_id, of_customer=ANYONE, reason="changed my mind", expected_version=2)

        assert shop.order(order_id).status is OrderStatus.PENDING


class TestAddNote:
    def test_keeps_who_wrote_it_and_when_and_tells_nobody(self, shop: Shop) -> None:
        order_id = shop.has(a_pending_order())

        note = shop.add_note(order_id=order_id, text="Call first.", author="staff:1", expected_version=1)

        assert (note.text, note.author, note.written_at) == ("Call first.", "staff:1", NOON)
        assert shop.orders.notes == [(order_id, note)]
        assert shop.order(order_id).version == 2
        assert shop.orders.events == []

    def test_is_audited_without_what_it_says(self, shop: Shop) -> None:
        order_id = shop.has(a_pending_order())

        note = shop.add_note(order_id=order_id, text="Call first.", author="staff:1")

        assert shop.record_change.changes == [
            RecordedChange(
                action="ordering.add_note",
                subject_kind="order",
                subject_id=str(order_id),
                before=None,
                after={"note_id": str(note.id)},
                reason="",
            )
        ]

    def test_is_refused_at_another_version_than_was_seen(self, shop: Shop) -> None:
        order_id = shop.has(a_pending_order())

        with pytest.raises(VersionMismatch):
            shop.add_note(order_id=order_id, text="Call first.", author="staff:1", expected_version=7)

        assert shop.orders.notes == []

    def test_is_refused_for_an_unknown_order(self, shop: Shop) -> None:
        with pytest.raises(OrderNotFound):
            shop.add_note(order_id=OrderId(uuid4()), text="Call first.", author="staff:1")


class TestNotePayment:
    def test_keeps_with_the_order_what_became_of_its_money(self, shop: Shop) -> None:
        order_id = shop.has(a_cancelled_order())
        voided = replace(an_authorized_payment(), status=PaymentStatus.VOIDED)
        shop.payments.known[order_id] = voided

        shop.note_payment(order_id=order_id)

        assert shop.order(order_id).payment == voided

    def test_changes_nothing_while_nothing_is_known(self, shop: Shop) -> None:
        order_id = shop.has(a_pending_order())

        shop.note_payment(order_id=order_id)

        assert shop.order(order_id).version == 1

    def test_twice_changes_the_order_once(self, shop: Shop) -> None:
        order_id = shop.has(a_pending_order())
        shop.payments.known[order_id] = a_failed_payment()

        shop.note_payment(order_id=order_id)
        shop.note_payment(order_id=order_id)

        assert shop.order(order_id).version == 2

    def test_of_an_order_that_does_not_exist_is_refused(self, shop: Shop) -> None:
        with pytest.raises(OrderNotFound):
            shop.note_payment(order_id=OrderId(UUID(int=1)))


class TestOfferShippingMethod:
    def test_adds_the_method_or_changes_its_price(self, shop: Shop) -> None:
        shop.offer_shipping(method=a_shipping_method(code="express", price=euros("9.90")))
        shop.offer_shipping(method=a_shipping_method(code="express", price=euros("12.90")))

        assert shop.shipping_methods.get("express", currency="EUR").price == euros("12.90")
        assert shop.shipping_methods.get("standard", currency="EUR").price == euros("4.90")

from collections.abc import Callable
from dataclasses import fields, replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from contexts.ordering.domain import (
    FulfillmentStatus,
    Order,
    OrderAlreadyCancelled,
    OrderAlreadyShipped,
    OrderPayment,
    OrderStatus,
    PaymentNotAuthorized,
    PaymentStatus,
    PriceHasChanged,
    UnknownSku,
    beginning_of_number,
    number_of,
)
from contexts.ordering.events import OrderCancelled, OrderConfirmed, OrderPlaced
from shared.domain.money import MixedCurrencies, Money
from tests.ordering.builders import (
    EMAIL,
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
    euros,
)
from tests.shared.fakes import NOON

LATER = NOON + timedelta(hours=1)


class TestNumber:
    def test_is_sixty_bits_of_the_id_in_letters_that_cannot_be_misread(self) -> None:
        assert number_of(UUID(int=0)) == "0000-0000-0000"
        assert number_of(UUID(int=(1 << 60) - 1)) == "ZZZZ-ZZZZ-ZZZZ"
        assert number_of(UUID(int=31 << 5 | 1)) == "0000-0000-00Z1"

    def test_does_not_tell_when_the_order_was_placed(self) -> None:
        assert number_of(UUID(int=(7 << 64) | 5)) == number_of(UUID(int=5))

    def test_differs_between_orders(self) -> None:
        assert len({number_of(uuid4()) for _ in range(1000)}) == 1000

    @pytest.mark.parametrize(
        ("typed", "begins"),
        [
            ("7q2m-01zd-x9fk", "7Q2M-01ZD-X9FK"),
            ("7Q2M01ZDX9FK", "7Q2M-01ZD-X9FK"),
            (" 7Q2M 0", "7Q2M-0"),
            ("7Q2M", "7Q2M"),
            ("oil", "011"),
        ],
    )
    def test_is_known_by_how_people_type_its_beginning(self, typed: str, begins: str) -> None:
        assert beginning_of_number(typed) == begins

    @pytest.mark.parametrize("typed", ["", "-", "7Q2M-U", "7Q2M-01ZD-X9FK-0", "ada@example.com", "Ørsted"])
    def test_is_not_what_cannot_begin_one(self, typed: str) -> None:
        assert beginning_of_number(typed) is None


class TestPlace:
    def test_adds_up_lines_and_shipping(self) -> None:
        order = a_placed_order(
            request=an_order_request(lines={SHIRT: 2, MUG: 3}),
            quotes={
                SHIRT: a_quote(sku=SHIRT, unit_price=euros("19.99")),
                MUG: a_quote(sku=MUG, unit_price=euros("5.01")),
            },
            shipping_method=a_shipping_method(price=euros("4.90")),
        )

        assert order.subtotal == euros("55.01")
        assert order.discount == order.tax == euros("0.00")
        assert order.shipping == euros("4.90")
        assert order.total == euros("59.91")

    def test_keeps_name_and_price_of_the_day_with_each_line(self) -> None:
        order = a_placed_order(quotes={SHIRT: a_quote(name="A linen shirt", unit_price=euros("20.00"))})

        (line,) = order.lines
        assert (line.sku, line.name, line.quantity, line.unit_price) == (SHIRT, "A linen shirt", 2, euros("20.00"))
        assert line.total == euros("40.00")

    def test_keeps_two_lines_of_one_sku_apart_and_counts_their_units_together(self) -> None:
        order = a_placed_order(request=an_order_request(lines=((SHIRT, 2), (MUG, 1), (SHIRT, 3))))

        assert order.quantities == ((SHIRT, 2), (MUG, 1), (SHIRT, 3))
        assert order.units_by_sku == {SHIRT: 5, MUG: 1}

    def test_begins_pending_unpaid_and_unfulfilled(self) -> None:
        order = a_placed_order()

        assert order.status is OrderStatus.PENDING
        assert order.payment == OrderPayment.awaited("EUR")
        assert order.fulfillment_status is FulfillmentStatus.UNFULFILLED
        assert (order.placed_at, order.cancelled_at, order.cancel_reason) == (NOON, None, None)

    def test_bills_to_where_it_ships_unless_told_otherwise(self) -> None:
        home, office = an_address(line1="At home"), an_address(line1="At work")

        same = a_placed_order(request=an_order_request(shipping_address=home))
        other = a_placed_order(request=an_order_request(shipping_address=home, billing_address=office))

        assert (same.shipping_address, same.billing_address) == (home, home)
        assert (other.shipping_address, other.billing_address) == (home, office)

    def test_is_refused_for_an_unknown_sku_pointing_at_its_line(self) -> None:
        request = an_order_request(lines=((SHIRT, 2), ("NO-SUCH", 1)))

        with pytest.raises(UnknownSku, match=r"There is no such sku for sale in this currency\.") as refusal:
            a_placed_order(request=request, quotes={SHIRT: a_quote()})

        assert refusal.value.code == "variant_not_found"
        assert refusal.value.at == "/lines/1/sku"
        assert refusal.value.details == {"sku": "NO-SUCH"}

    @pytest.mark.parametrize(
        "expected", [euros("44.89"), euros("44.91"), Money(4490, "USD")], ids=["less", "more", "another currency"]
    )
    def test_is_refused_when_the_customer_expected_another_total(self, expected: Money) -> None:
        with pytest.raises(PriceHasChanged, match="show the new total and ask again") as refusal:
            a_placed_order(request=an_order_request(expected_total=expected))

        assert refusal.value.code == "price_has_changed"
        assert refusal.value.details == {"total": euros("44.90"), "expected_total": expected}

    def test_accepts_the_total_that_the_customer_expected(self) -> None:
        order = a_placed_order(request=an_order_request(expected_total=euros("44.90")))

        assert order.total == euros("44.90")

    def test_never_mixes_currencies(self) -> None:
        with pytest.raises(MixedCurrencies, match="cannot be added or compared"):
            a_placed_order(quotes={SHIRT: a_quote(unit_price=Money(2000, "USD"))})

    def test_tells_what_was_ordered_at_which_price(self) -> None:
        customer_id = a_customer_id()

        order = a_placed_order(id=UUID(int=33), customer_id=customer_id)

        (recorded,) = order.release_events()
        assert recorded.sequence == 1
        assert recorded.event == OrderPlaced(
            order_id=UUID(int=33),
            number="0000-0000-0011",
            customer_id=customer_id,
            currency="EUR",
            total_minor=4490,
            shipping_method="standard",
            lines=((SHIRT, 2, 2000),),
            occurred_at=NOON,
        )


class TestEvents:
    @pytest.mark.parametrize("event_type", [OrderPlaced, OrderConfirmed, OrderCancelled])
    def test_have_no_field_for_personal_data(
        self, event_type: type[OrderPlaced | OrderConfirmed | OrderCancelled]
    ) -> None:
        assert {field.name for field in fields(event_type)} <= {
            "order_id",
            "number",
            "customer_id",
            "payment_id",
            "currency",
            "total_minor",
            "shipping_method",
            "lines",
            "reason",
            "occurred_at",
        }

    def test_do_not_carry_personal_data_in_any_field(self) -> None:
        order = a_placed_order(request=an_order_request(shipping_address=an_address(name="Grace Hopper")))
        order.confirm(payment=an_authorized_payment(), at=LATER)
        order.cancel(reason="out of patience", at=LATER)

        told = repr(order.release_events())
        assert "OrderPlaced" in told
        for secret in (EMAIL, "Grace Hopper", "St James", "London", "SW1Y", "+44"):
            assert secret not in told


class TestConfirm:
    def test_takes_the_order_as_good_and_tells_of_it(self) -> None:
        order = a_pending_order()
        payment = an_authorized_payment()

        order.confirm(payment=payment, at=LATER)

        assert (order.status, order.payment) == (OrderStatus.CONFIRMED, payment)
        (recorded,) = order.release_events()
        assert recorded.sequence == 2
        assert recorded.event == OrderConfirmed(
            order_id=order.id,
            number=order.number,
            payment_id=payment.id or UUID(int=0),
            currency="EUR",
            total_minor=4490,
            lines=((SHIRT, 2),),
            occurred_at=LATER,
        )

    def test_twice_is_harmless(self) -> None:
        order = a_confirmed_order()
        first = order.payment

        order.confirm(payment=an_authorized_payment(), at=LATER)

        assert (order.status, order.payment) == (OrderStatus.CONFIRMED, first)
        assert order.release_events() == ()

    def test_is_refused_once_cancelled(self) -> None:
        order = a_cancelled_order()

        with pytest.raises(OrderAlreadyCancelled, match=r"The order was cancelled meanwhile\.") as refusal:
            order.confirm(payment=an_authorized_payment(), at=LATER)

        assert refusal.value.code == "order_already_cancelled"
        assert refusal.value.details == {"order_id": order.id}
        assert order.status is OrderStatus.CANCELLED

    @pytest.mark.parametrize(
        "payment",
        [
            OrderPayment.awaited("EUR"),
            a_failed_payment(),
            replace(an_authorized_payment(), status=PaymentStatus.VOIDED),
        ],
        ids=["awaited", "failed", "voided"],
    )
    def test_is_refused_without_an_authorised_payment(self, payment: OrderPayment) -> None:
        order = a_pending_order()

        with pytest.raises(PaymentNotAuthorized, match="only once its payment is authorised") as refusal:
            order.confirm(payment=payment, at=LATER)

        assert refusal.value.code == "payment_not_authorized"
        assert (order.status, order.payment) == (OrderStatus.PENDING, OrderPayment.awaited("EUR"))
        assert order.release_events() == ()


class TestCancel:
    @pytest.mark.parametrize("build", [a_pending_order, a_confirmed_order])
    def test_gives_the_order_up_and_tells_why_and_what_it_held(self, build: Callable[[], Order]) -> None:
        order = build()

        order.cancel(reason="changed my mind", at=LATER)

        assert order.status is OrderStatus.CANCELLED
        assert (order.cancelled_at, order.cancel_reason) == (LATER, "changed my mind")
        (recorded,) = order.release_events()
        assert recorded.event == OrderCancelled(
            order_id=order.id,
            number=order.number,
            reason="changed my mind",
            lines=((SHIRT, 2),),
            occurred_at=LATER,
        )

    def test_twice_keeps_the_first_reason_and_tells_nothing_new(self) -> None:
        order = a_cancelled_order(reason="changed my mind")

        order.cancel(reason="payment_declined", at=LATER)

        assert (order.cancelled_at, order.cancel_reason) == (NOON, "changed my mind")
        assert order.release_events() == ()

    @pytest.mark.parametrize(
        "status", [status for status in FulfillmentStatus if status is not FulfillmentStatus.UNFULFILLED]
    )
    def test_is_refused_once_anything_shipped(self, status: FulfillmentStatus) -> None:
        order = a_shipped_order()
        order.fulfillment_status = status

        with pytest.raises(OrderAlreadyShipped, match="ask for a return instead") as refusal:
            order.cancel(reason="too late", at=LATER)

        assert refusal.value.code == "order_already_shipped"
        assert (order.status, order.cancelled_at) == (OrderStatus.CONFIRMED, None)
        assert order.release_events() == ()


class TestNotePayment:
    def test_keeps_what_became_of_the_money_and_leaves_the_order_where_it_is(self) -> None:
        order = a_pending_order()

        order.note_payment(a_failed_payment(failure_code="card_declined"))

        assert (order.payment.status, order.payment.failure_code) == (PaymentStatus.FAILED, "card_declined")
        assert order.status is OrderStatus.PENDING
        assert order.release_events() == ()


class TestRequest:
    def test_names_each_sku_once(self) -> None:
        assert an_order_request(lines=((MUG, 1), (SHIRT, 2), (MUG, 3))).skus == (MUG, SHIRT)

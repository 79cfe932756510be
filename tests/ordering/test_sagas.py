from datetime import timedelta
from uuid import uuid4

import pytest

from contexts.ordering.domain import (
    ANYONE,
    Order,
    OrderAlreadyCancelled,
    OrderId,
    OrderPayment,
    OrderStatus,
    PaymentMeans,
    PaymentNotAuthorized,
    PaymentStatus,
)
from contexts.ordering.events import OrderCancelled, OrderConfirmed
from contexts.ordering.sagas import ASK_AGAIN, Checkout
from shared.domain.errors import ConflictError, DomainError, OutcomeUnknown
from shared.domain.model import Primitive
from shared.domain.saga import Exchange, Local, SagaRun, Wait
from tests.ordering.builders import (
    TOKEN,
    a_cancelled_order,
    a_confirmed_order,
    a_failed_payment,
    a_pending_order,
    an_authorized_payment,
    euros,
)
from tests.ordering.fakes import InMemoryOrders, ObedientPayments, ObedientStock
from tests.shared.fakes import NOON, SettableClock


class HoldExpired(ConflictError):
    """The units were given back."""


class PaymentDeclined(ConflictError):
    """The card was declined."""


class CheckoutDesk:
    """The steps of the checkout over ports in memory."""

    def __init__(self) -> None:
        self.orders = InMemoryOrders()
        self.stock = ObedientStock()
        self.payments = ObedientPayments()
        self.checkout = Checkout(orders=self.orders, stock=self.stock, payments=self.payments, now=SettableClock())

    def run_of(self, order: Order, *, reason: str = "") -> SagaRun:
        """Have the order stored, and return the process about it."""
        self.orders.save(order)
        data: dict[str, Primitive] = {"method": "simulator", "token": TOKEN, "amount_minor": 4490, "currency": "EUR"}
        return SagaRun(saga_id=uuid4(), subject_id=order.id, data=data, reason=reason)

    def authorize(self, run: SagaRun, key: str) -> Wait | DomainError | None:
        """Go through the exchange with the provider, as the runner would."""
        return self.checkout.note_answer(run, self.checkout.ask_provider(self.checkout.begin_authorization(run, key)))

    def order(self, run: SagaRun) -> Order:
        """Return the order as it is stored."""
        return self.orders.get(OrderId(run.subject_id), of_customer=ANYONE)


@pytest.fixture
def desk() -> CheckoutDesk:
    return CheckoutDesk()


class TestCheckout:
    def test_secures_the_units_before_any_money_moves_and_confirms_last(self, desk: CheckoutDesk) -> None:
        stages = desk.checkout.saga.stages

        assert [(stage.step.name, type(stage.step)) for stage in stages] == [
            ("secure_stock", Local),
            ("authorize_payment", Exchange),
            ("confirm_order", Local),
        ]

    def test_has_a_way_back_until_the_order_is_confirmed(self, desk: CheckoutDesk) -> None:
        stages = desk.checkout.saga.stages

        assert [stage.pivot for stage in stages] == [False, False, True]
        assert [stage.undo.name if stage.undo else None for stage in stages] == [None, "void_payment", None]
        assert desk.checkout.saga.otherwise is not None
        assert desk.checkout.saga.otherwise.name == "cancel_order"

    def test_has_the_name_that_is_kept_in_the_tables_and_an_end(self, desk: CheckoutDesk) -> None:
        assert desk.checkout.saga.name == "ordering.checkout"
        assert desk.checkout.saga.deadline == timedelta(minutes=30)


class TestSecureStock:
    def test_makes_the_promise_of_units_last(self, desk: CheckoutDesk) -> None:
        run = desk.run_of(a_pending_order())

        desk.checkout.secure_stock(run)

        assert desk.stock.secured == [run.subject_id]

    def test_is_refused_when_the_units_were_given_back(self, desk: CheckoutDesk) -> None:
        desk.stock.refusal = HoldExpired()

        with pytest.raises(HoldExpired):
            desk.checkout.secure_stock(desk.run_of(a_pending_order()))

    def test_is_refused_once_the_order_is_cancelled(self, desk: CheckoutDesk) -> None:
        with pytest.raises(OrderAlreadyCancelled, match=r"The order was cancelled meanwhile\."):
            desk.checkout.secure_stock(desk.run_of(a_cancelled_order()))

        assert desk.stock.secured == []


class TestAuthorizePayment:
    def test_has_the_total_reserved_under_the_key_of_the_step(self, desk: CheckoutDesk) -> None:
        run = desk.run_of(a_pending_order())

        assert desk.authorize(run, "key-1") is None

        (asked,) = desk.payments.authorizations
        assert (asked.order_id, asked.key) == (run.subject_id, "key-1")
        assert asked.amount == euros("44.90")
        assert asked.means == PaymentMeans(method="simulator", token=TOKEN)

    def test_waits_while_the_provider_waits_for_the_customer(self, desk: CheckoutDesk) -> None:
        desk.payments.authorize_answer = "pending"

        answer = desk.authorize(desk.run_of(a_pending_order()), "key-1")

        assert answer == ASK_AGAIN == Wait(pause=timedelta(seconds=1))

    def test_hands_a_refusal_over_once_it_is_noted(self, desk: CheckoutDesk) -> None:
        desk.payments.authorize_answer = refusal = PaymentDeclined()

        assert desk.authorize(desk.run_of(a_pending_order()), "key-1") is refusal

    def test_leaves_it_to_the_process_when_there_is_no_answer(self, desk: CheckoutDesk) -> None:
        desk.payments.authorize_answer = unknown = OutcomeUnknown()

        with pytest.raises(OutcomeUnknown) as raised:
            desk.authorize(desk.run_of(a_pending_order()), "key-1")

        assert raised.value is unknown


class TestVoidPayment:
    def test_has_the_reservation_given_up_under_the_key_of_the_step(self, desk: CheckoutDesk) -> None:
        run = desk.run_of(a_pending_order())

        assert desk.checkout.void_payment(run, "key-2") is None

        assert desk.payments.voids == [(run.subject_id, "key-2")]

    def test_waits_while_the_outcome_of_the_reservation_is_open(self, desk: CheckoutDesk) -> None:
        desk.payments.void_answer = "pending"

        assert desk.checkout.void_payment(desk.run_of(a_pending_order()), "key-2") == ASK_AGAIN


class TestConfirmOrder:
    def test_takes_the_order_as_good_with_what_is_known_of_its_payment(self, desk: CheckoutDesk) -> None:
        run = desk.run_of(a_pending_order())
        payment = an_authorized_payment()
        desk.payments.known[OrderId(run.subject_id)] = payment

        desk.checkout.confirm_order(run)

        assert (desk.order(run).status, desk.order(run).payment) == (OrderStatus.CONFIRMED, payment)
        (event,) = desk.orders.events
        assert isinstance(event, OrderConfirmed)

    def test_twice_tells_of_it_once(self, desk: CheckoutDesk) -> None:
        run = desk.run_of(a_pending_order())
        desk.payments.known[OrderId(run.subject_id)] = an_authorized_payment()

        desk.checkout.confirm_order(run)
        desk.checkout.confirm_order(run)

        assert len(desk.orders.events) == 1

    def test_is_refused_when_the_order_was_cancelled_while_its_payment_was_under_way(self, desk: CheckoutDesk) -> None:
        run = desk.run_of(a_cancelled_order())
        desk.payments.known[OrderId(run.subject_id)] = an_authorized_payment()

        with pytest.raises(OrderAlreadyCancelled):
            desk.checkout.confirm_order(run)

        assert desk.orders.events == []

    @pytest.mark.parametrize("payment", [None, a_failed_payment()], ids=["no payment", "failed payment"])
    def test_is_refused_without_an_authorised_payment(self, desk: CheckoutDesk, payment: OrderPayment | None) -> None:
        run = desk.run_of(a_pending_order())
        if payment is not None:
            desk.payments.known[OrderId(run.subject_id)] = payment

        with pytest.raises(PaymentNotAuthorized):
            desk.checkout.confirm_order(run)

        assert desk.order(run).status is OrderStatus.PENDING


class TestCancelOrder:
    def test_gives_the_order_up_for_the_reason_of_the_process(self, desk: CheckoutDesk) -> None:
        run = desk.run_of(a_pending_order(), reason="payment_declined")
        desk.payments.known[OrderId(run.subject_id)] = a_failed_payment(failure_code="card_declined")

        desk.checkout.cancel_order(run)

        order = desk.order(run)
        assert (order.status, order.cancel_reason, order.cancelled_at) == (
            OrderStatus.CANCELLED,
            "payment_declined",
            NOON,
        )
        assert (order.payment.status, order.payment.failure_code) == (PaymentStatus.FAILED, "card_declined")
        (event,) = desk.orders.events
        assert isinstance(event, OrderCancelled)
        assert event.reason == "payment_declined"

    def test_keeps_the_reason_of_a_customer_who_was_faster(self, desk: CheckoutDesk) -> None:
        run = desk.run_of(a_cancelled_order(reason="changed my mind"), reason="order_already_cancelled")

        desk.checkout.cancel_order(run)

        assert desk.order(run).cancel_reason == "changed my mind"
        assert desk.orders.events == []

    def test_of_an_order_that_never_came_to_its_payment_says_that_none_will_come(self, desk: CheckoutDesk) -> None:
        run = desk.run_of(a_pending_order(), reason="hold_expired")

        desk.checkout.cancel_order(run)

        assert desk.order(run).payment == OrderPayment.never_begun("EUR")
        assert desk.order(run).payment.status is PaymentStatus.VOIDED

    def test_leaves_no_confirmed_order_behind_when_asked_for_one(self, desk: CheckoutDesk) -> None:
        run = desk.run_of(a_confirmed_order(), reason="deadline_passed")

        desk.checkout.cancel_order(run)

        assert desk.order(run).status is OrderStatus.CANCELLED

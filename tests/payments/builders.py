"""What tests of payments begin with."""

from datetime import datetime
from uuid import uuid4

from contexts.payments.domain import OrderId, Outcome, OutcomeStatus, Payment, PaymentId
from shared.domain.money import Money
from tests.shared.fakes import NOON

AUTHORIZE_KEY = "ordering.checkout:1:authorize_payment"
VOID_KEY = "payments.voiding:1:void_payment"
REFERENCE = "auth_1"


def an_order_id() -> OrderId:
    """Return the id of some order."""
    return OrderId(uuid4())


def an_outcome(
    *,
    status: OutcomeStatus = OutcomeStatus.AUTHORIZED,
    reference: str = REFERENCE,
    failure_code: str | None = None,
) -> Outcome:
    """Build a provider's answer."""
    return Outcome(status=status, reference=reference, failure_code=failure_code)


def an_opened_payment(*, order_id: OrderId | None = None, amount: Money | None = None) -> Payment:
    """Build a payment of which the provider was never told."""
    return Payment.open(
        id=PaymentId(uuid4()),
        order_id=order_id or an_order_id(),
        method="simulator",
        amount=amount or Money(4490, "EUR"),
        at=NOON,
    )


def an_attempted_payment(*, order_id: OrderId | None = None, key: str = AUTHORIZE_KEY, at: datetime = NOON) -> Payment:
    """Build a payment about which the provider is being asked."""
    payment = an_opened_payment(order_id=order_id)
    payment.attempt_authorization(key=key, at=at)
    return payment


def an_unknown_payment(*, order_id: OrderId | None = None) -> Payment:
    """Build a payment about which the provider was asked and did not answer."""
    payment = an_attempted_payment(order_id=order_id)
    payment.lose_sight(at=NOON)
    payment.release_events()
    return payment


def an_authorized_payment(*, order_id: OrderId | None = None) -> Payment:
    """Build a payment that the provider granted."""
    payment = an_attempted_payment(order_id=order_id)
    payment.settle_authorization(an_outcome(), at=NOON)
    payment.release_events()
    return payment


def a_declined_payment(
    *, order_id: OrderId | None = None, key: str = AUTHORIZE_KEY, failure_code: str = "card_declined"
) -> Payment:
    """Build a payment that the provider refused."""
    payment = an_attempted_payment(order_id=order_id, key=key)
    payment.settle_authorization(an_outcome(status=OutcomeStatus.DECLINED, failure_code=failure_code), at=NOON)
    payment.release_events()
    return payment


def a_voided_payment(*, order_id: OrderId | None = None) -> Payment:
    """Build a payment that was granted and given back."""
    payment = an_authorized_payment(order_id=order_id)
    payment.give_up()
    payment.attempt_void(key=VOID_KEY, at=NOON)
    payment.settle_void(at=NOON)
    payment.release_events()
    return payment

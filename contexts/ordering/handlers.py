"""What ordering does when others tell it something."""

from contexts.ordering.domain import OrderId
from contexts.ordering.wiring import checkout, note_payment
from contexts.payments.events import PaymentAuthorized, PaymentBecameUnknown, PaymentDeclined, PaymentVoided
from shared.outbox.registry import subscribe
from shared.saga.registry import wake_saga


@subscribe(PaymentVoided, together=True)
def note_voided_payment(event: PaymentVoided) -> None:
    """Keep with the order that its money was given back."""
    note_payment(order_id=OrderId(event.order_id))


@subscribe(PaymentBecameUnknown, together=True)
def note_unknown_payment(event: PaymentBecameUnknown) -> None:
    """Keep with the order that nobody knows yet what became of its money."""
    note_payment(order_id=OrderId(event.order_id))


@subscribe(PaymentDeclined, together=True)
def note_declined_payment(event: PaymentDeclined) -> None:
    """Keep with the order that no money came, also where its checkout is over and looks no more."""
    note_payment(order_id=OrderId(event.order_id))


@subscribe(PaymentAuthorized, together=True)
def go_on_with_authorized_order(event: PaymentAuthorized) -> None:
    """Have the checkout look at the payment that it may be waiting for."""
    wake_saga(name=checkout.saga.name, subject_id=event.order_id)


@subscribe(PaymentDeclined, together=True)
def go_on_with_declined_order(event: PaymentDeclined) -> None:
    """Have the checkout look at the payment that it may be waiting for."""
    wake_saga(name=checkout.saga.name, subject_id=event.order_id)

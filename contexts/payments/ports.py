"""What payments needs from the world."""

from typing import Protocol

from contexts.payments.domain import OrderId, Outcome, Payment, PaymentId
from shared.domain.money import Money


class Payments(Protocol):
    """All payments; an order has one."""

    def get(self, payment_id: PaymentId) -> Payment:
        """Return the payment, locked for this unit of work, or raise PaymentNotFound."""

    def for_order(self, order_id: OrderId) -> Payment | None:
        """Return the order's payment, locked for this unit of work."""

    def save(self, payment: Payment) -> None:
        """Store a new or changed payment with its operations and events."""


class PaymentGateway(Protocol):
    """A payment service provider. Each method calls out, and refuses to run inside a transaction."""

    def authorize(self, *, key: str, amount: Money, token: str, reference: str) -> Outcome:
        """Reserve the amount, once per key; raise OutcomeUnknown when there is no telling whether it did."""

    def find(self, *, key: str) -> Outcome | None:
        """Return what came of the authorisation that was sent under the key; None when it never arrived."""

    def void(self, *, key: str, reference: str) -> None:
        """Give the reservation up, once per key; doing it twice is harmless."""


class PaymentGateways(Protocol):
    """The providers that are set up here, by the payment method that they serve."""

    def accepts(self, method: str) -> bool:
        """Tell whether a provider serves the method."""

    def serving(self, method: str) -> PaymentGateway:
        """Return the provider that serves the method, or raise UnknownPaymentMethod."""

"""What other contexts may ask of payments synchronously."""

from typing import Literal
from uuid import UUID

from contexts.payments import queries, wiring
from contexts.payments.domain import OrderId
from contexts.payments.queries import PaymentView
from contexts.payments.use_cases import Authorization
from shared.domain.money import Money

__all__ = ["Authorization", "PaymentView", "accepts", "authorize_payment", "payment_of", "refuse_payment"]


def accepts(*, method: str) -> bool:
    """Tell whether a provider for the method is set up."""
    return wiring.gateways.accepts(method)


def authorize_payment(*, order_id: UUID, amount: Money, method: str, token: str, key: str) -> Authorization:
    """Store in the caller's unit of work that the provider is to reserve the amount, once per order.

    Refuses with payment_given_up. What is returned asks the provider, and what that returns notes the answer.
    """
    return wiring.authorize_payment(order_id=OrderId(order_id), amount=amount, method=method, token=token, key=key)


def refuse_payment(*, order_id: UUID, amount: Money, method: str, key: str) -> Literal["settled", "pending"]:
    """Have the provider give up what it reserved for the order, if it did. Calls out."""
    return wiring.refuse_payment(order_id=OrderId(order_id), amount=amount, method=method, key=key)


def payment_of(*, order_id: UUID) -> PaymentView | None:
    """Return what is known of the order's payment."""
    return queries.payment_of(order_id=order_id)

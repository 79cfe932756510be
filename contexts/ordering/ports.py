"""What ordering needs from the world."""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from contexts.ordering.domain import (
    Anyone,
    CustomerId,
    Order,
    OrderId,
    OrderPayment,
    PaymentMeans,
    Quote,
    ShippingMethod,
)
from shared.domain.errors import DomainError
from shared.domain.money import Money


class Orders(Protocol):
    """All orders."""

    def get(self, order_id: OrderId, *, of_customer: CustomerId | Anyone) -> Order:
        """Return the customer's order, locked for this unit of work, or raise OrderNotFound."""

    def save(self, order: Order) -> None:
        """Store a new or changed order with its events."""


class CustomerTraces(Protocol):
    """What orders tell about the customers who placed them."""

    def are_needed(self, customer_id: CustomerId) -> bool:
        """Tell whether an order of the customer is on its way, for which all that is known may be needed."""

    def remove(self, customer_id: CustomerId) -> None:
        """Make the customer's orders anonymous: who, where to and why, in the orders and in their events."""


class PriceList(Protocol):
    """What things cost."""

    def quotes_of(self, skus: Sequence[str], *, currency: str) -> Mapping[str, Quote]:
        """Return today's price of each sku that is for sale in the currency; others are absent."""


class ShippingMethods(Protocol):
    """The ways to send an order."""

    def get(self, code: str, *, currency: str) -> ShippingMethod:
        """Return the method with its price in the currency, or raise ShippingMethodNotFound."""

    def ensure(self, method: ShippingMethod) -> None:
        """Add the method, or change its name and price."""


class Stock(Protocol):
    """Promises of units."""

    def hold(self, *, order_id: OrderId, wanted: Mapping[str, int]) -> None:
        """Promise the units to the order in this unit of work, or refuse with insufficient_stock."""

    def secure(self, *, order_id: OrderId) -> None:
        """Make the promise lasting in this unit of work, or refuse with hold_expired."""


class AuthorizationReply(Protocol):
    """What the provider said."""

    def note(self) -> Literal["authorized", "pending"] | DomainError:
        """Keep the answer in this unit of work; return why there will be no money, if so: payment_declined."""


class Authorization(Protocol):
    """A request to the provider whose intent is stored."""

    def ask(self) -> AuthorizationReply:
        """Have the provider reserve the amount. Calls out."""


class Payments(Protocol):
    """The money side of an order."""

    def accepts(self, method: str) -> bool:
        """Tell whether orders can be paid by this method."""

    def authorize(self, *, order_id: OrderId, amount: Money, means: PaymentMeans, key: str) -> Authorization:
        """Store in this unit of work that the amount is to be reserved, once per order, or refuse."""

    def refuse(
        self, *, order_id: OrderId, amount: Money, means: PaymentMeans, key: str
    ) -> Literal["settled", "pending"]:
        """Have the provider give the reservation up, if there is one. Calls out."""

    def of(self, order_id: OrderId) -> OrderPayment | None:
        """Return what is known of the order's payment."""


class Customers(Protocol):
    """The people who order."""

    def email_of(self, customer_id: CustomerId) -> str | None:
        """Return the address to write to."""

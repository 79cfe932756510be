"""Ordering's ports kept by other contexts."""

from collections.abc import Mapping, Sequence
from typing import Literal

from contexts.catalog import public as catalog
from contexts.identity import public as identity
from contexts.inventory import public as inventory
from contexts.ordering.domain import CustomerId, OrderId, OrderPayment, PaymentMeans, PaymentStatus, Quote
from contexts.ordering.ports import Authorization
from contexts.payments import public as payments
from shared.domain.money import Money


class CatalogPriceList:
    """The port PriceList, kept by catalog."""

    def quotes_of(self, skus: Sequence[str], *, currency: str) -> Mapping[str, Quote]:
        """Return today's price of each sku that is for sale in the currency; others are absent."""
        return {
            sku: Quote(sku=sku, name=quote.name, unit_price=quote.unit_price)
            for sku, quote in catalog.quotes_of(skus=skus, currency=currency).items()
        }


class InventoryStock:
    """The port Stock, kept by inventory in the same unit of work."""

    def hold(self, *, order_id: OrderId, wanted: Mapping[str, int]) -> None:
        """Promise the units to the order in this unit of work, or refuse with insufficient_stock."""
        inventory.hold_stock(order_id=order_id, wanted=wanted)

    def secure(self, *, order_id: OrderId) -> None:
        """Make the promise lasting in this unit of work, or refuse with hold_expired."""
        inventory.secure_stock(order_id=order_id)


class PaymentsOfOrders:
    """The port Payments, kept by the payments context."""

    def accepts(self, method: str) -> bool:
        """Tell whether orders can be paid by this method."""
        return payments.accepts(method=method)

    def authorize(self, *, order_id: OrderId, amount: Money, means: PaymentMeans, key: str) -> Authorization:
        """Store in this unit of work that the amount is to be reserved, once per order, or refuse."""
        return payments.authorize_payment(
            order_id=order_id, amount=amount, method=means.method, token=means.token, key=key
        )

    def refuse(
        self, *, order_id: OrderId, amount: Money, means: PaymentMeans, key: str
    ) -> Literal["settled", "pending"]:
        """Have the provider give the reservation up, if there is one. Calls out."""
        return payments.refuse_payment(order_id=order_id, amount=amount, method=means.method, key=key)

    def of(self, order_id: OrderId) -> OrderPayment | None:
        """Return what is known of the order's payment."""
        payment = payments.payment_of(order_id=order_id)
        if payment is None:
            return None
        nothing = Money.zero(payment.amount.currency)
        return OrderPayment(
            id=payment.id,
            status=PaymentStatus(payment.status),
            authorized=payment.amount if payment.was_authorized else nothing,
            captured=nothing,
            refunded=nothing,
            failure_code=payment.failure_code,
        )


class IdentityCustomers:
    """The port Customers, kept by identity."""

    def email_of(self, customer_id: CustomerId) -> str | None:
        """Return the address to write to."""
        return identity.email_of(customer_id)

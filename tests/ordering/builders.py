"""What tests of orders begin with."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID, uuid4

from contexts.ordering.domain import (
    Address,
    CustomerId,
    FulfillmentStatus,
    Order,
    OrderId,
    OrderPayment,
    OrderRequest,
    PaymentMeans,
    PaymentStatus,
    Quote,
    RequestedLine,
    ShippingMethod,
)
from shared.domain.money import Money
from tests.shared.fakes import NOON

SHIRT = "SHIRT-M"
MUG = "MUG-BLUE"
EMAIL = "ada@example.com"
TOKEN = "tok_approved"


def euros(amount: str) -> Money:
    """Return so much in EUR."""
    return Money.parse(amount, "EUR")


def a_customer_id() -> CustomerId:
    """Return the id of some customer."""
    return CustomerId(uuid4())


def an_address(*, name: str = "Ada Lovelace", line1: str = "12 St James's Square", city: str = "London") -> Address:
    """Build a complete address."""
    return Address(name=name, line1=line1, city=city, postal_code="SW1Y 4JH", country="GB", phone="+44 20 7946 0018")


def a_quote(*, sku: str = SHIRT, name: str = "A shirt", unit_price: Money | None = None) -> Quote:
    """Build today's price of a sku."""
    return Quote(sku=sku, name=name, unit_price=unit_price or euros("20.00"))


def a_shipping_method(*, code: str = "standard", name: str = "Standard", price: Money | None = None) -> ShippingMethod:
    """Build a way to send an order."""
    return ShippingMethod(code=code, name=name, price=price or euros("4.90"))


def an_order_request(
    *,
    lines: Mapping[str, int] | tuple[tuple[str, int], ...] | None = None,
    currency: str = "EUR",
    email: str | None = EMAIL,
    shipping_address: Address | None = None,
    billing_address: Address | None = None,
    shipping_method: str = "standard",
    method: str = "simulator",
    expected_total: Money | None = None,
) -> OrderRequest:
    """Build what a customer asks for: two shirts, unless said otherwise."""
    wanted = lines if lines is not None else {SHIRT: 2}
    pairs = wanted if isinstance(wanted, tuple) else tuple(wanted.items())
    return OrderRequest(
        currency=currency,
        lines=tuple(RequestedLine(sku=sku, quantity=quantity) for sku, quantity in pairs),
        email=email,
        shipping_address=shipping_address or an_address(),
        billing_address=billing_address,
        shipping_method=shipping_method,
        payment=PaymentMeans(method=method, token=TOKEN),
        expected_total=expected_total,
    )


def a_placed_order(
    *,
    id: UUID | None = None,  # noqa: A002 - the field's own name
    request: OrderRequest | None = None,
    customer_id: CustomerId | None = None,
    quotes: Mapping[str, Quote] | None = None,
    shipping_method: ShippingMethod | None = None,
    at: datetime = NOON,
) -> Order:
    """Place an order for EUR 44.90 (two shirts at 20.00, shipping 4.90); its event is still to be released."""
    request = request or an_order_request()
    if quotes is None:
        quotes = {sku: a_quote(sku=sku, name=f"The {sku}") for sku in request.skus}
    return Order.place(
        id=OrderId(id or uuid4()),
        line_ids=[uuid4() for _ in request.lines],
        request=request,
        customer_id=customer_id,
        email=request.email or EMAIL,
        quotes=quotes,
        shipping_method=shipping_method or a_shipping_method(),
        at=at,
    )


def a_pending_order(*, customer_id: CustomerId | None = None, request: OrderRequest | None = None) -> Order:
    """Build an order whose payment is awaited and whose events are told."""
    order = a_placed_order(customer_id=customer_id, request=request)
    order.release_events()
    return order


def a_confirmed_order(*, customer_id: CustomerId | None = None) -> Order:
    """Build an order whose payment is authorised and whose events are told."""
    order = a_pending_order(customer_id=customer_id)
    order.confirm(payment=an_authorized_payment(amount=order.total), at=NOON)
    order.release_events()
    return order


def a_shipped_order(*, customer_id: CustomerId | None = None) -> Order:
    """Build an order whose goods are on their way."""
    order = a_confirmed_order(customer_id=customer_id)
    order.fulfillment_status = FulfillmentStatus.SHIPPED
    return order


def a_cancelled_order(*, customer_id: CustomerId | None = None, reason: str = "changed my mind") -> Order:
    """Build an order that was given up."""
    order = a_pending_order(customer_id=customer_id)
    order.cancel(reason=reason, at=NOON)
    order.release_events()
    return order


def an_authorized_payment(*, amount: Money | None = None, id: UUID | None = None) -> OrderPayment:  # noqa: A002
    """Build a payment that the provider granted."""
    amount = amount or euros("44.90")
    nothing = Money.zero(amount.currency)
    return OrderPayment(
        id=id or uuid4(), status=PaymentStatus.AUTHORIZED, authorized=amount, captured=nothing, refunded=nothing
    )


def a_failed_payment(*, failure_code: str = "card_declined", currency: str = "EUR") -> OrderPayment:
    """Build a payment that the provider declined."""
    nothing = Money.zero(currency)
    return OrderPayment(
        id=uuid4(),
        status=PaymentStatus.FAILED,
        authorized=nothing,
        captured=nothing,
        refunded=nothing,
        failure_code=failure_code,
    )

"""What an order is, and what may happen to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, NewType, Self
from uuid import UUID

from contexts.ordering.events import OrderCancelled, OrderConfirmed, OrderPlaced
from shared.domain.errors import ConflictError, EntityNotFoundError, InvalidInputError
from shared.domain.model import Aggregate
from shared.domain.money import Money

OrderId = NewType("OrderId", UUID)
CustomerId = NewType("CustomerId", UUID)

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class OrderNotFound(EntityNotFoundError):
    """There is no such order among yours."""


class OrderAlreadyShipped(ConflictError):
    """A shipped order cannot be cancelled; ask for a return instead."""


class OrderAlreadyCancelled(ConflictError):
    """The order was cancelled meanwhile."""


class OrdersInProgress(ConflictError):
    """An order is not finished yet; wait until it is delivered or cancelled, and ask again."""


class PaymentNotAuthorized(ConflictError):
    """An order is confirmed only once its payment is authorised."""


class PriceHasChanged(ConflictError):
    """The total is not the one that you expected; show the new total and ask again."""


class UnknownSku(InvalidInputError):
    """There is no such sku for sale in this currency."""

    @property
    def code(self) -> str:
        """Return the code that carts use for the same refusal."""
        return "variant_not_found"


class ShippingMethodNotFound(InvalidInputError):
    """There is no such shipping method in this currency."""

    pointer = "/shipping_method"


class PaymentMethodNotAccepted(InvalidInputError):
    """This payment method is not accepted here."""

    pointer = "/payment/method"


class EmailRequired(InvalidInputError):
    """An order that is not placed by a customer needs an e-mail address to write to."""

    pointer = "/email"


class OrderStatus(StrEnum):
    """Where the order as a whole stands."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class PaymentStatus(StrEnum):
    """What became of the money."""

    PENDING = "pending"
    UNKNOWN = "unknown"
    AUTHORIZED = "authorized"
    PARTIALLY_CAPTURED = "partially_captured"
    CAPTURED = "captured"
    FAILED = "failed"
    VOIDED = "voided"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"


class FulfillmentStatus(StrEnum):
    """What became of the goods."""

    UNFULFILLED = "unfulfilled"
    PARTIALLY_SHIPPED = "partially_shipped"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    PARTIALLY_RETURNED = "partially_returned"
    RETURNED = "returned"


def number_of(order_id: UUID) -> str:
    """Return the order's number for people: sixty random bits of its id in Crockford's base 32."""
    bits = order_id.int & ((1 << 60) - 1)
    digits = "".join(_CROCKFORD[(bits >> shift) & 31] for shift in range(55, -5, -5))
    return f"{digits[:4]}-{digits[4:8]}-{digits[8:]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where goods or bills go."""

    name: str
    line1: str
    line2: str = ""
    city: str
    postal_code: str
    region: str = ""
    country: str
    phone: str = ""

    @property
    def parts(self) -> dict[str, str]:
        """Return its parts by name."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What one unit of a sku costs now, and what it is called."""

    sku: str
    name: str
    unit_price: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class ShippingMethod:
    """A way to send an order, and its price."""

    code: str
    name: str
    price: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedLine:
    """Some units of a sku that a customer wants."""

    sku: str
    quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentMeans:
    """How the customer pays: a method, and the provider's token for it."""

    method: str
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """What a customer asks for."""

    currency: str
    lines: tuple[RequestedLine, ...]
    email: str | None
    shipping_address: Address
    billing_address: Address | None
    shipping_method: str
    payment: PaymentMeans
    expected_total: Money | None

    @property
    def skus(self) -> tuple[str, ...]:
        """Return each sku once, in the order of the lines."""
        return tuple(dict.fromkeys(line.sku for line in self.lines))


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLine:
    """Some units of a sku at the price of the day."""

    id: UUID
    sku: str
    name: str
    quantity: int
    unit_price: Money
    discount: Money
    tax: Money
    shipped: int = 0
    returned: int = 0

    @property
    def total(self) -> Money:
        """Return what the line costs, less its discount; tax comes on top of it."""
        return self.unit_price * self.quantity - self.discount


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPayment:
    """The payment as the order knows it."""

    id: UUID | None
    status: PaymentStatus
    authorized: Money
    captured: Money
    refunded: Money
    failure_code: str | None = None

    @classmethod
    def awaited(cls, currency: str) -> Self:
        """Return a payment of which nothing is known yet."""
        return cls._of_nothing(PaymentStatus.PENDING, currency)

    @classmethod
    def never_begun(cls, currency: str) -> Self:
        """Return a payment that will not come, for its order was given up first."""
        return cls._of_nothing(PaymentStatus.VOIDED, currency)

    @classmethod
    def _of_nothing(cls, status: PaymentStatus, currency: str) -> Self:
        nothing = Money.zero(currency)
        return cls(id=None, status=status, authorized=nothing, captured=nothing, refunded=nothing)


@dataclass(slots=True, kw_only=True, eq=False)
class Order(Aggregate):
    """A customer's order: its lines and prices never change once it is placed."""

    number: str
    customer_id: CustomerId | None
    email: str
    currency: str
    lines: tuple[OrderLine, ...]
    shipping_address: Address
    billing_address: Address
    shipping_method: str
    shipping: Money
    status: OrderStatus = OrderStatus.PENDING
    payment: OrderPayment
    fulfillment_status: FulfillmentStatus = FulfillmentStatus.UNFULFILLED
    placed_at: datetime
    cancelled_at: datetime | None = None
    cancel_reason: str | None = None

    @classmethod
    def place(
        cls,
        *,
        id: OrderId,  # noqa: A002 - the field's own name
        line_ids: Sequence[UUID],
        request: OrderRequest,
        customer_id: CustomerId | None,
        email: str,
        quotes: Mapping[str, Quote],
        shipping_method: ShippingMethod,
        at: datetime,
    ) -> Self:
        """Accept the request at the prices quoted, unless the customer expected another total."""
        order = cls(
            id=id,
            number=number_of(id),
            customer_id=customer_id,
            email=email,
            currency=request.currency,
            lines=_lines_at(quotes, request=request, line_ids=line_ids),
            shipping_address=request.shipping_address,
            billing_address=request.billing_address or request.shipping_address,
            shipping_method=shipping_method.code,
            shipping=shipping_method.price,
            payment=OrderPayment.awaited(request.currency),
            placed_at=at,
        )
        if request.expected_total is not None and request.expected_total != order.total:
            raise PriceHasChanged(total=order.total, expected_total=request.expected_total)
        order.record(
            OrderPlaced(
                order_id=order.id,
                number=order.number,
                customer_id=customer_id,
                currency=order.currency,
                total_minor=order.total.minor,
                shipping_method=order.shipping_method,
                lines=tuple((line.sku, line.quantity, line.unit_price.minor) for line in order.lines),
                occurred_at=at,
            )
        )
        return order

    @property
    def subtotal(self) -> Money:
        """Return what the lines cost before discounts."""
        return Money.total((line.unit_price * line.quantity for line in self.lines), currency=self.currency)

    @property
    def discount(self) -> Money:
        """Return what is taken off the lines."""
        return Money.total((line.discount for line in self.lines), currency=self.currency)

    @property
    def tax(self) -> Money:
        """Return the tax that comes on top."""
        return Money.total((line.tax for line in self.lines), currency=self.currency)

    @property
    def total(self) -> Money:
        """Return what the customer pays."""
        return self.subtotal - self.discount + self.shipping + self.tax

    @property
    def quantities(self) -> tuple[tuple[str, int], ...]:
        """Return sku and quantity of each line."""
        return tuple((line.sku, line.quantity) for line in self.lines)

    @property
    def units_by_sku(self) -> dict[str, int]:
        """Return how many units of each sku are wanted in all."""
        units: dict[str, int] = {}
        for sku, quantity in self.quantities:
            units[sku] = units.get(sku, 0) + quantity
        return units

    def must_be_open(self) -> None:
        """Refuse to go on with an order that was cancelled."""
        if self.status is OrderStatus.CANCELLED:
            raise OrderAlreadyCancelled(order_id=self.id)

    def confirm(self, *, payment: OrderPayment, at: datetime) -> None:
        """Take the order as good: its payment is authorised; confirming twice is harmless."""
        self.must_be_open()
        if self.status is not OrderStatus.PENDING:
            return
        if payment.id is None or payment.status is not PaymentStatus.AUTHORIZED:
            raise PaymentNotAuthorized(order_id=self.id)
        self.status = OrderStatus.CONFIRMED
        self.payment = payment
        self.record(
            OrderConfirmed(
                order_id=self.id,
                number=self.number,
                payment_id=payment.id,
                currency=self.currency,
                total_minor=self.total.minor,
                lines=self.quantities,
                occurred_at=at,
            )
        )

    def cancel(self, *, reason: str, at: datetime) -> None:
        """Give the order up and release what it holds; cancelling twice is harmless."""
        if self.status is OrderStatus.CANCELLED:
            return
        if self.fulfillment_status is not FulfillmentStatus.UNFULFILLED:
            raise OrderAlreadyShipped(order_id=self.id)
        self.status = OrderStatus.CANCELLED
        self.cancelled_at = at
        self.cancel_reason = reason
        self.record(
            OrderCancelled(order_id=self.id, number=self.number, reason=reason, lines=self.quantities, occurred_at=at)
        )

    def note_payment(self, payment: OrderPayment) -> None:
        """Keep what became of the money."""
        self.payment = payment


class Anyone:
    """Stands in place of a customer where a process or an operator may see every order."""


ANYONE: Final = Anyone()


def _lines_at(quotes: Mapping[str, Quote], *, request: OrderRequest, line_ids: Sequence[UUID]) -> tuple[OrderLine, ...]:
    nothing = Money.zero(request.currency)
    lines = []
    for place, (line_id, wanted) in enumerate(zip(line_ids, request.lines, strict=True)):
        quote = quotes.get(wanted.sku)
        if quote is None:
            raise UnknownSku(pointer=f"/lines/{place}/sku", sku=wanted.sku)
        lines.append(
            OrderLine(
                id=line_id,
                sku=wanted.sku,
                name=quote.name,
                quantity=wanted.quantity,
                unit_price=quote.unit_price,
                discount=nothing,
                tax=nothing,
            )
        )
    return tuple(lines)

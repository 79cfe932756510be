"""The order: what may happen to it, and what is refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self
from uuid import UUID

from contexts.ordering.domain.values import (
    Address,
    CustomerId,
    FulfillmentStatus,
    Note,
    OrderId,
    OrderLine,
    OrderPayment,
    OrderRequest,
    OrderStatus,
    PaymentStatus,
    Quote,
    ShippingMethod,
    number_of,
)
from contexts.ordering.events import OrderCancelled, OrderConfirmed, OrderPlaced
from shared.domain.errors import ConflictError, EntityNotFoundError, InvalidInputError
from shared.domain.model import Aggregate
from shared.domain.money import Money


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
    _notes: list[Note] = field(default_factory=list, init=False, repr=False)

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

    def add_note(self, note: Note) -> None:
        """Keep what operators should know; it is no event, for it is nobody else's business."""
        self._notes.append(note)

    def release_notes(self) -> tuple[Note, ...]:
        """Hand over the notes added since the last call, oldest first."""
        released = tuple(self._notes)
        self._notes.clear()
        return released


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

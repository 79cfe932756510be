"""What the model drives: requests that come in, work that lies about, and all there is to see afterwards."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, Protocol
from uuid import UUID

from contexts.inventory.domain import StockItemId
from contexts.ordering.domain import ANYONE, CustomerId, Order, OrderId, OrderRequest, PaymentMeans, RequestedLine
from tests.model.desk import Desk
from tests.model.provider import Provider
from tests.ordering.builders import an_address

BUYER = CustomerId(UUID(int=7))
Kind = Literal["place", "cancel", "adjust"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A POST with its Idempotency-Key, which the caller may send again."""

    key: str
    kind: Kind
    lines: tuple[tuple[str, int], ...] = ()
    target: UUID | None = None  # the order to cancel, or the stock item to adjust
    by_operator: bool = False
    delta: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the caller was told: it is done, and to what, or the code of the refusal."""

    is_accepted: bool
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A stock item as stored, with its number of units by holds and by movements."""

    id: UUID
    sku: str
    on_hand: int
    held: int
    backorder_limit: int
    in_open_holds: int
    in_movements: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldSeen:
    order_id: UUID
    sku: str
    quantity: int
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSeen:
    id: UUID
    intent: str  # the key of the request that placed it
    status: str
    payment_status: str
    total_minor: int
    units: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSeen:
    id: UUID
    name: str
    subject_id: UUID
    status: str
    is_open: bool
    is_due: bool
    will_be_due: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySeen:
    id: int
    subscription: str
    status: str
    is_due: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """All that is committed at one moment."""

    items: Sequence[Item]
    holds: Sequence[HoldSeen]
    orders: Mapping[UUID, OrderSeen]
    payments: Mapping[UUID, str]  # order to status
    processes: Sequence[ProcessSeen]
    deliveries: Sequence[DeliverySeen]
    history: Mapping[UUID, Sequence[tuple[int, str]]]  # aggregate to sequence and topic of each event
    heard: Mapping[tuple[UUID, int], int]  # how often the effect of each event was applied


class Shop(Protocol):
    """A running Orderly: over fakes, or over PostgreSQL."""

    provider: Provider

    def open(self, *, units: Sequence[int], backorder_limits: Sequence[int]) -> None:
        """Begin anew, with items that alternate between the skus."""

    def handle(self, request: Request) -> Answer | None:
        """Answer the request, once per key; None when it could not be handled now."""

    def advance(self, process_id: UUID) -> None:
        """Have a worker take the process as far as it goes now."""

    def relay(self) -> None:
        """Turn the events that were stored into deliveries."""

    def deliver(self, delivery_id: int) -> None:
        """Have a worker take the delivery to its handler."""

    def deliver_unmarked(self, delivery_id: int) -> None:
        """Have the handler do its work without a look at the mark, as if that were lost."""

    def release_expired_holds(self) -> None:
        """Give back what was held for too long."""

    def let_time_pass(self, pause: timedelta) -> None:
        """Move every clock on."""

    def look(self) -> Sight:
        """Return all that is committed."""


def order_of(request: Request) -> OrderRequest:
    """Return what the customer asks for; the intent travels as e-mail address and as card."""
    return OrderRequest(
        currency="EUR",
        lines=tuple(RequestedLine(sku=sku, quantity=quantity) for sku, quantity in request.lines),
        email=request.key,
        shipping_address=an_address(),
        billing_address=None,
        shipping_method="standard",
        payment=PaymentMeans(method="simulator", token=request.key),
        expected_total=None,
    )


def carry_out(desk: Desk, request: Request) -> str:
    """Have the use case do what is asked; return what it was done to."""
    if request.kind == "place":
        return str(desk.place_order(request=order_of(request), customer_id=BUYER).id)
    assert request.target is not None
    if request.kind == "cancel":
        whose = ANYONE if request.by_operator else BUYER
        return str(desk.cancel_order(order_id=OrderId(request.target), of_customer=whose, reason="not wanted").id)
    item = desk.adjust_stock(stock_item_id=StockItemId(request.target), delta=request.delta, reason="counted")
    return str(item.id)


def seen(order: Order) -> OrderSeen:
    """Return what the model looks at."""
    return OrderSeen(
        id=order.id,
        intent=order.email,
        status=order.status.value,
        payment_status=order.payment.status.value,
        total_minor=order.total.minor,
        units=order.units_by_sku,
    )

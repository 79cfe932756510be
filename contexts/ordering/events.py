"""What ordering tells the rest of the house. No personal data: an id is enough to ask for it."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from shared.domain.model import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPlaced(Event):
    """An order was accepted, its units are promised, and its payment comes next."""

    topic: ClassVar[str] = "ordering.order_placed.v1"

    order_id: UUID
    number: str
    customer_id: UUID | None
    currency: str
    total_minor: int
    shipping_method: str
    lines: tuple[tuple[str, int, int], ...]  # (sku, quantity, unit price in minor units)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderConfirmed(Event):
    """The order's payment is authorised; it may be packed."""

    topic: ClassVar[str] = "ordering.order_confirmed.v1"

    order_id: UUID
    number: str
    payment_id: UUID
    currency: str
    total_minor: int
    lines: tuple[tuple[str, int], ...]  # (sku, quantity)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCancelled(Event):
    """The order was given up before it shipped, by the customer, an operator or a refused payment."""

    topic: ClassVar[str] = "ordering.order_cancelled.v1"

    order_id: UUID
    number: str
    reason: str
    lines: tuple[tuple[str, int], ...]  # (sku, quantity): pairs, so that two lines of one sku stay two

"""What inventory tells the rest of the house."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from shared.domain.model import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class StockAdjusted(Event):
    """The units on hand of one sku at one location were changed, with a reason."""

    topic: ClassVar[str] = "inventory.stock_adjusted.v1"

    stock_item_id: UUID
    sku: str
    location: str
    delta: int
    on_hand: int
    available: int
    reason: str

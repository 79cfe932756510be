"""What inventory needs from the world."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from contexts.inventory.domain import Allocation, Offer, OrderId, StockItem, StockItemId


@dataclass(frozen=True, slots=True, kw_only=True)
class OpeningStock:
    """The units of one sku at one location on the day that Orderly takes over."""

    sku: str
    location: str
    units: int


class StockItems(Protocol):
    """All stock, and what of it is promised to whom."""

    def get(self, stock_item_id: StockItemId) -> StockItem:
        """Return the item, locked for this unit of work, or raise StockItemNotFound."""

    def save(self, item: StockItem) -> None:
        """Store a changed item with its movements and events, or raise LostRace when it is not the newest."""

    def offers_of(self, skus: Sequence[str]) -> Sequence[Offer]:
        """Return what can be promised of the skus now, the preferred location first; locks nothing."""

    def hold(self, *, order_id: OrderId, allocations: Sequence[Allocation], expires_at: datetime) -> None:
        """Promise the units softly to the order, or raise LostRace when another order was faster."""

    def harden_holds_of(self, order_id: OrderId, *, at: datetime) -> None:
        """Make the order's holds lasting, or raise HoldExpired; doing it twice is harmless."""

    def release_holds_of(self, order_id: OrderId) -> None:
        """Give back what is still held for the order; doing it twice is harmless."""

    def release_expired_holds_of(self, order_id: OrderId, *, at: datetime) -> None:
        """Give back the order's soft holds that have run out; those hardened meanwhile stay."""

    def orders_with_expired_holds(self, *, at: datetime, limit: int) -> Sequence[OrderId]:
        """Return orders whose soft holds have run out."""

    def load(self, opening: Iterable[OpeningStock], *, at: datetime) -> int:
        """Add the items that are not there yet, each with a first movement; return how many."""


class Locations(Protocol):
    """The places where goods are kept."""

    def ensure(self, *, code: str, name: str, priority: int) -> None:
        """Add the location unless there is one with this code."""

    def codes(self) -> Sequence[str]:
        """Return the code of each location, the preferred one first."""

"""Inventory's ports in memory."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import uuid4

from contexts.inventory.domain import (
    OPEN_HOLDS,
    Allocation,
    HoldExpired,
    HoldStatus,
    Movement,
    Offer,
    OrderId,
    StockItem,
    StockItemId,
    StockItemNotFound,
)
from contexts.inventory.ports import OpeningStock
from shared.domain.errors import LostRace
from shared.domain.model import Event
from tests.shared.fakes import Shelf


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Units of one item, promised to one order."""

    order_id: OrderId
    stock_item_id: StockItemId
    quantity: int
    status: HoldStatus
    expires_at: datetime | None


class InMemoryLocations:
    """The port Locations, in a dictionary: code to name and priority."""

    def __init__(self) -> None:
        self.known: dict[str, tuple[str, int]] = {}

    def ensure(self, *, code: str, name: str, priority: int) -> None:
        """Add the location unless there is one with this code."""
        self.known.setdefault(code, (name, priority))

    def codes(self) -> Sequence[str]:
        """Return the code of each location, the preferred one first."""
        return sorted(self.known, key=lambda code: self.known[code][1])


class InMemoryStockItems:
    """The port StockItems, in dictionaries."""

    def __init__(self, locations: InMemoryLocations | None = None) -> None:
        self.locations = locations or InMemoryLocations()
        self.holds: list[Hold] = []
        self.movements: dict[StockItemId, list[Movement]] = {}
        self._items: Shelf[StockItem] = Shelf()

    @property
    def events(self) -> list[Event]:
        """Return what was published, oldest first."""
        return self._items.events

    def get(self, stock_item_id: StockItemId) -> StockItem:
        """Return the item, or raise StockItemNotFound."""
        item = self._items.find(stock_item_id)
        if item is None:
            raise StockItemNotFound(stock_item_id=stock_item_id)
        item.held = self._held_of(item)
        return item

    def save(self, item: StockItem) -> None:
        """Store a changed item with its movements and events; what is held is changed by holds alone."""
        made = item.release_movements()
        self._items.keep(item)
        self.movements.setdefault(StockItemId(item.id), []).extend(made)

    def offers_of(self, skus: Sequence[str]) -> Sequence[Offer]:
        """Return what can be promised of the skus now, the preferred location first."""
        found = sorted((item for item in self._items if item.sku in skus), key=self._preference)
        return [
            Offer(stock_item_id=StockItemId(item.id), sku=item.sku, available=self.get(StockItemId(item.id)).available)
            for item in found
        ]

    def hold(self, *, order_id: OrderId, allocations: Sequence[Allocation], expires_at: datetime) -> None:
        """Promise the units softly to the order, or raise LostRace when another order was faster."""
        if any(self.get(each.stock_item_id).available < each.quantity for each in allocations):
            raise LostRace
        for each in allocations:
            self.holds.append(
                Hold(
                    order_id=order_id,
                    stock_item_id=each.stock_item_id,
                    quantity=each.quantity,
                    status=HoldStatus.SOFT,
                    expires_at=expires_at,
                )
            )

    def harden_holds_of(self, order_id: OrderId, *, at: datetime) -> None:
        """Make the order's holds lasting, or raise HoldExpired; doing it twice is harmless."""
        holds = [hold for hold in self.holds if hold.order_id == order_id]
        if not holds or any(
            hold.status not in OPEN_HOLDS or (hold.expires_at and hold.expires_at <= at) for hold in holds
        ):
            raise HoldExpired(order_id=order_id)
        for hold in holds:
            self._replace(hold, replace(hold, status=HoldStatus.HARD, expires_at=None))

    def release_holds_of(self, order_id: OrderId) -> None:
        """Give back what is still held for the order; doing it twice is harmless."""
        self._release(hold for hold in self.holds if hold.order_id == order_id and hold.status in OPEN_HOLDS)

    def release_expired_holds_of(self, order_id: OrderId, *, at: datetime) -> None:
        """Give back the order's soft holds that have run out; those hardened meanwhile stay."""
        self._release(hold for hold in self._expired(at) if hold.order_id == order_id)

    def orders_with_expired_holds(self, *, at: datetime, limit: int) -> Sequence[OrderId]:
        """Return orders whose soft holds have run out."""
        return list(dict.fromkeys(hold.order_id for hold in self._expired(at)))[:limit]

    def load(self, opening: Iterable[OpeningStock], *, at: datetime) -> int:
        """Add the items that are not there yet, each with a first movement; return how many."""
        loaded = 0
        for each in opening:
            if any((item.sku, item.location) == (each.sku, each.location) for item in self._items):
                continue
            item = StockItem(id=uuid4(), sku=each.sku, location=each.location, on_hand=each.units, held=0)
            self.save(item)
            first = Movement(delta=each.units, on_hand=each.units, reason="opening stock", at=at)
            self.movements[StockItemId(item.id)] = [first]
            loaded += 1
        return loaded

    def _preference(self, item: StockItem) -> tuple[int, str]:
        _, priority = self.locations.known.get(item.location, ("", 0))
        return priority, str(item.id)

    def _expired(self, at: datetime) -> list[Hold]:
        return [
            hold
            for hold in self.holds
            if hold.status is HoldStatus.SOFT and hold.expires_at is not None and hold.expires_at <= at
        ]

    def _release(self, holds: Iterable[Hold]) -> None:
        for hold in list(holds):
            self._replace(hold, replace(hold, status=HoldStatus.RELEASED))

    def _replace(self, hold: Hold, changed: Hold) -> None:
        self.holds[self.holds.index(hold)] = changed

    def _held_of(self, item: StockItem) -> int:
        return sum(hold.quantity for hold in self.holds if hold.stock_item_id == item.id and hold.status in OPEN_HOLDS)

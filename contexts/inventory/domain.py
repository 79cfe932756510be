"""Stock that is promised must be there: items, what they can still promise, and how a promise is spread."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NewType
from uuid import UUID

from contexts.inventory.events import StockAdjusted
from shared.domain.errors import ConflictError, EntityNotFoundError, InvalidInputError
from shared.domain.model import Aggregate

StockItemId = NewType("StockItemId", UUID)
OrderId = NewType("OrderId", UUID)

MOST_UNITS = 10**12  # of one item on hand


class StockItemNotFound(EntityNotFoundError):
    """There is no such stock item."""


class InsufficientStock(ConflictError):
    """There are not enough units to promise; see shortages."""


class HoldExpired(ConflictError):
    """The units were held for too long and have been given back."""


class StockPromised(ConflictError):
    """Fewer units would be on hand than are promised to orders; cancel some of those orders first."""


class NothingToAdjust(InvalidInputError):
    """An adjustment has either a delta other than zero, or the number of units that were counted."""

    pointer = "/delta"


class TooManyUnits(InvalidInputError):
    """No stock item holds a million million units."""

    pointer = "/delta"


class HoldStatus(StrEnum):
    """A hold is soft until payment starts, then hard; it ends consumed by a shipment, or released."""

    SOFT = "soft"
    HARD = "hard"
    CONSUMED = "consumed"
    RELEASED = "released"


OPEN_HOLDS = (HoldStatus.SOFT, HoldStatus.HARD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """A change of the units on hand, and why; an item's movements add up to what is on hand."""

    delta: int
    on_hand: int
    reason: str
    at: datetime


@dataclass(slots=True, kw_only=True, eq=False)
class StockItem(Aggregate):
    """The units of one sku at one location."""

    sku: str
    location: str
    on_hand: int
    held: int
    backorder_limit: int = 0
    _movements: list[Movement] = field(default_factory=list, init=False, repr=False)

    @property
    def available(self) -> int:
        """Return how many units can still be promised."""
        return self.on_hand + self.backorder_limit - self.held

    def adjust(self, *, delta: int | None, counted: int | None, reason: str, at: datetime) -> None:
        """Correct the units on hand, by a difference or to what was counted."""
        if (delta is None) == (counted is None) or delta == 0:
            raise NothingToAdjust
        change = delta if delta is not None else (counted or 0) - self.on_hand
        if self.on_hand + change > MOST_UNITS:
            raise TooManyUnits(pointer="/counted" if delta is None else "/delta")
        if self.available + change < 0 or self.on_hand + change < 0:
            raise StockPromised(on_hand=self.on_hand, held=self.held, backorder_limit=self.backorder_limit)
        self.on_hand += change
        self._movements.append(Movement(delta=change, on_hand=self.on_hand, reason=reason, at=at))
        self.record(
            StockAdjusted(
                stock_item_id=self.id,
                sku=self.sku,
                location=self.location,
                delta=change,
                on_hand=self.on_hand,
                available=self.available,
                reason=reason,
                occurred_at=at,
            )
        )

    def release_movements(self) -> tuple[Movement, ...]:
        """Hand over the movements made since the last call, oldest first."""
        released = tuple(self._movements)
        self._movements.clear()
        return released


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What one item can promise now; offers come in the order in which they should be used."""

    stock_item_id: StockItemId
    sku: str
    available: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """Some units of one item, promised."""

    stock_item_id: StockItemId
    sku: str
    quantity: int


def allocate(*, wanted: Mapping[str, int], offers: Sequence[Offer]) -> tuple[Allocation, ...]:
    """Spread what is wanted over the offers, each sku from one place if one has enough of it.

    Raises InsufficientStock that names every sku that falls short.
    """
    by_sku: dict[str, list[Offer]] = {sku: [] for sku in wanted}
    for offer in offers:
        by_sku[offer.sku].append(offer)
    shortages = [
        {"sku": sku, "requested": quantity, "available": available}
        for sku, quantity in wanted.items()
        if (available := sum(max(offer.available, 0) for offer in by_sku[sku])) < quantity
    ]
    if shortages:
        raise InsufficientStock(shortages=shortages)
    return tuple(allocation for sku, quantity in wanted.items() for allocation in _allocate_one(quantity, by_sku[sku]))


def _allocate_one(quantity: int, offers: Sequence[Offer]) -> list[Allocation]:
    whole = next((offer for offer in offers if offer.available >= quantity), None)
    if whole is not None:
        return [Allocation(stock_item_id=whole.stock_item_id, sku=whole.sku, quantity=quantity)]
    allocations = []
    for offer in offers:
        taken = min(max(offer.available, 0), quantity)
        if taken:
            allocations.append(Allocation(stock_item_id=offer.stock_item_id, sku=offer.sku, quantity=taken))
        quantity -= taken
    return allocations

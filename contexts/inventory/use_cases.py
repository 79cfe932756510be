"""What can be done with stock: one callable per verb."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from contexts.inventory.domain import OrderId, StockItem, StockItemId, allocate
from contexts.inventory.ports import Locations, OpeningStock, StockItems
from shared.domain.ports import AuditTrail, Clock, UnitOfWork

EXPIRED_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class HoldStock:
    """Promise units to an order, for a while, as part of placing it."""

    stock: StockItems
    unit_of_work: UnitOfWork
    now: Clock
    held_for: timedelta

    def __call__(self, *, order_id: OrderId, wanted: Mapping[str, int]) -> None:
        with self.unit_of_work():
            allocations = allocate(wanted=wanted, offers=self.stock.offers_of(tuple(wanted)))
            self.stock.hold(order_id=order_id, allocations=allocations, expires_at=self.now() + self.held_for)


@dataclass(frozen=True, slots=True)
class SecureStock:
    """Make the promise lasting, before money moves."""

    stock: StockItems
    unit_of_work: UnitOfWork
    now: Clock

    def __call__(self, *, order_id: OrderId) -> None:
        with self.unit_of_work():
            self.stock.harden_holds_of(order_id, at=self.now())


@dataclass(frozen=True, slots=True)
class ReleaseStock:
    """Give back what an order held."""

    stock: StockItems
    unit_of_work: UnitOfWork

    def __call__(self, *, order_id: OrderId) -> None:
        with self.unit_of_work():
            self.stock.release_holds_of(order_id)


@dataclass(frozen=True, slots=True)
class ReleaseExpiredHolds:
    """Give back what was held for orders that never came to their payment."""

    stock: StockItems
    unit_of_work: UnitOfWork
    now: Clock

    def __call__(self) -> int:
        now = self.now()
        expired = self.stock.orders_with_expired_holds(at=now, limit=EXPIRED_AT_ONCE)
        for order_id in expired:
            with self.unit_of_work():
                self.stock.release_expired_holds_of(order_id, at=now)
        return len(expired)


@dataclass(frozen=True, slots=True)
class AdjustStock:
    """Correct the units on hand, by a difference or to what was counted."""

    stock: StockItems
    record_change: AuditTrail
    unit_of_work: UnitOfWork
    now: Clock

    def __call__(
        self,
        *,
        stock_item_id: StockItemId,
        delta: int | None = None,
        counted: int | None = None,
        reason: str,
        expected_version: int | None = None,
    ) -> StockItem:
        with self.unit_of_work():
            item = self.stock.get(stock_item_id)
            item.must_be_at(expected_version)
            before = item.on_hand
            item.adjust(delta=delta, counted=counted, reason=reason, at=self.now())
            self.stock.save(item)
            self.record_change(
                action="inventory.adjust_stock",
                subject_kind="stock_item",
                subject_id=str(item.id),
                before={"on_hand": before},
                after={"on_hand": item.on_hand},
                reason=reason,
            )
        return item


@dataclass(frozen=True, slots=True)
class LoadOpeningStock:
    """Take over stock in bulk; what is there already is left as it is, so that a cut-off run is repeated safely."""

    stock: StockItems
    unit_of_work: UnitOfWork
    now: Clock

    def __call__(self, *, opening: Iterable[OpeningStock]) -> int:
        with self.unit_of_work():
            return self.stock.load(opening, at=self.now())


@dataclass(frozen=True, slots=True)
class EnsureLocation:
    """Have a location of this code; smaller priorities are used first."""

    locations: Locations
    unit_of_work: UnitOfWork

    def __call__(self, *, code: str, name: str, priority: int) -> None:
        with self.unit_of_work():
            self.locations.ensure(code=code, name=name, priority=priority)


@dataclass(frozen=True, slots=True)
class StockNewSkus:
    """Have an item of each sku at each location, without a unit, so that operators can book what comes in."""

    stock: StockItems
    locations: Locations
    unit_of_work: UnitOfWork
    now: Clock

    def __call__(self, *, skus: Iterable[str]) -> None:
        with self.unit_of_work():
            places = self.locations.codes()
            opening = [OpeningStock(sku=sku, location=code, units=0) for sku in skus for code in places]
            self.stock.load(opening, at=self.now())

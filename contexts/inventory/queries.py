"""Reads of stock: rows to frozen values, no domain objects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.models import F, Q, QuerySet

from contexts.inventory.models import HoldRow, MovementRow, StockItemRow
from shared.persistence.arrays import ListStatement

#: Operators are told of items that can promise this many units or fewer.
LOW_STOCK = 5
MOST_LOW_ITEMS = 1000


#: Each page with a product asks it.
AVAILABILITY = ListStatement.over(
    """
SELECT sku, sum(on_hand + backorder_limit - held)::bigint FROM inventory_stock_item WHERE sku = ANY({}) GROUP BY sku
""",
    "text",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StockItemView:
    """A stock item as operators see it."""

    id: UUID
    sku: str
    location: str
    on_hand: int
    held: int
    available: int
    backorder_limit: int
    version: int


def availability_of(*, skus: Sequence[str]) -> Mapping[str, int]:
    """Return how many units of each sku can be promised now, over all locations."""
    with connection.cursor() as cursor:
        cursor.execute(*AVAILABILITY.of(skus))
        return dict(cursor.fetchall())


def stock_items(
    *,
    sku: str | None = None,
    location: str | None = None,
    available_below: int | None = None,
    after: tuple[str, UUID] | None = None,
    limit: int,
) -> list[StockItemView]:
    """Return stock items by sku and id, from the one after the given sku and id on."""
    rows = _rows()
    if sku is not None:
        rows = rows.filter(sku=sku)
    if location is not None:
        rows = rows.filter(location__code=location)
    if available_below is not None:
        rows = rows.filter(on_hand__lt=F("held") - F("backorder_limit") + available_below)
    if after is not None:
        rows = rows.filter(Q(sku__gt=after[0]) | Q(sku=after[0], id__gt=after[1]))
    return [_view_of(row) for row in rows.order_by("sku", "id")[:limit]]


def stock_item(stock_item_id: UUID) -> StockItemView | None:
    """Return one stock item."""
    row = _rows().filter(id=stock_item_id).first()
    return _view_of(row) if row is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class MovementView:
    """A movement as operators see it."""

    id: int
    delta: int
    on_hand: int
    reason: str
    actor: str
    at: datetime


def movements_of(stock_item_id: UUID, *, before: int | None, limit: int) -> list[MovementView]:
    """Return the item's movements, the newest first."""
    rows = MovementRow.objects.filter(stock_item_id=stock_item_id)
    if before is not None:
        rows = rows.filter(id__lt=before)
    return [
        MovementView(id=row.id, delta=row.delta, on_hand=row.on_hand, reason=row.reason, actor=row.actor, at=row.at)
        for row in rows.order_by("-id")[:limit]
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldView:
    """A hold as operators see it."""

    id: int
    order_id: UUID
    quantity: int
    status: str
    expires_at: datetime | None
    created_at: datetime


def holds_on(stock_item_id: UUID, *, before: int | None, limit: int) -> list[HoldView]:
    """Return the holds on the item, the newest first."""
    rows = HoldRow.objects.filter(stock_item_id=stock_item_id)
    if before is not None:
        rows = rows.filter(id__lt=before)
    return [
        HoldView(
            id=row.id,
            order_id=row.order_id,
            quantity=row.quantity,
            status=row.status,
            expires_at=row.expires_at,
            created_at=row.created_at,
        )
        for row in rows.order_by("-id")[:limit]
    ]


def low_stock() -> QuerySet[StockItemRow]:
    """Return the items that can promise LOW_STOCK units or fewer.

    No index serves this: it reads all stock items, one row per sku and location (measured with 100,000 of them: 7 ms).
    """
    return StockItemRow.objects.filter(on_hand__lte=F("held") - F("backorder_limit") + LOW_STOCK)


def count_low_stock() -> int:
    """Return how many items are low; counting ends at MOST_LOW_ITEMS."""
    return low_stock()[:MOST_LOW_ITEMS].count()


def lowest_stock(*, limit: int) -> Sequence[StockItemView]:
    """Return the items that can promise the fewest units."""
    rows = low_stock().select_related("location").order_by(F("on_hand") + F("backorder_limit") - F("held"), "sku")
    return [_view_of(row) for row in rows[:limit]]


def _rows() -> QuerySet[StockItemRow]:
    return StockItemRow.objects.select_related("location")


def _view_of(row: StockItemRow) -> StockItemView:
    return StockItemView(
        id=row.id,
        sku=row.sku,
        location=row.location.code,
        on_hand=row.on_hand,
        held=row.held,
        available=row.on_hand + row.backorder_limit - row.held,
        backorder_limit=row.backorder_limit,
        version=row.version,
    )

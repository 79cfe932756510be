"""Stock in PostgreSQL: the row is locked as late and as briefly as possible, and always in the same order."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from uuid import UUID

from django.db import connection
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from contexts.inventory.domain import (
    OPEN_HOLDS,
    Allocation,
    HoldExpired,
    HoldStatus,
    Offer,
    OrderId,
    StockItem,
    StockItemId,
    StockItemNotFound,
)
from contexts.inventory.models import HoldRow, LocationRow, MovementRow, StockItemRow
from contexts.inventory.ports import OpeningStock
from shared.domain.errors import LostRace
from shared.outbox.messages import publish_events_of
from shared.persistence.arrays import ListStatement
from shared.persistence.identifiers import new_id
from shared.persistence.inserts import Insert
from shared.persistence.reads import CompiledRead
from shared.persistence.unit_of_work import Statement, send_at_the_last_moment
from shared.telemetry.context import current_work

LOADED_AT_ONCE = 5000

OFFERS = ListStatement.over(
    """
SELECT item.id, item.sku, item.on_hand + item.backorder_limit - item.held
FROM inventory_stock_item AS item JOIN inventory_location AS location ON location.id = item.location_id
WHERE item.sku = ANY({}) ORDER BY location.priority, item.id
""",
    "text",
)

HOLDS = CompiledRead(lambda order_id: HoldRow.objects.select_for_update().filter(order_id=order_id), UUID(int=0))
HARDEN = "UPDATE inventory_hold SET status = %s, expires_at = NULL WHERE order_id = %s AND status = %s"
INSERT_HOLDS = Insert.into(HoldRow, "order_id", "stock_item", "sku", "quantity", "expires_at")

#: Adds to ``held`` where enough is left, and fails as a lost race where it is not; rows are locked in the order of
#: their ids, so two orders never deadlock.
CHANGE_HELD = ListStatement.over(
    """
WITH change AS (
    SELECT * FROM unnest({}, {}) AS c (id, quantity)
), locked AS (
    SELECT item.id, change.quantity FROM inventory_stock_item AS item JOIN change USING (id)
    ORDER BY item.id FOR UPDATE OF item
), changed AS (
    UPDATE inventory_stock_item AS item SET held = item.held + locked.quantity
    FROM locked
    WHERE item.id = locked.id AND item.on_hand + item.backorder_limit - item.held >= locked.quantity
    RETURNING item.id
)
SELECT inventory_lost_race() FROM change LEFT JOIN changed USING (id) WHERE changed.id IS NULL
""",
    "uuid",
    "bigint",
)


class DjangoStockItems:
    """The port StockItems over Django's ORM."""

    def get(self, stock_item_id: StockItemId) -> StockItem:
        """Return the item, locked for this unit of work, or raise StockItemNotFound."""
        row = (
            StockItemRow.objects.select_for_update(of=("self",))
            .select_related("location")
            .filter(id=stock_item_id)
            .first()
        )
        if row is None:
            raise StockItemNotFound(stock_item_id=stock_item_id)
        return StockItem(
            id=row.id,
            version=row.version,
            sequence=row.sequence,
            sku=row.sku,
            location=row.location.code,
            on_hand=row.on_hand,
            held=row.held,
            backorder_limit=row.backorder_limit,
        )

    def save(self, item: StockItem) -> None:
        """Store a changed item with its movements and events."""
        updated = StockItemRow.objects.filter(id=item.id, version=item.version).update(
            on_hand=item.on_hand, version=F("version") + 1, sequence=item.sequence
        )
        if not updated:
            raise LostRace
        item.version += 1
        MovementRow.objects.bulk_create(
            MovementRow(
                stock_item_id=item.id,
                delta=movement.delta,
                on_hand=movement.on_hand,
                reason=movement.reason,
                at=movement.at,
                actor=current_work().actor,
            )
            for movement in item.release_movements()
        )
        publish_events_of(item)

    def offers_of(self, skus: Sequence[str]) -> Sequence[Offer]:
        """Return what can be promised of the skus now, the preferred location first; locks nothing."""
        with connection.cursor() as cursor:
            cursor.execute(*OFFERS.of(skus))
            return [
                Offer(stock_item_id=StockItemId(id_), sku=sku, available=available)
                for id_, sku, available in cursor.fetchall()
            ]

    def hold(self, *, order_id: OrderId, allocations: Sequence[Allocation], expires_at: datetime) -> None:
        """Promise the units softly to the order, or raise LostRace when another order was faster."""
        INSERT_HOLDS.rows(
            [
                (order_id, allocation.stock_item_id, allocation.sku, allocation.quantity, expires_at)
                for allocation in allocations
            ]
        )
        self._change_held({allocation.stock_item_id: allocation.quantity for allocation in allocations})

    def harden_holds_of(self, order_id: OrderId, *, at: datetime) -> None:
        """Make the order's holds lasting, or raise HoldExpired; doing it twice is harmless."""
        statuses = [(hold.status, hold.expires_at) for hold in HOLDS.all(order_id)]
        if not statuses or any(status not in OPEN_HOLDS or (expires and expires <= at) for status, expires in statuses):
            raise HoldExpired(order_id=order_id)
        with connection.cursor() as cursor:
            cursor.execute(HARDEN, (HoldStatus.HARD.value, order_id, HoldStatus.SOFT.value))

    def release_holds_of(self, order_id: OrderId) -> None:
        """Give back what is still held for the order; doing it twice is harmless."""
        self._release(HoldRow.objects.filter(order_id=order_id, status__in=OPEN_HOLDS))

    def release_expired_holds_of(self, order_id: OrderId, *, at: datetime) -> None:
        """Give back the order's soft holds that have run out; those hardened meanwhile stay."""
        self._release(HoldRow.objects.filter(order_id=order_id, status=HoldStatus.SOFT, expires_at__lte=at))

    def orders_with_expired_holds(self, *, at: datetime, limit: int) -> Sequence[OrderId]:
        """Return orders whose soft holds have run out."""
        expired = HoldRow.objects.filter(status=HoldStatus.SOFT, expires_at__lte=at)
        return [OrderId(each) for each in expired.values_list("order_id", flat=True).distinct()[:limit]]

    def load(self, opening: Iterable[OpeningStock], *, at: datetime) -> int:
        """Add the items that are not there yet, each with a first movement; return how many."""
        locations = dict(LocationRow.objects.values_list("code", "id"))
        remaining = iter(opening)
        loaded = 0
        while batch := list(islice(remaining, LOADED_AT_ONCE)):
            known = set(
                StockItemRow.objects.filter(sku__in=[each.sku for each in batch]).values_list("sku", "location__code")
            )
            items = [
                StockItemRow(id=new_id(), sku=each.sku, location_id=locations[each.location], on_hand=each.units)
                for each in batch
                if (each.sku, each.location) not in known
            ]
            StockItemRow.objects.bulk_create(items)
            MovementRow.objects.bulk_create(
                MovementRow(
                    stock_item_id=item.id,
                    delta=item.on_hand,
                    on_hand=item.on_hand,
                    reason="opening stock",
                    actor=current_work().actor,
                    at=at,
                )
                for item in items
            )
            loaded += len(items)
        return loaded

    def _release(self, holds: QuerySet[HoldRow]) -> None:
        locked = list(holds.select_for_update().values_list("id", "stock_item_id", "quantity"))
        if not locked:
            return
        HoldRow.objects.filter(id__in=[hold_id for hold_id, _, _ in locked]).update(
            status=HoldStatus.RELEASED, closed_at=Now()
        )
        self._change_held({StockItemId(item_id): -quantity for _, item_id, quantity in locked})

    def _change_held(self, change: Mapping[StockItemId, int]) -> None:
        send_at_the_last_moment(Statement(*CHANGE_HELD.of(list(change.keys()), list(change.values()))))


class DjangoLocations:
    """The port Locations over Django's ORM."""

    def ensure(self, *, code: str, name: str, priority: int) -> None:
        """Add the location unless there is one with this code."""
        LocationRow.objects.bulk_create([LocationRow(code=code, name=name, priority=priority)], ignore_conflicts=True)

    def codes(self) -> Sequence[str]:
        """Return the code of each location, the preferred one first."""
        return list(LocationRow.objects.order_by("priority", "id").values_list("code", flat=True))

from datetime import timedelta

import pytest

from contexts.inventory.domain import (
    HoldExpired,
    HoldStatus,
    InsufficientStock,
    OrderId,
    StockItem,
    StockItemId,
    StockItemNotFound,
    StockPromised,
)
from contexts.inventory.events import StockAdjusted
from contexts.inventory.ports import OpeningStock
from contexts.inventory.use_cases import (
    AdjustStock,
    EnsureLocation,
    HoldStock,
    LoadOpeningStock,
    ReleaseExpiredHolds,
    ReleaseStock,
    SecureStock,
    StockNewSkus,
)
from shared.domain.errors import VersionMismatch
from tests.inventory.builders import MUG, SHIRT, a_stock_item, an_order_id
from tests.inventory.fakes import InMemoryLocations, InMemoryStockItems
from tests.shared.fakes import NOON, InMemoryAuditTrail, ObservedUnitOfWork, RecordedChange, SettableClock

HELD_FOR = timedelta(minutes=15)


class Inventory:
    """The use cases of inventory over stock in memory."""

    def __init__(self) -> None:
        self.clock = SettableClock()
        self.unit_of_work = ObservedUnitOfWork()
        self.locations = InMemoryLocations()
        self.stock = InMemoryStockItems(self.locations)
        self.hold = HoldStock(stock=self.stock, unit_of_work=self.unit_of_work, now=self.clock, held_for=HELD_FOR)
        self.secure = SecureStock(stock=self.stock, unit_of_work=self.unit_of_work, now=self.clock)
        self.release = ReleaseStock(stock=self.stock, unit_of_work=self.unit_of_work)
        self.release_expired = ReleaseExpiredHolds(stock=self.stock, unit_of_work=self.unit_of_work, now=self.clock)
        self.record_change = InMemoryAuditTrail()
        self.adjust = AdjustStock(
            stock=self.stock, record_change=self.record_change, unit_of_work=self.unit_of_work, now=self.clock
        )
        self.load = LoadOpeningStock(stock=self.stock, unit_of_work=self.unit_of_work, now=self.clock)
        self.ensure_location = EnsureLocation(locations=self.locations, unit_of_work=self.unit_of_work)

    def put(self, item: StockItem) -> StockItemId:
        """Have the item in stock."""
        self.stock.save(item)
        return StockItemId(item.id)

    def available(self, item_id: StockItemId) -> int:
        """Return what the item can still promise."""
        return self.stock.get(item_id).available

    def statuses_of(self, order_id: OrderId) -> list[HoldStatus]:
        """Return where the order's holds stand."""
        return [hold.status for hold in self.stock.holds if hold.order_id == order_id]


@pytest.fixture
def inventory() -> Inventory:
    return Inventory()


class TestHoldStock:
    def test_promises_the_units_softly_and_for_a_while(self, inventory: Inventory) -> None:
        item_id = inventory.put(a_stock_item(on_hand=10))
        order_id = an_order_id()

        inventory.hold(order_id=order_id, wanted={SHIRT: 4})

        (hold,) = inventory.stock.holds
        assert (hold.order_id, hold.stock_item_id, hold.quantity) == (order_id, item_id, 4)
        assert (hold.status, hold.expires_at) == (HoldStatus.SOFT, NOON + HELD_FOR)
        assert inventory.available(item_id) == 6

    def test_leaves_what_is_on_hand_as_it_is(self, inventory: Inventory) -> None:
        item_id = inventory.put(a_stock_item(on_hand=10))

        inventory.hold(order_id=an_order_id(), wanted={SHIRT: 4})

        assert inventory.stock.get(item_id).on_hand == 10
        assert inventory.stock.movements[item_id] == []

    def test_prefers_the_location_with_the_smaller_priority(self, inventory: Inventory) -> None:
        inventory.ensure_location(code="far", name="Far away", priority=20)
        inventory.ensure_location(code="near", name="Next door", priority=10)
        inventory.put(a_stock_item(location="far", on_hand=10))
        near = inventory.put(a_stock_item(location="near", on_hand=10))

        inventory.hold(order_id=an_order_id(), wanted={SHIRT: 4})

        assert [hold.stock_item_id for hold in inventory.stock.holds] == [near]

    def test_holds_all_or_nothing(self, inventory: Inventory) -> None:
        item_id = inventory.put(a_stock_item(sku=SHIRT, on_hand=10))

        with pytest.raises(InsufficientStock) as refusal:
            inventory.hold(order_id=an_order_id(), wanted={SHIRT: 4, MUG: 1})

        assert refusal.value.details["shortages"] == [{"sku": MUG, "requested": 1, "available": 0}]
        assert inventory.stock.holds == []
        assert inventory.available(item_id) == 10
        assert inventory.unit_of_work.committed == 0

    def test_refuses_the_second_order_for_the_last_unit(self, inventory: Inventory) -> None:
        inventory.put(a_stock_item(on_hand=1))
        inventory.hold(order_id=an_order_id(), wanted={SHIRT: 1})

        with pytest.raises(InsufficientStock):
            inventory.hold(order_id=an_order_id(), wanted={SHIRT: 1})


class TestSecureStock:
    def test_makes_the_promise_last(self, inventory: Inventory) -> None:
        item_id = inventory.put(a_stock_item(on_hand=10))
        order_id = an_order_id()
        inventory.hold(order_id=order_id, wanted={SHIRT: 4})

        inventory.secure(order_id=order_id)
        inventory.clock.move_on(HELD_FOR * 100)
        inventory.release_expired()

        assert inventory.statuses_of(order_id) == [HoldStatus.HARD]
        assert inventory.available(item_id) == 6

    def test_is_harmless_twice(self, inventory: Inventory) -> None:
        inventory.put(a_stock_item(on_hand=10))
        order_id = an_order_id()
        inventory.hold(order_id=order_id, wanted={SHIRT: 4})

        inventory.secure(order_id=order_id)
        inventory.clock.move_on(HELD_FOR)
        inventory.secure(order_id=order_id)

        assert inventory.statuses_of(order_id) == [HoldStatus.HARD]

    def test_is_refused_once_the_time_is_up_even_if_nobody_gave_the_units_back_yet(self, inventory: Inventory) -> None:
        inventory.put(a_stock_item(on_hand=10))
        order_id = an_order_id()
        inventory.hold(order_id=order_id, wanted={SHIRT: 4})
        inventory.clock.move_on(HELD_FOR)

        with pytest.raises(HoldExpired, match="held for too long and have been given back") as refusal:
            inventory.secure(order_id=order_id)

        assert refusal.value.code == "hold_expired"
        assert inventory.statuses_of(order_id) == [HoldStatus.SOFT]

    def test_is_refused_after_the_units_were_given_back(self, inventory: Inventory) -> None:
        inventory.put(a_stock_item(on_hand=10))
        order_id = an_order_id()
        inventory.hold(order_id=order_id, wanted={SHIRT: 4})
        inventory.release(order_id=order_id)

        with pytest.raises(HoldExpired):
            inventory.secure(order_id=order_id)

    def test_is_refused_for_an_order_that_was_never_promised_anything(self, inventory: Inventory) -> None:
        with pytest.raises(HoldExpired):
            inventory.secure(order_id=an_order_id())


class TestReleaseStock:
    @pytest.mark.parametrize("secured", [False, True])
    def test_gives_back_what_the_order_held(self, inventory: Inventory, secured: bool) -> None:
        item_id = inventory.put(a_stock_item(on_hand=10))
        order_id, other_id = an_order_id(), an_order_id()
        inventory.hold(order_id=order_id, wanted={SHIRT: 4})
        inventory.hold(order_id=other_id, wanted={SHIRT: 1})
        if secured:
            inventory.secure(order_id=order_id)

        inventory.release(order_id=order_id)

        assert inventory.statuses_of(order_id) == [HoldStatus.RELEASED]
        assert inventory.statuses_of(other_id) == [HoldStatus.SOFT]
        assert inventory.available(item_id) == 9

    def test_twice_gives_back_once(self, inventory: Inventory) -> None:
        item_id = inventory.put(a_stock_item(on_hand=10))
        order_id = an_order_id()
        inventory.hold(order_id=order_id, wanted={SHIRT: 4})

        inventory.release(order_id=order_id)
        inventory.release(order_id=order_id)

        assert inventory.available(item_id) == 10

    def test_of_an_order_that_holds_nothing_is_harmless(self, inventory: Inventory) -> None:
        item_id = inventory.put(a_stock_item(on_hand=10))

        inventory.release(order_id=an_order_id())

        assert inventory.available(item_id) == 10


class TestReleaseExpiredHolds:
    def test_gives_back_only_what_has_run_out(self, inventory: Inventory) -> None:
        item_id = inventory.put(a_stock_item(on_hand=10))
        late, early = an_order_id(), an_order_id()
        inventory.hold(order_id=late, wanted={SHIRT: 4})
        inventory.clock.move_on(timedelta(minutes=1))
        inventory.hold(order_id=early, wanted={SHIRT: 1})
        inventory.clock.move_on(HELD_FOR - timedelta(minutes=1))

        assert inventory.release_expired() == 1

        assert inventory.statuses_of(late) == [HoldStatus.RELEASED]
        assert inventory.statuses_of(early) == [HoldStatus.SOFT]
        assert inventory.available(item_id) == 9

    def test_does_nothing_when_nothing_has_run_out(self, inventory: Inventory) -> None:
        inventory.put(a_stock_item(on_hand=10))
        inventory.hold(order_id=an_order_id(), wanted={SHIRT: 4})
        inventory.clock.move_on(HELD_FOR - timedelta(microseconds=1))

        assert inventory.release_expired() == 0

    def test_handles_each_order_by_itself(self, inventory: Inventory) -> None:
        inventory.put(a_stock_item(on_hand=10))
        for _ in range(3):
            inventory.hold(order_id=an_order_id(), wanted={SHIRT: 1})
        inventory.clock.move_on(HELD_FOR)
        before = inventory.unit_of_work.committed

        inventory.release_expired()

        assert inventory.unit_of_work.committed - before == 3


class TestAdjustStock:
    def test_stores_the_units_and_the_movement_and_tells_of_it(self, inventory: Inventory) -> None:
        item_id = inventory.put(a_stock_item(on_hand=10))

        item = inventory.adjust(stock_item_id=item_id, delta=-3, reason="broken")

        assert (item.on_hand, inventory.stock.get(item_id).on_hand) == (7, 7)
        (movement,) = inventory.stock.movements[item_id]
        assert (movement.delta, movement.on_hand, movement.reason, movement.at) == (-3, 7, "broken", NOON)
        (event,) = inventory.stock.events
        assert isinstance(event, StockAdjusted)
        assert (event.stock_item_id, event.delta, event.on_hand) == (item_id, -3, 7)

    def test_is_kept_in_the_audit_trail(self, inventory: Inventory) -> None:
        item_id = inventory.put(a_stock_item(on_hand=10))

        inventory.adjust(stock_item_id=item_id, delta=-3, reason="broken")

        assert inventory.record_change.changes == [
            RecordedChange(
                action="inventory.adjust_stock",
                subject_kind="stock_item",
                subject_id=str(item_id),
                before={"on_hand": 10},
                after={"on_hand": 7},
                reason="broken",
            )
        ]

    def test_counts_the_version_up(self, inventory: Inventory) -> None:
        item_id = inventory.put(a_stock_item(on_hand=10))

        item = inventory.adjust(stock_item_id=item_id, counted=9, reason="stocktaking", expected_version=1)

        assert item.version == inventory.stock.get(item_id).version == 2

    def test_is_refused_when_somebody_was_faster(self, inventory: Inventory) -> None:
        item_id = inventory.put(a_stock_item(on_hand=10))
        inventory.adjust(stock_item_id=item_id, delta=1, reason="delivery")

        with pytest.raises(VersionMismatch) as refusal:
            inventory.adjust(stock_item_id=item_id, counted=9, reason="stocktaking", expected_version=1)

        assert refusal.value.details == {"version": 2}
        assert inventory.stock.get(item_id).on_hand == 11

    def test_knows_of_the_promises_that_were_made_meanwhile(self, inventory: Inventory) -> None:
        item_id = inventory.put(a_stock_item(on_hand=10))
        inventory.hold(order_id=an_order_id(), wanted={SHIRT: 4})

        with pytest.raises(StockPromised) as refusal:
            inventory.adjust(stock_item_id=item_id, counted=3, reason="stocktaking")

        assert refusal.value.details == {"on_hand": 10, "held": 4, "backorder_limit": 0}
        assert inventory.stock.get(item_id).on_hand == 10
        assert inventory.stock.events == []
        assert inventory.record_change.changes == []

    def test_of_an_item_that_does_not_exist_is_refused(self, inventory: Inventory) -> None:
        unknown = StockItemId(an_order_id())

        with pytest.raises(StockItemNotFound, match=r"There is no such stock item\.") as refusal:
            inventory.adjust(stock_item_id=unknown, delta=1, reason="?")

        assert refusal.value.code == "stock_item_not_found"
        assert refusal.value.details == {"stock_item_id": unknown}


class TestStockNewSkus:
    def test_has_an_item_without_a_unit_at_each_location(self, inventory: Inventory) -> None:
        for place, code in enumerate(("berlin", "paris")):
            inventory.locations.ensure(code=code, name=code.title(), priority=place)
        inventory.load(opening=[OpeningStock(sku=SHIRT, location="berlin", units=5)])
        stock_new_skus = StockNewSkus(
            stock=inventory.stock,
            locations=inventory.locations,
            unit_of_work=inventory.unit_of_work,
            now=inventory.clock,
        )

        stock_new_skus(skus=[SHIRT, MUG])
        stock_new_skus(skus=[SHIRT, MUG])

        offers = [(offer.sku, offer.available) for offer in inventory.stock.offers_of([SHIRT, MUG])]
        assert sorted(offers) == sorted([(SHIRT, 5), (SHIRT, 0), (MUG, 0), (MUG, 0)])


class TestLoadOpeningStock:
    def test_adds_what_is_not_there_yet(self, inventory: Inventory) -> None:
        opening = [
            OpeningStock(sku=SHIRT, location="berlin", units=5),
            OpeningStock(sku=MUG, location="berlin", units=2),
        ]

        assert inventory.load(opening=opening) == 2
        assert inventory.load(opening=[*opening, OpeningStock(sku=SHIRT, location="paris", units=1)]) == 1

        inventory.hold(order_id=an_order_id(), wanted={SHIRT: 6, MUG: 2})

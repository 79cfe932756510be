"""What every implementation of the port StockItems does, and what PostgreSQL adds to it."""

from collections.abc import Sequence
from contextlib import nullcontext
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction

from contexts.inventory.domain import (
    Allocation,
    HoldExpired,
    Movement,
    OrderId,
    StockItem,
    StockItemId,
    StockItemNotFound,
    allocate,
)
from contexts.inventory.models import HoldRow, LocationRow, MovementRow, StockItemRow
from contexts.inventory.ports import Locations, OpeningStock, StockItems
from contexts.inventory.repositories import DjangoLocations, DjangoStockItems
from shared.domain.errors import LostRace
from shared.domain.ports import UnitOfWork
from shared.outbox.messages import history_of
from shared.persistence.unit_of_work import atomic
from tests.inventory.builders import MUG, SHIRT, an_order_id
from tests.inventory.fakes import InMemoryLocations, InMemoryStockItems
from tests.shared.database import execute
from tests.shared.fakes import NOON

IN_TIME = NOON + timedelta(minutes=14)
EXPIRY = NOON + timedelta(minutes=15)


class StockItemsContract:
    """Each test runs on each implementation; a subclass says how its own is made and looked into."""

    stock: StockItems
    locations: Locations
    unit_of_work: UnitOfWork

    def movements_of(self, item_id: StockItemId) -> Sequence[Movement]:
        """Return the item's ledger, oldest first."""
        raise NotImplementedError

    def topics_of(self, item_id: StockItemId) -> Sequence[str]:
        """Return what was published of the item, oldest first."""
        raise NotImplementedError

    def put(self, *, sku: str = SHIRT, location: str = "berlin", units: int = 10, priority: int = 0) -> StockItemId:
        """Have units of a sku at a location."""
        with self.unit_of_work():
            self.locations.ensure(code=location, name=location.title(), priority=priority)
            known = {offer.stock_item_id for offer in self.stock.offers_of([sku])}
            self.stock.load([OpeningStock(sku=sku, location=location, units=units)], at=NOON)
            return next(o.stock_item_id for o in self.stock.offers_of([sku]) if o.stock_item_id not in known)

    def get(self, item_id: StockItemId) -> StockItem:
        """Return the item in a unit of work of its own."""
        with self.unit_of_work():
            return self.stock.get(item_id)

    def hold(self, item_id: StockItemId, units: int, *, order_id: OrderId | None = None, sku: str = SHIRT) -> OrderId:
        """Have the units promised to an order."""
        order_id = order_id or an_order_id()
        allocation = Allocation(stock_item_id=item_id, sku=sku, quantity=units)
        with self.unit_of_work():
            self.stock.hold(order_id=order_id, allocations=[allocation], expires_at=EXPIRY)
        return order_id

    def test_gives_back_what_was_loaded(self) -> None:
        item = self.get(self.put(sku=MUG, location="paris", units=7))

        assert (item.sku, item.location, item.on_hand, item.held, item.backorder_limit) == (MUG, "paris", 7, 0, 0)
        assert item.sequence == 0

    def test_does_not_find_what_is_not_there(self) -> None:
        unknown = StockItemId(uuid4())

        with pytest.raises(StockItemNotFound) as refusal:
            self.get(unknown)

        assert refusal.value.details == {"stock_item_id": unknown}

    def test_stores_an_adjustment_with_its_movement_and_its_event(self) -> None:
        item_id = self.put(units=10)

        with self.unit_of_work():
            item = self.stock.get(item_id)
            item.adjust(delta=-3, counted=None, reason="broken", at=NOON)
            self.stock.save(item)

        assert self.get(item_id).on_hand == 7
        assert list(self.movements_of(item_id))[1:] == [Movement(delta=-3, on_hand=7, reason="broken", at=NOON)]
        assert self.topics_of(item_id) == ["inventory.stock_adjusted.v1"]

    def test_stores_each_movement_and_event_once(self) -> None:
        item_id = self.put(units=10)

        with self.unit_of_work():
            item = self.stock.get(item_id)
            item.adjust(delta=-3, counted=None, reason="broken", at=NOON)
            item.adjust(delta=5, counted=None, reason="delivery", at=NOON)
            self.stock.save(item)
            self.stock.save(item)

        assert [movement.delta for movement in self.movements_of(item_id)] == [10, -3, 5]
        assert len(self.topics_of(item_id)) == 2

    def test_counts_the_version_up_with_each_change(self) -> None:
        item_id = self.put()
        before = self.get(item_id).version

        with self.unit_of_work():
            item = self.stock.get(item_id)
            item.adjust(delta=1, counted=None, reason="delivery", at=NOON)
            self.stock.save(item)

        assert item.version == self.get(item_id).version == before + 1

    def test_refuses_to_store_what_somebody_else_changed_meanwhile(self) -> None:
        item_id = self.put(units=10)
        stale = self.get(item_id)
        with self.unit_of_work():
            fresh = self.stock.get(item_id)
            fresh.adjust(delta=5, counted=None, reason="delivery", at=NOON)
            self.stock.save(fresh)
        stale.adjust(delta=-1, counted=None, reason="broken", at=NOON)

        with pytest.raises(LostRace), self.unit_of_work():
            self.stock.save(stale)

        assert self.get(item_id).on_hand == 15
        assert [movement.delta for movement in self.movements_of(item_id)] == [10, 5]

    def test_an_adjustment_leaves_the_promises_made_meanwhile_alone(self) -> None:
        item_id = self.put(units=10)
        stale = self.get(item_id)
        self.hold(item_id, 4)

        stale.adjust(delta=1, counted=None, reason="delivery", at=NOON)
        with self.unit_of_work():
            self.stock.save(stale)

        item = self.get(item_id)
        assert (item.on_hand, item.held) == (11, 4)

    def test_offers_the_preferred_location_first(self) -> None:
        far = self.put(location="far", units=100, priority=20)
        near = self.put(location="near", units=1, priority=10)

        offers = self.stock.offers_of([SHIRT])

        assert [(offer.stock_item_id, offer.available) for offer in offers] == [(near, 1), (far, 100)]

    def test_offers_what_is_not_held_of_the_skus_asked_for(self) -> None:
        shirt = self.put(sku=SHIRT, units=10)
        self.put(sku=MUG, units=10)
        self.put(sku="HAT", units=10)
        self.hold(shirt, 4)

        offers = self.stock.offers_of([SHIRT, MUG, "NO-SUCH"])

        assert {offer.sku: offer.available for offer in offers} == {SHIRT: 6, MUG: 10}

    def test_holds_what_was_allocated_over_several_places(self) -> None:
        near, far = self.put(location="near", units=2, priority=1), self.put(location="far", units=9, priority=2)
        order_id = an_order_id()

        with self.unit_of_work():
            allocations = allocate(wanted={SHIRT: 10}, offers=self.stock.offers_of([SHIRT]))
            self.stock.hold(order_id=order_id, allocations=allocations, expires_at=EXPIRY)

        assert (self.get(near).held, self.get(far).held) == (2, 8)

    def test_refuses_to_hold_what_another_order_took_meanwhile_and_holds_nothing_then(self) -> None:
        shirt, mug = self.put(sku=SHIRT, units=1), self.put(sku=MUG, units=5)
        allocations = allocate(wanted={MUG: 2, SHIRT: 1}, offers=self.stock.offers_of([SHIRT, MUG]))
        self.hold(shirt, 1)
        late = an_order_id()

        with pytest.raises(LostRace), self.unit_of_work():
            self.stock.hold(order_id=late, allocations=allocations, expires_at=EXPIRY)

        assert (self.get(shirt).held, self.get(mug).held) == (1, 0)
        with pytest.raises(HoldExpired), self.unit_of_work():
            self.stock.harden_holds_of(late, at=NOON)

    def test_lets_a_hardened_hold_last(self) -> None:
        item_id = self.put()
        order_id = self.hold(item_id, 4)

        with self.unit_of_work():
            self.stock.harden_holds_of(order_id, at=IN_TIME)
            self.stock.harden_holds_of(order_id, at=EXPIRY)
            self.stock.release_expired_holds_of(order_id, at=EXPIRY)

        assert self.get(item_id).held == 4
        assert list(self.stock.orders_with_expired_holds(at=EXPIRY, limit=10)) == []

    def test_refuses_to_harden_what_has_run_out(self) -> None:
        order_id = self.hold(self.put(), 4)

        with pytest.raises(HoldExpired) as refusal, self.unit_of_work():
            self.stock.harden_holds_of(order_id, at=EXPIRY)

        assert refusal.value.details == {"order_id": order_id}

    def test_refuses_to_harden_what_was_released(self) -> None:
        order_id = self.hold(self.put(), 4)
        with self.unit_of_work():
            self.stock.release_holds_of(order_id)

        with pytest.raises(HoldExpired), self.unit_of_work():
            self.stock.harden_holds_of(order_id, at=IN_TIME)

    def test_refuses_to_harden_nothing(self) -> None:
        with pytest.raises(HoldExpired), self.unit_of_work():
            self.stock.harden_holds_of(an_order_id(), at=IN_TIME)

    @pytest.mark.parametrize("hardened", [False, True])
    def test_releases_what_the_order_holds_and_nothing_else_and_only_once(self, hardened: bool) -> None:
        item_id = self.put()
        order_id = self.hold(item_id, 4)
        self.hold(item_id, 1)
        if hardened:
            with self.unit_of_work():
                self.stock.harden_holds_of(order_id, at=IN_TIME)

        for _ in range(2):
            with self.unit_of_work():
                self.stock.release_holds_of(order_id)

        assert self.get(item_id).held == 1

    def test_releases_only_holds_that_have_run_out(self) -> None:
        item_id = self.put()
        order_id = self.hold(item_id, 4)

        with self.unit_of_work():
            self.stock.release_expired_holds_of(order_id, at=IN_TIME)
        assert self.get(item_id).held == 4

        with self.unit_of_work():
            self.stock.release_expired_holds_of(order_id, at=EXPIRY)
        assert self.get(item_id).held == 0

    def test_does_not_release_again_what_was_released_before_it_ran_out(self) -> None:
        item_id = self.put()
        order_id = self.hold(item_id, 4)
        self.hold(item_id, 5)
        with self.unit_of_work():
            self.stock.release_holds_of(order_id)

        with self.unit_of_work():
            self.stock.release_expired_holds_of(order_id, at=EXPIRY)

        assert self.get(item_id).held == 5

    def test_names_each_order_whose_holds_have_run_out_once(self) -> None:
        shirt, mug = self.put(sku=SHIRT), self.put(sku=MUG)
        both, released, hardened = self.hold(shirt, 1), self.hold(shirt, 1), self.hold(shirt, 1)
        self.hold(mug, 1, order_id=both, sku=MUG)
        with self.unit_of_work():
            self.stock.release_holds_of(released)
            self.stock.harden_holds_of(hardened, at=IN_TIME)

        assert list(self.stock.orders_with_expired_holds(at=IN_TIME, limit=10)) == []
        assert list(self.stock.orders_with_expired_holds(at=EXPIRY, limit=10)) == [both]

    def test_names_no_more_orders_than_asked_for(self) -> None:
        item_id = self.put()
        for _ in range(3):
            self.hold(item_id, 1)

        assert len(self.stock.orders_with_expired_holds(at=EXPIRY, limit=2)) == 2

    def test_loads_each_item_once_with_a_first_movement(self) -> None:
        item_id = self.put(units=10)
        opening = [
            OpeningStock(sku=SHIRT, location="berlin", units=99),
            OpeningStock(sku=MUG, location="berlin", units=1),
        ]

        with self.unit_of_work():
            assert self.stock.load(opening, at=NOON) == 1

        assert self.get(item_id).on_hand == 10
        assert list(self.movements_of(item_id)) == [Movement(delta=10, on_hand=10, reason="opening stock", at=NOON)]


class TestInMemoryStockItems(StockItemsContract):
    unit_of_work = staticmethod(nullcontext)

    @pytest.fixture(autouse=True)
    def _fresh(self) -> None:
        self.locations = InMemoryLocations()
        self.fake = self.stock = InMemoryStockItems(self.locations)

    def movements_of(self, item_id: StockItemId) -> Sequence[Movement]:
        return self.fake.movements[item_id]

    def topics_of(self, item_id: StockItemId) -> Sequence[str]:
        return [event.topic for event in self.fake.events]


@pytest.mark.django_db
class TestDjangoStockItems(StockItemsContract):
    stock = DjangoStockItems()
    locations = DjangoLocations()
    unit_of_work = staticmethod(atomic)

    def movements_of(self, item_id: StockItemId) -> Sequence[Movement]:
        rows = MovementRow.objects.filter(stock_item_id=item_id).order_by("id")
        return [Movement(delta=row.delta, on_hand=row.on_hand, reason=row.reason, at=row.at) for row in rows]

    def topics_of(self, item_id: StockItemId) -> Sequence[str]:
        return [entry.topic for entry in history_of(item_id)]

    def test_takes_the_units_only_at_the_last_moment(self) -> None:
        item_id = self.put(units=10)

        with self.unit_of_work():
            allocation = Allocation(stock_item_id=item_id, sku=SHIRT, quantity=4)
            self.stock.hold(order_id=an_order_id(), allocations=[allocation], expires_at=EXPIRY)
            assert StockItemRow.objects.get(id=item_id).held == 0

        assert StockItemRow.objects.get(id=item_id).held == 4

    def test_says_in_the_ledger_who_made_the_movement(self) -> None:
        item_id = self.put()

        assert MovementRow.objects.get(stock_item_id=item_id).actor == "system"

    def test_finds_a_location_by_its_code_and_leaves_it_as_it_is(self) -> None:
        self.locations.ensure(code="berlin", name="Berlin", priority=1)
        self.locations.ensure(code="berlin", name="Elsewhere", priority=9)

        assert list(LocationRow.objects.values_list("code", "name", "priority")) == [("berlin", "Berlin", 1)]


@pytest.mark.django_db
class TestLastWordOfTheDatabase:
    """Whatever the code does, PostgreSQL refuses these."""

    @pytest.fixture
    def item(self) -> StockItemRow:
        location = LocationRow.objects.create(code="berlin", name="Berlin")
        return StockItemRow.objects.create(sku=SHIRT, location=location, on_hand=10, held=4, backorder_limit=2)

    @pytest.mark.parametrize(
        ("change", "constraint"),
        [
            pytest.param("held = 13", "inventory_stock_item_never_oversold", id="more held than may be promised"),
            pytest.param("held = -1", "inventory_stock_item_never_oversold", id="less held than nothing"),
            pytest.param("on_hand = 1", "inventory_stock_item_never_oversold", id="too little left for the promises"),
            pytest.param("backorder_limit = -1", "inventory_stock_item_not_negative", id="a negative limit"),
            pytest.param("on_hand = -1, held = 0", "inventory_stock_item_not_negative", id="less on hand than nothing"),
        ],
    )
    def test_keeps_promises_within_bounds(self, item: StockItemRow, change: str, constraint: str) -> None:
        with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
            execute(f"UPDATE inventory_stock_item SET {change} WHERE id = %s", item.id)  # noqa: S608 - from the list

    def test_lets_the_very_last_unit_be_promised(self, item: StockItemRow) -> None:
        assert execute("UPDATE inventory_stock_item SET held = 12 WHERE id = %s", item.id) == 1

    def test_keeps_one_item_per_sku_and_location(self, item: StockItemRow) -> None:
        with pytest.raises(IntegrityError, match="inventory_stock_item_once_per_location"), transaction.atomic():
            StockItemRow.objects.create(sku=SHIRT, location=item.location)

    def test_keeps_one_hold_per_order_and_item(self, item: StockItemRow) -> None:
        hold = HoldRow.objects.create(order_id=uuid4(), stock_item=item, sku=SHIRT, quantity=1, expires_at=EXPIRY)

        with pytest.raises(IntegrityError, match="inventory_hold_once_per_order"), transaction.atomic():
            HoldRow.objects.create(order_id=hold.order_id, stock_item=item, sku=SHIRT, quantity=1, expires_at=EXPIRY)

    def test_keeps_no_hold_of_nothing(self, item: StockItemRow) -> None:
        with pytest.raises(IntegrityError, match="inventory_hold_of_something"), transaction.atomic():
            HoldRow.objects.create(order_id=uuid4(), stock_item=item, sku=SHIRT, quantity=0, expires_at=EXPIRY)

    def test_keeps_no_soft_hold_for_ever(self, item: StockItemRow) -> None:
        with pytest.raises(IntegrityError, match="inventory_hold_soft_ones_expire"), transaction.atomic():
            HoldRow.objects.create(order_id=uuid4(), stock_item=item, sku=SHIRT, quantity=1, expires_at=None)

    def test_keeps_an_item_that_has_a_ledger(self, item: StockItemRow) -> None:
        MovementRow.objects.create(stock_item=item, delta=10, on_hand=10, reason="opening", actor="system", at=NOON)

        execute("SET CONSTRAINTS ALL IMMEDIATE")

        with pytest.raises(IntegrityError, match="inventory_movement"), transaction.atomic():
            execute("DELETE FROM inventory_stock_item WHERE id = %s", item.id)

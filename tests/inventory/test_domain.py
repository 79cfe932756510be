from uuid import UUID

import pytest

from contexts.inventory.domain import (
    MOST_UNITS,
    InsufficientStock,
    NothingToAdjust,
    StockPromised,
    TooManyUnits,
    allocate,
)
from contexts.inventory.events import StockAdjusted
from tests.inventory.builders import MUG, SHIRT, a_stock_item, an_offer
from tests.shared.fakes import NOON


class TestAllocate:
    def test_takes_all_from_the_preferred_place_that_has_enough(self) -> None:
        few, first, second = an_offer(available=2), an_offer(available=5), an_offer(available=50)

        allocations = allocate(wanted={SHIRT: 5}, offers=[few, first, second])

        assert [(each.stock_item_id, each.quantity) for each in allocations] == [(first.stock_item_id, 5)]

    def test_spreads_over_places_in_the_order_of_preference_when_none_has_enough(self) -> None:
        first, second, third = an_offer(available=2), an_offer(available=3), an_offer(available=4)

        allocations = allocate(wanted={SHIRT: 6}, offers=[first, second, third])

        assert [(each.stock_item_id, each.quantity) for each in allocations] == [
            (first.stock_item_id, 2),
            (second.stock_item_id, 3),
            (third.stock_item_id, 1),
        ]

    def test_follows_the_order_of_the_offers_and_not_their_size(self) -> None:
        near, far = an_offer(available=6), an_offer(available=600)

        for offers in ([near, far], [far, near]):
            (only,) = allocate(wanted={SHIRT: 6}, offers=offers)

            assert only.stock_item_id == offers[0].stock_item_id

    def test_passes_over_places_that_have_nothing_left_to_promise(self) -> None:
        overdrawn, empty, full = an_offer(available=-4), an_offer(available=0), an_offer(available=3)
        rest = an_offer(available=2)

        allocations = allocate(wanted={SHIRT: 5}, offers=[overdrawn, empty, full, rest])

        assert [(each.stock_item_id, each.quantity) for each in allocations] == [
            (full.stock_item_id, 3),
            (rest.stock_item_id, 2),
        ]

    def test_serves_each_sku_from_its_own_offers(self) -> None:
        shirts, mugs = an_offer(sku=SHIRT, available=3), an_offer(sku=MUG, available=2)

        allocations = allocate(wanted={MUG: 2, SHIRT: 3}, offers=[shirts, mugs])

        assert [(each.stock_item_id, each.sku, each.quantity) for each in allocations] == [
            (mugs.stock_item_id, MUG, 2),
            (shirts.stock_item_id, SHIRT, 3),
        ]

    def test_gives_the_very_last_unit(self) -> None:
        (only,) = allocate(wanted={SHIRT: 1}, offers=[an_offer(available=1)])

        assert only.quantity == 1

    def test_is_refused_naming_every_sku_that_falls_short(self) -> None:
        offers = [an_offer(sku=SHIRT, available=2), an_offer(sku=SHIRT, available=1), an_offer(sku="HAT", available=9)]

        with pytest.raises(InsufficientStock) as refusal:
            allocate(wanted={SHIRT: 4, "HAT": 1, MUG: 2}, offers=offers)

        assert refusal.value.code == "insufficient_stock"
        assert refusal.value.message == "There are not enough units to promise; see shortages."
        assert refusal.value.details["shortages"] == [
            {"sku": SHIRT, "requested": 4, "available": 3},
            {"sku": MUG, "requested": 2, "available": 0},
        ]

    def test_does_not_let_an_overdrawn_place_eat_up_what_another_one_has(self) -> None:
        with pytest.raises(InsufficientStock) as refusal:
            allocate(wanted={SHIRT: 4}, offers=[an_offer(available=-5), an_offer(available=3)])

        assert refusal.value.details["shortages"] == [{"sku": SHIRT, "requested": 4, "available": 3}]


class TestAvailable:
    def test_is_what_is_on_hand_or_may_be_back_ordered_less_what_is_held(self) -> None:
        assert a_stock_item(on_hand=10, held=4, backorder_limit=3).available == 9


class TestAdjust:
    def test_by_a_difference_changes_what_is_on_hand(self) -> None:
        item = a_stock_item(on_hand=10)

        item.adjust(delta=-3, counted=None, reason="broken", at=NOON)

        assert item.on_hand == 7

    def test_to_what_was_counted_works_the_difference_out(self) -> None:
        item = a_stock_item(on_hand=10)

        item.adjust(delta=None, counted=4, reason="stocktaking", at=NOON)

        (movement,) = item.release_movements()
        assert (item.on_hand, movement.delta, movement.on_hand) == (4, -6, 4)

    def test_to_a_count_of_nothing_empties_the_place(self) -> None:
        item = a_stock_item(on_hand=10)

        item.adjust(delta=None, counted=0, reason="stocktaking", at=NOON)

        assert item.on_hand == 0

    def test_leaves_a_movement_for_the_ledger(self) -> None:
        item = a_stock_item(on_hand=10)

        item.adjust(delta=5, counted=None, reason="delivery 17", at=NOON)

        (movement,) = item.release_movements()
        assert (movement.delta, movement.on_hand, movement.reason, movement.at) == (5, 15, "delivery 17", NOON)
        assert item.release_movements() == ()

    def test_twice_leaves_a_movement_for_each(self) -> None:
        item = a_stock_item(on_hand=10)

        item.adjust(delta=5, counted=None, reason="delivery", at=NOON)
        item.adjust(delta=-1, counted=None, reason="broken", at=NOON)

        assert [(each.delta, each.on_hand) for each in item.release_movements()] == [(5, 15), (-1, 14)]

    def test_tells_what_is_on_hand_and_can_be_promised_now(self) -> None:
        item = a_stock_item(id=UUID(int=7), on_hand=10, held=4)

        item.adjust(delta=2, counted=None, reason="delivery", at=NOON)

        (recorded,) = item.release_events()
        assert recorded.event == StockAdjusted(
            stock_item_id=UUID(int=7),
            sku=SHIRT,
            location="berlin",
            delta=2,
            on_hand=12,
            available=8,
            reason="delivery",
            occurred_at=NOON,
        )

    @pytest.mark.parametrize(
        ("delta", "counted"),
        [
            pytest.param(None, None, id="neither"),
            pytest.param(0, None, id="a difference of zero"),
            pytest.param(1, 11, id="both"),
            pytest.param(0, 0, id="both, and both zero"),
        ],
    )
    def test_is_refused_without_exactly_one_of_difference_and_count(
        self, delta: int | None, counted: int | None
    ) -> None:
        item = a_stock_item(on_hand=10)

        with pytest.raises(NothingToAdjust, match="either a delta other than zero, or the number of units") as refusal:
            item.adjust(delta=delta, counted=counted, reason="?", at=NOON)

        assert (refusal.value.code, refusal.value.at) == ("nothing_to_adjust", "/delta")
        assert (item.on_hand, item.release_movements(), item.release_events()) == (10, (), ())

    def test_is_refused_below_what_is_promised(self) -> None:
        item = a_stock_item(on_hand=10, held=4)

        with pytest.raises(StockPromised, match="Fewer units would be on hand than are promised") as refusal:
            item.adjust(delta=-7, counted=None, reason="theft", at=NOON)

        assert refusal.value.code == "stock_promised"
        assert refusal.value.details == {"on_hand": 10, "held": 4, "backorder_limit": 0}
        assert (item.on_hand, item.release_movements(), item.release_events()) == (10, (), ())

    def test_is_allowed_down_to_exactly_what_is_promised(self) -> None:
        item = a_stock_item(on_hand=10, held=4)

        item.adjust(delta=-6, counted=None, reason="theft", at=NOON)

        assert (item.on_hand, item.available) == (4, 0)

    def test_may_leave_promises_to_what_is_back_ordered(self) -> None:
        item = a_stock_item(on_hand=10, held=4, backorder_limit=4)

        item.adjust(delta=None, counted=0, reason="fire", at=NOON)

        assert (item.on_hand, item.available) == (0, 0)

    def test_is_refused_below_nothing_however_much_may_be_back_ordered(self) -> None:
        with pytest.raises(StockPromised):
            a_stock_item(on_hand=1, backorder_limit=100).adjust(delta=-2, counted=None, reason="?", at=NOON)

    def test_is_refused_beyond_what_any_place_can_hold(self) -> None:
        item = a_stock_item(on_hand=MOST_UNITS - 1)
        item.adjust(delta=1, counted=None, reason="delivery", at=NOON)

        with pytest.raises(TooManyUnits, match="No stock item holds a million million units") as refusal:
            item.adjust(delta=1, counted=None, reason="delivery", at=NOON)

        assert (refusal.value.code, refusal.value.at) == ("too_many_units", "/delta")

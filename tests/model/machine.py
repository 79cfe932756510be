"""The rules of the game: everything that may happen to Orderly, in any order.

A rule is a request of a caller, a piece of work of a worker, or a blow of fate. Each work has a fate of its own:
it runs to its end, or it stops after some points and goes on later (or never), or it dies there.
"""

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shared.saga.rows import LEASE
from tests.model.desk import SKUS, SOFT_HOLD
from tests.model.laws import Told, check_moment, check_rest
from tests.model.provider import UNDER_WAY, Mood
from tests.model.shop import Request, Shop, Sight
from tests.model.workers import RUNS_ON, Fate, Workers

T = TypeVar("T")


MOST_ORDERS = 3
MOMENT = timedelta(seconds=1)
SHORT_ROUNDS = 15
MOST_ROUNDS = 40

POINTS_OF_REQUEST = 2  # it has read the stock, is about to commit, has committed
POINTS_OF_PROCESS = 9  # four commits and two calls, at the most that matter


def stops(points: int) -> st.SearchStrategy[Fate]:
    """Have the worker stop or die after some points."""
    return st.builds(Fate, points=st.integers(0, points), dies=st.booleans())


fates = st.just(RUNS_ON) | stops(POINTS_OF_REQUEST)
moods = st.lists(st.sampled_from(Mood), max_size=3)
lines = st.lists(st.tuples(st.sampled_from(SKUS), st.integers(1, 3)), min_size=1, max_size=2)
choices = st.integers(0, 15)
#: Longer than a request is under way, than a lease, than a soft hold, than the deadline of a checkout.
pauses = st.sampled_from([UNDER_WAY, LEASE, SOFT_HOLD, timedelta(minutes=30)]).map(lambda pause: pause + MOMENT)


class Late(StrEnum):
    """When the workers wake up that are still stopped at the end of the game."""

    BEFORE_ANYTHING = "before anything else"
    AFTER_THE_EVENTS = "after the events are delivered"
    AFTER_EVERYTHING = "after everything is over without them"


class OrderlyMachine(RuleBasedStateMachine):
    """Drives a shop, and checks after every step that all it promised is true."""

    def __init__(self, shop: Shop, workers: Workers) -> None:
        super().__init__()
        self.shop = shop
        self.workers = workers
        self.told = Told()
        self.sight: Sight = self.shop.look()
        self.is_sound = True
        self.late_workers = Late.BEFORE_ANYTHING

    @initialize(
        units=st.lists(st.integers(1, 3), min_size=2, max_size=3),
        backorder=st.integers(0, 1),
        late_workers=st.sampled_from(Late),
    )
    def open(self, units: Sequence[int], backorder: int, late_workers: Late) -> None:
        self.late_workers = late_workers
        self.shop.open(units=units, backorder_limits=[backorder, *[0] * (len(units) - 1)])
        self.look()
        self.told.opening = {item.id: item.on_hand for item in self.sight.items}

    # Requests

    @precondition(lambda self: len(self.sight.orders) < MOST_ORDERS)
    @rule(wanted=lines, moods=moods, fate=fates)
    def somebody_orders(self, wanted: Sequence[tuple[str, int]], moods: Sequence[Mood], fate: Fate) -> None:
        request = Request(key=f"order-{len(self.told.requests)}", kind="place", lines=tuple(wanted))
        self.shop.provider.is_in_the_mood(moods, card=request.key)
        self.send(request, fate)

    @precondition(lambda self: self.sight.orders)
    @rule(which=choices, by_operator=st.booleans(), fate=fates)
    def somebody_cancels(self, which: int, by_operator: bool, fate: Fate) -> None:
        order_id = one_of(list(self.sight.orders), which)
        key = f"cancel-{len(self.told.requests)}"
        self.send(Request(key=key, kind="cancel", target=order_id, by_operator=by_operator), fate)

    @rule(which=choices, delta=st.integers(-3, 2).filter(bool), fate=fates)
    def an_operator_adjusts_stock(self, which: int, delta: int, fate: Fate) -> None:
        item = one_of(self.sight.items, which)
        key = f"adjust-{len(self.told.requests)}"
        self.send(Request(key=key, kind="adjust", target=item.id, delta=delta), fate)

    @precondition(lambda self: self.told.requests)
    @rule(which=choices, fate=fates)
    def somebody_asks_again(self, which: int, fate: Fate) -> None:
        self.send(one_of(list(self.told.requests.values()), which), fate)

    # Work

    @precondition(lambda self: any(process.is_open for process in self.sight.processes))
    @rule(which=choices)
    def a_process_goes_on(self, which: int) -> None:
        self.advance(which, RUNS_ON)

    @precondition(lambda self: any(process.is_open for process in self.sight.processes))
    @rule(which=choices, fate=stops(POINTS_OF_PROCESS))
    def a_process_is_cut_short(self, which: int, fate: Fate) -> None:
        self.advance(which, fate)

    @precondition(lambda self: self.sight.history)
    @rule(fate=fates, are_delivered=st.booleans())
    def events_are_relayed(self, fate: Fate, are_delivered: bool) -> None:
        self.workers.do(self.shop.relay, fate)
        if are_delivered:
            self.deliver_everything()

    @precondition(lambda self: self.sight.deliveries)
    @rule(which=choices, is_marked=st.booleans(), fate=fates)
    def an_event_is_delivered(self, which: int, is_marked: bool, fate: Fate) -> None:
        """Deliver an event that waits, or any, as if the mark that it was delivered before were lost."""
        waiting = [each for each in self.sight.deliveries if each.status == "pending"]
        delivery = one_of(waiting if is_marked and waiting else self.sight.deliveries, which)
        deliver = self.shop.deliver if is_marked else self.shop.deliver_unmarked
        self.workers.do(lambda: deliver(delivery.id), fate)

    @precondition(lambda self: any(hold.status == "soft" for hold in self.sight.holds))
    @rule(fate=fates)
    def old_holds_are_released(self, fate: Fate) -> None:
        self.workers.do(self.shop.release_expired_holds, fate)

    # Blows of fate

    @precondition(lambda self: self.workers.busy)
    @rule(which=choices, fate=st.just(RUNS_ON) | stops(POINTS_OF_PROCESS))
    def a_worker_wakes_up(self, which: int, fate: Fate) -> None:
        one_of(self.workers.busy, which).go_on(fate)

    @rule(pause=pauses)
    def time_passes(self, pause: timedelta) -> None:
        self.shop.let_time_pass(pause)

    @precondition(lambda self: any(entry.outcome.status == "pending" for entry in self.shop.provider.ledger.values()))
    @rule()
    def customers_answer_their_bank(self) -> None:
        self.shop.provider.customers_answer()

    # What must be true

    @invariant()
    def every_promise_is_kept(self) -> None:
        self.look()
        self.is_sound = False
        check_moment(self.sight, self.shop.provider, self.told)
        self.is_sound = True

    def teardown(self) -> None:
        """Run everything to its end, late workers first or last, and see what is left."""
        try:
            if self.is_sound:
                self.come_to_rest()
                check_rest(self.shop.look(), self.shop.provider, self.told)
        finally:
            self.workers.kill_all()

    def come_to_rest(self) -> None:
        """Have everything done that is left, before the stopped workers wake up or after, and then what they left."""
        if self.late_workers is Late.AFTER_THE_EVENTS:
            self.deliver_everything()
        if self.late_workers is Late.AFTER_EVERYTHING:
            self.sweep_until_nothing_is_left()
        for worker in self.workers.busy:
            worker.go_on(RUNS_ON)
        self.sweep_until_nothing_is_left()

    def sweep_until_nothing_is_left(self) -> None:
        """Have the sweepers find what there is to do, as they would after any crash, until there is nothing."""
        for turn in range(MOST_ROUNDS):
            self.shop.provider.customers_answer()
            self.shop.let_time_pass((LEASE if turn < SHORT_ROUNDS else SOFT_HOLD) + MOMENT)
            self.shop.release_expired_holds()
            self.shop.relay()
            sight = self.shop.look()
            for delivery in sight.deliveries:
                if delivery.is_due:
                    self.shop.deliver(delivery.id)
            for process in sight.processes:
                if process.is_open and process.is_due:
                    self.shop.advance(process.id)
            if is_at_rest(self.shop.look()):
                return

    def deliver_everything(self) -> None:
        """Have every event delivered that was stored."""
        self.shop.relay()
        for delivery in self.shop.look().deliveries:
            self.shop.deliver(delivery.id)

    def look(self) -> None:
        """See what is committed now."""
        self.sight = self.shop.look()

    def advance(self, which: int, fate: Fate) -> None:
        """Have a worker take one of the open processes further."""
        process = one_of([each for each in self.sight.processes if each.is_open], which)
        self.workers.do(lambda: self.shop.advance(process.id), fate)

    def send(self, request: Request, fate: Fate) -> None:
        """Have the request handled; the answer is noted when it comes, if it comes."""
        self.told.requests[request.key] = request
        self.workers.do(lambda: self.told.note(request, self.shop.handle(request)), fate)


def is_at_rest(sight: Sight) -> bool:
    """Tell whether there is nothing left to do."""
    return (
        not any(process.is_open for process in sight.processes)
        and all(delivery.status != "pending" for delivery in sight.deliveries)
        and all((id_, sequence) in sight.heard for id_, told in sight.history.items() for sequence, _ in told)
        and not any(hold.status == "soft" for hold in sight.holds)
    )


def one_of(things: Sequence[T], which: int) -> T:
    """Return one of the things; the number says which, whatever their number."""
    return things[which % len(things)]

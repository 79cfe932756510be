"""What must be true at any moment, and what must be true once everything has come to rest."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from tests.model.provider import Provider
from tests.model.shop import Answer, OrderSeen, Request, Sight

PLACED = "ordering.order_placed.v1"
CONFIRMED = "ordering.order_confirmed.v1"
CANCELLED = "ordering.order_cancelled.v1"
OPEN_HOLDS = ("soft", "hard")


@dataclass(slots=True)
class Told:
    """What the callers were told, which must stay true."""

    answers: dict[str, Answer] = field(default_factory=dict)
    requests: dict[str, Request] = field(default_factory=dict)
    opening: dict[UUID, int] = field(default_factory=dict)  # stock item to units

    def note(self, request: Request, answer: Answer | None) -> None:
        """Keep the answer; the same key must be answered the same for ever."""
        if answer is None:
            return
        known = self.answers.setdefault(request.key, answer)
        assert known == answer, f"{request.key} was answered {known} before, and now {answer}"

    def accepted(self, kind: str) -> Iterable[tuple[Request, UUID]]:
        """Return what was accepted, and to what it was done."""
        for key, answer in self.answers.items():
            if answer.is_accepted and self.requests[key].kind == kind:
                yield self.requests[key], UUID(answer.said)

    def refused(self, kind: str) -> Iterable[str]:
        """Return the keys of the requests that were refused."""
        return [
            key for key, answer in self.answers.items() if not answer.is_accepted and self.requests[key].kind == kind
        ]

    def unanswered(self, kind: str) -> Iterable[Request]:
        """Return the requests of which nobody knows, for their process died or waits."""
        return [each for key, each in self.requests.items() if each.kind == kind and key not in self.answers]


def check_moment(sight: Sight, provider: Provider, told: Told) -> None:
    """Check everything that holds at any moment."""
    check_stock(sight, told)
    check_orders(sight, told)
    check_history(sight)
    check_money(sight, provider)
    check_work(sight)


def check_stock(sight: Sight, told: Told) -> None:
    """Nothing is sold twice, and every number adds up."""
    for item in sight.items:
        assert 0 <= item.held <= item.on_hand + item.backorder_limit, f"oversold: {item}"
        assert item.held == item.in_open_holds, f"held is not the sum of the open holds: {item}"
        assert item.on_hand == item.in_movements, f"on hand is not the sum of the movements: {item}"
        counted = told.opening[item.id] + sum(
            request.delta for request, target in told.accepted("adjust") if target == item.id
        )
        perhaps = [request.delta for request in told.unanswered("adjust") if request.target == item.id]
        least = counted + sum(delta for delta in perhaps if delta < 0)
        most = counted + sum(delta for delta in perhaps if delta > 0)
        assert least <= item.on_hand <= most, f"an adjustment was lost, or made twice: {item}, {counted}"
    for hold in sight.holds:
        assert hold.order_id in sight.orders, f"units are held for an order that does not exist: {hold}"


def check_orders(sight: Sight, told: Told) -> None:
    """What was accepted stays, what was refused left nothing, and no intent became two orders."""
    for request, order_id in told.accepted("place"):
        assert sight.orders.get(order_id) is not None, f"order {order_id} was accepted and has disappeared"
        assert sight.orders[order_id].intent == request.key, f"{request.key} was answered with somebody else's order"
    for _, order_id in told.accepted("cancel"):
        assert sight.orders[order_id].status == "cancelled", f"order {order_id} was cancelled and lives"
    placed = Counter(order.intent for order in sight.orders.values())
    assert max(placed.values(), default=1) == 1, f"one intent became two orders: {placed}"
    for key in told.refused("place"):
        assert key not in placed, f"{key} was refused and yet there is an order"


def check_history(sight: Sight) -> None:
    """Each aggregate's events are numbered without gaps, and an order's tell of what it is."""
    for aggregate_id, entries in sight.history.items():
        numbers = sorted(sequence for sequence, _ in entries)
        assert numbers == list(range(1, len(entries) + 1)), f"gaps in the history of {aggregate_id}: {numbers}"
    endings = {"pending": [], "confirmed": [CONFIRMED], "cancelled": [CANCELLED]}
    for order in sight.orders.values():
        topics = [topic for _, topic in sorted(sight.history.get(order.id, ()))]
        expected = [PLACED, *endings[order.status]]
        also = [PLACED, CONFIRMED, CANCELLED] if order.status == "cancelled" else expected
        assert topics in (expected, also), f"order {order.id} is {order.status}, its history is {topics}"


def check_money(sight: Sight, provider: Provider) -> None:
    """Nobody is charged twice, or another amount, or for nothing."""
    assert not provider.complaints, provider.complaints
    charged = Counter(entry.order_id for entry in provider.ledger.values() if entry.was_charged)
    assert max(charged.values(), default=1) == 1, f"charged twice: {charged}"
    for entry in provider.ledger.values():
        order = sight.orders.get(UUID(entry.order_id))
        assert order is not None, f"charged for an order that does not exist: {entry}"
        assert entry.amount.minor == order.total_minor, f"charged another amount: {entry}, {order}"
        assert UUID(entry.order_id) in sight.payments, f"asked the provider before noting it: {entry}"


def check_work(sight: Sight) -> None:
    """No process is forgotten, no handler's effect is there twice, and each delivery is one of a kind."""
    for process in sight.processes:
        assert process.will_be_due or not process.is_open, f"nobody will ever look at {process}"
    begun = Counter((process.name, process.subject_id) for process in sight.processes)
    assert max(begun.values(), default=1) == 1, f"a process was begun twice: {begun}"
    for (aggregate_id, sequence), times in sight.heard.items():
        assert times == 1, f"event {sequence} of {aggregate_id} was applied {times} times"


def check_rest(sight: Sight, provider: Provider, told: Told) -> None:
    """Check everything that holds once there is nothing left to do."""
    check_moment(sight, provider, told)
    stuck = [process for process in sight.processes if process.is_open]
    assert not stuck, f"processes that never end: {stuck}"
    undelivered = [delivery for delivery in sight.deliveries if delivery.status != "done"]
    assert not undelivered, f"deliveries that never succeed: {undelivered}"
    for aggregate_id, entries in sight.history.items():
        for sequence, topic in entries:
            assert sight.heard.get((aggregate_id, sequence)) == 1, f"{topic} of {aggregate_id} was lost"
    for order in sight.orders.values():
        check_order_at_rest(order, sight, provider)


def check_order_at_rest(order: OrderSeen, sight: Sight, provider: Provider) -> None:
    """An order is good, paid and in stock, or it is given up and has left nothing behind."""
    reserved = [entry for entry in provider.of_order(order.id) if entry.outcome.status == "authorized"]
    units = open_units_of(order.id, sight)
    if order.status == "confirmed":
        assert [entry.amount.minor for entry in reserved] == [order.total_minor], f"{order} is not paid: {reserved}"
        assert units == {("hard", sku): quantity for sku, quantity in order.units.items()}, f"{order} holds {units}"
        assert sight.payments[order.id] == "authorized"
    else:
        assert order.status == "cancelled", f"{order} is neither confirmed nor cancelled"
        assert not reserved, f"money is kept without an order: {reserved}, {order}"
        assert not units, f"{order} still holds {units}"
    payment = sight.payments.get(order.id)
    if payment is not None:
        assert order.payment_status == payment, f"{order} does not know that its payment is {payment}"


def open_units_of(order_id: UUID, sight: Sight) -> Mapping[tuple[str, str], int]:
    """Return how many units of each sku are held for the order, by the kind of hold."""
    units: Counter[tuple[str, str]] = Counter()
    for hold in sight.holds:
        if hold.order_id == order_id and hold.status in OPEN_HOLDS:
            units[hold.status, hold.sku] += hold.quantity
    return units

"""Orderly in dictionaries: fakes that share one memory, which has transactions.

The parts that PostgreSQL plays, redone as small as can be: a unit of work that undoes everything, processes
with leases and deadlines (``shared/saga/runner.py``), the outbox with its deliveries, and idempotency keys.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol, TypeVar
from uuid import UUID

from contexts.inventory.domain import OPEN_HOLDS, Allocation, Movement, Offer, StockItem, StockItemId
from contexts.inventory.domain import OrderId as OrderIdOfInventory
from contexts.ordering.domain import Order, OrderId, OrderPayment, PaymentStatus
from contexts.payments.domain import OrderId as OrderIdOfPayments
from contexts.payments.domain import Payment
from shared.domain.errors import DomainError, LostRace
from shared.domain.model import Aggregate, Event
from shared.domain.money import Money
from tests.inventory.fakes import Hold, InMemoryLocations, InMemoryStockItems
from tests.model.desk import SKUS, Adapters, Desk
from tests.model.provider import Provider
from tests.model.sagas import InMemorySagas
from tests.model.shop import (
    Answer,
    DeliverySeen,
    HoldSeen,
    Item,
    OrderSeen,
    Request,
    Sight,
    carry_out,
    seen,
)
from tests.model.workers import reach
from tests.ordering.fakes import InMemoryOrders
from tests.payments.fakes import InMemoryPayments
from tests.shared.fakes import InMemoryAuditTrail, SequentialIds, SettableClock, Shelf

T = TypeVar("T")
A = TypeVar("A", bound=Aggregate)
Undo = Callable[[], None]

ATTEMPTS = 6
MOST_ATTEMPTS_OF_DELIVERY = 12


class Part(Protocol):
    """Something that is undone with the transaction that changed it."""

    def remember(self) -> Undo:
        """Return what brings the present state back."""


class Memory:
    """The transactions of one memory: one at a time, but for those that have only read so far."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self._mine = threading.local()

    @property
    def is_open(self) -> bool:
        """Tell whether the work in hand is inside a transaction."""
        return getattr(self._mine, "undo", None) is not None

    @contextmanager
    def atomic(self) -> Iterator[None]:
        """Open the unit of work, or join the one that is open."""
        if self.is_open:
            yield
            return
        self._mine.undo = self._remember()
        try:
            yield
            reach("unit_of_work.before_commit", in_transaction=True)
        except BaseException:
            self._mine.undo()
            raise
        finally:
            self._mine.undo = None
        reach("unit_of_work.after_commit")

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Open a part of the unit of work that can fail by itself."""
        undo = self._remember()
        try:
            yield
        except BaseException:
            undo()
            raise

    def let_others_in(self, point: str) -> None:
        """Stop, perhaps, after reading and before writing: what others commit meanwhile must not be undone."""
        try:
            reach(point)
        finally:
            if self.is_open:
                self._mine.undo = self._remember()

    def with_retry(self, work: Callable[[], T]) -> T:
        """Run the work as one unit of work, again from the start when another one was faster."""
        if self.is_open:
            return work()
        for _ in range(ATTEMPTS - 1):
            try:
                with self.atomic():
                    return work()
            except LostRace:
                continue
        with self.atomic():
            return work()

    def _remember(self) -> Undo:
        undoing = [part.remember() for part in self.parts]

        def undo() -> None:
            for each in undoing:
                each()

        return undo


def remember_shelf(shelf: Shelf[A]) -> Undo:
    """Return what puts the shelf back as it is now; what it keeps is replaced, never changed."""
    kept, told = dict(shelf.kept), len(shelf.history)

    def undo() -> None:
        shelf.kept = kept
        del shelf.history[told:]

    return undo


class Orders(InMemoryOrders):
    """The port Orders, with transactions."""

    @property
    def shelf(self) -> Shelf[Order]:
        return self._orders

    def remember(self) -> Undo:
        return remember_shelf(self._orders)


class Payments(InMemoryPayments):
    """The port Payments, with transactions."""

    @property
    def shelf(self) -> Shelf[Payment]:
        return self._payments

    def remember(self) -> Undo:
        return remember_shelf(self._payments)


class StockItems(InMemoryStockItems):
    """The port StockItems, with transactions; as in the tables, what is held is a number that must add up."""

    def __init__(self, memory: Memory) -> None:
        super().__init__(InMemoryLocations())
        self.held: Counter[UUID] = Counter()
        self._memory = memory

    @property
    def shelf(self) -> Shelf[StockItem]:
        return self._items

    def remember(self) -> Undo:
        items = remember_shelf(self._items)
        holds, held = list(self.holds), Counter(self.held)
        movements = {item_id: list(made) for item_id, made in self.movements.items()}

        def undo() -> None:
            items()
            self.holds, self.held, self.movements = holds, held, movements

        return undo

    def offers_of(self, skus: Sequence[str]) -> Sequence[Offer]:
        offers = super().offers_of(skus)
        self._memory.let_others_in("inventory.offers_read")
        return offers

    def hold(self, *, order_id: OrderIdOfInventory, allocations: Sequence[Allocation], expires_at: datetime) -> None:
        super().hold(order_id=order_id, allocations=allocations, expires_at=expires_at)
        for each in allocations:
            self.held[each.stock_item_id] += each.quantity

    def _replace(self, hold: Hold, changed: Hold) -> None:
        super()._replace(hold, changed)
        if changed.status not in OPEN_HOLDS:
            self.held[hold.stock_item_id] -= hold.quantity

    def _held_of(self, item: StockItem) -> int:
        return self.held[item.id]

    def seen(self) -> list[Item]:
        return [
            Item(
                id=item.id,
                sku=item.sku,
                on_hand=item.on_hand,
                held=self.held[item.id],
                backorder_limit=item.backorder_limit,
                in_open_holds=super(StockItems, self)._held_of(item),
                in_movements=sum(movement.delta for movement in self.movements[StockItemId(item.id)]),
            )
            for item in self._items.kept.values()
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event for one handler: inbox, retry counter and dead letter in one."""

    id: int
    subscription: str
    event: Event
    aggregate_id: UUID
    sequence: int
    due_at: datetime
    status: str = "pending"
    attempts: int = 0


class Outbox:
    """Deliveries of what the shelves tell, marked as done together with the effect of the handler."""

    def __init__(self, *, desk: Desk, memory: Memory, now: SettableClock) -> None:
        self.deliveries: dict[int, Delivery] = {}
        self.heard: Counter[tuple[UUID, int]] = Counter()
        self.desk = desk
        self._memory = memory
        self._now = now
        self._relayed: set[tuple[UUID, int]] = set()
        self._handlers: dict[str, Callable[[Event], None]] = {each.name: each.handler for each in desk.reactions}

    def remember(self) -> Undo:
        deliveries, relayed, heard = dict(self.deliveries), set(self._relayed), Counter(self.heard)

        def undo() -> None:
            self.deliveries, self._relayed, self.heard = deliveries, relayed, heard

        return undo

    def relay(self, history: Sequence[tuple[UUID, int, Event]]) -> None:
        """Make one delivery per event and handler."""
        with self._memory.atomic():
            for aggregate_id, sequence, event in history:
                if (aggregate_id, sequence) in self._relayed:
                    continue
                self._relayed.add((aggregate_id, sequence))
                wanted = [each.name for each in self.desk.reactions if isinstance(event, each.event_type)]
                for name in ["model.hear", *wanted]:
                    delivery_id = len(self.deliveries) + 1
                    self.deliveries[delivery_id] = Delivery(
                        id=delivery_id,
                        subscription=name,
                        event=event,
                        aggregate_id=aggregate_id,
                        sequence=sequence,
                        due_at=self._now(),
                    )

    def deliver(self, delivery_id: int) -> None:
        """Hand the event to its handler, and mark it in the same transaction; count a failure."""
        try:
            self._memory.with_retry(lambda: self._deliver(delivery_id))
        except Exception:  # noqa: BLE001 - whatever a handler raises is counted, never lost
            self._count_failure(delivery_id)

    def handle(self, delivery: Delivery) -> None:
        """Apply the effect of the event."""
        if delivery.subscription == "model.hear":
            self.heard[delivery.aggregate_id, delivery.sequence] += 1
        else:
            self._handlers[delivery.subscription](delivery.event)

    def _deliver(self, delivery_id: int) -> None:
        delivery = self.deliveries[delivery_id]
        if delivery.status == "pending":
            self.handle(delivery)
            self.deliveries[delivery_id] = replace(delivery, status="done")

    def _count_failure(self, delivery_id: int) -> None:
        with self._memory.atomic():
            delivery = self.deliveries[delivery_id]
            attempts = delivery.attempts + 1
            self.deliveries[delivery_id] = replace(
                delivery,
                attempts=attempts,
                status="dead" if attempts >= MOST_ATTEMPTS_OF_DELIVERY else "pending",
                due_at=self._now() + timedelta(seconds=2**attempts),
            )


@dataclass(slots=True)
class IdempotencyKeys:
    """Answers by key; a key whose transaction is still open is in use."""

    answers: dict[str, Answer] = field(default_factory=dict)
    in_use: set[str] = field(default_factory=set)

    def remember(self) -> Undo:
        answers = dict(self.answers)

        def undo() -> None:
            self.answers = answers

        return undo


class AuditTrail(InMemoryAuditTrail):
    """The port AuditTrail, with transactions."""

    def remember(self) -> Undo:
        recorded = len(self.changes)

        def undo() -> None:
            del self.changes[recorded:]

        return undo


class InMemoryShop:
    """The port Shop, on the fakes."""

    def __init__(self, desk: type[Desk] = Desk) -> None:
        self.memory = Memory()
        self.now = SettableClock()
        self.provider = Provider()
        self.provider.must_be_outside_transactions = self._must_be_outside_transactions
        self.orders = Orders()
        self.payments = Payments()
        self.stock = StockItems(self.memory)
        self.keys = IdempotencyKeys()
        self.trail = AuditTrail()
        self.sagas = InMemorySagas(memory=self.memory, now=self.now)
        self.desk = desk(
            Adapters(
                orders=self.orders,
                stock=self.stock,
                payments=self.payments,
                gateway=self.provider,
                payment_of=self._payment_of,
                register=self.sagas.register,
                wake=self.sagas.wake,
                record_change=self.trail,
                unit_of_work=self.memory.atomic,
                now=self.now,
                new_id=SequentialIds(),
            )
        )
        self.outbox = Outbox(desk=self.desk, memory=self.memory, now=self.now)
        self.memory.parts = [self.orders, self.payments, self.stock, self.keys, self.trail, self.sagas, self.outbox]

    def open(self, *, units: Sequence[int], backorder_limits: Sequence[int]) -> None:
        for place, (on_hand, backorder_limit) in enumerate(zip(units, backorder_limits, strict=True)):
            location = f"place-{place}"
            self.stock.locations.ensure(code=location, name=location, priority=place)
            item = StockItem(
                id=UUID(int=1000 + place),
                sku=SKUS[place % len(SKUS)],
                location=location,
                on_hand=on_hand,
                held=0,
                backorder_limit=backorder_limit,
            )
            self.stock.save(item)
            first = Movement(delta=on_hand, on_hand=on_hand, reason="opening stock", at=self.now())
            self.stock.movements[StockItemId(item.id)] = [first]

    def handle(self, request: Request) -> Answer | None:
        """Answer as ``shared.http.idempotency`` does: key, effect and answer in one transaction."""
        if request.key in self.keys.in_use:
            return None
        self.keys.in_use.add(request.key)
        try:
            return self.memory.with_retry(lambda: self._claim_and_run(request))
        except LostRace:
            return None
        except DomainError as refusal:
            answer = Answer(is_accepted=False, said=refusal.code)
            with self.memory.atomic():
                return self.keys.answers.setdefault(request.key, answer)
        finally:
            self.keys.in_use.discard(request.key)

    def advance(self, process_id: UUID) -> None:
        self.sagas.advance(process_id)

    def relay(self) -> None:
        self.outbox.relay([(id_, told.sequence, told.event) for shelf in self._shelves for id_, told in shelf.history])

    def deliver(self, delivery_id: int) -> None:
        self.outbox.deliver(delivery_id)

    def deliver_unmarked(self, delivery_id: int) -> None:
        delivery = self.outbox.deliveries[delivery_id]
        if delivery.subscription != "model.hear":
            self.memory.with_retry(lambda: self.outbox.handle(delivery))

    def release_expired_holds(self) -> None:
        self.desk.release_expired_holds()

    def let_time_pass(self, pause: timedelta) -> None:
        self.now.move_on(pause)
        self.provider.let_time_pass(pause)

    def look(self) -> Sight:
        history: dict[UUID, list[tuple[int, str]]] = {}
        for shelf in self._shelves:
            for id_, told in shelf.history:
                history.setdefault(id_, []).append((told.sequence, told.event.topic))
        return Sight(
            items=self.stock.seen(),
            holds=[
                HoldSeen(
                    order_id=hold.order_id,
                    sku=self.stock.shelf.kept[hold.stock_item_id].sku,
                    quantity=hold.quantity,
                    status=hold.status.value,
                )
                for hold in self.stock.holds
            ],
            orders=self._orders_seen(),
            payments={each.order_id: each.status.value for each in self.payments.shelf.kept.values()},
            processes=self.sagas.seen(),
            deliveries=[
                DeliverySeen(
                    id=each.id,
                    subscription=each.subscription,
                    status=each.status,
                    is_due=each.status == "pending" and each.due_at <= self.now(),
                )
                for each in self.outbox.deliveries.values()
            ],
            history=history,
            heard=self.outbox.heard,
        )

    @property
    def _shelves(self) -> tuple[Shelf[Order], Shelf[Payment], Shelf[StockItem]]:
        return self.orders.shelf, self.payments.shelf, self.stock.shelf

    def _orders_seen(self) -> Mapping[UUID, OrderSeen]:
        return {id_: seen(order) for id_, order in self.orders.shelf.kept.items()}

    def _claim_and_run(self, request: Request) -> Answer:
        known = self.keys.answers.get(request.key)
        if known is not None:
            return known
        answer = Answer(is_accepted=True, said=carry_out(self.desk, request))
        self.keys.answers[request.key] = answer
        return answer

    def _payment_of(self, order_id: OrderId) -> OrderPayment | None:
        payment = self.payments.for_order(OrderIdOfPayments(order_id))
        if payment is None:
            return None
        nothing = Money.zero(payment.amount.currency)
        was_authorized = payment.status.value in ("authorized", "voided")
        return OrderPayment(
            id=payment.id,
            status=PaymentStatus(payment.status.value),
            authorized=payment.amount if was_authorized else nothing,
            captured=nothing,
            refunded=nothing,
            failure_code=payment.failure_code,
        )

    def _must_be_outside_transactions(self) -> None:
        if self.memory.is_open:
            self.provider.complaints.append("called inside a transaction")

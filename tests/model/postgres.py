"""Orderly on PostgreSQL: the real repositories, outbox, processes and idempotency keys under the same rules.

Time passes twice: the clock of the use cases is moved on, and what is compared with the clock of the database,
which nobody can move, is moved into the past.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from django.db import connection
from django.db.models import F, Sum
from django.db.models.functions import Now
from django.http import HttpResponse
from django.test import RequestFactory
from django.utils import timezone

from contexts.inventory.domain import OPEN_HOLDS, Offer
from contexts.inventory.events import StockAdjusted
from contexts.inventory.models import HoldRow, LocationRow, MovementRow, StockItemRow
from contexts.inventory.repositories import DjangoStockItems
from contexts.ordering.events import OrderCancelled, OrderConfirmed, OrderPlaced
from contexts.ordering.gateways import PaymentsOfOrders
from contexts.ordering.models import OrderLineRow, OrderRow
from contexts.ordering.repositories import DjangoOrders
from contexts.payments.events import PaymentAuthorized, PaymentBecameUnknown, PaymentDeclined, PaymentVoided
from contexts.payments.models import PaymentRow
from contexts.payments.repositories import DjangoPayments
from shared.audit.trail import record_change
from shared.domain.errors import LostRace
from shared.domain.model import Event
from shared.http.idempotency import IdempotencyKeyInUse, answer_once
from shared.outbox import registry as subscriptions
from shared.outbox import relay as relay_module
from shared.outbox.codec import from_payload
from shared.outbox.deliveries import deliver
from shared.outbox.models import DeliveryRow, OutboxMessageRow
from shared.outbox.registry import Subscription, subscription_named
from shared.outbox.relay import relay_pending_messages
from shared.persistence import unit_of_work
from shared.persistence.identifiers import new_id
from shared.persistence.unit_of_work import atomic, in_transaction_with_retry
from shared.resilience.guard import CalledInsideTransaction, refuse_inside_transaction
from shared.saga import registry as processes
from shared.saga.models import SagaRow
from shared.saga.registry import register, wake_saga
from shared.saga.rows import OPEN
from shared.saga.runner import advance
from shared.telemetry.context import current_work
from tests.model.desk import SKUS, Adapters, Desk, Reaction
from tests.model.provider import Provider
from tests.model.shop import (
    Answer,
    DeliverySeen,
    HoldSeen,
    Item,
    OrderSeen,
    ProcessSeen,
    Request,
    Sight,
    carry_out,
)
from tests.model.workers import reach

HEAR = "model.hear"
EVENTS: tuple[type[Event], ...] = (
    OrderPlaced,
    OrderConfirmed,
    OrderCancelled,
    PaymentAuthorized,
    PaymentDeclined,
    PaymentBecameUnknown,
    PaymentVoided,
    StockAdjusted,
)

CREATE_HEARD = "CREATE TABLE IF NOT EXISTS model_heard (message_id uuid)"
DROP_HEARD = "DROP TABLE model_heard"
HEARD = """
SELECT message.aggregate_id, message.aggregate_sequence, count(*)
FROM model_heard JOIN outbox_message AS message ON message.id = message_id GROUP BY 1, 2
"""
EMPTY = """
TRUNCATE ordering_order_note,
         saga, saga_step, outbox_message, outbox_delivery, inventory_location, inventory_stock_item, inventory_hold,
         inventory_movement, payments_payment, payments_operation, ordering_order, ordering_order_line,
         idempotency_key, model_heard
"""


class StoppingStockItems(DjangoStockItems):
    """The port StockItems over Django's ORM, where a worker may stop between reading and locking."""

    def offers_of(self, skus: Sequence[str]) -> Sequence[Offer]:
        offers = super().offers_of(skus)
        reach("inventory.offers_read")
        return offers


class PostgresShop:
    """The port Shop, on PostgreSQL; needs ``own_registries`` around it."""

    def __init__(self, desk: type[Desk] = Desk) -> None:
        self._ahead = timedelta()
        self.provider = Provider()
        self.provider.must_be_outside_transactions = self._must_be_outside_transactions
        for known in (processes._sagas, subscriptions._by_name, subscriptions._by_topic):
            known.clear()
        self.desk = desk(
            Adapters(
                orders=DjangoOrders(),
                stock=StoppingStockItems(),
                payments=DjangoPayments(),
                gateway=self.provider,
                payment_of=PaymentsOfOrders().of,
                register=register,
                wake=wake_saga,
                record_change=record_change,
                unit_of_work=atomic,
                now=lambda: timezone.now() + self._ahead,
                new_id=new_id,
            )
        )
        _ = self.desk.place_order, self.desk.return_money  # registers their processes
        hearing = [Reaction(f"{HEAR}:{event.topic}", event, hear) for event in EVENTS]
        for each in [*hearing, *self.desk.reactions]:
            known_as = Subscription(name=each.name, event_type=each.event_type, handler=each.handler)
            subscriptions._by_name[each.name] = known_as
            subscriptions._by_topic.setdefault(each.event_type.topic, []).append(known_as)
        with connection.cursor() as cursor:
            cursor.execute(EMPTY)

    def open(self, *, units: Sequence[int], backorder_limits: Sequence[int]) -> None:
        for place, (on_hand, backorder_limit) in enumerate(zip(units, backorder_limits, strict=True)):
            item = StockItemRow.objects.create(
                id=UUID(int=1000 + place),
                sku=SKUS[place % len(SKUS)],
                location=LocationRow.objects.create(code=f"place-{place}", name=f"Place {place}", priority=place),
                on_hand=on_hand,
                backorder_limit=backorder_limit,
            )
            MovementRow.objects.create(
                stock_item=item, delta=on_hand, on_hand=on_hand, reason="opening stock", actor="", at=timezone.now()
            )

    def handle(self, request: Request) -> Answer | None:
        post = RequestFactory().post(
            "/model", orjson.dumps(repr(request)), "application/json", headers={"Idempotency-Key": request.key}
        )
        try:
            response = answer_once(
                post, caller="model", run=lambda: HttpResponse(carry_out(self.desk, request), status=201)
            )
        except (IdempotencyKeyInUse, LostRace):
            return None
        if response.status_code == 201:
            return Answer(is_accepted=True, said=response.content.decode())
        return Answer(is_accepted=False, said=orjson.loads(response.content)["code"])

    def advance(self, process_id: UUID) -> None:
        advance(process_id)

    def relay(self) -> None:
        relay_pending_messages()

    def deliver(self, delivery_id: int) -> None:
        deliver(delivery_id)

    def deliver_unmarked(self, delivery_id: int) -> None:
        delivery = DeliveryRow.objects.select_related("message").get(id=delivery_id)
        subscription = subscription_named(delivery.subscription)
        assert subscription is not None
        if not subscription.name.startswith(HEAR):
            event = from_payload(subscription.event_type, delivery.message.payload)
            in_transaction_with_retry(lambda: subscription.handler(event))

    def release_expired_holds(self) -> None:
        self.desk.release_expired_holds()

    def let_time_pass(self, pause: timedelta) -> None:
        SagaRow.objects.update(
            due_at=F("due_at") - pause, leased_until=F("leased_until") - pause, deadline_at=F("deadline_at") - pause
        )
        DeliveryRow.objects.update(due_at=F("due_at") - pause)
        self._ahead += pause
        self.provider.let_time_pass(pause)

    def look(self) -> Sight:
        history: dict[UUID, list[tuple[int, str]]] = {}
        for id_, sequence, topic in OutboxMessageRow.objects.values_list("aggregate_id", "aggregate_sequence", "topic"):
            history.setdefault(id_, []).append((sequence, topic))
        with connection.cursor() as cursor:
            cursor.execute(HEARD)
            heard = {(id_, sequence): times for id_, sequence, times in cursor.fetchall()}
        return Sight(
            items=_items(),
            holds=[HoldSeen(**row) for row in HoldRow.objects.values("order_id", "sku", "quantity", "status")],
            orders=_orders(),
            payments=dict(PaymentRow.objects.values_list("order_id", "status")),
            processes=_processes(),
            deliveries=_deliveries(),
            history=history,
            heard=heard,
        )

    def _must_be_outside_transactions(self) -> None:
        try:
            refuse_inside_transaction()
        except CalledInsideTransaction:
            self.provider.complaints.append("called inside a transaction")


def hear(event: Event) -> None:
    """Leave a trace of having heard, which would be seen if it were left twice."""
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO model_heard (message_id) VALUES (%s)", [current_work().causation_id])


@contextmanager
def own_registries(patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have processes, subscriptions and points of the model's own, and a table for what was heard."""
    patch.setattr(processes, "_sagas", {})
    patch.setattr(subscriptions, "_by_name", {})
    patch.setattr(subscriptions, "_by_topic", {})
    patch.setattr(relay_module, "wake_worker", _nobody)
    patch.setattr(unit_of_work, "crash_point", _point)
    with connection.cursor() as cursor:
        cursor.execute(CREATE_HEARD)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(DROP_HEARD)


def _nobody(*_: Any, **__: Any) -> None:
    """Wake nobody: the model is the worker."""


def _point(name: str) -> None:
    reach(name, in_transaction=name == "unit_of_work.before_commit")


def _items() -> list[Item]:
    held: Counter[UUID] = Counter()
    for item_id, quantity in HoldRow.objects.filter(status__in=OPEN_HOLDS).values_list("stock_item_id", "quantity"):
        held[item_id] += quantity
    rows = StockItemRow.objects.annotate(moved=Sum("movements__delta")).order_by("location__priority")
    return [
        Item(
            id=row.id,
            sku=row.sku,
            on_hand=row.on_hand,
            held=row.held,
            backorder_limit=row.backorder_limit,
            in_open_holds=held[row.id],
            in_movements=row.moved,
        )
        for row in rows
    ]


def _orders() -> dict[UUID, OrderSeen]:
    units: dict[UUID, Counter[str]] = {}
    for order_id, sku, quantity in OrderLineRow.objects.values_list("order_id", "sku", "quantity"):
        units.setdefault(order_id, Counter())[sku] += quantity
    return {
        row.id: OrderSeen(
            id=row.id,
            intent=row.email,
            status=row.status,
            payment_status=row.payment_status,
            total_minor=row.total_minor,
            units=units[row.id],
        )
        for row in OrderRow.objects.order_by("id")
    }


def _processes() -> list[ProcessSeen]:
    rows = SagaRow.objects.annotate(now=Now()).order_by("id")
    return [
        ProcessSeen(
            id=row.id,
            name=row.name,
            subject_id=row.subject_id,
            status=row.status,
            is_open=row.status in OPEN,
            is_due=row.due_at is not None and row.due_at <= row.now and _is_past(row.leased_until, row.now),
            will_be_due=row.due_at is not None,
        )
        for row in rows
    ]


def _deliveries() -> list[DeliverySeen]:
    rows = DeliveryRow.objects.annotate(now=Now()).order_by("id")
    return [
        DeliverySeen(
            id=row.id,
            subscription=row.subscription,
            status=row.status,
            is_due=row.status == "pending" and row.due_at <= row.now,
        )
        for row in rows
    ]


def _is_past(moment: Any, now: Any) -> bool:
    return moment is None or moment <= now

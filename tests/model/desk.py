"""Ordering, inventory and payments put together as ``wiring.py`` and ``handlers.py`` do it, over any adapters.

Every part is a property of its own, so that a planted fault is a subclass that gets one part wrong.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any, Literal, Protocol
from uuid import UUID

from contexts.inventory.domain import OrderId as OrderIdOfInventory
from contexts.inventory.ports import StockItems
from contexts.inventory.use_cases import AdjustStock, HoldStock, ReleaseExpiredHolds, ReleaseStock, SecureStock
from contexts.ordering.domain import OrderId, OrderPayment, PaymentMeans
from contexts.ordering.events import OrderCancelled
from contexts.ordering.ports import Orders
from contexts.ordering.sagas import Checkout
from contexts.ordering.use_cases import CancelOrder, NotePayment, PlaceOrder
from contexts.payments.domain import OrderId as OrderIdOfPayments
from contexts.payments.events import PaymentAuthorized, PaymentBecameUnknown, PaymentDeclined, PaymentVoided
from contexts.payments.ports import PaymentGateway, Payments
from contexts.payments.sagas import Voiding
from contexts.payments.use_cases import Authorization, AuthorizePayment, RefusePayment, ReturnMoney, VoidPayment
from shared.domain.model import Event
from shared.domain.money import Money
from shared.domain.ports import AuditTrail, Clock, NewId, StartSaga, UnitOfWork
from shared.domain.saga import Saga
from tests.ordering.builders import a_quote, a_shipping_method
from tests.ordering.fakes import FixedPriceList, InMemoryShippingMethods, KnownCustomers
from tests.payments.fakes import OneGateway

SOFT_HOLD = timedelta(minutes=15)
SKUS = ("MUG", "SHIRT")
PRICES = FixedPriceList(*(a_quote(sku=sku) for sku in SKUS))
SHIPPING = InMemoryShippingMethods(a_shipping_method())


class Wake(Protocol):
    """Has a process look again at once at what it waits for."""

    def __call__(self, *, name: str, subject_id: UUID) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapters:
    """What the use cases run on: memory, or PostgreSQL."""

    orders: Orders
    stock: StockItems
    payments: Payments
    gateway: PaymentGateway
    payment_of: Callable[[OrderId], OrderPayment | None]
    register: Callable[[Saga], StartSaga]
    wake: Wake
    record_change: AuditTrail
    unit_of_work: UnitOfWork
    now: Clock
    new_id: NewId


@dataclass(frozen=True, slots=True)
class Reaction:
    """A handler's standing order for one kind of event, as ``shared.outbox.registry`` keeps it."""

    name: str
    event_type: type[Event]
    handler: Callable[[Any], None]


class Desk:
    """The use cases, processes and handlers of the house."""

    def __init__(self, adapters: Adapters) -> None:
        self.on = adapters

    @cached_property
    def orders(self) -> Orders:
        return self.on.orders

    @cached_property
    def stock_items(self) -> StockItems:
        return self.on.stock

    @cached_property
    def gateways(self) -> OneGateway:
        return OneGateway(self.on.gateway)

    @cached_property
    def adjust_stock(self) -> AdjustStock:
        return AdjustStock(
            stock=self.stock_items,
            record_change=self.on.record_change,
            unit_of_work=self.on.unit_of_work,
            now=self.on.now,
        )

    @cached_property
    def release_stock(self) -> ReleaseStock:
        return ReleaseStock(stock=self.stock_items, unit_of_work=self.on.unit_of_work)

    @cached_property
    def release_expired_holds(self) -> ReleaseExpiredHolds:
        return ReleaseExpiredHolds(stock=self.stock_items, unit_of_work=self.on.unit_of_work, now=self.on.now)

    @cached_property
    def stock(self) -> "StockOfInventory":
        return StockOfInventory(
            hold_stock=HoldStock(
                stock=self.stock_items, unit_of_work=self.on.unit_of_work, now=self.on.now, held_for=SOFT_HOLD
            ),
            secure_stock=SecureStock(stock=self.stock_items, unit_of_work=self.on.unit_of_work, now=self.on.now),
        )

    @cached_property
    def authorize_payment(self) -> AuthorizePayment:
        return AuthorizePayment(
            payments=self.on.payments,
            gateways=self.gateways,
            begin_voiding=self.begin_voiding,
            unit_of_work=self.on.unit_of_work,
            new_id=self.on.new_id,
            now=self.on.now,
        )

    @cached_property
    def void_payment(self) -> VoidPayment:
        return VoidPayment(
            payments=self.on.payments, gateways=self.gateways, unit_of_work=self.on.unit_of_work, now=self.on.now
        )

    @cached_property
    def refuse_payment(self) -> RefusePayment:
        return RefusePayment(
            payments=self.on.payments,
            void_payment=self.void_payment,
            unit_of_work=self.on.unit_of_work,
            new_id=self.on.new_id,
            now=self.on.now,
        )

    @cached_property
    def payments(self) -> "PaymentsOfOrders":
        return PaymentsOfOrders(
            authorize_payment=self.authorize_payment, refuse_payment=self.refuse_payment, payment_of=self.on.payment_of
        )

    @cached_property
    def checkout(self) -> Checkout:
        return Checkout(orders=self.orders, stock=self.stock, payments=self.payments, now=self.on.now)

    @cached_property
    def checkout_saga(self) -> Saga:
        return self.checkout.saga

    @cached_property
    def voiding_saga(self) -> Saga:
        return Voiding(void_payment=self.void_payment).saga

    @cached_property
    def begin_voiding(self) -> StartSaga:
        return self.on.register(self.voiding_saga)

    @cached_property
    def place_order(self) -> PlaceOrder:
        return PlaceOrder(
            orders=self.orders,
            prices=PRICES,
            shipping_methods=SHIPPING,
            stock=self.stock,
            payments=self.payments,
            customers=KnownCustomers(),
            begin_checkout=self.on.register(self.checkout_saga),
            unit_of_work=self.on.unit_of_work,
            new_id=self.on.new_id,
            now=self.on.now,
        )

    @cached_property
    def cancel_order(self) -> CancelOrder:
        return CancelOrder(
            orders=self.orders,
            record_change=self.on.record_change,
            unit_of_work=self.on.unit_of_work,
            now=self.on.now,
        )

    @cached_property
    def note_payment(self) -> NotePayment:
        return NotePayment(orders=self.orders, payments=self.payments, unit_of_work=self.on.unit_of_work)

    @cached_property
    def return_money(self) -> ReturnMoney:
        return ReturnMoney(
            payments=self.on.payments, begin_voiding=self.begin_voiding, unit_of_work=self.on.unit_of_work
        )

    @cached_property
    def reactions(self) -> tuple[Reaction, ...]:
        """Return who wants to hear of what: the ``handlers.py`` of the three contexts."""

        def release_stock(event: OrderCancelled) -> None:
            self.release_stock(order_id=OrderIdOfInventory(event.order_id))

        def return_money(event: OrderCancelled) -> None:
            self.return_money(order_id=OrderIdOfPayments(event.order_id))

        def note_payment(event: PaymentVoided | PaymentBecameUnknown | PaymentDeclined) -> None:
            self.note_payment(order_id=OrderId(event.order_id))

        def go_on(event: PaymentAuthorized | PaymentDeclined) -> None:
            self.on.wake(name=self.checkout_saga.name, subject_id=event.order_id)

        return (
            Reaction("inventory.release_stock_of_cancelled_order", OrderCancelled, release_stock),
            Reaction("payments.return_money_of_cancelled_order", OrderCancelled, return_money),
            Reaction("ordering.note_voided_payment", PaymentVoided, note_payment),
            Reaction("ordering.note_unknown_payment", PaymentBecameUnknown, note_payment),
            Reaction("ordering.note_declined_payment", PaymentDeclined, note_payment),
            Reaction("ordering.go_on_with_authorized_order", PaymentAuthorized, go_on),
            Reaction("ordering.go_on_with_declined_order", PaymentDeclined, go_on),
        )


@dataclass(frozen=True, slots=True)
class StockOfInventory:
    """Ordering's port Stock, kept by inventory in the same unit of work."""

    hold_stock: HoldStock
    secure_stock: SecureStock

    def hold(self, *, order_id: OrderId, wanted: Mapping[str, int]) -> None:
        self.hold_stock(order_id=OrderIdOfInventory(order_id), wanted=wanted)

    def secure(self, *, order_id: OrderId) -> None:
        self.secure_stock(order_id=OrderIdOfInventory(order_id))


@dataclass(frozen=True, slots=True)
class PaymentsOfOrders:
    """Ordering's port Payments, kept by the payments context."""

    authorize_payment: AuthorizePayment
    refuse_payment: RefusePayment
    payment_of: Callable[[OrderId], OrderPayment | None]

    def accepts(self, method: str) -> bool:
        return self.authorize_payment.gateways.accepts(method)

    def authorize(self, *, order_id: OrderId, amount: Money, means: PaymentMeans, key: str) -> Authorization:
        return self.authorize_payment(
            order_id=OrderIdOfPayments(order_id), amount=amount, method=means.method, token=means.token, key=key
        )

    def refuse(
        self, *, order_id: OrderId, amount: Money, means: PaymentMeans, key: str
    ) -> Literal["settled", "pending"]:
        return self.refuse_payment(order_id=OrderIdOfPayments(order_id), amount=amount, method=means.method, key=key)

    def of(self, order_id: OrderId) -> OrderPayment | None:
        return self.payment_of(order_id)

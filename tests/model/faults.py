"""Mistakes that people make in such code: each is a desk that gets one part wrong, for the model to find."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Literal
from uuid import uuid4

from contexts.inventory.domain import Allocation, HoldStatus, OrderId
from contexts.ordering.domain import ANYONE, OrderPayment, OrderStatus
from contexts.ordering.domain import OrderId as OrderIdOfOrdering
from contexts.ordering.sagas import Checkout
from contexts.payments.domain import OrderId as OrderIdOfPayments
from contexts.payments.domain import Outcome, OutcomeStatus
from contexts.payments.ports import PaymentGateway
from contexts.payments.use_cases import Authorization, AuthorizationReply, AuthorizePayment, VoidPayment
from shared.domain.errors import DomainError, OutcomeUnknown
from shared.domain.money import Money
from shared.domain.saga import SagaRun
from tests.inventory.fakes import Hold
from tests.model.desk import Desk, PaymentsOfOrders, Reaction
from tests.model.memory import InMemoryShop, StockItems
from tests.model.shop import Answer, Request, carry_out
from tests.payments.fakes import OneGateway


class ReleasesTwice(Desk):
    """Gives the units of a cancelled order back without a look at what became of its holds."""

    @cached_property
    def stock_items(self) -> StockItems:
        stock = self.on.stock
        assert isinstance(stock, StockItems)

        def release(order_id: OrderId) -> None:
            for hold in [each for each in stock.holds if each.order_id == order_id]:
                stock.held[hold.stock_item_id] -= hold.quantity
                stock.holds[stock.holds.index(hold)] = replace(hold, status=HoldStatus.RELEASED)

        stock.release_holds_of = release  # type: ignore[method-assign]
        return stock


class HoldsWithoutCondition(Desk):
    """Promises units because they were there when it looked, not because they are there."""

    @cached_property
    def stock_items(self) -> StockItems:
        stock = self.on.stock
        assert isinstance(stock, StockItems)

        def hold(*, order_id: OrderId, allocations: Sequence[Allocation], expires_at: datetime) -> None:
            for each in allocations:
                stock.held[each.stock_item_id] += each.quantity
                stock.holds.append(
                    Hold(
                        order_id=order_id,
                        stock_item_id=each.stock_item_id,
                        quantity=each.quantity,
                        status=HoldStatus.SOFT,
                        expires_at=expires_at,
                    )
                )

        stock.hold = hold  # type: ignore[method-assign]
        return stock


class KeepsHoldsSoft(Desk):
    """Lets money move while the units can still be given to somebody else."""

    @cached_property
    def stock_items(self) -> StockItems:
        stock = self.on.stock
        assert isinstance(stock, StockItems)

        def leave_soft(order_id: OrderId, *, at: datetime) -> None:
            """Do nothing."""

        stock.harden_holds_of = leave_soft  # type: ignore[method-assign]
        return stock


class ForgetsToReturnMoney(Desk):
    """Does not listen when an order is cancelled after it was paid."""

    @cached_property
    def reactions(self) -> tuple[Reaction, ...]:
        return tuple(each for each in super().reactions if not each.name.startswith("payments."))


class ForgetsToReleaseStock(Desk):
    """Keeps the units of cancelled orders."""

    @cached_property
    def reactions(self) -> tuple[Reaction, ...]:
        return tuple(each for each in super().reactions if not each.name.startswith("inventory."))


class HastyCheckout(Checkout):
    """Takes an order as good once it is paid, whatever else happened."""

    def confirm_order(self, run: SagaRun) -> None:
        order = self.orders.get(OrderIdOfOrdering(run.subject_id), of_customer=ANYONE)
        order.status = OrderStatus.PENDING
        payment = self.payments.of(OrderIdOfOrdering(order.id)) or OrderPayment.awaited(order.currency)
        order.confirm(payment=payment, at=self.now())
        self.orders.save(order)


class ConfirmsCancelledOrders(Desk):
    """Does not look whether the order was cancelled meanwhile."""

    @cached_property
    def checkout(self) -> Checkout:
        return HastyCheckout(orders=self.orders, stock=self.stock, payments=self.payments, now=self.on.now)


@dataclass(frozen=True, slots=True)
class ForgetfulGateway:
    """Asks the provider under a new key each time."""

    gateway: PaymentGateway

    def authorize(self, *, key: str, amount: Money, token: str, reference: str) -> Outcome:
        return self.gateway.authorize(key=f"{key}:{uuid4()}", amount=amount, token=token, reference=reference)

    def find(self, *, key: str) -> Outcome | None:
        return self.gateway.find(key=key)

    def void(self, *, key: str, reference: str) -> None:
        self.gateway.void(key=key, reference=reference)


class UsesANewKeyPerAttempt(Desk):
    """Asks the provider under a new key each time."""

    @cached_property
    def gateways(self) -> OneGateway:
        return OneGateway(ForgetfulGateway(self.on.gateway))


@dataclass(frozen=True, slots=True)
class ImpatientGateway:
    """Takes silence for a refusal."""

    gateway: PaymentGateway

    def authorize(self, *, key: str, amount: Money, token: str, reference: str) -> Outcome:
        try:
            return self.gateway.authorize(key=key, amount=amount, token=token, reference=reference)
        except OutcomeUnknown:
            return Outcome(status=OutcomeStatus.DECLINED, reference="", failure_code="timeout")

    def find(self, *, key: str) -> Outcome | None:
        return self.gateway.find(key=key)

    def void(self, *, key: str, reference: str) -> None:
        self.gateway.void(key=key, reference=reference)


class TakesUnknownForFailed(Desk):
    """Takes silence for a refusal."""

    @cached_property
    def gateways(self) -> OneGateway:
        return OneGateway(ImpatientGateway(self.on.gateway))


class VoidsOnlyWhatItKnows(VoidPayment):
    """Takes a payment whose outcome is open for one that has nothing to give back."""

    def __call__(self, *, order_id: OrderIdOfPayments, key: str) -> Literal["settled", "pending"]:
        payment = self._give_up(order_id)
        if payment is not None and payment.is_settled:
            return VoidPayment.__call__(self, order_id=order_id, key=key)
        return "settled"


class VoidsTooEarly(Desk):
    """Takes a payment whose outcome is open for one that has nothing to give back."""

    @cached_property
    def void_payment(self) -> VoidPayment:
        right = super().void_payment
        return VoidsOnlyWhatItKnows(
            payments=right.payments, gateways=right.gateways, unit_of_work=right.unit_of_work, now=right.now
        )


class AsksInsideTheTransaction(Desk):
    """Calls the provider while rows are locked."""

    @cached_property
    def payments(self) -> PaymentsOfOrders:
        right = super().payments
        unit_of_work = self.on.unit_of_work

        class Locked(Authorization):
            def ask(self) -> AuthorizationReply:
                with unit_of_work():
                    return Authorization.ask(self)

        class AsksLocked(AuthorizePayment):
            def __call__(self, **values: Any) -> Authorization:
                right = AuthorizePayment.__call__(self, **values)
                return Locked(**{name: getattr(right, name) for name in Authorization.__slots__})

        authorize = self.authorize_payment
        return replace(right, authorize_payment=AsksLocked(*(getattr(authorize, name) for name in authorize.__slots__)))


class MarksBeforeTheEffect(InMemoryShop):
    """Marks a delivery in one transaction and has its effect in another."""

    def deliver(self, delivery_id: int) -> None:
        delivery = self.outbox.deliveries[delivery_id]
        if delivery.status == "pending":
            with self.memory.atomic():
                self.outbox.deliveries[delivery_id] = replace(delivery, status="done")
            self.memory.with_retry(lambda: self.outbox.handle(delivery))


class MarksAfterTheEffect(InMemoryShop):
    """Has the effect of a delivery in one transaction and marks it in another."""

    def deliver(self, delivery_id: int) -> None:
        delivery = self.outbox.deliveries[delivery_id]
        if delivery.status == "pending":
            self.memory.with_retry(lambda: self.outbox.handle(delivery))
            with self.memory.atomic():
                self.outbox.deliveries[delivery_id] = replace(delivery, status="done")


class StoresTheKeyTooLate(InMemoryShop):
    """Commits the effect of a request in one transaction and its idempotency key in another."""

    def handle(self, request: Request) -> Answer | None:
        if request.key in self.keys.answers:
            return self.keys.answers[request.key]
        try:
            answer = Answer(is_accepted=True, said=self.memory.with_retry(lambda: carry_out(self.desk, request)))
        except DomainError as refusal:
            answer = Answer(is_accepted=False, said=refusal.code)
        with self.memory.atomic():
            self.keys.answers[request.key] = answer
        return answer


@dataclass(frozen=True, slots=True)
class Fault:
    """A planted mistake, the laws that may tell of it, and a seed whose games find it soon; others need longer."""

    of: type[Desk] | type[InMemoryShop]
    is_told_by: str
    seed: int = 2

    @property
    def name(self) -> str:
        """Return the mistake as words."""
        return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in self.of.__name__).strip()


KEPT_MONEY = "money is kept without an order"

FAULTS = (
    Fault(ReleasesTwice, "oversold|held is not the sum of the open holds"),
    Fault(HoldsWithoutCondition, "oversold", seed=8),
    Fault(KeepsHoldsSoft, "holds"),
    Fault(ForgetsToReturnMoney, KEPT_MONEY),
    Fault(ForgetsToReleaseStock, "still holds"),
    Fault(ConfirmsCancelledOrders, "was cancelled and lives|its history is"),
    Fault(UsesANewKeyPerAttempt, f"charged twice|{KEPT_MONEY}"),
    Fault(TakesUnknownForFailed, KEPT_MONEY),
    Fault(VoidsTooEarly, KEPT_MONEY, seed=6),
    Fault(AsksInsideTheTransaction, "called inside a transaction"),
    Fault(MarksBeforeTheEffect, "was lost|still holds|money is kept"),
    Fault(MarksAfterTheEffect, "was applied [0-9]+ times"),
    Fault(StoresTheKeyTooLate, "one intent became two orders|made twice|was answered .* before"),
)


def with_fault(fault: Fault) -> InMemoryShop:
    """Open a shop that has the fault."""
    return InMemoryShop(fault.of) if issubclass(fault.of, Desk) else fault.of()

"""What can be done about the money: the intent is committed first, then the provider is asked, then the answer is."""

from dataclasses import dataclass, field
from typing import Literal

from contexts.payments.domain import (
    OperationKind,
    OrderId,
    Outcome,
    Payment,
    PaymentDeclined,
    PaymentGivenUp,
    PaymentId,
    PaymentStatus,
)
from contexts.payments.ports import PaymentGateways, Payments
from shared.domain.errors import OutcomeUnknown
from shared.domain.money import Money
from shared.domain.ports import AuditTrail, Clock, NewId, StartSaga, UnitOfWork


@dataclass(frozen=True, slots=True)
class AuthorizePayment:
    """Have the provider reserve what an order costs, once, however often this is called.

    The intent is stored in the caller's unit of work; what is returned asks the provider and then notes the answer.
    """

    payments: Payments
    gateways: PaymentGateways
    begin_voiding: StartSaga
    unit_of_work: UnitOfWork
    new_id: NewId
    now: Clock

    def __call__(self, *, order_id: OrderId, amount: Money, method: str, token: str, key: str) -> "Authorization":
        with self.unit_of_work():
            payment = self.payments.for_order(order_id) or Payment.open(
                id=PaymentId(self.new_id()), order_id=order_id, method=method, amount=amount, at=self.now()
            )
            was_asked = payment.has_unanswered_authorization
            if not payment.is_settled:
                payment.attempt_authorization(key=key, at=self.now())
                self.payments.save(payment)
        return Authorization(use_case=self, payment=payment, token=token, was_asked=was_asked)

    def again(self, payment: Payment) -> Payment:
        """Return the payment as it stands now, locked for this unit of work."""
        return self.payments.for_order(payment.order_id) or payment


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """A request to the provider whose intent is stored."""

    use_case: AuthorizePayment = field(repr=False)
    payment: Payment
    token: str = field(repr=False)
    was_asked: bool

    def ask(self) -> "AuthorizationReply":
        """Have the provider reserve the amount, or find out whether it has; call this outside any unit of work."""
        outcome = None if self.payment.is_settled else self._outcome()
        return AuthorizationReply(use_case=self.use_case, payment=self.payment, outcome=outcome)

    def _outcome(self) -> Outcome:
        key, payment, now = self.payment.key_of(OperationKind.AUTHORIZE), self.payment, self.use_case.now
        gateway = self.use_case.gateways.serving(payment.method)
        try:
            found = gateway.find(key=key) if self.was_asked else None
            if found is not None:
                return found
            payment.must_be_fresh(at=now())
            return gateway.authorize(key=key, amount=payment.amount, token=self.token, reference=str(payment.order_id))
        except OutcomeUnknown:
            with self.use_case.unit_of_work():
                payment = self.use_case.again(payment)
                payment.lose_sight(at=now())
                self.use_case.payments.save(payment)
            raise


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationReply:
    """What the provider said; None where the payment was settled before."""

    use_case: AuthorizePayment = field(repr=False)
    payment: Payment
    outcome: Outcome | None

    def note(self) -> Literal["authorized", "pending"] | PaymentDeclined | PaymentGivenUp:
        """Keep the answer, in the caller's unit of work, and tell whether there will be money; else why not."""
        use_case = self.use_case
        with use_case.unit_of_work():
            payment = use_case.again(self.payment)
            if self.outcome is not None:
                payment.settle_authorization(self.outcome, at=use_case.now())
                use_case.payments.save(payment)
                if payment.holds_unwanted_money:
                    use_case.begin_voiding(subject_id=payment.id, data={"order_id": str(payment.order_id)})
        try:
            payment.must_be_authorized()
        except (PaymentDeclined, PaymentGivenUp) as refusal:
            return refusal
        return "authorized" if payment.status is PaymentStatus.AUTHORIZED else "pending"


@dataclass(frozen=True, slots=True)
class VoidPayment:
    """Have the provider give up what it reserved for an order, or make sure that it never reserves it."""

    payments: Payments
    gateways: PaymentGateways
    unit_of_work: UnitOfWork
    now: Clock

    def __call__(self, *, order_id: OrderId, key: str) -> Literal["settled", "pending"]:
        payment = self._give_up(order_id)
        if payment is None:
            return "settled"
        if not payment.is_settled:
            payment = self._learn_outcome(payment)
        if not payment.is_settled:
            return "pending"
        if payment.status is PaymentStatus.AUTHORIZED:
            self._void(payment, key=key)
        return "settled"

    def _give_up(self, order_id: OrderId) -> Payment | None:
        with self.unit_of_work():
            payment = self.payments.for_order(order_id)
            if payment is not None and not payment.is_given_up:
                payment.give_up()
                self.payments.save(payment)
        return payment

    def _learn_outcome(self, payment: Payment) -> Payment:
        outcome = None
        if payment.has_unanswered_authorization:
            key = payment.key_of(OperationKind.AUTHORIZE)
            outcome = self.gateways.serving(payment.method).find(key=key)
        with self.unit_of_work():
            payment = self.payments.for_order(payment.order_id) or payment
            if outcome is not None:
                payment.settle_authorization(outcome, at=self.now())
            elif not payment.is_settled:
                payment.never_arrived(at=self.now())
            self.payments.save(payment)
        return payment

    def _void(self, payment: Payment, *, key: str) -> None:
        with self.unit_of_work():
            payment = self.payments.for_order(payment.order_id) or payment
            payment.attempt_void(key=key, at=self.now())
            self.payments.save(payment)
        gateway = self.gateways.serving(payment.method)
        gateway.void(key=payment.key_of(OperationKind.VOID), reference=payment.reference)
        with self.unit_of_work():
            payment = self.payments.for_order(payment.order_id) or payment
            payment.settle_void(at=self.now())
            self.payments.save(payment)


@dataclass(frozen=True, slots=True)
class RefusePayment:
    """Have an order never be paid: give up its payment, begun or not, so that no late worker can begin it."""

    payments: Payments
    void_payment: VoidPayment
    unit_of_work: UnitOfWork
    new_id: NewId
    now: Clock

    def __call__(self, *, order_id: OrderId, amount: Money, method: str, key: str) -> Literal["settled", "pending"]:
        with self.unit_of_work():
            if self.payments.for_order(order_id) is None:
                payment = Payment.open(
                    id=PaymentId(self.new_id()), order_id=order_id, method=method, amount=amount, at=self.now()
                )
                payment.give_up()
                self.payments.save(payment)
        return self.void_payment(order_id=order_id, key=key)


@dataclass(frozen=True, slots=True)
class ReturnMoney:
    """See to it that a cancelled order keeps no money, however long the provider takes."""

    payments: Payments
    begin_voiding: StartSaga
    unit_of_work: UnitOfWork

    def __call__(self, *, order_id: OrderId) -> None:
        with self.unit_of_work():
            payment = self.payments.for_order(order_id)
            if payment is None or payment.status in (PaymentStatus.FAILED, PaymentStatus.VOIDED):
                return
            self.begin_voiding(subject_id=order_id, data={"order_id": str(order_id)})


@dataclass(frozen=True, slots=True)
class ResolvePayment:
    """Ask the provider now what came of an authorisation, and take note of its answer; nothing else settles it.

    A request of which the provider never heard is left to whoever sends it: the checkout does so again, unless the
    payment is given up, and then it is taken to be lost once it cannot be under way any more.
    """

    payments: Payments
    gateways: PaymentGateways
    begin_voiding: StartSaga
    record_change: AuditTrail
    unit_of_work: UnitOfWork
    now: Clock

    def __call__(self, *, payment_id: PaymentId, reason: str) -> Payment:
        with self.unit_of_work():
            payment = self.payments.get(payment_id)
        if payment.is_settled or not payment.has_unanswered_authorization:
            return payment
        gateway = self.gateways.serving(payment.method)
        outcome = gateway.find(key=payment.key_of(OperationKind.AUTHORIZE))
        with self.unit_of_work():
            payment = self.payments.get(payment_id)
            before = payment.status
            self._take_note(payment, outcome)
            self.payments.save(payment)
            if payment.holds_unwanted_money:
                self.begin_voiding(subject_id=payment.id, data={"order_id": str(payment.order_id)})
            self.record_change(
                action="payments.resolve_payment",
                subject_kind="payment",
                subject_id=str(payment.id),
                before={"status": before.value},
                after={"status": payment.status.value, "answer": outcome.status.value if outcome else "not_found"},
                reason=reason,
            )
        return payment

    def _take_note(self, payment: Payment, outcome: Outcome | None) -> None:
        if outcome is not None:
            payment.settle_authorization(outcome, at=self.now())
        elif payment.is_given_up and not payment.is_settled:
            payment.never_arrived(at=self.now())

"""Payments' ports in memory."""

from collections import deque
from collections.abc import Callable
from enum import StrEnum

from contexts.payments.domain import (
    OrderId,
    Outcome,
    OutcomeStatus,
    Payment,
    PaymentId,
    PaymentNotFound,
    UnknownPaymentMethod,
)
from contexts.payments.ports import PaymentGateway
from shared.domain.errors import ExternalAPIError, OutcomeUnknown
from shared.domain.model import Event
from shared.domain.money import Money
from tests.shared.fakes import ObservedUnitOfWork, Shelf


class InMemoryPayments:
    """The port Payments, in a dictionary."""

    def __init__(self, *payments: Payment) -> None:
        self._payments: Shelf[Payment] = Shelf()
        for payment in payments:
            self.save(payment)

    @property
    def events(self) -> list[Event]:
        """Return what was published, oldest first."""
        return self._payments.events

    def __len__(self) -> int:
        return len(self._payments)

    def get(self, payment_id: PaymentId) -> Payment:
        """Return the payment, or raise PaymentNotFound."""
        payment = self._payments.find(payment_id)
        if payment is None:
            raise PaymentNotFound(payment_id=payment_id)
        return payment

    def for_order(self, order_id: OrderId) -> Payment | None:
        """Return the order's payment."""
        return next((payment for payment in self._payments if payment.order_id == order_id), None)

    def save(self, payment: Payment) -> None:
        """Store a new or changed payment with its operations and events."""
        self._payments.keep(payment)


class Behaviour(StrEnum):
    """What a provider may do with a request."""

    APPROVE = "approve"
    DECLINE = "decline"
    ASK_CUSTOMER = "ask customer"
    LOSE_REQUEST = "lose request"  # it never arrives, and the caller cannot tell
    LOSE_ANSWER = "lose answer"  # it is carried out, and the caller cannot tell
    UNREACHABLE = "unreachable"  # it never arrives, and the caller knows


class ScriptedGateway:
    """The port PaymentGateway: a provider with a memory that follows its script, and approves at the end of it."""

    def __init__(self, *script: Behaviour, unit_of_work: ObservedUnitOfWork | None = None) -> None:
        self.script = deque(script)
        self.calls: list[tuple[str, str]] = []
        self.operations: dict[str, Outcome] = {}
        self.reserved: dict[str, Money] = {}
        self.references: dict[str, str] = {}
        self.when_called: Callable[[], None] = lambda: None
        self._unit_of_work = unit_of_work

    def authorize(self, *, key: str, amount: Money, token: str, reference: str) -> Outcome:
        """Reserve the amount, once per key, as far as the script allows."""
        behaviour = self._called("authorize", key)
        if behaviour is Behaviour.LOSE_REQUEST:
            raise OutcomeUnknown(provider="scripted")
        self.references[key] = reference
        outcome = self.operations.setdefault(key, self._decide(key, behaviour))
        if outcome.status is OutcomeStatus.AUTHORIZED:
            self.reserved[outcome.reference] = amount
        if behaviour is Behaviour.LOSE_ANSWER:
            raise OutcomeUnknown(provider="scripted")
        return outcome

    def find(self, *, key: str) -> Outcome | None:
        """Return what came of the authorisation that was sent under the key; None when it never arrived."""
        self._called("find", key)
        return self.operations.get(key)

    def void(self, *, key: str, reference: str) -> None:
        """Give the reservation up, once per key, as far as the script allows."""
        behaviour = self._called("void", key)
        if behaviour is Behaviour.LOSE_REQUEST:
            raise OutcomeUnknown(provider="scripted")
        self.reserved.pop(reference, None)
        if behaviour is Behaviour.LOSE_ANSWER:
            raise OutcomeUnknown(provider="scripted")

    def decide(self, key: str, outcome: Outcome) -> None:
        """Have the customer answer what the provider asked."""
        self.operations[key] = outcome

    def _called(self, name: str, key: str) -> Behaviour:
        assert self._unit_of_work is None or not self._unit_of_work.is_open, f"{name} inside a unit of work"
        self.calls.append((name, key))
        self.when_called()
        behaviour = Behaviour.APPROVE if name == "find" or not self.script else self.script.popleft()
        if behaviour is Behaviour.UNREACHABLE:
            raise ExternalAPIError(provider="scripted")
        return behaviour

    def _decide(self, key: str, behaviour: Behaviour) -> Outcome:
        reference = f"auth_{len(self.operations) + 1}"
        if behaviour is Behaviour.DECLINE:
            return Outcome(status=OutcomeStatus.DECLINED, reference=reference, failure_code="card_declined")
        if behaviour is Behaviour.ASK_CUSTOMER:
            return Outcome(status=OutcomeStatus.PENDING, reference=reference)
        return Outcome(status=OutcomeStatus.AUTHORIZED, reference=reference)


class OneGateway:
    """The port PaymentGateways, with one provider for one method."""

    def __init__(self, gateway: PaymentGateway, *, method: str = "simulator") -> None:
        self._gateway = gateway
        self._method = method

    def accepts(self, method: str) -> bool:
        """Tell whether the provider serves the method."""
        return method == self._method

    def serving(self, method: str) -> PaymentGateway:
        """Return the provider, or raise UnknownPaymentMethod."""
        if not self.accepts(method):
            raise UnknownPaymentMethod(method=method)
        return self._gateway

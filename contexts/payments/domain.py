"""The money side of an order: what was asked of the provider, and what is known of the outcome."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType, Self
from uuid import UUID

from contexts.payments import events
from shared.domain.errors import ConflictError, EntityNotFoundError, ExternalAPIError, InvalidInputError
from shared.domain.model import Aggregate
from shared.domain.money import Money

PaymentId = NewType("PaymentId", UUID)
OrderId = NewType("OrderId", UUID)

#: Longer than a request to a provider can be under way, its time-out included.
REQUEST_LIFETIME = timedelta(seconds=60)
#: A request that has not left by then is not sent any more: it might arrive after it was taken to be lost.
LEAVES_WITHIN = timedelta(seconds=20)
NEVER_ARRIVED = "never_arrived"


class PaymentNotFound(EntityNotFoundError):
    """There is no such payment."""


class PaymentDeclined(ConflictError):
    """The payment was declined; ask the customer for another means of payment."""


class PaymentGivenUp(ConflictError):
    """The payment is not wanted any more; its order was cancelled."""


class RequestOutdated(ExternalAPIError):
    """The request to the payment provider waited too long to be sent; it is attempted again."""


class UnknownPaymentMethod(InvalidInputError):
    """This payment method is not accepted here."""


class PaymentStatus(StrEnum):
    """What is known of the money."""

    PENDING = "pending"
    UNKNOWN = "unknown"
    AUTHORIZED = "authorized"
    FAILED = "failed"
    VOIDED = "voided"


class OperationKind(StrEnum):
    """What the provider is asked to do."""

    AUTHORIZE = "authorize"
    VOID = "void"


class OperationStatus(StrEnum):
    """What is known of one request to the provider."""

    INTENDED = "intended"
    UNKNOWN = "unknown"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class OutcomeStatus(StrEnum):
    """What a provider says became of an authorisation."""

    AUTHORIZED = "authorized"
    DECLINED = "declined"
    PENDING = "pending"
    VOIDED = "voided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A provider's answer."""

    status: OutcomeStatus
    reference: str
    failure_code: str | None = None


@dataclass(slots=True, kw_only=True)
class Operation:
    """One request to the provider; its key is committed before the request is sent."""

    kind: OperationKind
    key: str
    status: OperationStatus = OperationStatus.INTENDED
    attempted_at: datetime
    failure_code: str | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class Payment(Aggregate):
    """What one order is to cost, with one provider."""

    order_id: OrderId
    method: str
    amount: Money
    status: PaymentStatus = PaymentStatus.PENDING
    reference: str = ""
    failure_code: str | None = None
    is_given_up: bool = False
    created_at: datetime
    operations: dict[OperationKind, Operation] = field(default_factory=dict)

    @classmethod
    def open(
        cls,
        *,
        id: PaymentId,  # noqa: A002 - the field's own name
        order_id: OrderId,
        method: str,
        amount: Money,
        at: datetime,
    ) -> Self:
        """Begin the payment of an order."""
        return cls(id=id, order_id=order_id, method=method, amount=amount, created_at=at)

    @property
    def is_settled(self) -> bool:
        """Tell whether nothing more is to be learned of the authorisation."""
        return self.status not in (PaymentStatus.PENDING, PaymentStatus.UNKNOWN)

    @property
    def has_unanswered_authorization(self) -> bool:
        """Tell whether the provider was, or may have been, asked before without an answer that stands."""
        operation = self.operations.get(OperationKind.AUTHORIZE)
        return operation is not None and not self.is_settled

    def key_of(self, kind: OperationKind) -> str:
        """Return the key under which the provider is asked for this, however often: that of the first attempt."""
        return self.operations[kind].key

    @property
    def holds_unwanted_money(self) -> bool:
        """Tell whether the provider reserved an amount that has to be given back."""
        return self.is_given_up and self.status is PaymentStatus.AUTHORIZED

    @property
    def _was_taken_to_be_lost(self) -> bool:
        return self.status is PaymentStatus.FAILED and self.failure_code == NEVER_ARRIVED

    def attempt_authorization(self, *, key: str, at: datetime) -> None:
        """Note that the provider is about to be asked; the key of the first attempt stays."""
        if self.is_given_up:
            raise PaymentGivenUp(order_id=self.order_id)
        operation = self.operations.setdefault(
            OperationKind.AUTHORIZE, Operation(kind=OperationKind.AUTHORIZE, key=key, attempted_at=at)
        )
        operation.attempted_at = at

    def must_be_fresh(self, *, at: datetime) -> None:
        """Refuse to send a request that may be taken to be lost before it arrives."""
        if at - self.operations[OperationKind.AUTHORIZE].attempted_at >= LEAVES_WITHIN:
            raise RequestOutdated(order_id=self.order_id)

    def settle_authorization(self, outcome: Outcome, *, at: datetime) -> None:
        """Take note of the provider's answer; an answer that is known already changes nothing.

        An approval counts even after the request was taken to be lost: then there is money to give back.
        """
        self.reference = outcome.reference or self.reference
        is_news = not self.is_settled or self._was_taken_to_be_lost
        if outcome.status is OutcomeStatus.PENDING or not is_news:
            return
        operation = self.operations[OperationKind.AUTHORIZE]
        if outcome.status is OutcomeStatus.AUTHORIZED:
            operation.status = OperationStatus.SUCCEEDED
            operation.failure_code = self.failure_code = None
            self.status = PaymentStatus.AUTHORIZED
            self.record(
                events.PaymentAuthorized(
                    payment_id=self.id,
                    order_id=self.order_id,
                    amount_minor=self.amount.minor,
                    currency=self.amount.currency,
                    occurred_at=at,
                )
            )
            return
        if not self.is_settled:
            self._fail(outcome.failure_code or outcome.status.value, at=at)

    def lose_sight(self, *, at: datetime) -> None:
        """Note that the provider did not answer: the money may be reserved, or not."""
        if self.is_settled or self.status is PaymentStatus.UNKNOWN:
            return
        self.status = PaymentStatus.UNKNOWN
        self.operations[OperationKind.AUTHORIZE].status = OperationStatus.UNKNOWN
        self.record(events.PaymentBecameUnknown(payment_id=self.id, order_id=self.order_id, occurred_at=at))

    def must_be_authorized(self) -> None:
        """Refuse when the provider declined, or when the payment is not wanted any more."""
        if self.is_given_up:
            raise PaymentGivenUp(order_id=self.order_id)
        if self.status is PaymentStatus.FAILED:
            raise PaymentDeclined(failure_code=self.failure_code)

    def give_up(self) -> None:
        """Want no more authorisation; one that the provider grants all the same has to be voided."""
        self.is_given_up = True

    def never_arrived(self, *, at: datetime) -> bool:
        """Take it that the provider never heard of the authorisation, once no request can be under way."""
        operation = self.operations.get(OperationKind.AUTHORIZE)
        if operation is not None and at - operation.attempted_at < REQUEST_LIFETIME:
            return False
        self._fail(NEVER_ARRIVED, at=at)
        return True

    def attempt_void(self, *, key: str, at: datetime) -> None:
        """Note that the provider is about to be asked to give the reservation up."""
        self.operations.setdefault(OperationKind.VOID, Operation(kind=OperationKind.VOID, key=key, attempted_at=at))

    def settle_void(self, *, at: datetime) -> None:
        """Take note that the reservation is given up."""
        if self.status is PaymentStatus.VOIDED:
            return
        self.status = PaymentStatus.VOIDED
        self.operations[OperationKind.VOID].status = OperationStatus.SUCCEEDED
        self.record(events.PaymentVoided(payment_id=self.id, order_id=self.order_id, occurred_at=at))

    def _fail(self, failure_code: str, *, at: datetime) -> None:
        self.status = PaymentStatus.FAILED
        self.failure_code = failure_code
        operation = self.operations.get(OperationKind.AUTHORIZE)
        if operation is not None:
            operation.status = OperationStatus.FAILED
            operation.failure_code = failure_code
        self.record(
            events.PaymentDeclined(
                payment_id=self.id, order_id=self.order_id, failure_code=failure_code, occurred_at=at
            )
        )

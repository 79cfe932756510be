"""What payments tells the rest of the house."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from shared.domain.model import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentAuthorized(Event):
    """The provider reserved the amount."""

    topic: ClassVar[str] = "payments.payment_authorized.v1"

    payment_id: UUID
    order_id: UUID
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentDeclined(Event):
    """The provider refused to reserve the amount."""

    topic: ClassVar[str] = "payments.payment_declined.v1"

    payment_id: UUID
    order_id: UUID
    failure_code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentBecameUnknown(Event):
    """The provider was asked to reserve the amount and did not answer; it will be asked what came of it."""

    topic: ClassVar[str] = "payments.payment_became_unknown.v1"

    payment_id: UUID
    order_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentVoided(Event):
    """The provider gave the reservation up; no money moved."""

    topic: ClassVar[str] = "payments.payment_voided.v1"

    payment_id: UUID
    order_id: UUID

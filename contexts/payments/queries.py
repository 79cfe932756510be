"""Reads of payments: rows to frozen values, no domain objects."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from contexts.payments.domain import PaymentStatus
from contexts.payments.models import PaymentRow
from shared.domain.money import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentView:
    """A payment as other contexts see it."""

    id: UUID
    status: str
    amount: Money
    failure_code: str | None

    @property
    def was_authorized(self) -> bool:
        """Tell whether the provider reserved the amount at some time."""
        return self.status in {"authorized", "voided"}


def payment_of(*, order_id: UUID) -> PaymentView | None:
    """Return the order's payment, if there is one."""
    found = (
        PaymentRow.objects.filter(order_id=order_id)
        .values_list("id", "status", "amount_minor", "currency", "failure_code")
        .first()
    )
    if found is None:
        return None
    id_, status, amount_minor, currency, failure_code = found
    return PaymentView(id=id_, status=status, amount=Money(amount_minor, currency), failure_code=failure_code)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownPayment:
    """A payment of which the provider has not said whether it took the money."""

    id: UUID
    order_id: UUID
    amount: Money
    since: datetime


def count_unknown_payments() -> int:
    """Return how many payments nobody knows the outcome of; an index has just the unsettled ones."""
    return PaymentRow.objects.filter(status=PaymentStatus.UNKNOWN.value).count()


def oldest_unknown_payments(*, limit: int) -> Sequence[UnknownPayment]:
    """Return the payments that have been unknown for longest."""
    rows = PaymentRow.objects.filter(status=PaymentStatus.UNKNOWN.value).order_by("created_at")[:limit]
    return [
        UnknownPayment(
            id=row.id, order_id=row.order_id, amount=Money(row.amount_minor, row.currency), since=row.created_at
        )
        for row in rows
    ]

"""Reads of payments: rows to frozen values, no domain objects."""

from dataclasses import dataclass
from uuid import UUID

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

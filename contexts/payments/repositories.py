"""Payments in PostgreSQL."""

from django.db.models import F

from contexts.payments.domain import (
    Operation,
    OperationKind,
    OperationStatus,
    OrderId,
    Payment,
    PaymentId,
    PaymentNotFound,
    PaymentStatus,
)
from contexts.payments.models import OperationRow, PaymentRow
from shared.domain.errors import LostRace
from shared.domain.money import Money
from shared.outbox.messages import publish_events_of


class DjangoPayments:
    """The port Payments over Django's ORM."""

    def get(self, payment_id: PaymentId) -> Payment:
        """Return the payment, locked for this unit of work, or raise PaymentNotFound."""
        row = PaymentRow.objects.select_for_update().filter(id=payment_id).first()
        if row is None:
            raise PaymentNotFound(payment_id=payment_id)
        return _to_payment(row)

    def for_order(self, order_id: OrderId) -> Payment | None:
        """Return the order's payment, locked for this unit of work."""
        row = PaymentRow.objects.select_for_update().filter(order_id=order_id).first()
        return _to_payment(row) if row is not None else None

    def save(self, payment: Payment) -> None:
        """Store a new or changed payment with its operations and events."""
        changing = {
            "status": payment.status.value,
            "reference": payment.reference,
            "failure_code": payment.failure_code,
            "is_given_up": payment.is_given_up,
            "sequence": payment.sequence,
        }
        if payment.version == 0:
            PaymentRow.objects.bulk_create(
                [
                    PaymentRow(
                        id=payment.id,
                        order_id=payment.order_id,
                        method=payment.method,
                        currency=payment.amount.currency,
                        amount_minor=payment.amount.minor,
                        created_at=payment.created_at,
                        version=1,
                        **changing,
                    )
                ]
            )
        elif not PaymentRow.objects.filter(id=payment.id, version=payment.version).update(
            version=F("version") + 1, **changing
        ):
            raise LostRace
        payment.version += 1
        self._save_operations(payment)
        publish_events_of(payment)

    def _save_operations(self, payment: Payment) -> None:
        OperationRow.objects.bulk_create(
            [
                OperationRow(
                    payment_id=payment.id,
                    kind=operation.kind.value,
                    key=operation.key,
                    status=operation.status.value,
                    attempted_at=operation.attempted_at,
                    failure_code=operation.failure_code,
                )
                for operation in payment.operations.values()
            ],
            update_conflicts=True,
            unique_fields=["payment", "kind"],
            update_fields=["status", "attempted_at", "failure_code"],
        )


def _to_payment(row: PaymentRow) -> Payment:
    return Payment(
        id=row.id,
        version=row.version,
        sequence=row.sequence,
        order_id=OrderId(row.order_id),
        method=row.method,
        amount=Money(row.amount_minor, row.currency),
        status=PaymentStatus(row.status),
        reference=row.reference,
        failure_code=row.failure_code,
        is_given_up=row.is_given_up,
        created_at=row.created_at,
        operations={
            OperationKind(each.kind): Operation(
                kind=OperationKind(each.kind),
                key=each.key,
                status=OperationStatus(each.status),
                attempted_at=each.attempted_at,
                failure_code=each.failure_code,
            )
            for each in row.operations.order_by("id")
        },
    )

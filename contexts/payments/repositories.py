"""Payments in PostgreSQL."""

from uuid import UUID

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
from shared.domain.money import Money
from shared.outbox.messages import publish_events_of
from shared.persistence.inserts import Insert
from shared.persistence.reads import CompiledRead
from shared.persistence.updates import VersionedUpdate

EXAMPLE = UUID(int=0)
BY_ID = CompiledRead(lambda payment_id: PaymentRow.objects.select_for_update().filter(id=payment_id), EXAMPLE)
BY_ORDER = CompiledRead(lambda order_id: PaymentRow.objects.select_for_update().filter(order_id=order_id), EXAMPLE)
OPERATIONS = CompiledRead(lambda payment_id: OperationRow.objects.filter(payment_id=payment_id).order_by("id"), EXAMPLE)

WHAT_CHANGES = ("status", "reference", "failure_code", "is_given_up", "sequence")
INSERT_PAYMENT = Insert.into(
    PaymentRow, "id", "order_id", "method", "currency", "amount_minor", "created_at", "version", *WHAT_CHANGES
)
UPDATE_PAYMENT = VersionedUpdate.of(PaymentRow, *WHAT_CHANGES)
UPSERT_OPERATIONS = Insert.into(
    OperationRow,
    *("payment", "kind", "key", "status", "attempted_at", "failure_code"),
    conflict="(payment_id, kind) DO UPDATE SET status = EXCLUDED.status, attempted_at = EXCLUDED.attempted_at,"
    " failure_code = EXCLUDED.failure_code",
)


class DjangoPayments:
    """The port Payments over Django's ORM."""

    def get(self, payment_id: PaymentId) -> Payment:
        """Return the payment, locked for this unit of work, or raise PaymentNotFound."""
        row = BY_ID.first(payment_id)
        if row is None:
            raise PaymentNotFound(payment_id=payment_id)
        return _to_payment(row)

    def for_order(self, order_id: OrderId) -> Payment | None:
        """Return the order's payment, locked for this unit of work."""
        row = BY_ORDER.first(order_id)
        return _to_payment(row) if row is not None else None

    def save(self, payment: Payment) -> None:
        """Store a new or changed payment with its operations and events."""
        changing = (
            payment.status.value,
            payment.reference,
            payment.failure_code,
            payment.is_given_up,
            payment.sequence,
        )
        if payment.version == 0:
            INSERT_PAYMENT.rows(
                [
                    (
                        payment.id,
                        payment.order_id,
                        payment.method,
                        payment.amount.currency,
                        payment.amount.minor,
                        payment.created_at,
                        1,
                        *changing,
                    )
                ]
            )
        else:
            UPDATE_PAYMENT.row(payment.id, version=payment.version, values=changing)
        payment.version += 1
        self._save_operations(payment)
        publish_events_of(payment)

    def _save_operations(self, payment: Payment) -> None:
        UPSERT_OPERATIONS.rows(
            [
                (
                    payment.id,
                    operation.kind.value,
                    operation.key,
                    operation.status.value,
                    operation.attempted_at,
                    operation.failure_code,
                )
                for operation in payment.operations.values()
            ]
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
            for each in OPERATIONS.all(row.id)
        },
    )

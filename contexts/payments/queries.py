"""Reads of payments: rows to frozen values, no domain objects."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from contexts.payments.domain import PaymentNotFound, PaymentStatus
from contexts.payments.models import PaymentRow
from shared.domain.money import Money
from shared.persistence.plans import planned_for_its_values
from shared.persistence.reads import CompiledRead

#: A payment that is open for longer should be looked at: checkouts settle theirs within seconds.
OVERDUE_AFTER = timedelta(minutes=5)
OF_ORDER = CompiledRead(lambda order_id: PaymentRow.objects.filter(order_id=order_id), UUID(int=0))


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
    row = OF_ORDER.first(order_id)
    if row is None:
        return None
    return PaymentView(
        id=row.id, status=row.status, amount=Money(row.amount_minor, row.currency), failure_code=row.failure_code
    )


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


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationView:
    """A request to the provider as operators see it; it can be asked for by its key."""

    kind: str
    status: str
    key: str
    attempted_at: datetime
    failure_code: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentDetails:
    """A payment as operators see it, with what was asked of the provider, in that order."""

    id: UUID
    version: int
    order_id: UUID
    method: str
    amount: Money
    status: str
    reference: str
    failure_code: str | None
    is_given_up: bool
    created_at: datetime
    operations: Sequence[OperationView]


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentFilter:
    """Which payments are wanted; what is None does not matter. An overdue one has been open for OVERDUE_AFTER."""

    status: str | None = None
    order_id: UUID | None = None
    method: str | None = None
    created_from: datetime | None = None
    created_before: datetime | None = None
    is_overdue: bool | None = None


def payments(wanted: PaymentFilter, *, before: UUID | None, limit: int) -> Sequence[PaymentDetails]:
    """Return the payments that are wanted, the newest first: their ids are time-ordered. Indexes have the open ones."""
    given = {
        "status": wanted.status,
        "order_id": wanted.order_id,
        "method": wanted.method,
        "created_at__gte": wanted.created_from,
        "created_at__lt": wanted.created_before,
        "id__lt": before,
    }
    rows = PaymentRow.objects.filter(**{name: value for name, value in given.items() if value is not None})
    if wanted.is_overdue is not None:
        is_open = Q(status__in=(PaymentStatus.PENDING.value, PaymentStatus.UNKNOWN.value))
        is_overdue = is_open & Q(created_at__lt=Now() - OVERDUE_AFTER)
        rows = rows.filter(is_overdue if wanted.is_overdue else ~is_overdue)
    with planned_for_its_values():
        return [_details_of(row) for row in _with_operations(rows.order_by("-id"))[:limit]]


def payment(payment_id: UUID) -> PaymentDetails:
    """Return one payment, or raise PaymentNotFound."""
    row = _with_operations(PaymentRow.objects.filter(id=payment_id)).first()
    if row is None:
        raise PaymentNotFound(payment_id=payment_id)
    return _details_of(row)


def _with_operations(rows: QuerySet[PaymentRow]) -> QuerySet[PaymentRow]:
    return rows.prefetch_related("operations")


def _details_of(row: PaymentRow) -> PaymentDetails:
    return PaymentDetails(
        id=row.id,
        version=row.version,
        order_id=row.order_id,
        method=row.method,
        amount=Money(row.amount_minor, row.currency),
        status=row.status,
        reference=row.reference,
        failure_code=row.failure_code,
        is_given_up=row.is_given_up,
        created_at=row.created_at,
        operations=[
            OperationView(
                kind=each.kind,
                status=each.status,
                key=each.key,
                attempted_at=each.attempted_at,
                failure_code=each.failure_code,
            )
            for each in sorted(row.operations.all(), key=lambda each: each.pk)
        ],
    )

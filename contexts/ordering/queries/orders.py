"""Reads of orders: rows to frozen values, no domain objects."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from django.contrib.postgres.search import SearchQuery, SearchVectorExact
from django.db.models import BigIntegerField, Count, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from contexts.ordering.domain import (
    ANYONE,
    Anyone,
    CustomerId,
    Note,
    OrderId,
    OrderNotFound,
    OrderStatus,
    beginning_of_number,
)
from contexts.ordering.models import WORDS, NoteRow, OrderLineRow, OrderRow
from shared.domain.money import Money
from shared.outbox.messages import HistoryEntry, histories_of, history_of
from shared.persistence.plans import planned_for_its_values
from shared.persistence.reads import CompiledRead


@dataclass(frozen=True, slots=True, kw_only=True)
class LineView:
    """A line as clients see it."""

    id: UUID
    sku: str
    name: str
    quantity: int
    unit_price: Money
    discount: Money
    tax: Money
    total: Money
    shipped: int
    returned: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentView:
    """The payment of an order as clients see it."""

    id: UUID | None
    status: str
    authorized: Money
    captured: Money
    refunded: Money
    failure_code: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderView:
    """An order as clients see it."""

    id: UUID
    number: str
    version: int
    customer_id: UUID | None
    status: str
    payment_status: str
    fulfillment_status: str
    email: str
    currency: str
    lines: Sequence[LineView]
    shipping_address: Mapping[str, Any]
    billing_address: Mapping[str, Any]
    shipping_method: str
    subtotal: Money
    discount: Money
    shipping: Money
    tax: Money
    total: Money
    placed_at: datetime
    cancelled_at: datetime | None
    cancel_reason: str | None
    payment: PaymentView


def order_of(order_id: OrderId, *, of_customer: CustomerId | Anyone) -> OrderView:
    """Return the customer's order, or raise OrderNotFound."""
    row = _visible_to(of_customer).filter(id=order_id).first()
    if row is None:
        raise OrderNotFound(order_id=order_id)
    return _views_of([row])[0]


def orders_of(
    *, of_customer: CustomerId | Anyone, before: tuple[datetime, UUID] | None, limit: int
) -> Sequence[OrderView]:
    """Return the customer's orders, the newest first, in two statements however many there are."""
    if before is None and not isinstance(of_customer, Anyone):
        return _views_of(_newest_of_customer(limit).all(of_customer))
    return _views_of(list(_newest(_visible_to(of_customer), before=before)[:limit]))


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFilter:
    """Which orders are wanted; what is None does not matter. A total needs the currency that it is in."""

    status: str | None = None
    payment_status: str | None = None
    fulfillment_status: str | None = None
    placed_from: datetime | None = None
    placed_before: datetime | None = None
    customer_id: UUID | None = None
    email: str | None = None
    sku: str | None = None
    currency: str | None = None
    total_min: Money | None = None
    total_max: Money | None = None
    text: str | None = None


def matching_orders(wanted: OrderFilter, *, before: tuple[datetime, UUID] | None, limit: int) -> Sequence[OrderView]:
    """Return the orders that are wanted, the newest first.

    Which ones they are is found in the indexes alone where these hold all that is asked for, and then the rows are
    read; docs/decisions/0020-orders-are-found.md has what it takes among a million.
    """
    found = _newest(OrderRow.objects.filter(_condition(wanted)), before=before).values("id")[:limit]
    with planned_for_its_values():
        return _views_of(list(OrderRow.objects.filter(id__in=found).order_by("-placed_at", "-id")))


def story_of(order_id: OrderId, *, after: UUID | None, limit: int) -> Sequence[HistoryEntry]:
    """Return what happened to the order and to its payment, the oldest first, or raise OrderNotFound."""
    payment_id = _visible_to(ANYONE).filter(id=order_id).values_list("payment_id", flat=True)
    if not payment_id:
        raise OrderNotFound(order_id=order_id)
    return histories_of([order_id, *filter(None, payment_id)], after=after, limit=limit)


def notes_on(order_id: OrderId, *, before: UUID | None, limit: int) -> Sequence[Note]:
    """Return what operators wrote about the order, the newest first, or raise OrderNotFound."""
    rows = NoteRow.objects.filter(order_id=order_id)
    if before is not None:
        rows = rows.filter(id__lt=before)
    notes = [
        Note(id=row.id, text=row.text, author=row.author, written_at=row.written_at)
        for row in rows.order_by("-id")[:limit]
    ]
    if not notes and not OrderRow.objects.filter(id=order_id).exists():
        raise OrderNotFound(order_id=order_id)
    return notes


def require_visible(order_id: OrderId, *, of_customer: CustomerId | Anyone) -> None:
    """Raise OrderNotFound unless the order is the customer's."""
    if not _visible_to(of_customer).filter(id=order_id).exists():
        raise OrderNotFound(order_id=order_id)


def timeline_of(
    order_id: OrderId, *, of_customer: CustomerId | Anyone, after: int = 0, limit: int = 200
) -> Sequence[HistoryEntry]:
    """Return what happened to the customer's order, the oldest first, or raise OrderNotFound."""
    require_visible(order_id, of_customer=of_customer)
    return history_of(order_id, after=after, limit=limit)


def unsettled_orders() -> int:
    """Return how many orders wait for their payment."""
    return OrderRow.objects.filter(status="pending").count()


def cancelled_for(reason: str, *, among: Sequence[str]) -> int:
    """Return how many of the orders were cancelled for the reason."""
    return OrderRow.objects.filter(id__in=among, cancel_reason=reason).count()


def _visible_to(customer: CustomerId | Anyone) -> QuerySet[OrderRow]:
    if isinstance(customer, Anyone):
        return OrderRow.objects.all()
    return OrderRow.objects.filter(customer_id=customer)


def _newest(rows: QuerySet[OrderRow], *, before: tuple[datetime, UUID] | None) -> QuerySet[OrderRow]:
    if before is not None:
        placed_at, order_id = before
        rows = rows.filter(Q(placed_at__lt=placed_at) | Q(placed_at=placed_at, id__lt=order_id)).filter(
            placed_at__lte=placed_at
        )
    return rows.order_by("-placed_at", "-id")


def _condition(wanted: OrderFilter) -> Q:
    """Return what the rows have to fulfil."""
    given = {
        "status": wanted.status,
        "payment_status": wanted.payment_status,
        "fulfillment_status": wanted.fulfillment_status,
        "placed_at__gte": wanted.placed_from,
        "placed_at__lt": wanted.placed_before,
        "customer_id": wanted.customer_id,
        "email__iexact": wanted.email,
        "currency": wanted.currency,
        "total_minor__gte": wanted.total_min.minor if wanted.total_min else None,
        "total_minor__lte": wanted.total_max.minor if wanted.total_max else None,
    }
    condition = Q(**{name: value for name, value in given.items() if value is not None})
    if wanted.sku is not None:
        condition &= Q(id__in=OrderLineRow.objects.filter(sku=wanted.sku).values("order_id"))
    if wanted.text is not None:
        condition &= _worded(wanted.text)
    return condition


def _worded(text: str) -> Q:
    """Return orders whose number begins like the text, or that have a word which begins like each of its words."""
    words = re.findall(r"[^\W_]+", text.lower())
    if not words:
        return Q(pk__in=())
    query = SearchQuery(" & ".join(f"{word}:*" for word in words), config="simple", search_type="raw")
    condition = Q(SearchVectorExact(WORDS, query))
    number = beginning_of_number(text)
    return condition | Q(number__startswith=number) if number else condition


def _views_of(rows: Sequence[OrderRow]) -> list[OrderView]:
    if not rows:
        return []
    lines: dict[UUID, list[OrderLineRow]] = {row.id: [] for row in rows}
    for line in _lines_of(len(lines)).all(*lines):
        lines[line.order_id].append(line)
    return [_view_of(row, lines[row.id]) for row in rows]


@cache
def _lines_of(orders: int) -> CompiledRead[OrderLineRow]:
    """Return the read of the lines of so many orders; no page is so long that this grows large."""
    return CompiledRead(
        lambda *ids: OrderLineRow.objects.filter(order_id__in=ids).order_by("order_id", "place"),
        *(UUID(int=number) for number in range(orders)),
    )


@cache
def _newest_of_customer(limit: int) -> CompiledRead[OrderRow]:
    """Return the read of a customer's first page; a LIMIT is part of its text."""
    return CompiledRead(
        lambda customer_id: _newest(OrderRow.objects.filter(customer_id=customer_id), before=None)[:limit], UUID(int=0)
    )


def _view_of(row: OrderRow, lines: Sequence[OrderLineRow]) -> OrderView:
    def money(minor: int) -> Money:
        return Money(minor, row.currency)

    return OrderView(
        id=row.id,
        number=row.number,
        version=row.version,
        customer_id=row.customer_id,
        status=row.status,
        payment_status=row.payment_status,
        fulfillment_status=row.fulfillment_status,
        email=row.email,
        currency=row.currency,
        lines=[
            LineView(
                id=line.id,
                sku=line.sku,
                name=line.name,
                quantity=line.quantity,
                unit_price=money(line.unit_price_minor),
                discount=money(line.discount_minor),
                tax=money(line.tax_minor),
                total=money(line.unit_price_minor * line.quantity - line.discount_minor),
                shipped=line.shipped,
                returned=line.returned,
            )
            for line in lines
        ],
        shipping_address=row.shipping_address,
        billing_address=row.billing_address,
        shipping_method=row.shipping_method,
        subtotal=money(row.subtotal_minor),
        discount=money(row.discount_minor),
        shipping=money(row.shipping_minor),
        tax=money(row.tax_minor),
        total=money(row.total_minor),
        placed_at=row.placed_at,
        cancelled_at=row.cancelled_at,
        cancel_reason=row.cancel_reason,
        payment=PaymentView(
            id=row.payment_id,
            status=row.payment_status,
            authorized=money(row.authorized_minor),
            captured=money(row.captured_minor),
            refunded=money(row.refunded_minor),
            failure_code=row.failure_code,
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SalesOfDay:
    """What was sold since some time of the day, in one currency."""

    currency: str
    orders: int
    revenue: Money


def sales_since(start: datetime) -> Sequence[SalesOfDay]:
    """Return orders placed since then and what the good ones among them bring, per currency.

    Reads the orders of that time by their index: measured with 9,600 of them: 6 ms.
    """
    good = Q(status__in=(OrderStatus.CONFIRMED.value, OrderStatus.COMPLETED.value))
    sums = (
        OrderRow.objects.filter(placed_at__gte=start)
        .values("currency")
        .annotate(
            orders=Count("id"), minor=Coalesce(Sum("total_minor", filter=good), 0, output_field=BigIntegerField())
        )
        .order_by("currency")
        .values_list("currency", "orders", "minor")
    )
    return [
        SalesOfDay(currency=currency, orders=orders, revenue=Money(int(minor), currency))
        for currency, orders, minor in sums
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingOrder:
    """An order that waits for its payment."""

    id: UUID
    number: str
    total: Money
    placed_at: datetime


def count_pending_orders(*, placed_before: datetime) -> int:
    """Return how many orders placed before then are still pending."""
    return _pending(placed_before).count()


def oldest_pending_orders(*, placed_before: datetime, limit: int) -> Sequence[PendingOrder]:
    """Return the orders that have been pending for longest."""
    return [
        PendingOrder(id=row.id, number=row.number, total=Money(row.total_minor, row.currency), placed_at=row.placed_at)
        for row in _pending(placed_before).order_by("placed_at")[:limit]
    ]


def _pending(placed_before: datetime) -> QuerySet[OrderRow]:
    return OrderRow.objects.filter(status=OrderStatus.PENDING.value, placed_at__lt=placed_before)

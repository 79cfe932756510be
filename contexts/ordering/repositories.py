"""Orders in PostgreSQL."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db.models import Q

from contexts.ordering.domain import (
    Address,
    Anyone,
    CustomerId,
    FulfillmentStatus,
    Order,
    OrderId,
    OrderLine,
    OrderNotFound,
    OrderPayment,
    OrderStatus,
    PaymentStatus,
    ShippingMethod,
    ShippingMethodNotFound,
)
from contexts.ordering.events import OrderCancelled
from contexts.ordering.models import NoteRow, OrderLineRow, OrderRow, ShippingMethodRow
from shared.domain.money import Money
from shared.live.telling import tell_followers_after_commit
from shared.outbox.messages import publish_events_of
from shared.outbox.redaction import redact
from shared.persistence.inserts import Insert
from shared.persistence.reads import CompiledRead
from shared.persistence.updates import VersionedUpdate
from shared.saga.queries import reasons_given_up

ROWS_AT_ONCE = 200
FORGOTTEN = "forgotten"
FORGOTTEN_EMAIL = "forgotten@erased.invalid"

WHAT_CHANGES = (
    "status",
    "payment_id",
    "payment_status",
    "authorized_minor",
    "captured_minor",
    "refunded_minor",
    "failure_code",
    "fulfillment_status",
    "cancelled_at",
    "cancel_reason",
    "sequence",
)
SHIPPING_METHOD = CompiledRead(
    lambda code, currency: ShippingMethodRow.objects.filter(code=code, currency=currency), "code", "currency"
)
ORDER = CompiledRead(lambda order_id: OrderRow.objects.select_for_update().filter(id=order_id), UUID(int=0))
ORDER_OF_CUSTOMER = CompiledRead(
    lambda customer_id, order_id: OrderRow.objects.select_for_update().filter(customer_id=customer_id, id=order_id),
    UUID(int=0),
    UUID(int=1),
)
LINES = CompiledRead(lambda order_id: OrderLineRow.objects.filter(order_id=order_id).order_by("place"), UUID(int=0))
INSERT_ORDER = Insert.into(
    OrderRow,
    "id",
    "number",
    "customer_id",
    "email",
    "currency",
    "shipping_address",
    "billing_address",
    "shipping_method",
    "subtotal_minor",
    "discount_minor",
    "shipping_minor",
    "tax_minor",
    "total_minor",
    "placed_at",
    "version",
    *WHAT_CHANGES,
)
UPDATE_ORDER = VersionedUpdate.of(OrderRow, *WHAT_CHANGES)
INSERT_LINES = Insert.into(
    OrderLineRow,
    "id",
    "order",
    "place",
    "sku",
    "name",
    "quantity",
    "unit_price_minor",
    "discount_minor",
    "tax_minor",
)


class DjangoOrders:
    """The port Orders over Django's ORM."""

    def get(self, order_id: OrderId, *, of_customer: CustomerId | Anyone) -> Order:
        """Return the customer's order, locked for this unit of work, or raise OrderNotFound."""
        row = (
            ORDER.first(order_id) if isinstance(of_customer, Anyone) else ORDER_OF_CUSTOMER.first(of_customer, order_id)
        )
        if row is None:
            raise OrderNotFound(order_id=order_id)
        return _to_order(row, LINES.all(order_id))

    def save(self, order: Order) -> None:
        """Store a new or changed order with its events."""
        if order.version == 0:
            self._insert(order)
        else:
            self._update(order)
            tell_followers_after_commit(order.id)  # of a new order nobody has heard yet
        order.version += 1
        _insert_notes_of(order)
        publish_events_of(order)

    def _insert(self, order: Order) -> None:
        INSERT_ORDER.rows(
            [
                (
                    order.id,
                    order.number,
                    order.customer_id,
                    order.email,
                    order.currency,
                    order.shipping_address.parts,
                    order.billing_address.parts,
                    order.shipping_method,
                    order.subtotal.minor,
                    order.discount.minor,
                    order.shipping.minor,
                    order.tax.minor,
                    order.total.minor,
                    order.placed_at,
                    1,
                    *_what_changes(order),
                )
            ]
        )
        INSERT_LINES.rows(
            [
                (
                    line.id,
                    order.id,
                    place,
                    line.sku,
                    line.name,
                    line.quantity,
                    line.unit_price.minor,
                    line.discount.minor,
                    line.tax.minor,
                )
                for place, line in enumerate(order.lines)
            ]
        )

    def _update(self, order: Order) -> None:
        UPDATE_ORDER.row(order.id, version=order.version, values=_what_changes(order))


class DjangoShippingMethods:
    """The port ShippingMethods over Django's ORM."""

    def get(self, code: str, *, currency: str) -> ShippingMethod:
        """Return the method with its price in the currency, or raise ShippingMethodNotFound."""
        row = SHIPPING_METHOD.first(code, currency)
        if row is None:
            raise ShippingMethodNotFound(shipping_method=code, currency=currency)
        return ShippingMethod(code=row.code, name=row.name, price=Money(row.price_minor, row.currency))

    def ensure(self, method: ShippingMethod) -> None:
        """Add the method, or change its name and price."""
        ShippingMethodRow.objects.update_or_create(
            code=method.code,
            currency=method.price.currency,
            defaults={"name": method.name, "price_minor": method.price.minor},
        )


class DjangoCustomerTraces:
    """What is personal in ``ordering_order``, and in the events of orders."""

    def are_needed(self, customer_id: CustomerId) -> bool:
        """Tell whether an order of the customer is on its way, or its money is in doubt."""
        finished = Q(status__in=(OrderStatus.COMPLETED, OrderStatus.CANCELLED))
        in_doubt = Q(payment_status=PaymentStatus.UNKNOWN)
        return OrderRow.objects.filter(~finished | in_doubt, customer_id=customer_id).exists()

    def remove(self, customer_id: CustomerId) -> None:
        """Make the customer's orders anonymous; the country stays, which taxes depend on."""
        rows = list(OrderRow.objects.select_for_update(no_key=True).filter(customer_id=customer_id).order_by("id"))
        for row in rows:
            row.email = FORGOTTEN_EMAIL
            row.shipping_address = _forgotten(row.shipping_address)
            row.billing_address = _forgotten(row.billing_address)
            row.version += 1
        OrderRow.objects.bulk_update(
            rows, ["email", "shipping_address", "billing_address", "version"], batch_size=ROWS_AT_ONCE
        )
        NoteRow.objects.filter(order_id__in=[row.id for row in rows]).update(text=FORGOTTEN)
        self._remove_reasons([row for row in rows if row.cancel_reason])

    def _remove_reasons(self, cancelled: Sequence[OrderRow]) -> None:
        """Remove the reasons that people gave; those that a process gave up for are codes, and stay."""
        codes = reasons_given_up([row.id for row in cancelled])
        told = [row.id for row in cancelled if row.cancel_reason not in codes.get(row.id, ())]
        OrderRow.objects.filter(id__in=told).update(cancel_reason=FORGOTTEN)
        redact(aggregate_ids=told, topic=OrderCancelled.topic, field="reason", instead=FORGOTTEN)


def _insert_notes_of(order: Order) -> None:
    NoteRow.objects.bulk_create(
        NoteRow(id=note.id, order_id=order.id, text=note.text, author=note.author, written_at=note.written_at)
        for note in order.release_notes()
    )


def _what_changes(order: Order) -> tuple[Any, ...]:
    """Return the values of WHAT_CHANGES, the columns that may change after the order was placed."""
    return (
        order.status.value,
        order.payment.id,
        order.payment.status.value,
        order.payment.authorized.minor,
        order.payment.captured.minor,
        order.payment.refunded.minor,
        order.payment.failure_code,
        order.fulfillment_status.value,
        order.cancelled_at,
        order.cancel_reason,
        order.sequence,
    )


def _to_order(row: OrderRow, lines: list[OrderLineRow]) -> Order:
    def money(minor: int) -> Money:
        return Money(minor, row.currency)

    return Order(
        id=row.id,
        version=row.version,
        sequence=row.sequence,
        number=row.number,
        customer_id=CustomerId(row.customer_id) if row.customer_id else None,
        email=row.email,
        currency=row.currency,
        lines=tuple(
            OrderLine(
                id=line.id,
                sku=line.sku,
                name=line.name,
                quantity=line.quantity,
                unit_price=money(line.unit_price_minor),
                discount=money(line.discount_minor),
                tax=money(line.tax_minor),
                shipped=line.shipped,
                returned=line.returned,
            )
            for line in lines
        ),
        shipping_address=Address(**row.shipping_address),
        billing_address=Address(**row.billing_address),
        shipping_method=row.shipping_method,
        shipping=money(row.shipping_minor),
        status=OrderStatus(row.status),
        payment=OrderPayment(
            id=row.payment_id,
            status=PaymentStatus(row.payment_status),
            authorized=money(row.authorized_minor),
            captured=money(row.captured_minor),
            refunded=money(row.refunded_minor),
            failure_code=row.failure_code,
        ),
        fulfillment_status=FulfillmentStatus(row.fulfillment_status),
        placed_at=row.placed_at,
        cancelled_at=row.cancelled_at,
        cancel_reason=row.cancel_reason,
    )


def _forgotten(address: Mapping[str, Any]) -> dict[str, str]:
    return dict.fromkeys(address, "") | {"country": str(address["country"])}

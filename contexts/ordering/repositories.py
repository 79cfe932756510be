"""Orders in PostgreSQL."""

from dataclasses import asdict
from typing import Any

from django.db.models import F

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
from contexts.ordering.models import OrderLineRow, OrderRow, ShippingMethodRow
from shared.domain.errors import LostRace
from shared.domain.money import Money
from shared.outbox.messages import publish_events_of


class DjangoOrders:
    """The port Orders over Django's ORM."""

    def get(self, order_id: OrderId, *, of_customer: CustomerId | Anyone) -> Order:
        """Return the customer's order, locked for this unit of work, or raise OrderNotFound."""
        rows = OrderRow.objects.select_for_update().filter(id=order_id)
        if not isinstance(of_customer, Anyone):
            rows = rows.filter(customer_id=of_customer)
        row = rows.first()
        if row is None:
            raise OrderNotFound(order_id=order_id)
        return _to_order(row, list(OrderLineRow.objects.filter(order_id=order_id).order_by("place")))

    def save(self, order: Order) -> None:
        """Store a new or changed order with its events."""
        if order.version == 0:
            self._insert(order)
        else:
            self._update(order)
        order.version += 1
        publish_events_of(order)

    def _insert(self, order: Order) -> None:
        OrderRow.objects.bulk_create(
            [
                OrderRow(
                    id=order.id,
                    number=order.number,
                    customer_id=order.customer_id,
                    email=order.email,
                    currency=order.currency,
                    shipping_address=asdict(order.shipping_address),
                    billing_address=asdict(order.billing_address),
                    shipping_method=order.shipping_method,
                    subtotal_minor=order.subtotal.minor,
                    discount_minor=order.discount.minor,
                    shipping_minor=order.shipping.minor,
                    tax_minor=order.tax.minor,
                    total_minor=order.total.minor,
                    placed_at=order.placed_at,
                    version=1,
                    **_what_changes(order),
                )
            ]
        )
        OrderLineRow.objects.bulk_create(
            OrderLineRow(
                id=line.id,
                order_id=order.id,
                place=place,
                sku=line.sku,
                name=line.name,
                quantity=line.quantity,
                unit_price_minor=line.unit_price.minor,
                discount_minor=line.discount.minor,
                tax_minor=line.tax.minor,
            )
            for place, line in enumerate(order.lines)
        )

    def _update(self, order: Order) -> None:
        updated = OrderRow.objects.filter(id=order.id, version=order.version).update(
            version=F("version") + 1, **_what_changes(order)
        )
        if not updated:
            raise LostRace


class DjangoShippingMethods:
    """The port ShippingMethods over Django's ORM."""

    def get(self, code: str, *, currency: str) -> ShippingMethod:
        """Return the method with its price in the currency, or raise ShippingMethodNotFound."""
        found = (
            ShippingMethodRow.objects.filter(code=code, currency=currency).values_list("name", "price_minor").first()
        )
        if found is None:
            raise ShippingMethodNotFound(shipping_method=code, currency=currency)
        name, price_minor = found
        return ShippingMethod(code=code, name=name, price=Money(price_minor, currency))

    def ensure(self, method: ShippingMethod) -> None:
        """Add the method, or change its name and price."""
        ShippingMethodRow.objects.update_or_create(
            code=method.code,
            currency=method.price.currency,
            defaults={"name": method.name, "price_minor": method.price.minor},
        )


def _what_changes(order: Order) -> dict[str, Any]:
    """Return the columns that may change after the order was placed."""
    return {
        "status": order.status.value,
        "payment_id": order.payment.id,
        "payment_status": order.payment.status.value,
        "authorized_minor": order.payment.authorized.minor,
        "captured_minor": order.payment.captured.minor,
        "refunded_minor": order.payment.refunded.minor,
        "failure_code": order.payment.failure_code,
        "fulfillment_status": order.fulfillment_status.value,
        "cancelled_at": order.cancelled_at,
        "cancel_reason": order.cancel_reason,
        "sequence": order.sequence,
    }


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

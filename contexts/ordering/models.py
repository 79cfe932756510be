from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models.functions import Upper

from contexts.ordering.domain import FulfillmentStatus, OrderStatus, PaymentStatus
from shared.persistence.identifiers import new_id

#: The words by which people look for an order, those of its e-mail address and of whom it goes to, in lower case.
WORDS = models.Func(
    models.F("email"),
    models.F("shipping_address"),
    arg_joiner=" || ' ' || (",
    template="to_tsvector('simple'::regconfig, regexp_replace(%(expressions)s ->> 'name'), '[^[:alnum:]]+', ' ', 'g'))",
    output_field=SearchVectorField(),
)


class ShippingMethodRow(models.Model):
    """A way to send an order, with its price in one currency."""

    id = models.UUIDField(primary_key=True, default=new_id)
    code = models.CharField(max_length=40)
    name = models.CharField(max_length=120)
    currency = models.CharField(max_length=3)
    price_minor = models.BigIntegerField()

    class Meta:
        db_table = "ordering_shipping_method"
        verbose_name = "shipping method"
        constraints = [
            models.UniqueConstraint(fields=["code", "currency"], name="ordering_shipping_method_once"),
            models.CheckConstraint(condition=models.Q(price_minor__gte=0), name="ordering_shipping_not_negative"),
        ]


class OrderRow(models.Model):
    """A customer's order."""

    id = models.UUIDField(primary_key=True)
    number = models.CharField(max_length=14)
    customer_id = models.UUIDField(null=True)
    email = models.EmailField()
    currency = models.CharField(max_length=3)
    shipping_address = models.JSONField()
    billing_address = models.JSONField()
    shipping_method = models.CharField(max_length=40)
    subtotal_minor = models.BigIntegerField()
    discount_minor = models.BigIntegerField()
    shipping_minor = models.BigIntegerField()
    tax_minor = models.BigIntegerField()
    total_minor = models.BigIntegerField()
    status = models.CharField(max_length=10, choices=[(each.value, each.value) for each in OrderStatus])
    payment_id = models.UUIDField(null=True)
    payment_status = models.CharField(max_length=20, choices=[(each.value, each.value) for each in PaymentStatus])
    authorized_minor = models.BigIntegerField()
    captured_minor = models.BigIntegerField()
    refunded_minor = models.BigIntegerField()
    failure_code = models.CharField(max_length=60, null=True)  # noqa: DJ001 - shown as null in the API
    fulfillment_status = models.CharField(
        max_length=20, choices=[(each.value, each.value) for each in FulfillmentStatus]
    )
    placed_at = models.DateTimeField()
    cancelled_at = models.DateTimeField(null=True)
    cancel_reason = models.CharField(max_length=200, null=True)  # noqa: DJ001 - shown as null in the API
    version = models.PositiveIntegerField()
    sequence = models.PositiveIntegerField()

    class Meta:
        db_table = "ordering_order"
        verbose_name = "order"
        constraints = [
            # This class of operators also finds numbers by how they begin; ``unique=True`` would be a second index.
            models.UniqueConstraint(
                fields=["number"], name="ordering_order_number_once", opclasses=["varchar_pattern_ops"]
            ),
            models.CheckConstraint(
                condition=models.Q(
                    total_minor=models.F("subtotal_minor")
                    - models.F("discount_minor")
                    + models.F("shipping_minor")
                    + models.F("tax_minor")
                ),
                name="ordering_order_total_adds_up",
            ),
            models.CheckConstraint(
                condition=models.Q(captured_minor__lte=models.F("authorized_minor"))
                & models.Q(refunded_minor__lte=models.F("captured_minor")),
                name="ordering_order_money_in_bounds",
            ),
            models.CheckConstraint(
                condition=models.Q(status="cancelled", cancelled_at__isnull=False)
                | (~models.Q(status="cancelled") & models.Q(cancelled_at=None)),
                name="ordering_order_cancelled_at_some_time",
            ),
        ]
        indexes = [
            models.Index(fields=["customer_id", "-placed_at", "-id"], name="ordering_order_of_customer"),
            models.Index(
                fields=["-placed_at", "-id"],
                name="ordering_order_overview",
                include=["status", "payment_status", "fulfillment_status", "currency", "total_minor"],
            ),
            GinIndex(WORDS, name="ordering_order_words", gin_pending_list_limit=256),
            models.Index(Upper("email"), name="ordering_order_by_email"),
            models.Index(
                fields=["placed_at"], name="ordering_order_in_doubt", condition=models.Q(payment_status="unknown")
            ),
            models.Index(fields=["placed_at"], name="ordering_order_unsettled", condition=models.Q(status="pending")),
        ]


class OrderLineRow(models.Model):
    """Some units of a sku at the price of the day; never changed once placed, but for what came of the units."""

    id = models.UUIDField(primary_key=True)
    order = models.ForeignKey(OrderRow, on_delete=models.PROTECT, related_name="lines", db_index=False)
    place = models.PositiveSmallIntegerField()
    sku = models.CharField(max_length=64)
    name = models.CharField(max_length=300)
    quantity = models.PositiveIntegerField()
    unit_price_minor = models.BigIntegerField()
    discount_minor = models.BigIntegerField()
    tax_minor = models.BigIntegerField()
    shipped = models.PositiveIntegerField(db_default=0)
    returned = models.PositiveIntegerField(db_default=0)

    class Meta:
        db_table = "ordering_order_line"
        verbose_name = "line"
        constraints = [
            models.UniqueConstraint(fields=["order", "place"], name="ordering_order_line_place"),
            models.CheckConstraint(
                condition=models.Q(quantity__gt=0)
                & models.Q(shipped__lte=models.F("quantity"))
                & models.Q(returned__lte=models.F("shipped")),
                name="ordering_order_line_units_in_bounds",
            ),
        ]
        indexes = [models.Index(fields=["sku"], name="ordering_order_line_by_sku")]


class NoteRow(models.Model):
    """What an operator wrote about an order, for operators only."""

    id = models.UUIDField(primary_key=True)
    order = models.ForeignKey(OrderRow, on_delete=models.PROTECT, related_name="notes", db_index=False)
    text = models.TextField()
    author = models.CharField(max_length=80)
    written_at = models.DateTimeField()

    class Meta:
        db_table = "ordering_order_note"
        verbose_name = "note"
        indexes = [models.Index(fields=["order", "id"], name="ordering_order_note_of_order")]

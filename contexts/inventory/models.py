from django.db import models
from django.db.models.functions import Now

from contexts.inventory.domain import HoldStatus
from shared.persistence.identifiers import new_id


class LocationRow(models.Model):
    """A place where goods are kept."""

    id = models.UUIDField(primary_key=True, default=new_id)
    code = models.CharField(max_length=40, unique=True)
    name = models.CharField(max_length=120)
    priority = models.PositiveIntegerField(db_default=0)

    class Meta:
        db_table = "inventory_location"
        verbose_name = "location"


class StockItemRow(models.Model):
    """The units of one sku at one location; the CHECK is the last word on overselling."""

    id = models.UUIDField(primary_key=True, default=new_id)
    sku = models.CharField(max_length=64)
    location = models.ForeignKey(LocationRow, on_delete=models.PROTECT, related_name="stock_items")
    on_hand = models.BigIntegerField(db_default=0)
    held = models.BigIntegerField(db_default=0)
    backorder_limit = models.BigIntegerField(db_default=0)
    version = models.PositiveIntegerField(db_default=1)
    sequence = models.PositiveIntegerField(db_default=0)

    class Meta:
        db_table = "inventory_stock_item"
        verbose_name = "stock item"
        constraints = [
            models.UniqueConstraint(fields=["sku", "location"], name="inventory_stock_item_once_per_location"),
            models.CheckConstraint(
                condition=models.Q(held__gte=0, held__lte=models.F("on_hand") + models.F("backorder_limit")),
                name="inventory_stock_item_never_oversold",
            ),
            models.CheckConstraint(
                condition=models.Q(on_hand__gte=0, backorder_limit__gte=0),
                name="inventory_stock_item_not_negative",
            ),
        ]


class HoldRow(models.Model):
    """Units of one item, promised to one order."""

    id = models.BigAutoField(primary_key=True)
    order_id = models.UUIDField()
    stock_item = models.ForeignKey(StockItemRow, on_delete=models.PROTECT, related_name="holds", db_index=False)
    sku = models.CharField(max_length=64)
    quantity = models.PositiveBigIntegerField()
    status = models.CharField(
        max_length=8,
        choices=[(each.value, each.value) for each in HoldStatus],
        db_default=HoldStatus.SOFT.value,
    )
    expires_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())
    closed_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "inventory_hold"
        verbose_name = "hold"
        constraints = [
            models.UniqueConstraint(fields=["order_id", "stock_item"], name="inventory_hold_once_per_order"),
            models.CheckConstraint(condition=models.Q(quantity__gt=0), name="inventory_hold_of_something"),
            models.CheckConstraint(
                condition=models.Q(status="soft", expires_at__isnull=False) | ~models.Q(status="soft"),
                name="inventory_hold_soft_ones_expire",
            ),
        ]
        indexes = [
            models.Index(fields=["expires_at"], name="inventory_hold_expiring", condition=models.Q(status="soft")),
            models.Index(
                fields=["stock_item"],
                name="inventory_hold_open",
                condition=models.Q(status__in=("soft", "hard")),
            ),
        ]


class MovementRow(models.Model):
    """A change of the units on hand; never updated, never deleted."""

    id = models.BigAutoField(primary_key=True)
    stock_item = models.ForeignKey(StockItemRow, on_delete=models.PROTECT, related_name="movements")
    delta = models.BigIntegerField()
    on_hand = models.BigIntegerField()
    reason = models.CharField(max_length=200)
    actor = models.CharField(max_length=80)
    at = models.DateTimeField()

    class Meta:
        db_table = "inventory_movement"
        verbose_name = "movement"

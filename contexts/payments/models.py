from django.db import models

from contexts.payments.domain import OperationKind, OperationStatus, PaymentStatus


class PaymentRow(models.Model):
    """The payment of one order."""

    id = models.UUIDField(primary_key=True)
    order_id = models.UUIDField(unique=True)
    method = models.CharField(max_length=40)
    currency = models.CharField(max_length=3)
    amount_minor = models.BigIntegerField()
    status = models.CharField(max_length=12, choices=[(each.value, each.value) for each in PaymentStatus])
    reference = models.CharField(max_length=80, blank=True)
    failure_code = models.CharField(max_length=60, null=True)  # noqa: DJ001 - shown as null in the API
    is_given_up = models.BooleanField(db_default=False)
    created_at = models.DateTimeField()
    version = models.PositiveIntegerField()
    sequence = models.PositiveIntegerField()

    class Meta:
        db_table = "payments_payment"
        verbose_name = "payment"
        constraints = [
            models.CheckConstraint(condition=models.Q(amount_minor__gte=0), name="payments_amount_not_negative"),
        ]
        indexes = [
            models.Index(
                fields=["created_at"],
                name="payments_payment_unsettled",
                condition=models.Q(status__in=("pending", "unknown")),
            ),
        ]


class OperationRow(models.Model):
    """One request to a provider; its key is unique for ever, so nothing is asked twice under two keys."""

    id = models.BigAutoField(primary_key=True)
    payment = models.ForeignKey(PaymentRow, on_delete=models.PROTECT, related_name="operations", db_index=False)
    kind = models.CharField(max_length=12, choices=[(each.value, each.value) for each in OperationKind])
    key = models.CharField(max_length=200, unique=True)
    status = models.CharField(max_length=10, choices=[(each.value, each.value) for each in OperationStatus])
    attempted_at = models.DateTimeField()
    failure_code = models.CharField(max_length=60, null=True)  # noqa: DJ001 - unknown until it failed

    class Meta:
        db_table = "payments_operation"
        verbose_name = "operation"
        constraints = [
            models.UniqueConstraint(fields=["payment", "kind"], name="payments_operation_once_per_kind"),
        ]

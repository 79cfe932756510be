"""Payments for operators: what was asked of the provider, and what is known of the outcome."""

from django.contrib import admin
from django.db.models import Q
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from contexts.payments.models import OperationRow, PaymentRow
from shared.domain.money import Money
from shared.persistence.admin import (
    DayRangeFilter,
    ReadOnlyAdmin,
    ReadOnlyInline,
    amount,
    column,
    id_in,
    labelled,
    linked,
    moment,
)

PAYMENT_COLOURS = {
    "pending": "info",
    "unknown": "warning",
    "authorized": "success",
    "failed": "danger",
    "voided": "primary",
}
OPERATION_COLOURS = {"intended": "info", "unknown": "warning", "succeeded": "success", "failed": "danger"}


class OperationInline(ReadOnlyInline):
    """What was asked of the provider."""

    model = OperationRow
    ordering = ("id",)
    fields = ("kind", "shown_status", "at", "failure_code", "key")
    readonly_fields = fields

    @column("Status")
    def shown_status(self, row: OperationRow) -> SafeString:
        """Show what is known of the request."""
        return labelled(row.status, OPERATION_COLOURS)

    @column("Last attempt (UTC)")
    def at(self, row: OperationRow) -> SafeString:
        """Show when the provider was asked last."""
        return moment(row.attempted_at)


@admin.register(PaymentRow)
class PaymentAdmin(ReadOnlyAdmin):
    """Payments, the newest first: their ids are time-ordered."""

    list_display = ("id", "order", "shown_status", "shown_amount", "method", "failure_code", "opened")
    list_filter = (("status", ChoicesDropdownFilter), ("created_at", DayRangeFilter))
    search_fields = ("id", "order_id", "reference")
    search_help_text = "Id of a payment or order, or the provider's reference"
    ordering = ("-id",)
    inlines = (OperationInline,)
    fieldsets = (
        (
            "Payment",
            {"fields": (("order", "shown_status"), ("shown_amount", "method"), ("failure_code", "given_up"))},
        ),
        ("Provider", {"fields": (("reference", "opened"),)}),
    )

    def found_by(self, term: str) -> Q:
        """Find payments by id, which an index has, or by the provider's reference, which reads the table."""
        wanted = id_in(term)
        return Q(reference=term) if wanted is None else Q(id=wanted) | Q(order_id=wanted)

    def title_of(self, row: PaymentRow) -> str:
        """Return the amount and the state of the payment."""
        return f"{Money(row.amount_minor, row.currency)}, {row.status}"

    @column("Order")
    def order(self, row: PaymentRow) -> SafeString:
        """Show the order, which belongs to another context, by its id."""
        return linked("ordering_orderrow", row.order_id, row.order_id)

    @column("Amount")
    def shown_amount(self, row: PaymentRow) -> SafeString:
        """Show the amount in its currency."""
        return amount(Money(row.amount_minor, row.currency))

    @column("Status")
    def shown_status(self, row: PaymentRow) -> SafeString:
        """Show what is known of the money."""
        return labelled(row.status, PAYMENT_COLOURS)

    @column("Given up")
    def given_up(self, row: PaymentRow) -> str:
        """Show whether the order still wants the money."""
        return "yes, its order was cancelled" if row.is_given_up else "no"

    @column("Opened (UTC)")
    def opened(self, row: PaymentRow) -> SafeString:
        """Show when the payment was begun."""
        return moment(row.created_at)

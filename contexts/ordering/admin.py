"""Orders for operators: found fast among millions, told as a story, and changed by use cases only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminTextInputWidget

from contexts.ordering.domain import ANYONE, OrderId, OrderStatus, ShippingMethod
from contexts.ordering.models import OrderLineRow, OrderRow, ShippingMethodRow
from contexts.ordering.queries import timeline_of
from contexts.ordering.wiring import cancel_order, offer_shipping_method
from shared.domain.errors import InvalidInputError
from shared.domain.money import Money
from shared.outbox.messages import HistoryEntry, history_of
from shared.persistence.admin import (
    DayRangeFilter,
    ReadOnlyAdmin,
    ReadOnlyInline,
    actor_in_words,
    amount,
    attempt,
    back_to,
    column,
    detail_action,
    id_in,
    id_or_404,
    labelled,
    moment,
)
from shared.saga.queries import ProcessView, processes_of
from shared.telemetry.context import act_as

ORDER_COLOURS = {"pending": "warning", "confirmed": "info", "completed": "success", "cancelled": "danger"}
PAYMENT_COLOURS = {
    "pending": "warning",
    "unknown": "danger",
    "authorized": "info",
    "partially_captured": "info",
    "captured": "success",
    "failed": "danger",
    "partially_refunded": "primary",
    "refunded": "primary",
}
FULFILLMENT_COLOURS = {
    "partially_shipped": "info",
    "shipped": "info",
    "delivered": "success",
    "partially_returned": "warning",
    "returned": "warning",
}
PROCESS_COLOURS = {"running": "info", "undoing": "warning", "completed": "success", "undone": "primary"}
STEP_COLOURS = {"intended": "info", "unknown": "warning", "done": "success", "refused": "danger"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Something that happened to an order or to its payment, as operators read it."""

    title: str
    note: str
    at: datetime
    actor: SafeString
    topic: str


class CancelOrderForm(BaseDialogForm):
    """Why the order is given up."""

    reason = forms.CharField(
        max_length=200,
        help_text="The customer and the history get to read it.",
        widget=UnfoldAdminTextInputWidget,
    )


class LineInline(ReadOnlyInline):
    """What was ordered, at the prices of the day."""

    model = OrderLineRow
    ordering = ("place",)
    fields = ("shown_sku", "name", "quantity", "unit_price", "discount", "total", "shipped", "returned")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[OrderLineRow]:
        """Return the lines with their order, which knows the currency."""
        rows: QuerySet[OrderLineRow] = super().get_queryset(request)
        return rows.select_related("order")

    @column("SKU")
    def shown_sku(self, row: OrderLineRow) -> str:
        """Show what it is."""
        return row.sku

    @column("Unit price")
    def unit_price(self, row: OrderLineRow) -> SafeString:
        """Show what one unit costs."""
        return amount(Money(row.unit_price_minor, row.order.currency))

    @column("Discount")
    def discount(self, row: OrderLineRow) -> SafeString:
        """Show what is taken off."""
        return amount(Money(row.discount_minor, row.order.currency))

    @column("Total")
    def total(self, row: OrderLineRow) -> SafeString:
        """Show what the line costs, less its discount."""
        return amount(Money(row.unit_price_minor * row.quantity - row.discount_minor, row.order.currency))


@admin.register(OrderRow)
class OrderAdmin(ReadOnlyAdmin):
    """Orders, the newest first."""

    change_form_template = "ordering/admin/order.html"
    list_display = (
        "number",
        "shown_email",
        "shown_status",
        "shown_payment",
        "shown_fulfillment",
        "shown_total",
        "shown_placed_at",
    )
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("payment_status", ChoicesDropdownFilter),
        ("fulfillment_status", ChoicesDropdownFilter),
        ("placed_at", DayRangeFilter),
    )
    search_fields = ("number", "email", "id")
    search_help_text = "Number or its beginning, e-mail, or an id"
    ordering = ("-placed_at", "-id")
    fields = ("number",)
    inlines = (LineInline,)
    actions_detail = ("cancel",)

    def found_by(self, term: str) -> Q:
        """Find orders by their own or their customer's id, by e-mail, or by how their number begins."""
        wanted = id_in(term)
        if wanted is not None:
            return Q(id=wanted) | Q(customer_id=wanted)
        return Q(email__iexact=term) if "@" in term else Q(number__startswith=term.upper())

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> Any:
        """Offer nothing for an order that is cancelled already."""
        if OrderRow.objects.filter(pk=id_or_404(object_id), status=OrderStatus.CANCELLED.value).exists():
            return []
        return super().get_actions_detail(request, object_id)

    def has_cancel_permission(self, request: HttpRequest, object_id: object = None) -> bool:  # noqa: ARG002
        """Tell whether this operator may cancel orders."""
        return request.user.has_perm("ordering.change_orderrow")

    def title_of(self, row: OrderRow) -> str:
        """Return the number that people know."""
        return row.number

    def context_of(self, row: OrderRow) -> dict[str, Any]:
        """Return all that the page tells of the order."""
        return {
            "order": row,
            "labels": {
                "status": self.shown_status(row),
                "payment": self.shown_payment(row),
                "fulfillment": self.shown_fulfillment(row),
            },
            "placed_at": moment(row.placed_at),
            "cancelled_at": moment(row.cancelled_at),
            "sums": _amounts(row, "subtotal", "discount", "shipping", "tax", "total"),
            "money": _amounts(row, "authorized", "captured", "refunded"),
            "addresses": [("Ship to", row.shipping_address), ("Bill to", row.billing_address)],
            "customer_url": _page_of("identity_accountrow", row.customer_id),
            "payment_url": _page_of("payments_paymentrow", row.payment_id),
            "moments": _story_of(row),
            "processes": [_shown(process) for process in processes_of(row.id)],
        }

    @detail_action(
        "Cancel order",
        url_path="cancel",
        icon="cancel",
        permission="cancel",
        variant=ActionVariant.DANGER,
        dialog={
            "title": "Cancel this order?",
            "description": "Its units go back on sale, and money that was reserved is given back.",
            "form_class": CancelOrderForm,
            "form_submit_text": "Yes, cancel the order",
        },
    )
    def cancel(self, request: HttpRequest, form: CancelOrderForm, object_id: str) -> HttpResponse:
        """Give the order up through the use case."""
        act_as(f"staff:{request.user.pk}")
        work = partial(
            cancel_order,
            order_id=OrderId(id_or_404(object_id)),
            of_customer=ANYONE,
            reason=form.cleaned_data["reason"],
        )
        attempt(request, work, done="The order is cancelled.")
        return back_to("ordering_orderrow", object_id)

    @column("E-mail")
    def shown_email(self, row: OrderRow) -> str:
        """Show whom to write to."""
        return row.email

    @column("Status")
    def shown_status(self, row: OrderRow) -> SafeString:
        """Show where the order stands."""
        return labelled(row.status, ORDER_COLOURS)

    @column("Payment")
    def shown_payment(self, row: OrderRow) -> SafeString:
        """Show what became of the money."""
        return labelled(row.payment_status, PAYMENT_COLOURS)

    @column("Fulfilment")
    def shown_fulfillment(self, row: OrderRow) -> SafeString:
        """Show what became of the goods."""
        return labelled(row.fulfillment_status, FULFILLMENT_COLOURS)

    @column("Total")
    def shown_total(self, row: OrderRow) -> SafeString:
        """Show what the customer pays."""
        return amount(Money(row.total_minor, row.currency))

    @column("Placed at (UTC)")
    def shown_placed_at(self, row: OrderRow) -> SafeString:
        """Show when it was placed."""
        return moment(row.placed_at)


class ShippingMethodForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the type checker only
    """A shipping method with its price as people write it."""

    currency = forms.RegexField(
        regex=r"^[A-Z]{3}$",
        error_messages={"invalid": "Three capital letters, such as EUR."},
        widget=UnfoldAdminTextInputWidget,
    )
    price = forms.CharField(max_length=20, help_text="Such as 4.90.", widget=UnfoldAdminTextInputWidget)

    class Meta:
        model = ShippingMethodRow
        fields = ("code", "name", "currency")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.currency:
            self.initial["price"] = Money(self.instance.price_minor, self.instance.currency).amount

    def clean(self) -> dict[str, Any]:
        """Read the price with the decimals of its currency."""
        given: dict[str, Any] = super().clean() or {}
        currency = given.get("currency") or self.instance.currency
        if "price" in given and currency:
            try:
                price = Money.parse(given["price"], currency)
            except InvalidInputError as refusal:
                self.add_error("price", refusal.message)
            else:
                self._take(price)
        return given

    def _take(self, price: Money) -> None:
        if price.is_negative:
            self.add_error("price", "A price is not negative.")
        self.instance.price_minor = price.minor


@admin.register(ShippingMethodRow)
class ShippingMethodAdmin(ModelAdmin):
    """Ways to send an order; offered, and repriced, by the use case. Orders keep the price that they were placed at."""

    form = ShippingMethodForm
    list_display = ("name", "code", "shown_price")
    list_display_links = ("name",)
    ordering = ("code", "currency")
    fields = ("code", "name", "currency", "price")

    def get_readonly_fields(self, request: HttpRequest, obj: ShippingMethodRow | None = None) -> Sequence[str]:  # noqa: ARG002
        """Keep what orders refer to."""
        return ("code", "currency") if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:  # noqa: ARG002
        """Refuse: orders refer to it."""
        return False

    def save_model(self, request: HttpRequest, obj: ShippingMethodRow, form: object, change: bool) -> None:  # noqa: ARG002
        """Offer the method through the use case."""
        act_as(f"staff:{request.user.pk}")
        offer_shipping_method(
            method=ShippingMethod(code=obj.code, name=obj.name, price=Money(obj.price_minor, obj.currency))
        )
        obj.pk = ShippingMethodRow.objects.values_list("pk", flat=True).get(code=obj.code, currency=obj.currency)

    @column("Price", ordering="price_minor")
    def shown_price(self, row: ShippingMethodRow) -> SafeString:
        """Show the price in its currency."""
        return amount(Money(row.price_minor, row.currency))


def _amounts(row: OrderRow, *names: str) -> dict[str, SafeString]:
    return {name: amount(Money(getattr(row, f"{name}_minor"), row.currency)) for name in names}


def _page_of(name: str, object_id: object) -> str | None:
    """Return the address of a row of another context."""
    return reverse(f"admin:{name}_change", args=[object_id]) if object_id else None


def _story_of(row: OrderRow) -> list[Moment]:
    """Return what happened to the order and to its payment, the oldest first."""
    entries = list(timeline_of(OrderId(row.id), of_customer=ANYONE))
    if row.payment_id:
        entries += history_of(row.payment_id)
    return [_moment_of(entry) for entry in sorted(entries, key=lambda entry: (entry.occurred_at, entry.id))]


def _moment_of(entry: HistoryEntry) -> Moment:
    happened = entry.topic.split(".")[1] if entry.topic.count(".") else entry.topic
    return Moment(
        title=happened.replace("_", " ").capitalize(),
        note=str(entry.payload.get("reason") or entry.payload.get("failure_code") or "").replace("_", " "),
        at=entry.occurred_at,
        actor=actor_in_words(entry.actor),
        topic=entry.topic,
    )


def _shown(process: ProcessView) -> dict[str, Any]:
    return {
        "name": process.name,
        "url": reverse("admin:saga_sagarow_change", args=[process.id]),
        "label": labelled(process.status, PROCESS_COLOURS),
        "reason": process.reason.replace("_", " "),
        "steps": [(step.name.replace("_", " "), labelled(step.status, STEP_COLOURS)) for step in process.steps],
        "last_error": process.last_error,
        "due": moment(process.due_at) if process.due_at else "",
        "deadline": "" if process.finished_at else moment(process.deadline_at),
    }

"""Stock for operators: what is there, what is promised, and a way to correct it that leaves a movement."""

from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import RadioFilter, RelatedDropdownFilter
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextInputWidget

from contexts.inventory.domain import MOST_UNITS, OPEN_HOLDS, NothingToAdjust, StockItemId
from contexts.inventory.models import HoldRow, LocationRow, MovementRow, StockItemRow
from contexts.inventory.queries import LOW_STOCK
from contexts.inventory.wiring import adjust_stock
from shared.persistence.admin import (
    NewestFormSet,
    ReadOnlyAdmin,
    ReadOnlyInline,
    actor_in_words,
    attempt,
    back_to,
    column,
    detail_action,
    id_or_404,
    labelled,
    linked,
    moment,
)
from shared.telemetry.context import act_as

HOLD_COLOURS = {"soft": "warning", "hard": "info"}
LEVEL_COLOURS = {"sold out": "danger", "low": "warning", "in stock": "success"}


class AdjustStockForm(BaseDialogForm):
    """A correction of the units on hand: a difference, or what was counted."""

    delta = forms.IntegerField(
        label="Change by",
        required=False,
        min_value=-MOST_UNITS,
        max_value=MOST_UNITS,
        help_text="Such as 12 or -3.",
        widget=UnfoldAdminIntegerFieldWidget,
    )
    counted = forms.IntegerField(
        label="Or counted",
        required=False,
        min_value=0,
        max_value=MOST_UNITS,
        help_text="How many units are there.",
        widget=UnfoldAdminIntegerFieldWidget,
    )
    reason = forms.CharField(max_length=200, widget=UnfoldAdminTextInputWidget)
    version = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        version = StockItemRow.objects.filter(pk=id_or_404(self.object_id)).values_list("version", flat=True).first()
        if version is None:
            raise Http404
        self.initial["version"] = version

    def clean(self) -> dict[str, Any]:
        """Ask for one of the two ways."""
        given: dict[str, Any] = super().clean()
        if not self.errors and (given["delta"] is None) == (given["counted"] is None):
            self.add_error("delta", NothingToAdjust().message)
        return given


class MovementInline(ReadOnlyInline):
    """The newest changes of the units on hand."""

    model = MovementRow
    formset = NewestFormSet
    verbose_name_plural = "newest movements"
    ordering = ("-id",)
    fields = ("shown_at", "change", "on_hand", "reason", "shown_actor")
    readonly_fields = fields

    @column("At (UTC)")
    def shown_at(self, row: MovementRow) -> SafeString:
        """Show when it happened."""
        return moment(row.at)

    @column("Change")
    def change(self, row: MovementRow) -> str:
        """Show the difference with its sign."""
        return f"{row.delta:+,}"

    @column("Actor")
    def shown_actor(self, row: MovementRow) -> SafeString:
        """Show who did it."""
        return actor_in_words(row.actor)


class OpenHoldInline(ReadOnlyInline):
    """The newest promises that are not yet kept."""

    model = HoldRow
    formset = NewestFormSet
    verbose_name_plural = "newest open holds"
    ordering = ("-id",)
    fields = ("order", "quantity", "shown_status", "since", "until")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[HoldRow]:
        """Return the open holds; an index has just those."""
        rows: QuerySet[HoldRow] = super().get_queryset(request)
        return rows.filter(status__in=OPEN_HOLDS)

    @column("Order")
    def order(self, row: HoldRow) -> SafeString:
        """Show the order, which belongs to another context, by its id."""
        return linked("ordering_orderrow", row.order_id, row.order_id)

    @column("Status")
    def shown_status(self, row: HoldRow) -> SafeString:
        """Show whether the promise lasts."""
        return labelled(row.status, HOLD_COLOURS)

    @column("Held since (UTC)")
    def since(self, row: HoldRow) -> SafeString:
        """Show when it was promised."""
        return moment(row.created_at)

    @column("Expires (UTC)")
    def until(self, row: HoldRow) -> SafeString:
        """Show when a soft hold is given back."""
        return moment(row.expires_at)


class LevelFilter(RadioFilter):
    """Items that have little left to promise."""

    title = "level"
    parameter_name = "level"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:  # noqa: ARG002
        """Offer what can be asked for."""
        return [("low", f"Low: {LOW_STOCK} or fewer available"), ("out", "Sold out")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[StockItemRow]) -> QuerySet[StockItemRow]:  # noqa: ARG002
        """Keep the items at that level."""
        most = {"low": LOW_STOCK, "out": 0}.get(self.value() or "")
        return queryset if most is None else queryset.filter(on_hand__lte=F("held") - F("backorder_limit") + most)


@admin.register(StockItemRow)
class StockItemAdmin(ReadOnlyAdmin):
    """Stock per sku and location."""

    list_display = ("shown_sku", "location_code", "on_hand", "held", "available", "level")
    list_filter = (LevelFilter, ("location", RelatedDropdownFilter))
    search_fields = ("sku__startswith",)
    search_help_text = "Beginning of a SKU"
    ordering = ("sku", "id")
    sortable_by = ("shown_sku", "on_hand", "held", "available")
    actions_detail = ("adjust",)
    inlines = (MovementInline, OpenHoldInline)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("shown_sku", "location_code"),
                    ("on_hand", "held"),
                    ("available", "backorder_limit"),
                    "level",
                )
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[StockItemRow]:
        """Return the items with their location."""
        rows: QuerySet[StockItemRow] = super().get_queryset(request)
        return rows.select_related("location")

    def has_adjust_permission(self, request: HttpRequest, object_id: object = None) -> bool:  # noqa: ARG002
        """Tell whether this operator may correct the stock."""
        return request.user.has_perm("inventory.change_stockitemrow")

    def title_of(self, row: StockItemRow) -> str:
        """Return what is kept where."""
        return f"{row.sku} at {row.location.name}"

    @detail_action(
        "Adjust stock",
        url_path="adjust",
        icon="tune",
        permission="adjust",
        dialog={
            "title": "Adjust stock",
            "description": "Give a difference, or the number of units that you counted.",
            "form_class": AdjustStockForm,
            "form_submit_text": "Adjust",
        },
    )
    def adjust(self, request: HttpRequest, form: AdjustStockForm, object_id: str) -> HttpResponse:
        """Correct the units on hand through the use case."""
        act_as(f"staff:{request.user.pk}")
        given = form.cleaned_data
        work = partial(
            adjust_stock,
            stock_item_id=StockItemId(id_or_404(object_id)),
            delta=given["delta"],
            counted=given["counted"],
            reason=given["reason"],
            expected_version=given["version"],
        )
        attempt(request, work, done="The stock is adjusted; see the newest movement.")
        return back_to("inventory_stockitemrow", object_id)

    @column("SKU", ordering="sku")
    def shown_sku(self, row: StockItemRow) -> str:
        """Show what it is."""
        return row.sku

    @column("Location", ordering="location__code")
    def location_code(self, row: StockItemRow) -> str:
        """Show where it is kept."""
        return row.location.code

    @column("Available", ordering=F("on_hand") + F("backorder_limit") - F("held"))
    def available(self, row: StockItemRow) -> int:
        """Show how many units can still be promised."""
        return row.on_hand + row.backorder_limit - row.held

    @column("Level")
    def level(self, row: StockItemRow) -> SafeString:
        """Show whether there is enough."""
        available = self.available(row)
        level = "sold out" if available <= 0 else "low" if available <= LOW_STOCK else "in stock"
        return labelled(level, LEVEL_COLOURS)


@admin.register(LocationRow)
class LocationAdmin(ReadOnlyAdmin):
    """The places where goods are kept; smaller priorities are used first."""

    list_display = ("code", "name", "priority")
    ordering = ("priority", "code")
    fields = ("code", "name", "priority")

    def title_of(self, row: LocationRow) -> str:
        """Return what people call it."""
        return row.name

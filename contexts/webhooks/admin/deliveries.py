"""What endpoints were told, for operators: its log, and a second chance for what did not arrive."""

from collections.abc import Callable

from django import forms
from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminTextInputWidget

from contexts.webhooks.domain import DeliveryId
from contexts.webhooks.models import AttemptRow, DeliveryRow
from contexts.webhooks.wiring import discard_delivery, retry_delivery
from shared.persistence.admin import (
    ReadOnlyAdmin,
    ReadOnlyInline,
    attempt,
    back_to,
    column,
    detail_action,
    id_in,
    id_or_404,
    labelled,
    linked,
    moment,
)
from shared.telemetry.context import act_as

DELIVERY_COLOURS = {
    "pending": "info",
    "retrying": "warning",
    "done": "success",
    "dead": "danger",
    "discarded": "default",
}


class ReasonForm(BaseDialogForm):
    """Why an operator does it."""

    reason = forms.CharField(max_length=200, widget=UnfoldAdminTextInputWidget)


class AttemptInline(ReadOnlyInline):
    """The log of a delivery."""

    model = AttemptRow
    verbose_name_plural = "attempts"
    ordering = ("-id",)
    fields = ("number", "shown_at", "milliseconds", "shown_request", "answer", "shown_body")
    readonly_fields = fields

    @column("At (UTC)")
    def shown_at(self, row: AttemptRow) -> SafeString:
        """Show when it was sent."""
        return moment(row.at)

    @column("Beginning of the request")
    def shown_request(self, row: AttemptRow) -> SafeString:
        """Show what the endpoint was sent."""
        return format_html('<code style="white-space: pre-wrap">{}</code>', row.request_body[:200])

    @column("Answer")
    def answer(self, row: AttemptRow) -> str:
        """Show the status, or why there is none."""
        return row.error or str(row.status)

    @column("Beginning of the answer")
    def shown_body(self, row: AttemptRow) -> SafeString:
        """Show what the endpoint said."""
        return format_html('<code style="white-space: pre-wrap">{}</code>', row.body[:200])


@admin.register(DeliveryRow)
class DeliveryAdmin(ReadOnlyAdmin):
    """What endpoints were told, or are to be told; dead letters can be retried or discarded."""

    list_display = ("topic", "endpoint_url", "shown_status", "attempts", "due", "ended", "last_error")
    list_filter = (("status", ChoicesDropdownFilter),)
    search_fields = ("id", "topic")
    search_help_text = "Id of a delivery, event or endpoint, or the beginning of a topic"
    ordering = ("-id",)
    inlines = (AttemptInline,)
    actions = ("retry", "discard")
    actions_detail = ("retry_this", "discard_this")
    fieldsets = (
        (
            "Delivery",
            {"fields": (("topic", "shown_status"), ("endpoint_url", "event_id"), ("attempts", "last_error"))},
        ),
        ("Times (UTC)", {"fields": (("due", "ended"),)}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[DeliveryRow]:
        """Return the deliveries with their endpoints, where those were not removed."""
        rows: QuerySet[DeliveryRow] = super().get_queryset(request).filter(endpoint__removed_at=None)
        return rows.select_related("endpoint").defer("endpoint__secret", "endpoint__previous_secret")

    def found_by(self, term: str) -> Q:
        """Find deliveries by their ids, which indexes have, or by the beginning of their topic, the newest first."""
        wanted = id_in(term)
        if wanted is None:
            return Q(topic__startswith=term)
        return Q(id=wanted) | Q(event_id=wanted) | Q(endpoint_id=wanted)

    def title_of(self, row: DeliveryRow) -> str:
        """Return what is told to whom."""
        return f"{row.topic} to {row.endpoint.url}"

    def has_deal_permission(self, request: HttpRequest, object_id: object = None) -> bool:  # noqa: ARG002
        """Tell whether this operator may retry and discard."""
        return request.user.has_perm("webhooks.change_deliveryrow")

    @admin.action(description="Retry the selected dead letters", permissions=["deal"])
    def retry(self, request: HttpRequest, queryset: QuerySet[DeliveryRow]) -> None:
        """Have the selected dead letters tried from the beginning."""
        _deal_with(request, queryset, retry_delivery, done="Due now")

    @admin.action(description="Discard the selected dead letters", permissions=["deal"])
    def discard(self, request: HttpRequest, queryset: QuerySet[DeliveryRow]) -> None:
        """Leave the selected dead letters untold."""
        _deal_with(request, queryset, discard_delivery, done="Discarded")

    @detail_action(
        "Retry",
        url_path="retry",
        icon="replay",
        permission="deal",
        dialog={
            "title": "Try this once more?",
            "description": "It is due now, for three days from now, under the same id.",
            "form_class": ReasonForm,
            "form_submit_text": "Retry",
        },
    )
    def retry_this(self, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
        """Have it tried from the beginning."""
        return _deal_with_this(request, form, object_id, retry_delivery, done="Due now.")

    @detail_action(
        "Discard",
        url_path="discard",
        icon="delete",
        permission="deal",
        dialog={
            "title": "Leave this untold?",
            "description": "Only a replay would tell the endpoint.",
            "form_class": ReasonForm,
            "form_submit_text": "Discard",
        },
    )
    def discard_this(self, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
        """Leave it untold."""
        return _deal_with_this(request, form, object_id, discard_delivery, done="Discarded.")

    @column("Endpoint")
    def endpoint_url(self, row: DeliveryRow) -> SafeString:
        """Show who is told, linked to the endpoint."""
        return linked("webhooks_endpointrow", row.endpoint_id, row.endpoint.url)

    @column("Status")
    def shown_status(self, row: DeliveryRow) -> SafeString:
        """Show what became of it."""
        return labelled(status_of(row), DELIVERY_COLOURS)

    @column("Due (UTC)")
    def due(self, row: DeliveryRow) -> SafeString:
        """Show when it is tried next."""
        return moment(row.due_at if row.status == "pending" else None)

    @column("Ended (UTC)")
    def ended(self, row: DeliveryRow) -> SafeString:
        """Show when it was done or given up."""
        return moment(row.finished_at)


def _deal_with(request: HttpRequest, rows: QuerySet[DeliveryRow], deal: Callable[..., None], *, done: str) -> None:
    act_as(f"staff:{request.user.pk}")
    dead = list(rows.filter(status="dead").order_by("pk").values_list("pk", flat=True))
    if not dead:
        messages.warning(request, "Only dead letters are retried or discarded; none of these is dead.")
        return

    def work() -> None:
        for id_ in dead:
            deal(delivery_id=DeliveryId(id_), reason="selected in the admin")

    attempt(request, work, done=f"{done}: {len(dead)}.")


def _deal_with_this(
    request: HttpRequest, form: ReasonForm, object_id: str, deal: Callable[..., None], *, done: str
) -> HttpResponse:
    act_as(f"staff:{request.user.pk}")
    reason = form.cleaned_data["reason"]
    attempt(request, lambda: deal(delivery_id=DeliveryId(id_or_404(object_id)), reason=reason), done=done)
    return back_to("webhooks_deliveryrow", object_id)


def status_of(row: DeliveryRow) -> str:
    """Return what became of a delivery, in one word."""
    return "retrying" if row.status == "pending" and row.attempts else row.status

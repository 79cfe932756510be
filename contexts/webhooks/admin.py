"""Webhooks for operators: endpoints, what they were told, and a second chance for what did not arrive."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

from django import forms
from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RadioFilter
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextInputWidget

from contexts.webhooks.domain import ANYONE, DeliveryId, EndpointId
from contexts.webhooks.models import AttemptRow, DeliveryRow, EndpointRow
from contexts.webhooks.wiring import ask_for_replay, discard_delivery, retry_delivery, switch_endpoint
from shared.persistence.admin import (
    NewestFormSet,
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
    short,
)
from shared.telemetry.context import act_as

ENDPOINT_COLOURS = {"enabled": "success", "failing": "warning", "disabled": "danger"}
DELIVERY_COLOURS = {
    "pending": "info",
    "retrying": "warning",
    "done": "success",
    "dead": "danger",
    "discarded": "default",
}
MOST_HOURS = 24 * 90


class ReasonForm(BaseDialogForm):
    """Why an operator does it."""

    reason = forms.CharField(max_length=200, widget=UnfoldAdminTextInputWidget)


class ReplayForm(BaseDialogForm):
    """How far back the endpoint is told once more."""

    hours = forms.IntegerField(
        label="Of the last hours",
        min_value=1,
        max_value=MOST_HOURS,
        initial=24,
        widget=UnfoldAdminIntegerFieldWidget,
    )


class StateFilter(RadioFilter):
    """Endpoints by how they do."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:  # noqa: ARG002
        """Offer what can be asked for."""
        return [("enabled", "Enabled"), ("failing", "Failing"), ("disabled", "Disabled")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[EndpointRow]) -> QuerySet[EndpointRow]:  # noqa: ARG002
        """Keep the endpoints in that state."""
        wanted = {
            "enabled": Q(disabled_because=""),
            "failing": Q(disabled_because="", failing_since__isnull=False),
            "disabled": ~Q(disabled_because=""),
        }
        return queryset.filter(wanted.get(self.value() or "", Q()))


class NewestDeliveryInline(ReadOnlyInline):
    """The newest deliveries to an endpoint."""

    model = DeliveryRow
    formset = NewestFormSet
    verbose_name_plural = "newest deliveries"
    ordering = ("-id",)
    fields = ("link", "shown_status", "attempts", "shown_due", "last_error")
    readonly_fields = fields

    @column("Event")
    def link(self, row: DeliveryRow) -> SafeString:
        """Show what is told, linked to the delivery."""
        return linked("webhooks_deliveryrow", row.pk, row.topic)

    @column("Status")
    def shown_status(self, row: DeliveryRow) -> SafeString:
        """Show what became of it."""
        return labelled(_status_of(row), DELIVERY_COLOURS)

    @column("Due (UTC)")
    def shown_due(self, row: DeliveryRow) -> SafeString:
        """Show when it is tried next."""
        return moment(row.due_at if row.status == "pending" else None)


class AttemptInline(ReadOnlyInline):
    """The log of a delivery."""

    model = AttemptRow
    verbose_name_plural = "attempts"
    ordering = ("-id",)
    fields = ("number", "shown_at", "milliseconds", "answer", "shown_body")
    readonly_fields = fields

    @column("At (UTC)")
    def shown_at(self, row: AttemptRow) -> SafeString:
        """Show when it was sent."""
        return moment(row.at)

    @column("Answer")
    def answer(self, row: AttemptRow) -> str:
        """Show the status, or why there is none."""
        return row.error or str(row.status)

    @column("Beginning of the answer")
    def shown_body(self, row: AttemptRow) -> SafeString:
        """Show what the endpoint said."""
        return format_html('<code style="white-space: pre-wrap">{}</code>', row.body[:200])


@admin.register(EndpointRow)
class EndpointAdmin(ReadOnlyAdmin):
    """The URLs at which other servers are told."""

    list_display = ("url", "shown_topics", "state", "failing", "owner", "added")
    list_filter = (StateFilter,)
    search_fields = ("id", "url")
    search_help_text = "Id of an endpoint or of its owner's key, or the beginning of a URL"
    ordering = ("-id",)
    inlines = (NewestDeliveryInline,)
    actions_detail = ("enable", "disable", "replay")
    fieldsets = (
        (
            "Endpoint",
            {"fields": (("url", "state"), ("shown_topics", "email"), ("owner", "added"), "failing")},
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[EndpointRow]:
        """Return the endpoints without their secrets."""
        rows: QuerySet[EndpointRow] = super().get_queryset(request)
        return rows.defer("secret", "previous_secret")

    def found_by(self, term: str) -> Q:
        """Find endpoints by id, owner or URL."""
        wanted = id_in(term)
        return Q(url__startswith=term) if wanted is None else Q(id=wanted) | Q(owner_id=wanted)

    def title_of(self, row: EndpointRow) -> str:
        """Return where it is."""
        return f"Webhook endpoint {row.url}"

    def has_switch_permission(self, request: HttpRequest, object_id: object = None) -> bool:  # noqa: ARG002
        """Tell whether this operator may pull the levers."""
        return request.user.has_perm("webhooks.change_endpointrow")

    @detail_action(
        "Enable",
        url_path="enable",
        icon="play_arrow",
        permission="switch",
        dialog={
            "title": "Enable this endpoint?",
            "description": "It is told of what happens from now on. What it missed comes with a replay.",
            "form_class": ReasonForm,
            "form_submit_text": "Enable",
        },
    )
    def enable(self, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
        """Enable the endpoint through the use case."""
        return self._switch(request, form, object_id, enabled=True)

    @detail_action(
        "Disable",
        url_path="disable",
        icon="pause",
        permission="switch",
        dialog={
            "title": "Disable this endpoint?",
            "description": "Nothing is sent to it any more; what it is owed becomes dead letters.",
            "form_class": ReasonForm,
            "form_submit_text": "Disable",
        },
    )
    def disable(self, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
        """Disable the endpoint through the use case."""
        return self._switch(request, form, object_id, enabled=False)

    @detail_action(
        "Replay",
        url_path="replay",
        icon="replay",
        permission="switch",
        dialog={
            "title": "Tell this endpoint once more?",
            "description": "It is told again, under the same ids, of its topics' events of the last hours.",
            "form_class": ReplayForm,
            "form_submit_text": "Replay",
        },
    )
    def replay(self, request: HttpRequest, form: ReplayForm, object_id: str) -> HttpResponse:
        """Ask for a replay through the use case."""
        act_as(f"staff:{request.user.pk}")
        now = timezone.now()
        work = partial(
            ask_for_replay,
            endpoint_id=EndpointId(id_or_404(object_id)),
            of_owner=ANYONE,
            since=now - timedelta(hours=form.cleaned_data["hours"]),
            until=now,
        )
        if attempt(request, work, done="The senders make these events due within seconds."):
            self.log_change(request, EndpointRow(pk=id_or_404(object_id)), "Replayed.")
        return back_to("webhooks_endpointrow", object_id)

    def _switch(self, request: HttpRequest, form: ReasonForm, object_id: str, *, enabled: bool) -> HttpResponse:
        act_as(f"staff:{request.user.pk}")
        work = partial(
            switch_endpoint,
            endpoint_id=EndpointId(id_or_404(object_id)),
            enabled=enabled,
            reason=form.cleaned_data["reason"],
        )
        attempt(request, work, done="Enabled." if enabled else "Disabled.")
        return back_to("webhooks_endpointrow", object_id)

    @column("Topics")
    def shown_topics(self, row: EndpointRow) -> str:
        """Show the first topics and how many there are."""
        more = f" and {len(row.topics) - 2} more" if len(row.topics) > 2 else ""
        return ", ".join(row.topics[:2]) + more

    @column("State")
    def state(self, row: EndpointRow) -> SafeString:
        """Show how it does."""
        if row.disabled_because:
            return labelled("disabled", ENDPOINT_COLOURS)
        return labelled("failing" if row.failing_since else "enabled", ENDPOINT_COLOURS)

    @column("Fails since (UTC)")
    def failing(self, row: EndpointRow) -> SafeString:
        """Show since when every attempt has failed."""
        return moment(row.failing_since)

    @column("Owner's key")
    def owner(self, row: EndpointRow) -> SafeString:
        """Show whose it is."""
        return short(row.owner_id)

    @column("Added (UTC)")
    def added(self, row: EndpointRow) -> SafeString:
        """Show since when it is there."""
        return moment(row.created_at)


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
        """Return the deliveries with their endpoints."""
        rows: QuerySet[DeliveryRow] = super().get_queryset(request)
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
        return labelled(_status_of(row), DELIVERY_COLOURS)

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


def _status_of(row: DeliveryRow) -> str:
    return "retrying" if row.status == "pending" and row.attempts else row.status

"""Endpoints for operators: how they do, and the levers."""

from collections.abc import Sequence
from functools import partial

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import RadioFilter
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminTextInputWidget

from contexts.webhooks.admin.deliveries import DELIVERY_COLOURS, ReasonForm, status_of
from contexts.webhooks.domain import EndpointId
from contexts.webhooks.models import DeliveryRow, EndpointRow, ReplayRow
from contexts.webhooks.wiring import replay_as_operator, switch_endpoint
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


class MomentWidget(UnfoldAdminTextInputWidget):
    """A moment, chosen by the browser's own means."""

    input_type = "datetime-local"


class ReplayForm(BaseDialogForm):
    """Of which span of time and which topics the endpoint is told once more."""

    since = forms.DateTimeField(label="From (UTC)", widget=MomentWidget)
    until = forms.DateTimeField(label="To (UTC), empty for now", widget=MomentWidget, required=False)
    topics = forms.CharField(
        label="Topics, with spaces between; empty for those of the endpoint",
        required=False,
        max_length=2000,
        widget=UnfoldAdminTextInputWidget,
    )
    reason = forms.CharField(max_length=200, widget=UnfoldAdminTextInputWidget)


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
        return labelled(status_of(row), DELIVERY_COLOURS)

    @column("Due (UTC)")
    def shown_due(self, row: DeliveryRow) -> SafeString:
        """Show when it is tried next."""
        return moment(row.due_at if row.status == "pending" else None)


class ReplayInline(ReadOnlyInline):
    """What an endpoint was, or is being, told once more."""

    model = ReplayRow
    formset = NewestFormSet
    verbose_name_plural = "newest replays"
    ordering = ("-id",)
    fields = ("shown_asked", "shown_since", "shown_until", "shown_topics", "count", "shown_state")
    readonly_fields = fields

    @column("Asked for (UTC)")
    def shown_asked(self, row: ReplayRow) -> SafeString:
        """Show when it was asked for."""
        return moment(row.asked_at)

    @column("From (UTC)")
    def shown_since(self, row: ReplayRow) -> SafeString:
        """Show the first moment of the span."""
        return moment(row.since)

    @column("To (UTC)")
    def shown_until(self, row: ReplayRow) -> SafeString:
        """Show the first moment after it."""
        return moment(row.until)

    @column("Topics")
    def shown_topics(self, row: ReplayRow) -> str:
        """Show the first topics and how many there are."""
        return few_of(row.topics)

    @column("State")
    def shown_state(self, row: ReplayRow) -> SafeString:
        """Show whether all its events were made due."""
        return labelled("done" if row.is_done else "pending", DELIVERY_COLOURS)


@admin.register(EndpointRow)
class EndpointAdmin(ReadOnlyAdmin):
    """The URLs at which other servers are told."""

    list_display = ("url", "shown_topics", "state", "failing", "owner", "added")
    list_filter = (StateFilter,)
    search_fields = ("id", "url")
    search_help_text = "Id of an endpoint or of its owner's key, or the beginning of a URL"
    ordering = ("-id",)
    inlines = (NewestDeliveryInline, ReplayInline)
    actions_detail = ("enable", "disable", "replay")
    fieldsets = (
        (
            "Endpoint",
            {"fields": (("url", "state"), ("all_topics", "email"), ("owner", "added"), "failing")},
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
            "description": "It is told again, under the same ids, of what was recorded in that span.",
            "form_class": ReplayForm,
            "form_submit_text": "Replay",
        },
    )
    def replay(self, request: HttpRequest, form: ReplayForm, object_id: str) -> HttpResponse:
        """Ask for a replay through the use case."""
        act_as(f"staff:{request.user.pk}")
        given = form.cleaned_data
        work = partial(
            replay_as_operator,
            endpoint_id=EndpointId(id_or_404(object_id)),
            since=given["since"],
            until=given["until"] or timezone.now(),
            topics=given["topics"].split() or None,
            reason=given["reason"],
        )
        attempt(request, work, done="These events are made due within seconds; this page tells how far it is.")
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
        return few_of(row.topics)

    @column("Topics")
    def all_topics(self, row: EndpointRow) -> str:
        """Show all topics."""
        return ", ".join(row.topics)

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


def few_of(topics: Sequence[str]) -> str:
    """Show the first topics and how many there are."""
    more = f" and {len(topics) - 2} more" if len(topics) > 2 else ""
    return ", ".join(topics[:2]) + more

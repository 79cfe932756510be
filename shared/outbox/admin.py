"""Events and their deliveries for operators: what happened, who was told, and a second chance for dead letters."""

import json

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import action
from unfold.forms import BaseDialogForm

from shared.audit.trail import record_change
from shared.outbox.dead_letters import retry_dead
from shared.outbox.models import ArchivedMessageRow, DeliveryRow, MessageColumns, OutboxMessageRow
from shared.outbox.relay import relay_pending_messages
from shared.persistence.admin import (
    DayRangeFilter,
    ReadOnlyAdmin,
    ReadOnlyInline,
    actor_in_words,
    attempt,
    back_to,
    column,
    detail_action,
    id_in,
    labelled,
    linked,
    moment,
    short,
)
from shared.persistence.unit_of_work import atomic
from shared.telemetry.context import act_as

#: In one request; the next one goes on.
MOST_RELAYED = 5000

DELIVERY_COLOURS = {
    "pending": "info",
    "waiting": "info",
    "retrying": "warning",
    "done": "success",
    "dead": "danger",
    "dropped": "primary",
}


class DeliveryInline(ReadOnlyInline):
    """Who was told of an event."""

    model = DeliveryRow
    ordering = ("id",)
    fields = ("link", "shown_status", "attempts", "shown_end", "last_error")
    readonly_fields = fields

    @column("Subscription")
    def link(self, row: DeliveryRow) -> SafeString:
        """Show the handler, linked to the delivery."""
        return linked("outbox_deliveryrow", row.pk, row.subscription)

    @column("Status")
    def shown_status(self, row: DeliveryRow) -> SafeString:
        """Show what became of the delivery."""
        return labelled(_status_of(row), DELIVERY_COLOURS)

    @column("Ended (UTC)")
    def shown_end(self, row: DeliveryRow) -> SafeString:
        """Show when it was done or given up."""
        return moment(row.finished_at)


class _StoredEventAdmin(ReadOnlyAdmin):
    """Events, the newest first."""

    search_fields = ("id", "aggregate_id", "topic")
    search_help_text = "Id of an aggregate or event, or a topic"
    ordering = ("-id",)

    def found_by(self, term: str) -> Q:
        """Find events by id, which an index has, or by the beginning of their topic, the newest first."""
        wanted = id_in(term)
        return Q(topic__startswith=term) if wanted is None else Q(id=wanted) | Q(aggregate_id=wanted)

    def title_of(self, row: MessageColumns) -> str:
        """Return what happened."""
        return f"Event {row.topic}"

    @column("Aggregate")
    def aggregate(self, row: MessageColumns) -> SafeString:
        """Show what it happened to."""
        return short(row.aggregate_id)

    @column("Occurred at (UTC)")
    def at(self, row: MessageColumns) -> SafeString:
        """Show when it happened."""
        return moment(row.occurred_at)

    @column("Actor")
    def shown_actor(self, row: MessageColumns) -> SafeString:
        """Show who did it."""
        return actor_in_words(row.actor)

    @column("Payload")
    def pretty_payload(self, row: MessageColumns) -> SafeString:
        """Show the payload, indented."""
        text = json.dumps(row.payload, indent=2, ensure_ascii=False)
        return format_html('<pre style="white-space: pre-wrap; line-height: 1.5">{}</pre>', text)


@admin.register(OutboxMessageRow)
class EventAdmin(_StoredEventAdmin):
    """Events that are not archived, with their deliveries."""

    list_display = ("topic", "aggregate", "aggregate_sequence", "at", "shown_actor", "relayed")
    list_filter = (("occurred_at", DayRangeFilter), ("pending", admin.BooleanFieldListFilter))
    actions_list = ("relay_now",)
    inlines = (DeliveryInline,)
    fieldsets = (
        (
            "Event",
            {"fields": (("topic", "at"), ("aggregate_id", "aggregate_sequence"), ("shown_actor", "relayed"))},
        ),
        ("Payload", {"fields": ("pretty_payload",)}),
        ("Trace", {"fields": (("correlation_id", "causation_id"), "traceparent")}),
    )

    def has_relay_permission(self, request: HttpRequest) -> bool:
        """Tell whether this operator may do the relay's work."""
        return request.user.has_perm("outbox.change_outboxmessagerow")

    @action(description="Relay waiting events now", url_path="relay", icon="forward", permissions=["relay"])
    def relay_now(self, request: HttpRequest) -> HttpResponse:
        """Do what the relay does, as far as one request can, because no relay does it."""
        act_as(f"staff:{request.user.pk}")
        relayed = 0
        while taken := relay_pending_messages():
            relayed += taken
            if relayed >= MOST_RELAYED:
                break
        if relayed:
            with atomic():
                record_change(
                    action="outbox.relay_now",
                    subject_kind="outbox",
                    subject_id="pending",
                    before=None,
                    after={"relayed": relayed},
                )
        messages.success(request, f"Relayed: {relayed}. See to it that a relay runs.")
        return redirect("admin:outbox_outboxmessagerow_changelist")

    @column("Relayed")
    def relayed(self, row: OutboxMessageRow) -> SafeString:
        """Show whether a relay has taken it."""
        return labelled("pending" if row.pending else "done", DELIVERY_COLOURS)


@admin.register(ArchivedMessageRow)
class ArchivedEventAdmin(_StoredEventAdmin):
    """Events that everybody has been told of long ago; a replay brings them back."""

    list_display = ("topic", "aggregate", "aggregate_sequence", "at", "shown_actor")
    list_filter = (("occurred_at", DayRangeFilter),)
    fieldsets = (
        ("Event", {"fields": (("topic", "at"), ("aggregate_id", "aggregate_sequence"), "shown_actor")}),
        ("Payload", {"fields": ("pretty_payload",)}),
        ("Trace", {"fields": (("correlation_id", "causation_id"), "traceparent")}),
    )


@admin.register(DeliveryRow)
class DeliveryAdmin(ReadOnlyAdmin):
    """Deliveries, the newest first; dead ones can be tried again."""

    list_display = ("topic", "subscription", "shown_status", "attempts", "due", "ended", "shown_error")
    list_filter = (("status", ChoicesDropdownFilter),)
    list_select_related = ("message",)
    search_fields = ("message_id", "subscription")
    search_help_text = "Id of an event, or a subscription"
    ordering = ("-id",)
    actions = ("retry",)
    actions_detail = ("retry_this",)
    fieldsets = (
        ("Delivery", {"fields": (("event", "subscription"), ("shown_status", "attempts"), ("due", "ended"))}),
        ("Last error", {"fields": ("last_error",)}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[DeliveryRow]:
        """Return the deliveries with their events."""
        rows: QuerySet[DeliveryRow] = super().get_queryset(request)
        return rows.select_related("message").defer("message__payload")

    def found_by(self, term: str) -> Q:
        """Find deliveries by their event, which an index has, or by their handler, the newest first."""
        wanted = id_in(term)
        return Q(subscription__startswith=term) if wanted is None else Q(message_id=wanted)

    def title_of(self, row: DeliveryRow) -> str:
        """Return what is told to whom."""
        return f"Delivery of {row.message.topic} to {row.subscription}"

    def has_retry_permission(self, request: HttpRequest, object_id: object = None) -> bool:  # noqa: ARG002
        """Tell whether this operator may try dead letters again."""
        return request.user.has_perm("outbox.change_deliveryrow")

    @admin.action(description="Retry the selected dead letters", permissions=["retry"])
    def retry(self, request: HttpRequest, queryset: QuerySet[DeliveryRow]) -> None:
        """Give the selected dead letters all their attempts again."""
        self._retry(request, queryset)

    @detail_action(
        "Retry",
        url_path="retry",
        icon="replay",
        permission="retry",
        dialog={
            "title": "Deliver this once more?",
            "description": "A worker calls the handler within seconds. Its effect and the mark that it is done "
            "are committed together, so nothing happens twice.",
            "form_class": BaseDialogForm,
            "form_submit_text": "Retry",
        },
    )
    def retry_this(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:  # noqa: ARG002
        """Give the dead letter all its attempts again."""
        self._retry(request, DeliveryRow.objects.filter(pk__in=[object_id] if object_id.isdecimal() else []))
        return back_to("outbox_deliveryrow", object_id)

    def _retry(self, request: HttpRequest, rows: QuerySet[DeliveryRow]) -> None:
        act_as(f"staff:{request.user.pk}")
        dead = list(rows.filter(status=DeliveryRow.Status.DEAD).order_by("pk"))
        if not dead:
            messages.warning(request, "Only dead letters are retried; none of these is dead.")
            return

        def revive() -> None:
            retry_dead([row.pk for row in dead])
            for row in dead:
                self.log_change(request, row, "Retried.")

        attempt(request, revive, done=f"Due now: {len(dead)}.")

    @column("Event")
    def topic(self, row: DeliveryRow) -> str:
        """Show what is told."""
        return row.message.topic

    @column("Event")
    def event(self, row: DeliveryRow) -> SafeString:
        """Show what is told, linked to the event."""
        return linked("outbox_outboxmessagerow", row.message_id, row.message.topic)

    @column("Status")
    def shown_status(self, row: DeliveryRow) -> SafeString:
        """Show what became of the delivery."""
        return labelled(_status_of(row), DELIVERY_COLOURS)

    @column("Due (UTC)")
    def due(self, row: DeliveryRow) -> SafeString:
        """Show when it is tried next."""
        return moment(row.due_at if row.status == DeliveryRow.Status.PENDING else None)

    @column("Ended (UTC)")
    def ended(self, row: DeliveryRow) -> SafeString:
        """Show when it was done or given up."""
        return moment(row.finished_at)

    @column("Last error")
    def shown_error(self, row: DeliveryRow) -> str:
        """Show the beginning of the last error."""
        return f"{row.last_error[:79]}…" if len(row.last_error) > 80 else row.last_error


def _status_of(row: DeliveryRow) -> str:
    """Tell a delivery that failed before, and one that waits for an earlier event, from one that was not tried yet."""
    if row.status == DeliveryRow.Status.PENDING and row.waits:
        return "waiting"
    if row.status == DeliveryRow.Status.PENDING and row.attempts:
        return "retrying"
    return row.status

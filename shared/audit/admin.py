"""The audit trail for operators: who changed what, when and why. To look at, never to touch."""

import json

from django.contrib import admin
from django.db.models import Q
from django.utils.html import format_html
from django.utils.safestring import SafeString

from shared.audit.models import AuditEntryRow
from shared.persistence.admin import DayRangeFilter, ReadOnlyAdmin, actor_in_words, column, moment


@admin.register(AuditEntryRow)
class AuditEntryAdmin(ReadOnlyAdmin):
    """Changes, the newest first."""

    list_display = ("shown_at", "action", "shown_actor", "subject", "reason")
    list_filter = (("at", DayRangeFilter),)
    search_fields = ("subject_id",)
    search_help_text = "Id of what was changed"
    ordering = ("-id",)
    fieldsets = (
        ("Change", {"fields": (("action", "shown_at"), ("subject", "shown_actor"), "reason")}),
        ("Values", {"fields": ("shown_before", "shown_after")}),
        ("Place in the chain", {"fields": (("stream", "position"), "shown_digest", "correlation_id")}),
    )

    def found_by(self, term: str) -> Q:
        """Find changes by what was changed, which an index has for each kind of subject."""
        kinds = AuditEntryRow.objects.order_by().values_list("subject_kind", flat=True).distinct()
        return Q(subject_kind__in=list(kinds), subject_id=term)

    def title_of(self, row: AuditEntryRow) -> str:
        """Return what was done."""
        return f"{row.action} of {row.subject_kind} {row.subject_id}"

    @column("At (UTC)")
    def shown_at(self, row: AuditEntryRow) -> SafeString:
        """Show when it was done."""
        return moment(row.at)

    @column("Actor")
    def shown_actor(self, row: AuditEntryRow) -> SafeString:
        """Show who did it."""
        return actor_in_words(row.actor)

    @column("Subject")
    def subject(self, row: AuditEntryRow) -> str:
        """Show what was changed."""
        return f"{row.subject_kind} {row.subject_id}"

    @column("Before")
    def shown_before(self, row: AuditEntryRow) -> SafeString:
        """Show the values that were."""
        return _indented(row.before)

    @column("After")
    def shown_after(self, row: AuditEntryRow) -> SafeString:
        """Show the values that are."""
        return _indented(row.after)

    @column("Digest")
    def shown_digest(self, row: AuditEntryRow) -> str:
        """Show the link of the chain."""
        return bytes(row.digest).hex()


def _indented(values: object) -> SafeString:
    text = json.dumps(values, indent=2, ensure_ascii=False)
    return format_html('<pre style="white-space: pre-wrap; line-height: 1.5">{}</pre>', text)

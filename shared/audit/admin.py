"""The audit for operators: who changed what, when and why, and whether the laws hold. To look at, never to touch."""

import json
from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from shared.audit.models import AuditEntryRow, AuditRunRow
from shared.persistence.admin import DayRangeFilter, ReadOnlyAdmin, actor_in_words, column, labelled, moment

RUN_COLOURS = {"all hold": "success", "broken": "danger", "unfinished": "warning"}


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


@admin.register(AuditRunRow)
class AuditRunAdmin(ReadOnlyAdmin):
    """Checks of the conservation laws, the newest first."""

    list_display = ("shown_start", "verdict", "laws", "duration")
    ordering = ("-id",)
    fieldsets = (
        ("Check", {"fields": (("shown_start", "duration"), ("verdict", "laws"))}),
        ("Findings", {"fields": ("shown_findings",)}),
    )

    def title_of(self, row: AuditRunRow) -> str:
        """Return when the laws were checked."""
        return f"Check of the laws at {row.started_at:%Y-%m-%d %H:%M:%S}"

    @column("Started at (UTC)")
    def shown_start(self, row: AuditRunRow) -> SafeString:
        """Show when the check began."""
        return moment(row.started_at)

    @column("Verdict")
    def verdict(self, row: AuditRunRow) -> SafeString:
        """Show whether all laws hold."""
        if row.finished_at is None:
            return labelled("unfinished", RUN_COLOURS)
        return labelled("all hold" if all(one["holds"] for one in row.findings) else "broken", RUN_COLOURS)

    @column("Laws")
    def laws(self, row: AuditRunRow) -> int:
        """Show how many laws were checked."""
        return len(row.findings)

    @column("Duration (s)")
    def duration(self, row: AuditRunRow) -> str:
        """Show how long the check took."""
        return "" if row.finished_at is None else f"{(row.finished_at - row.started_at).total_seconds():.2f}"

    @column("Findings")
    def shown_findings(self, row: AuditRunRow) -> SafeString:
        """Show each law, the broken ones first with their offenders."""
        return format_html(
            '<div style="white-space: pre-wrap; line-height: 1.5">{}</div>',
            format_html_join("\n", "{}", ((_finding_in_words(one),) for one in sorted(row.findings, key=_holds))),
        )


def _holds(finding: dict[str, Any]) -> bool:
    return bool(finding["holds"])


def _finding_in_words(finding: dict[str, Any]) -> str:
    verdict = "holds" if finding["holds"] else f"BROKEN by {finding['broken_by']}"
    offenders = [f"    {one['what']}: {one['why']}" for one in finding["offenders"]]
    return "\n".join([f"{finding['law']}  {finding['title']}: {verdict}", *offenders])


def _indented(values: object) -> SafeString:
    text = json.dumps(values, indent=2, ensure_ascii=False)
    return format_html('<pre style="white-space: pre-wrap; line-height: 1.5">{}</pre>', text)

"""Processes for operators: where each stands, why it waits, and a way to have it looked at now."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RadioFilter
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminTextInputWidget

from shared.persistence.admin import (
    ReadOnlyAdmin,
    ReadOnlyInline,
    actor_in_words,
    attempt,
    back_to,
    column,
    detail_action,
    id_in,
    id_or_404,
    labelled,
    moment,
    short,
)
from shared.persistence.wakeup import wake_relay_after_commit
from shared.saga import levers
from shared.saga.models import SagaRow, SagaStepRow
from shared.saga.queries import overdue_processes
from shared.saga.rows import OPEN
from shared.telemetry.context import act_as

PROCESS_COLOURS = {
    "running": "info",
    "undoing": "warning",
    "completed": "success",
    "undone": "primary",
    "overdue": "danger",
}
STEP_COLOURS = {"intended": "info", "unknown": "warning", "done": "success", "refused": "danger", "skipped": "warning"}


class LeverForm(BaseDialogForm):
    """Why an operator steps in."""

    reason = forms.CharField(max_length=200, help_text="The audit trail keeps it.", widget=UnfoldAdminTextInputWidget)


def _asking(title: str, description: str, submit: str) -> dict[str, Any]:
    return {"title": title, "description": description, "form_class": LeverForm, "form_submit_text": submit}


def _pull(
    request: HttpRequest, lever: Callable[..., None], form: LeverForm, object_id: str, *, done: str
) -> HttpResponse:
    act_as(f"staff:{request.user.pk}")
    saga_id = UUID(str(id_or_404(object_id)))
    attempt(request, lambda: lever(saga_id, reason=form.cleaned_data["reason"]), done=done)
    return back_to("saga_sagarow", object_id)


class StepInline(ReadOnlyInline):
    """The steps of a process, in the order in which they began."""

    model = SagaStepRow
    ordering = ("id",)
    fields = ("name", "shown_status", "attempts", "error", "shown_start", "shown_end")
    readonly_fields = fields

    @column("Status")
    def shown_status(self, row: SagaStepRow) -> SafeString:
        """Show what became of the step."""
        return labelled(row.status, STEP_COLOURS)

    @column("Began (UTC)")
    def shown_start(self, row: SagaStepRow) -> SafeString:
        """Show when it was tried first."""
        return moment(row.started_at)

    @column("Ended (UTC)")
    def shown_end(self, row: SagaStepRow) -> SafeString:
        """Show when it was settled."""
        return moment(row.finished_at)


class OverdueFilter(RadioFilter):
    """Processes past their deadline."""

    title = "deadline"
    parameter_name = "overdue"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:  # noqa: ARG002
        """Offer what can be asked for."""
        return [("yes", "Passed, and not finished")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[SagaRow]) -> QuerySet[SagaRow]:  # noqa: ARG002
        """Keep the open ones whose deadline has passed."""
        return queryset & overdue_processes() if self.value() == "yes" else queryset


@admin.register(SagaRow)
class SagaAdmin(ReadOnlyAdmin):
    """Processes; what they carry is neither shown nor read, for it may hold a payment token."""

    list_display = ("name", "subject", "shown_status", "stage", "tries", "due", "deadline", "shown_error")
    list_filter = (("status", ChoicesDropdownFilter), OverdueFilter)
    search_fields = ("id", "subject_id")
    search_help_text = "Id of a process or of its subject"
    ordering = ("-id",)
    actions = ("run_now",)
    actions_detail = ("run_this_now", "skip_step", "give_up")
    inlines = (StepInline,)
    fieldsets = (
        (
            "Process",
            {"fields": (("name", "shown_status"), ("subject_id", "shown_actor"), ("stage", "tries"), "reason")},
        ),
        ("Times (UTC)", {"fields": (("begun", "ended"), ("due", "leased"), "deadline")}),
        ("Last error", {"fields": ("last_error",)}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[SagaRow]:
        """Return the processes without what they carry."""
        rows: QuerySet[SagaRow] = super().get_queryset(request)
        return rows.defer("data")

    def found_by(self, term: str) -> Q:
        """Find processes by the only things that an index has."""
        wanted = id_in(term)
        return Q(pk__in=()) if wanted is None else Q(id=wanted) | Q(subject_id=wanted)

    def title_of(self, row: SagaRow) -> str:
        """Return the process and what it is about."""
        return f"Process {row.name} of {row.subject_id}"

    def has_run_permission(self, request: HttpRequest, object_id: object = None) -> bool:  # noqa: ARG002
        """Tell whether this operator may have processes run."""
        return request.user.has_perm("saga.change_sagarow")

    @admin.action(description="Run the selected processes now", permissions=["run"])
    def run_now(self, request: HttpRequest, queryset: QuerySet[SagaRow]) -> None:
        """Make the selected processes due."""
        self._run(request, queryset)

    @detail_action(
        "Retry",
        url_path="run",
        icon="play_arrow",
        permission="run",
        dialog=_asking(
            "Try this process again now?",
            "A worker takes it up within seconds, with the same keys as before: nothing is done twice.",
            "Retry now",
        ),
    )
    def run_this_now(self, request: HttpRequest, form: LeverForm, object_id: str) -> HttpResponse:
        """Make the process due."""
        return _pull(request, levers.retry, form, object_id, done="Due now.")

    @detail_action(
        "Skip the step",
        url_path="skip",
        icon="skip_next",
        permission="run",
        dialog=_asking(
            "Take the step in hand as done?",
            "Only if somebody has done or settled it by other means: the process goes on as if it had succeeded.",
            "Skip the step",
        ),
    )
    def skip_step(self, request: HttpRequest, form: LeverForm, object_id: str) -> HttpResponse:
        """Take the step in hand as done."""
        return _pull(request, levers.skip, form, object_id, done="The step is taken as done.")

    @detail_action(
        "Give up and undo",
        url_path="compensate",
        icon="undo",
        permission="run",
        dialog=_asking(
            "Give this process up?",
            "What it did is undone, step by step, the one in hand included.",
            "Give up and undo",
        ),
    )
    def give_up(self, request: HttpRequest, form: LeverForm, object_id: str) -> HttpResponse:
        """Have the process undone."""
        return _pull(request, levers.compensate, form, object_id, done="It is being undone.")

    def _run(self, request: HttpRequest, rows: QuerySet[SagaRow]) -> None:
        act_as(f"staff:{request.user.pk}")
        open_ones = list(rows.filter(status__in=OPEN).order_by("pk").defer("data"))
        if not open_ones:
            messages.warning(request, "Finished processes do not run again.")
            return

        def make_due() -> None:
            SagaRow.objects.filter(pk__in=[row.pk for row in open_ones], status__in=OPEN).update(
                due_at=Now() - timedelta(seconds=1)
            )
            for row in open_ones:
                self.log_change(request, row, "Made due now.")
            wake_relay_after_commit()

        attempt(request, make_due, done=f"Due now: {len(open_ones)}.")

    @column("Status")
    def shown_status(self, row: SagaRow) -> SafeString:
        """Show where the process stands, and whether it should have ended."""
        is_overdue = row.status in OPEN and row.deadline_at <= timezone.now()
        return labelled("overdue" if is_overdue else row.status, PROCESS_COLOURS)

    @column("Subject")
    def subject(self, row: SagaRow) -> SafeString:
        """Show what it is about."""
        return short(row.subject_id)

    @column("Tries / failures")
    def tries(self, row: SagaRow) -> str:
        """Show how often the step in hand was tried, and how often the process failed."""
        return f"{row.attempts} / {row.failures}"

    @column("Due")
    def due(self, row: SagaRow) -> SafeString:
        """Show when it is looked at next."""
        return moment(row.due_at)

    @column("Deadline")
    def deadline(self, row: SagaRow) -> SafeString:
        """Show by when it should have ended."""
        return moment(row.deadline_at)

    @column("Begun")
    def begun(self, row: SagaRow) -> SafeString:
        """Show when it was begun."""
        return moment(row.created_at)

    @column("Ended")
    def ended(self, row: SagaRow) -> SafeString:
        """Show when it ended."""
        return moment(row.finished_at)

    @column("With a worker until")
    def leased(self, row: SagaRow) -> SafeString:
        """Show until when no second worker takes it."""
        return moment(row.leased_until)

    @column("Last error")
    def shown_error(self, row: SagaRow) -> str:
        """Show the beginning of the last error."""
        return _beginning(row.last_error)

    @column("Begun by")
    def shown_actor(self, row: SagaRow) -> Any:
        """Show on whose behalf it runs."""
        return actor_in_words(row.actor)


def _beginning(text: str) -> str:
    return f"{text[:79]}…" if len(text) > 80 else text

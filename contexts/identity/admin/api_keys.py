"""API keys for operators."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from contexts.identity.domain import USUAL_OVERLAP, USUAL_SCOPES, ApiKeyNotGood, CreatedApiKey, ExpiryInThePast
from contexts.identity.models import ApiKeyRow
from contexts.identity.wiring import create_api_key, revoke_api_key, rotate_api_key
from shared.persistence.unit_of_work import atomic
from shared.telemetry.context import act_as

USUAL_LIFETIME = timedelta(days=365)


class ApiKeyForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the type checker only
    """What is decided about a key when it is made."""

    scopes = forms.MultipleChoiceField(
        choices=[(scope, f"{scope} - {meaning}") for scope, meaning in USUAL_SCOPES.items()],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )

    class Meta:
        model = ApiKeyRow
        fields = ("name", "scopes", "expires_at")

    def clean_expires_at(self) -> Any:
        """Return the time when the key ends, which lies in the future."""
        expires_at = self.cleaned_data["expires_at"]
        if expires_at <= timezone.now():
            raise forms.ValidationError(ExpiryInThePast().message)
        return expires_at


@admin.register(ApiKeyRow)
class ApiKeyAdmin(ModelAdmin):
    """Keys of other servers: made, shown once, and revoked."""

    list_display = ("name", "key_id", "shown_scopes", "status", "expires_at", "last_used_at")
    list_filter = ("revoked_at", "expires_at")
    search_fields = ("name", "key_id")
    ordering = ("-created_at",)
    actions = ("rotate", "revoke")
    fields = (
        "name",
        "key_id",
        "shown_scopes",
        "status",
        "created_at",
        "expires_at",
        "last_used_at",
        "revoked_at",
    )
    readonly_fields = fields

    def get_fields(self, request: HttpRequest, obj: ApiKeyRow | None = None) -> Any:  # noqa: ARG002
        """Ask for little when a key is made, and show all afterwards."""
        return ApiKeyForm.Meta.fields if obj is None else self.fields

    def get_readonly_fields(self, request: HttpRequest, obj: ApiKeyRow | None = None) -> Any:  # noqa: ARG002
        """Leave nothing to edit once a key is made."""
        return () if obj is None else self.readonly_fields

    def get_form(
        self,
        request: HttpRequest,
        obj: ApiKeyRow | None = None,
        change: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Ask with the key's own form when one is made."""
        return super().get_form(request, obj, change, **({"form": ApiKeyForm} if obj is None else {}) | kwargs)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Propose a year."""
        proposed: dict[str, Any] = {"expires_at": timezone.now() + USUAL_LIFETIME}
        return {**proposed, **super().get_changeform_initial_data(request)}

    def has_change_permission(self, request: HttpRequest, obj: ApiKeyRow | None = None) -> bool:  # noqa: ARG002
        """Refuse: what a key may do is settled when it is made."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ApiKeyRow | None = None) -> bool:  # noqa: ARG002
        """Refuse: a revoked key stays on record."""
        return False

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Tell whether this operator may end keys."""
        return request.user.has_perm("identity.change_apikeyrow")

    def save_model(self, request: HttpRequest, obj: ApiKeyRow, form: Any, change: bool) -> None:  # noqa: ARG002
        """Make the key through the use case, and show its text for the only time."""
        act_as(f"staff:{request.user.pk}")
        created = create_api_key(name=obj.name, scopes=obj.scopes, expires_at=obj.expires_at)
        obj.pk = created.key.id
        obj.refresh_from_db()
        holder: Any = obj
        holder.created = created

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:  # noqa: ARG002
        """Answer with the key itself: anything that outlives this page would keep the secret somewhere."""
        return self._show_once(request, obj.created)

    def has_rotate_permission(self, request: HttpRequest) -> bool:
        """Tell whether this operator may exchange keys."""
        return request.user.has_perm("identity.add_apikeyrow")

    @admin.action(description="Exchange the selected key; the old one stays good for a day", permissions=["rotate"])
    def rotate(self, request: HttpRequest, queryset: QuerySet[ApiKeyRow]) -> HttpResponse | None:
        """Make a successor of one key, and show it for the only time."""
        if queryset.count() != 1:
            messages.error(request, "Select one key: each new one is shown on a page of its own.")
            return None
        row = queryset.get()
        try:
            created = rotate_api_key(api_key_id=row.pk, overlap=USUAL_OVERLAP)
        except ApiKeyNotGood as refusal:
            messages.error(request, refusal.message)
            return None
        self.log_change(request, row, "Exchanged.")
        row.refresh_from_db()
        return self._show_once(request, created, old=row)

    def _show_once(self, request: HttpRequest, created: CreatedApiKey, *, old: ApiKeyRow | None = None) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": "New API key",
            "token": created.token,
            "key": created.key,
            "scopes": ", ".join(sorted(created.key.scopes)),
            "old": old,
            "keys_url": reverse("admin:identity_apikeyrow_changelist"),
        }
        response = TemplateResponse(request, "identity/admin/new_key.html", context)
        response["Cache-Control"] = "no-store"
        return response

    @admin.action(description="Revoke the selected keys", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKeyRow]) -> None:
        """End the selected keys for good."""
        act_as(f"staff:{request.user.pk}")
        keys = list(queryset)
        with atomic():
            for row in sorted(keys, key=lambda row: row.pk):
                revoke_api_key(api_key_id=row.pk)
                self.log_change(request, row, "Revoked.")
        messages.success(request, f"Revoked: {len(keys)}.")

    @display(description="Scopes")
    def shown_scopes(self, row: ApiKeyRow) -> str:
        """Show what the key may do."""
        return ", ".join(row.scopes)

    @display(description="Status", label={"good": "success", "expired": "warning", "revoked": "danger"})
    def status(self, row: ApiKeyRow) -> str:
        """Show whether the key opens anything."""
        return row.status

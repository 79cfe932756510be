"""Accounts and API keys for operators."""

from datetime import timedelta
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from contexts.identity.domain import USUAL_SCOPES, Email, ExpiryInThePast, InvalidEmail
from contexts.identity.models import AccountRow, ApiKeyRow
from contexts.identity.wiring import create_api_key, end_sessions, register_customer, revoke_api_key
from shared.persistence.unit_of_work import atomic
from shared.telemetry.context import act_as

USUAL_LIFETIME = timedelta(days=365)

admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):
    """Groups of operators, in the looks of this site."""


class AccountCreationForm(UserCreationForm):
    """A new account with a password."""

    usable_password = None

    class Meta:
        model = AccountRow
        fields = ("email", "name")

    def clean_email(self) -> str:
        """Return the address in its normal form."""
        try:
            return Email.parse(self.cleaned_data["email"]).text
        except InvalidEmail as error:
            raise forms.ValidationError(error.message) from None


class AccountPasswordForm(AdminPasswordChangeForm):
    """A new password for an account."""

    def save(self, commit: bool = True) -> AccountRow:  # noqa: ARG002 - Django's signature
        """Store the password, and nothing else of the row, and log the account out everywhere."""
        row: AccountRow = super().save(commit=False)
        with atomic():
            _change(row, password=row.password)
            end_sessions(account_id=row.pk)
        return row


@admin.register(AccountRow)
class AccountAdmin(UserAdmin, ModelAdmin):  # type: ignore[type-arg]  # generic for the type checker only
    """Customers and staff; deactivated, never deleted."""

    form = UserChangeForm
    add_form = AccountCreationForm
    change_password_form = AccountPasswordForm
    list_display = ("email", "name", "is_active", "is_staff", "created_at", "last_login")
    list_filter = ("is_active", "is_staff", "is_superuser", "groups", "created_at")
    search_fields = ("email", "name", "id__exact")
    ordering = ("-created_at",)
    list_per_page = 50
    show_full_result_count = False
    filter_horizontal = ("groups",)
    readonly_fields = ("email", "is_superuser", "created_at", "last_login")
    fieldsets = (
        (None, {"fields": ("email", "name", "password")}),
        ("Rights", {"fields": ("is_active", "is_staff", "is_superuser", "groups")}),
        ("Times", {"fields": ("created_at", "last_login")}),
    )
    add_fieldsets = ((None, {"classes": ("wide",), "fields": ("email", "name", "password1", "password2")}),)

    CHANGEABLE: ClassVar[frozenset[str]] = frozenset({"name", "is_active", "is_staff"})
    RIGHTS: ClassVar[tuple[str, ...]] = ("is_staff", "groups")

    def get_readonly_fields(self, request: HttpRequest, obj: AccountRow | None = None) -> tuple[str, ...]:
        """Keep the rights of staff in the hands of superusers, or anyone who may edit could promote themselves."""
        if obj is None:
            return ()
        return self.readonly_fields if _is_superuser(request) else (*self.readonly_fields, *self.RIGHTS)

    def has_change_permission(self, request: HttpRequest, obj: AccountRow | None = None) -> bool:
        """Leave accounts of staff, and so their passwords, to superusers."""
        if obj is not None and obj.is_staff and not _is_superuser(request):
            return False
        return bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: AccountRow | None = None) -> bool:  # noqa: ARG002
        """Refuse: orders and history point at accounts."""
        return False

    def save_model(self, request: HttpRequest, obj: AccountRow, form: Any, change: bool) -> None:
        """Register a new account through the use case; of a known one, store what was changed here only."""
        act_as(f"staff:{request.user.pk}")
        if not change:
            account = register_customer(email=obj.email, password=form.cleaned_data["password1"], name=obj.name)
            obj.pk = account.id
            obj.refresh_from_db()
            return
        changed = {name: getattr(obj, name) for name in form.changed_data if name in self.CHANGEABLE}
        _change(obj, **changed)
        if changed.keys() & {"is_active", "is_staff"}:
            end_sessions(account_id=obj.pk)


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
    actions = ("revoke",)
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
        messages.warning(request, f"Copy the key now, it is not shown again: {created.token}")

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
        if row.revoked_at is not None:
            return "revoked"
        return "good" if timezone.now() < row.expires_at else "expired"


def _is_superuser(request: HttpRequest) -> bool:
    return bool(getattr(request.user, "is_superuser", False))


def _change(row: AccountRow, **values: Any) -> None:
    """Store these values alone: a save of the whole row would undo what happened to it meanwhile."""
    if values:
        AccountRow.objects.filter(pk=row.pk).update(**values, version=F("version") + 1)

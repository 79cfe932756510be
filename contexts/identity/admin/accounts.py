"""Accounts for operators."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group
from django.db.models import F, QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from contexts.identity.domain import ADMIN_ROLE, Email, EmailNotVerified, InvalidEmail
from contexts.identity.models import AccountRow
from contexts.identity.wiring import end_sessions, register_customer, second_factors
from shared.audit.trail import record_change
from shared.domain.model import Primitive
from shared.persistence.unit_of_work import atomic
from shared.telemetry.context import act_as

admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):
    """Groups of operators; those of the roles are as the code has them, others may be added."""

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """Refuse for a role: the next migration would undo it."""
        return not _is_role(obj) and bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """Refuse for a role: the next migration would bring it back."""
        return not _is_role(obj) and bool(super().has_delete_permission(request, obj))


class AccountForm(UserChangeForm):
    """What may be changed of an account."""

    def clean_is_staff(self) -> bool:
        """Return whether it is to be staff, which takes an address that was proved."""
        is_staff: bool = self.cleaned_data["is_staff"]
        if is_staff and not self.instance.is_staff and self.instance.email_verified_at is None:
            raise forms.ValidationError(EmailNotVerified().message)
        return is_staff


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

    form = AccountForm
    add_form = AccountCreationForm
    change_password_form = AccountPasswordForm
    list_display = ("email", "name", "is_active", "is_staff", "created_at", "last_login")
    list_filter = ("is_active", "is_staff", "is_superuser", "groups", "created_at")
    search_fields = ("email", "name", "id__exact")
    ordering = ("-created_at",)
    actions = ("take_second_factor",)
    list_per_page = 50
    show_full_result_count = False
    filter_horizontal = ("groups",)
    readonly_fields = ("email", "is_superuser", "created_at", "email_verified_at", "last_login")
    fieldsets = (
        (None, {"fields": ("email", "name", "password")}),
        ("Rights", {"fields": ("is_active", "is_staff", "is_superuser", "groups")}),
        ("Times", {"fields": ("created_at", "email_verified_at", "last_login")}),
    )
    add_fieldsets = ((None, {"classes": ("wide",), "fields": ("email", "name", "password1", "password2")}),)

    CHANGEABLE: ClassVar[frozenset[str]] = frozenset({"name", "is_active", "is_staff"})
    RIGHTS: ClassVar[tuple[str, ...]] = ("is_staff", "groups")
    RIGHTS_AUDITED: ClassVar[tuple[str, ...]] = ("is_active", "is_staff")

    def get_readonly_fields(self, request: HttpRequest, obj: AccountRow | None = None) -> tuple[str, ...]:
        """Keep the rights of staff in the hands of admins, or anyone who may edit could promote themselves."""
        if obj is None:
            return ()
        return self.readonly_fields if _rules_staff(request) else (*self.readonly_fields, *self.RIGHTS)

    def has_change_permission(self, request: HttpRequest, obj: AccountRow | None = None) -> bool:
        """Leave accounts of staff, and so their passwords, to admins."""
        if obj is not None and obj.is_staff and not _rules_staff(request):
            return False
        return bool(super().has_change_permission(request, obj))

    def has_reset_permission(self, request: HttpRequest) -> bool:
        """Tell whether this operator may help somebody who lost their second factor."""
        return _rules_staff(request)

    @admin.action(description="Take the second factor away (lost telephone)", permissions=["reset"])
    def take_second_factor(self, request: HttpRequest, queryset: QuerySet[AccountRow]) -> None:
        """Let the selected people set up a new second factor, and end their sessions."""
        taken = 0
        with atomic():
            for row in queryset.order_by("pk"):
                if not second_factors.remove(row.pk):
                    continue
                end_sessions(account_id=row.pk)
                record_change(
                    action="identity.take_second_factor",
                    subject_kind="account",
                    subject_id=str(row.pk),
                    before={"second_factor": True},
                    after={"second_factor": False},
                )
                taken += 1
        messages.success(request, f"Taken away: {taken}.")

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
        before = AccountRow.objects.filter(pk=obj.pk).values(*self.RIGHTS_AUDITED).get()
        with atomic():
            _change(obj, **changed)
            if changed.keys() & set(self.RIGHTS_AUDITED):
                end_sessions(account_id=obj.pk)
                _note(obj, before=before, after={name: getattr(obj, name) for name in self.RIGHTS_AUDITED})

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Store the roles, and note who gave or took them."""
        before = _roles_of(form.instance)
        with atomic():
            super().save_related(request, form, formsets, change)
            after = _roles_of(form.instance)
            if before != after:
                _note(form.instance, before={"roles": before}, after={"roles": after})


def _rules_staff(request: HttpRequest) -> bool:
    """Tell whether this operator may hand out rights: a superuser, or one in the role of admin."""
    return request.user.is_superuser or request.user.groups.filter(name=ADMIN_ROLE).exists()


def _is_role(group: Group | None) -> bool:
    return group is not None and group.name in settings.ROLE_SCOPES


def _roles_of(row: AccountRow) -> tuple[str, ...]:
    return tuple(sorted(row.groups.values_list("name", flat=True)))


def _note(row: AccountRow, *, before: Mapping[str, Primitive], after: Mapping[str, Primitive]) -> None:
    record_change(
        action="identity.change_rights",
        subject_kind="account",
        subject_id=str(row.pk),
        before=before,
        after=after,
    )


def _change(row: AccountRow, **values: Any) -> None:
    """Store these values alone: a save of the whole row would undo what happened to it meanwhile."""
    if values:
        AccountRow.objects.filter(pk=row.pk).update(**values, version=F("version") + 1)

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from contexts.identity.domain import (
    MAX_ADDRESS_LINE,
    MAX_EMAIL,
    MAX_NAME,
    MAX_PHONE,
    MAX_POSTAL_CODE,
    MAX_SCOPE,
    Address,
    ApiKeyStatus,
    Email,
    InvalidEmail,
    LinkPurpose,
    PostalAddress,
)
from shared.persistence.identifiers import new_id


class AccountManager(BaseUserManager["AccountRow"]):
    """Makes accounts from the command line; customers register through the use case."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "AccountRow":
        """Store an account without rights."""
        row = self.model(email=Email.parse(email).text, **fields)
        row.set_password(password)
        row.save(using=self._db)
        return row

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "AccountRow":
        """Store an account with every right."""
        return self.create_user(email, password, **{"is_staff": True, "is_superuser": True} | fields)

    def get_by_natural_key(self, username: str | None) -> "AccountRow":
        """Return the account that logs in with this address, however it is written."""
        try:
            return self.get(email=Email.parse(username or "").text)
        except InvalidEmail:
            raise self.model.DoesNotExist from None


class AccountRow(AbstractBaseUser, PermissionsMixin):
    """A person who can log in; Django's user model."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    email = models.EmailField("e-mail address", max_length=MAX_EMAIL)
    name = models.CharField(max_length=MAX_NAME)
    is_active = models.BooleanField("active", default=True, help_text="Deactivate an account instead of deleting it.")
    is_staff = models.BooleanField("staff", default=False, help_text="May log in to this site.")
    created_at = models.DateTimeField("registered at", default=timezone.now, editable=False)
    email_verified_at = models.DateTimeField("e-mail verified at", null=True, blank=True, editable=False)
    erased_at = models.DateTimeField(null=True, blank=True, editable=False)
    version = models.PositiveIntegerField(default=0, editable=False)
    sequence = models.PositiveIntegerField(default=0, editable=False)

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]

    objects: ClassVar[AccountManager] = AccountManager()

    class Meta:
        db_table = "identity_account"
        verbose_name = "account"
        constraints = [
            models.UniqueConstraint(
                fields=["email"],
                name="identity_account_email_is_taken_once",
                violation_error_message="There is an account with this e-mail address already.",
            ),
            models.UniqueConstraint(
                Lower("email"),
                name="identity_account_email_has_no_case",
                violation_error_message="There is an account with this e-mail address already.",
            ),
        ]
        indexes = [
            models.Index(fields=["created_at"], name="identity_account_by_age"),
            models.Index(
                fields=["erased_at"],
                name="identity_account_erased",
                condition=models.Q(erased_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        """Name the account in the admin's log, which outlives an erasure, without personal data."""
        return f"account {self.pk}"

    def get_full_name(self) -> str:
        """Return the name for the admin's menu."""
        return self.name

    def get_short_name(self) -> str:
        """Return the name for the admin's greeting."""
        return self.name


class RefreshTokenRow(models.Model):
    """A refresh token, spent or not; the token itself is known to its holder only."""

    id = models.UUIDField(primary_key=True)
    account = models.ForeignKey(AccountRow, on_delete=models.CASCADE, related_name="refresh_tokens")
    family = models.UUIDField()
    token_hash = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField()
    spent_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "identity_refresh_token"
        verbose_name = "refresh token"
        constraints = [
            models.UniqueConstraint(
                fields=["family"],
                condition=models.Q(spent_at=None),
                name="identity_refresh_token_one_unspent_per_family",
            ),
        ]
        indexes = [models.Index(fields=["expires_at"], name="identity_refresh_token_expiry")]


class AddressRow(models.Model):
    """An entry in the address book of an account."""

    id = models.UUIDField(primary_key=True)
    account = models.ForeignKey(AccountRow, on_delete=models.CASCADE, related_name="addresses")
    name = models.CharField(max_length=MAX_NAME)
    line1 = models.CharField(max_length=MAX_ADDRESS_LINE)
    line2 = models.CharField(max_length=MAX_ADDRESS_LINE, blank=True)
    city = models.CharField(max_length=MAX_ADDRESS_LINE, blank=True)
    postal_code = models.CharField(max_length=MAX_POSTAL_CODE, blank=True)
    region = models.CharField(max_length=MAX_ADDRESS_LINE, blank=True)
    country = models.CharField(max_length=2)
    phone = models.CharField(max_length=MAX_PHONE, blank=True)
    is_default_shipping = models.BooleanField(default=False)
    is_default_billing = models.BooleanField(default=False)

    class Meta:
        db_table = "identity_address"
        verbose_name = "address"
        verbose_name_plural = "addresses"
        constraints = [
            models.UniqueConstraint(
                fields=["account"],
                condition=models.Q(is_default_shipping=True),
                name="identity_address_one_default_for_shipping",
            ),
            models.UniqueConstraint(
                fields=["account"],
                condition=models.Q(is_default_billing=True),
                name="identity_address_one_default_for_billing",
            ),
        ]

    def to_address(self) -> Address:
        """Return the entry that the row holds."""
        return Address(
            id=self.id,
            postal=PostalAddress(
                name=self.name,
                line1=self.line1,
                line2=self.line2,
                city=self.city,
                postal_code=self.postal_code,
                region=self.region,
                country=self.country,
                phone=self.phone,
            ),
            is_default_shipping=self.is_default_shipping,
            is_default_billing=self.is_default_billing,
        )


class RecoveryCodeRow(models.Model):
    """A code that stands in once for a second factor that is not at hand; known by its digest only."""

    id = models.BigAutoField(primary_key=True)
    account = models.ForeignKey(AccountRow, on_delete=models.CASCADE, related_name="recovery_codes")
    digest = models.CharField(max_length=64)
    used_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "identity_recovery_code"
        verbose_name = "recovery code"
        constraints = [
            models.UniqueConstraint(fields=["account", "digest"], name="identity_recovery_code_once"),
        ]


class LinkRequestRow(models.Model):
    """A wish for a mail with a link; kept for a day, whether there is such an account or not."""

    id = models.UUIDField(primary_key=True)
    purpose = models.CharField(max_length=20, choices=[(each.value, each.value) for each in LinkPurpose])
    email = models.CharField(max_length=MAX_EMAIL)
    asked_at = models.DateTimeField()

    class Meta:
        db_table = "identity_link_request"
        verbose_name = "request for a link"
        indexes = [
            models.Index(fields=["email", "purpose", "asked_at"], name="identity_link_request_recent"),
            models.Index(fields=["asked_at"], name="identity_link_request_by_age"),
        ]


class ApiKeyRow(models.Model):
    """The key of another server; its secret is known to its holder only."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    key_id = models.CharField("public part", max_length=12, unique=True)
    secret_hash = models.CharField(max_length=64)
    name = models.CharField(max_length=MAX_NAME)
    scopes = ArrayField(models.CharField(max_length=MAX_SCOPE))
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    version = models.PositiveIntegerField(default=0)
    sequence = models.PositiveIntegerField(default=0)

    class Meta:
        db_table = "identity_api_key"
        verbose_name = "API key"
        constraints = [
            models.CheckConstraint(condition=~models.Q(scopes=[]), name="identity_api_key_has_a_scope"),
            models.CheckConstraint(
                condition=models.Q(expires_at__gt=models.F("created_at")),
                name="identity_api_key_expires_after_creation",
            ),
        ]
        indexes = [models.Index(fields=["name"], name="identity_api_key_by_name")]

    @property
    def status(self) -> ApiKeyStatus:
        """Return whether the key opens anything at present."""
        if self.revoked_at is not None:
            return ApiKeyStatus.REVOKED
        return ApiKeyStatus.GOOD if timezone.now() < self.expires_at else ApiKeyStatus.EXPIRED

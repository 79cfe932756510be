"""Reads: from the tables to frozen values."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from contexts.identity.domain import AccountNotActive, Address
from contexts.identity.models import AccountRow, AddressRow, ApiKeyRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What the holder of an account told about themselves."""

    id: UUID
    email: str = field(repr=False)
    name: str = field(repr=False)
    email_verified: bool
    version: int


def profile_of(*, account_id: UUID) -> Profile:
    """Return the profile of an active account, or raise AccountNotActive."""
    row = AccountRow.objects.filter(pk=account_id, is_active=True).first()
    if row is None:
        raise AccountNotActive
    return Profile(
        id=row.id,
        email=row.email,
        name=row.name,
        email_verified=row.email_verified_at is not None,
        version=row.version,
    )


def email_of(*, account_id: UUID) -> str | None:
    """Return where mail to the holder of the account goes."""
    return AccountRow.objects.filter(pk=account_id, erased_at=None).values_list("email", flat=True).first()


def addresses_of(*, account_id: UUID) -> Sequence[Address]:
    """Return the address book of the account, the oldest entry first."""
    return [row.to_address() for row in AddressRow.objects.filter(account_id=account_id).order_by("id")]


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerView:
    """A customer as operators see one."""

    id: UUID
    email: str = field(repr=False)
    name: str = field(repr=False)
    is_active: bool
    email_verified: bool
    registered_at: datetime
    erased_at: datetime | None
    version: int


def customers(
    *, email: str = "", q: str = "", before: tuple[datetime, UUID] | None, limit: int
) -> Sequence[CustomerView]:
    """Return customers, the newest first."""
    rows = _customers()
    if email:
        rows = rows.filter(email=email.strip().lower())
    if q:
        rows = rows.filter(Q(email__icontains=q) | Q(name__icontains=q))
    if before is not None:
        at, account_id = before
        rows = rows.filter(Q(created_at__lt=at) | Q(created_at=at, id__lt=account_id)).filter(created_at__lte=at)
    return [_customer_of(row) for row in rows.order_by("-created_at", "-id")[:limit]]


def customer(account_id: UUID) -> CustomerView | None:
    """Return the customer with this id."""
    row = _customers().filter(pk=account_id).first()
    return _customer_of(row) if row else None


def _customers() -> QuerySet[AccountRow]:
    return AccountRow.objects.filter(is_staff=False)


def _customer_of(row: AccountRow) -> CustomerView:
    return CustomerView(
        id=row.id,
        email=row.email,
        name=row.name,
        is_active=row.is_active,
        email_verified=row.email_verified_at is not None,
        registered_at=row.created_at,
        erased_at=row.erased_at,
        version=row.version + 1,  # an entity tag begins with 1
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyView:
    """A key as operators see it: all but what opens it."""

    id: UUID
    key_id: str
    name: str
    scopes: Sequence[str]
    status: str
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


def api_keys(*, before: tuple[datetime, UUID] | None, limit: int) -> Sequence[ApiKeyView]:
    """Return keys, the newest first."""
    rows = ApiKeyRow.objects.all()
    if before is not None:
        at, api_key_id = before
        rows = rows.filter(Q(created_at__lt=at) | Q(created_at=at, id__lt=api_key_id))
    return [_api_key_of(row) for row in rows.order_by("-created_at", "-id")[:limit]]


def api_key(api_key_id: UUID) -> ApiKeyView | None:
    """Return the key with this id."""
    row = ApiKeyRow.objects.filter(pk=api_key_id).first()
    return _api_key_of(row) if row else None


def good_api_keys(*, ids: Collection[UUID]) -> frozenset[UUID]:
    """Return which of these keys are neither revoked nor past their time."""
    rows = ApiKeyRow.objects.filter(pk__in=ids, revoked_at=None, expires_at__gt=Now())
    return frozenset(rows.values_list("id", flat=True))


def _api_key_of(row: ApiKeyRow) -> ApiKeyView:
    return ApiKeyView(
        id=row.id,
        key_id=row.key_id,
        name=row.name,
        scopes=row.scopes,
        status=row.status,
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
    )

"""Things of identity in the state that a test needs."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth.hashers import make_password
from factory.declarations import LazyFunction, Sequence, Trait
from factory.django import DjangoModelFactory

from contexts.identity.domain import (
    Account,
    Address,
    ApiKey,
    Email,
    LinkPurpose,
    LinkRequest,
    PostalAddress,
    RefreshToken,
    TokenFamily,
    digest_of,
    key_text,
)
from contexts.identity.models import AccountRow
from shared.persistence.identifiers import new_id

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PASSWORD = "correct horse battery"
SECRET = "s" * 43
KEY_ID = "abcdef123456"
KEY_TEXT = key_text(key_id=KEY_ID, secret=SECRET)


def an_account(**changes: Any) -> Account:
    """Return the account of a customer; nothing of it is news."""
    values: dict[str, Any] = {
        "id": new_id(),
        "email": Email.parse("ada@example.com"),
        "name": "Ada",
        "password_hash": f"plain:{PASSWORD}",
    }
    return Account(**values | changes)


def a_refresh_token(text: str = "first", **changes: Any) -> RefreshToken:
    """Return a token that is good for thirty days."""
    values: dict[str, Any] = {"id": new_id(), "digest": digest_of(text), "expires_at": NOW + timedelta(days=30)}
    return RefreshToken(**values | changes)


def a_family(*, of: UUID | None = None, text: str = "first", **changes: Any) -> TokenFamily:
    """Return the family of a fresh log-in."""
    return TokenFamily(id=new_id(), account_id=of or new_id(), current=a_refresh_token(text, **changes))


def a_key(**changes: Any) -> ApiKey:
    """Return a key that is good for a year; its making is news."""
    values: dict[str, Any] = {
        "id": new_id(),
        "key_id": KEY_ID,
        "secret": SECRET,
        "name": "shop",
        "scopes": {"orders:read"},
        "expires_at": NOW + timedelta(days=365),
        "at": NOW,
    }
    return ApiKey.create(**values | changes)


class AccountRowFactory(DjangoModelFactory[AccountRow]):
    """Stores accounts that log in with PASSWORD."""

    class Meta:
        model = AccountRow

    email = Sequence(lambda number: f"customer{number}@example.com")  # type: ignore[no-untyped-call]  # factory-boy is half typed
    name = "Ada"
    password = LazyFunction(lambda: make_password(PASSWORD))  # type: ignore[no-untyped-call]  # factory-boy is half typed

    class Params:
        operator = Trait(is_staff=True, is_superuser=True)  # type: ignore[no-untyped-call]  # factory-boy is half typed


def an_account_row(**values: Any) -> AccountRow:
    """Store an account; ``operator=True`` gives it every right."""
    row: AccountRow = AccountRowFactory.create(**values)
    return row


def a_link_request(**changes: Any) -> LinkRequest:
    """Return the wish of somebody who forgot their password."""
    values: dict[str, Any] = {
        "id": new_id(),
        "purpose": LinkPurpose.RESET_PASSWORD,
        "email": Email("ada@example.com"),
        "asked_at": NOW,
    }
    return LinkRequest(**values | changes)


def a_postal_address(**changes: Any) -> PostalAddress:
    """Return an address in Berlin."""
    values: dict[str, Any] = {
        "name": "Ada Lovelace",
        "line1": "Lindenstraße 12",
        "city": "Berlin",
        "postal_code": "10969",
        "country": "DE",
    }
    return PostalAddress(**values | changes)


def an_address(**changes: Any) -> Address:
    """Return an entry of an address book that is no default."""
    values: dict[str, Any] = {"id": new_id(), "postal": a_postal_address()}
    return Address(**values | changes)

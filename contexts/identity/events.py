"""What happened to accounts and keys; without personal data, for events are kept for ever."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from shared.domain.model import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerRegistered(Event):
    """Somebody opened an account."""

    topic: ClassVar[str] = "identity.customer_registered.v1"

    account_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorAppointed(Event):
    """An account was given every right of an operator."""

    topic: ClassVar[str] = "identity.operator_appointed.v1"

    account_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileChanged(Event):
    """The holder of an account changed what is known about them."""

    topic: ClassVar[str] = "identity.profile_changed.v1"

    account_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerErased(Event):
    """A customer was forgotten; whoever keeps something about them has to forget it as well."""

    topic: ClassVar[str] = "identity.customer_erased.v1"

    account_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailVerified(Event):
    """The holder of an account proved that they read the mail to its address."""

    topic: ClassVar[str] = "identity.email_verified.v1"

    account_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordChanged(Event):
    """An account was given another password, and its sessions were ended."""

    topic: ClassVar[str] = "identity.password_changed.v1"

    account_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshTokenReused(Event):
    """A spent refresh token was presented again, perhaps by a thief; its whole family was revoked."""

    topic: ClassVar[str] = "identity.refresh_token_reused.v1"

    account_id: UUID
    family_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyCreated(Event):
    """A key for another server was made."""

    topic: ClassVar[str] = "identity.api_key_created.v1"

    api_key_id: UUID
    key_id: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyRotated(Event):
    """A key was exchanged for another with the same rights; for a while both are good."""

    topic: ClassVar[str] = "identity.api_key_rotated.v1"

    api_key_id: UUID
    key_id: str
    successor_id: UUID
    successor_key_id: str
    good_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyRevoked(Event):
    """A key stopped being good before its time."""

    topic: ClassVar[str] = "identity.api_key_revoked.v1"

    api_key_id: UUID
    key_id: str

"""The ports of identity, kept in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q

from contexts.identity.domain import (
    USE_NOTED_EVERY,
    Account,
    AccountNotFound,
    ApiKey,
    ApiKeyNotFound,
    Email,
    EmailTaken,
    InvalidToken,
    RefreshToken,
    TokenFamily,
)
from contexts.identity.models import AccountRow, ApiKeyRow, RefreshTokenRow
from shared.domain.errors import LostRace
from shared.outbox.messages import publish_events_of

EMAIL_CONSTRAINTS = frozenset({"identity_account_email_is_taken_once", "identity_account_email_has_no_case"})


class DjangoAccounts:
    """Accounts in ``identity_account``."""

    def get(self, account_id: UUID) -> Account:
        """Return the account, locked for this unit of work, or raise AccountNotFound."""
        row = AccountRow.objects.select_for_update(no_key=True).filter(pk=account_id).first()
        if row is None:
            raise AccountNotFound
        return _account_of(row)

    def find(self, account_id: UUID) -> Account | None:
        """Return the account as it stands, not locked."""
        row = AccountRow.objects.filter(pk=account_id).first()
        return _account_of(row) if row else None

    def find_by_email(self, email: Email) -> Account | None:
        """Return the account of that address as it stands, not locked."""
        row = AccountRow.objects.filter(email=email.text).first()
        return _account_of(row) if row else None

    def add(self, account: Account) -> None:
        """Store a new account, or raise EmailTaken and leave the transaction usable."""
        row = AccountRow(
            id=account.id,
            email=account.email.text,
            name=account.name,
            password=account.password_hash,
            is_active=account.is_active,
            is_staff=account.is_staff,
            is_superuser=account.is_superuser,
            version=account.version,
            sequence=account.sequence,
        )
        try:
            with transaction.atomic():
                row.save(force_insert=True)
        except IntegrityError as error:
            if _constraint_of(error) in EMAIL_CONSTRAINTS:
                raise EmailTaken from None
            raise
        publish_events_of(account)

    def save(self, account: Account) -> None:
        """Store the changed account, or raise LostRace."""
        changed = AccountRow.objects.filter(pk=account.id, version=account.version).update(
            name=account.name,
            password=account.password_hash,
            is_active=account.is_active,
            is_staff=account.is_staff,
            is_superuser=account.is_superuser,
            version=account.version + 1,
            sequence=account.sequence,
        )
        if not changed:
            raise LostRace(account_id=account.id)
        account.version += 1
        publish_events_of(account)


class DjangoTokenFamilies:
    """Token families in ``identity_refresh_token``, one row per token."""

    def holding(self, digest: str) -> TokenFamily:
        """Return the family that the token belongs or belonged to, locked, or raise InvalidToken.

        The lock is on the account: a lock on the tokens would not stop a renewal that is under way from
        adding one to a family that is just being revoked.
        """
        presented = RefreshTokenRow.objects.filter(token_hash=digest).first()
        if presented is None:
            raise InvalidToken
        AccountRow.objects.select_for_update(no_key=True).only("pk").get(pk=presented.account_id)
        current = RefreshTokenRow.objects.filter(family=presented.family, spent_at=None).first()
        if current is None:
            raise InvalidToken
        return TokenFamily(id=current.family, account_id=current.account_id, current=_token_of(current))

    def save(self, family: TokenFamily) -> None:
        """Store the family, be it new or changed."""
        for token in filter(None, (family.spent, family.current)):
            RefreshTokenRow.objects.update_or_create(
                id=token.id,
                defaults={"spent_at": token.spent_at, "revoked_at": token.revoked_at},
                create_defaults={
                    "account_id": family.account_id,
                    "family": family.id,
                    "token_hash": token.digest,
                    "expires_at": token.expires_at,
                    "spent_at": token.spent_at,
                    "revoked_at": token.revoked_at,
                },
            )

    def revoke_all_of(self, account_id: UUID, *, at: datetime) -> None:
        """End every family of the account."""
        RefreshTokenRow.objects.filter(account_id=account_id, spent_at=None, revoked_at=None).update(revoked_at=at)

    def forget_expired(self, *, before: datetime, at_most: int) -> int:
        """Delete tokens that expired before that time, and tell how many they were."""
        expired = RefreshTokenRow.objects.filter(expires_at__lt=before).order_by("expires_at")
        ids = list(expired.values_list("id", flat=True)[:at_most])
        return RefreshTokenRow.objects.filter(id__in=ids).delete()[0]


class DjangoApiKeys:
    """API keys in ``identity_api_key``."""

    def get(self, api_key_id: UUID) -> ApiKey:
        """Return the key, locked for this unit of work, or raise ApiKeyNotFound."""
        row = ApiKeyRow.objects.select_for_update(no_key=True).filter(pk=api_key_id).first()
        if row is None:
            raise ApiKeyNotFound
        return _key_of(row)

    def find_by_key_id(self, key_id: str) -> ApiKey | None:
        """Return the key with that public part as it stands, not locked."""
        row = ApiKeyRow.objects.filter(key_id=key_id).first()
        return _key_of(row) if row else None

    def unrevoked_named(self, name: str) -> Sequence[ApiKey]:
        """Return the keys of that name that were not revoked, locked for this unit of work."""
        rows = ApiKeyRow.objects.select_for_update(no_key=True).filter(name=name, revoked_at=None)
        return [_key_of(row) for row in rows.order_by("id")]

    def add(self, key: ApiKey) -> None:
        """Store a new key."""
        ApiKeyRow.objects.create(
            id=key.id,
            key_id=key.key_id,
            secret_hash=key.secret_digest,
            name=key.name,
            scopes=sorted(key.scopes),
            created_at=key.created_at,
            expires_at=key.expires_at,
            version=key.version,
            sequence=key.sequence,
        )
        publish_events_of(key)

    def save(self, key: ApiKey) -> None:
        """Store the changed key, or raise LostRace."""
        changed = ApiKeyRow.objects.filter(pk=key.id, version=key.version).update(
            revoked_at=key.revoked_at, version=key.version + 1, sequence=key.sequence
        )
        if not changed:
            raise LostRace(api_key_id=key.id)
        key.version += 1
        publish_events_of(key)

    def note_use(self, key: ApiKey, *, at: datetime) -> None:
        """Write down that the key was used; the condition keeps a burst of requests to one write."""
        is_old = Q(last_used_at=None) | Q(last_used_at__lte=at - USE_NOTED_EVERY)
        ApiKeyRow.objects.filter(is_old, pk=key.id).update(last_used_at=at)


def _account_of(row: AccountRow) -> Account:
    return Account(
        id=row.id,
        version=row.version,
        sequence=row.sequence,
        email=Email(row.email),
        name=row.name,
        password_hash=row.password,
        is_active=row.is_active,
        is_staff=row.is_staff,
        is_superuser=row.is_superuser,
    )


def _token_of(row: RefreshTokenRow) -> RefreshToken:
    return RefreshToken(
        id=row.id,
        digest=row.token_hash,
        expires_at=row.expires_at,
        spent_at=row.spent_at,
        revoked_at=row.revoked_at,
    )


def _key_of(row: ApiKeyRow) -> ApiKey:
    return ApiKey(
        id=row.id,
        version=row.version,
        sequence=row.sequence,
        key_id=row.key_id,
        secret_digest=row.secret_hash,
        name=row.name,
        scopes=frozenset(row.scopes),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )


def _constraint_of(error: IntegrityError) -> str | None:
    diagnostics = getattr(error.__cause__, "diag", None)
    return getattr(diagnostics, "constraint_name", None)

"""Accounts in PostgreSQL."""

from uuid import UUID

from django.db import IntegrityError, transaction

from contexts.identity.domain import Account, AccountNotFound, Email, EmailTaken
from contexts.identity.models import AccountRow
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
            email_verified_at=account.email_verified_at,
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
            email=account.email.text,
            name=account.name,
            password=account.password_hash,
            is_active=account.is_active,
            is_staff=account.is_staff,
            is_superuser=account.is_superuser,
            email_verified_at=account.email_verified_at,
            erased_at=account.erased_at,
            version=account.version + 1,
            sequence=account.sequence,
        )
        if not changed:
            raise LostRace(account_id=account.id)
        account.version += 1
        publish_events_of(account)


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
        email_verified_at=row.email_verified_at,
        erased_at=row.erased_at,
    )


def _constraint_of(error: IntegrityError) -> str | None:
    diagnostics = getattr(error.__cause__, "diag", None)
    return getattr(diagnostics, "constraint_name", None)

"""What identity itself keeps about a person."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from contexts.identity.domain import Account
from contexts.identity.models import AccountRow, AddressRow, LinkRequestRow, RefreshTokenRow


class DjangoOwnRecords:
    """The tables of this context."""

    def show(self, account_id: UUID) -> Mapping[str, object] | None:
        """Return profile, addresses and sessions of an active account."""
        row = AccountRow.objects.filter(pk=account_id, is_active=True).first()
        if row is None:
            return None
        sessions = RefreshTokenRow.objects.filter(account_id=account_id, spent_at=None).order_by("id")
        return {
            "profile": {
                "id": row.id,
                "email": row.email,
                "name": row.name,
                "email_verified_at": row.email_verified_at,
                "registered_at": row.created_at,
            },
            "addresses": [
                _shown(address) for address in AddressRow.objects.filter(account_id=account_id).order_by("id")
            ],
            "sessions": [
                {"id": session.family, "expires_at": session.expires_at, "ended_at": session.revoked_at}
                for session in sessions
            ],
        }

    def forget(self, account: Account) -> None:
        """Delete addresses, sessions and requests for mail."""
        AddressRow.objects.filter(account_id=account.id).delete()
        RefreshTokenRow.objects.filter(account_id=account.id).delete()
        LinkRequestRow.objects.filter(email=account.email.text).delete()

    def erased_since(self, moment: datetime) -> Sequence[UUID]:
        """Return the accounts that were erased at that time or later."""
        return list(AccountRow.objects.filter(erased_at__gte=moment).values_list("id", flat=True))


def _shown(row: AddressRow) -> dict[str, object]:
    address = row.to_address()
    return {
        "id": address.id,
        **asdict(address.postal),
        "default_shipping": address.is_default_shipping,
        "default_billing": address.is_default_billing,
    }

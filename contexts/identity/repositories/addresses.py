"""Address books in PostgreSQL."""

from dataclasses import asdict
from uuid import UUID

from contexts.identity.domain import AccountNotActive, Address, AddressBook
from contexts.identity.models import AccountRow, AddressRow

CHANGEABLE = [
    "name",
    "line1",
    "line2",
    "city",
    "postal_code",
    "region",
    "country",
    "phone",
    "is_default_shipping",
    "is_default_billing",
]


class DjangoAddressBooks:
    """Address books in ``identity_address``, one row per address; the lock is on the account."""

    def of(self, account_id: UUID) -> AddressBook:
        """Return the book of an active account, locked for this unit of work, or raise AccountNotActive."""
        holder = AccountRow.objects.select_for_update(no_key=True).filter(pk=account_id, is_active=True)
        if holder.values("pk").first() is None:
            raise AccountNotActive
        rows = AddressRow.objects.filter(account_id=account_id).order_by("id")
        return AddressBook(account_id=account_id, addresses={row.id: row.to_address() for row in rows})

    def save(self, book: AddressBook) -> None:
        """Store the book as it is now; the defaults are taken away first, for there may be one of each only."""
        rows = AddressRow.objects.filter(account_id=book.account_id)
        rows.exclude(pk__in=book.addresses).delete()
        rows.update(is_default_shipping=False, is_default_billing=False)
        AddressRow.objects.bulk_create(
            [_row_of(address, account_id=book.account_id) for address in book.addresses.values()],
            update_conflicts=True,
            unique_fields=["id"],
            update_fields=CHANGEABLE,
        )


def _row_of(address: Address, *, account_id: UUID) -> AddressRow:
    return AddressRow(
        id=address.id,
        account_id=account_id,
        is_default_shipping=address.is_default_shipping,
        is_default_billing=address.is_default_billing,
        **asdict(address.postal),
    )

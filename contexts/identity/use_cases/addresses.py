"""What can be done with one's address book."""

from dataclasses import dataclass
from uuid import UUID

from contexts.identity.domain import Address, PostalAddress
from contexts.identity.ports import AddressBooks, AddressRules
from shared.domain.ports import NewId, UnitOfWork


@dataclass(frozen=True, slots=True)
class AddAddress:
    """Write an address into one's book."""

    address_books: AddressBooks
    address_rules: AddressRules
    unit_of_work: UnitOfWork
    new_id: NewId

    def __call__(
        self, *, account_id: UUID, postal: PostalAddress, is_default_shipping: bool, is_default_billing: bool
    ) -> Address:
        """Return the new entry, or raise InvalidAddress or AddressBookFull."""
        self.address_rules.check(postal)
        address = Address(
            id=self.new_id(),
            postal=postal,
            is_default_shipping=is_default_shipping,
            is_default_billing=is_default_billing,
        )
        with self.unit_of_work():
            book = self.address_books.of(account_id)
            book.put(address)
            self.address_books.save(book)
        return address


@dataclass(frozen=True, slots=True)
class ChangeAddress:
    """Replace an address in one's book."""

    address_books: AddressBooks
    address_rules: AddressRules
    unit_of_work: UnitOfWork

    def __call__(self, *, account_id: UUID, address: Address) -> None:
        """Replace the entry with that id, or raise InvalidAddress or AddressNotFound."""
        self.address_rules.check(address.postal)
        with self.unit_of_work():
            book = self.address_books.of(account_id)
            book.change(address)
            self.address_books.save(book)


@dataclass(frozen=True, slots=True)
class RemoveAddress:
    """Delete an address from one's book."""

    address_books: AddressBooks
    unit_of_work: UnitOfWork

    def __call__(self, *, account_id: UUID, address_id: UUID) -> None:
        """Delete the entry, or raise AddressNotFound; orders keep the address that they were placed with."""
        with self.unit_of_work():
            book = self.address_books.of(account_id)
            book.remove(address_id)
            self.address_books.save(book)

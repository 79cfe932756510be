"""Where the holder of an account has things sent, and their bills."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from uuid import UUID

from shared.domain.errors import ConflictError, EntityNotFoundError, InvalidInputError

MOST_ADDRESSES = 50
MAX_ADDRESS_LINE = 200  # characters
MAX_POSTAL_CODE = 20  # characters
MAX_PHONE = 32  # characters


class AddressNotFound(EntityNotFoundError):
    """There is no such address in your address book."""


class AddressBookFull(ConflictError):
    """An address book holds 50 addresses; delete one that you do not need any more."""


class InvalidAddress(InvalidInputError):
    """This cannot be an address in that country; see errors."""

    def __init__(self, *, faults: Mapping[str, str]) -> None:
        super().__init__(faults=faults)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostalAddress:
    """An address as a carrier reads it; personal, so it is shown to nobody by accident."""

    name: str = field(repr=False)
    line1: str = field(repr=False)
    line2: str = field(default="", repr=False)
    city: str = field(default="", repr=False)
    postal_code: str = field(default="", repr=False)
    region: str = field(default="", repr=False)
    country: str
    phone: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """An entry in an address book."""

    id: UUID
    postal: PostalAddress
    is_default_shipping: bool = False
    is_default_billing: bool = False


@dataclass(slots=True, kw_only=True, eq=False)
class AddressBook:
    """The addresses of one account: 50 at most, and at most one is the default of each kind."""

    account_id: UUID
    addresses: dict[UUID, Address] = field(default_factory=dict, repr=False)

    def put(self, address: Address) -> None:
        """Add an address, or change the one with its id; the newest default replaces the one before."""
        if address.id not in self.addresses and len(self.addresses) >= MOST_ADDRESSES:
            raise AddressBookFull
        for other in list(self.addresses.values()):
            self.addresses[other.id] = replace(
                other,
                is_default_shipping=other.is_default_shipping and not address.is_default_shipping,
                is_default_billing=other.is_default_billing and not address.is_default_billing,
            )
        self.addresses[address.id] = address

    def change(self, address: Address) -> None:
        """Change the address with that id, or raise AddressNotFound."""
        if address.id not in self.addresses:
            raise AddressNotFound
        self.put(address)

    def remove(self, address_id: UUID) -> None:
        """Delete the address, or raise AddressNotFound."""
        if self.addresses.pop(address_id, None) is None:
            raise AddressNotFound

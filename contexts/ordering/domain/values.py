"""What orders are made of, and how they are known."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, NewType, Self
from uuid import UUID

from shared.domain.money import Money

OrderId = NewType("OrderId", UUID)
CustomerId = NewType("CustomerId", UUID)

MAX_NOTE = 2000  # characters

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LOOKALIKES = str.maketrans("ILO", "110")


class Anyone:
    """Stands in place of a customer where a process or an operator may see every order."""


ANYONE: Final = Anyone()


class OrderStatus(StrEnum):
    """Where the order as a whole stands."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class PaymentStatus(StrEnum):
    """What became of the money."""

    PENDING = "pending"
    UNKNOWN = "unknown"
    AUTHORIZED = "authorized"
    PARTIALLY_CAPTURED = "partially_captured"
    CAPTURED = "captured"
    FAILED = "failed"
    VOIDED = "voided"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"


class FulfillmentStatus(StrEnum):
    """What became of the goods."""

    UNFULFILLED = "unfulfilled"
    PARTIALLY_SHIPPED = "partially_shipped"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    PARTIALLY_RETURNED = "partially_returned"
    RETURNED = "returned"


def number_of(order_id: UUID) -> str:
    """Return the order's number for people: sixty random bits of its id in Crockford's base 32."""
    bits = order_id.int & ((1 << 60) - 1)
    digits = "".join(_CROCKFORD[(bits >> shift) & 31] for shift in range(55, -5, -5))
    return f"{digits[:4]}-{digits[4:8]}-{digits[8:]}"


def beginning_of_number(text: str) -> str | None:
    """Return how a number would begin that somebody reads out or types like this, or None if none begins so."""
    digits = "".join(filter(str.isalnum, text.upper())).translate(_LOOKALIKES)
    if not 0 < len(digits) <= 12 or not set(digits) <= set(_CROCKFORD):
        return None
    return "-".join(filter(None, (digits[:4], digits[4:8], digits[8:])))


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where goods or bills go."""

    name: str
    line1: str
    line2: str = ""
    city: str
    postal_code: str
    region: str = ""
    country: str
    phone: str = ""

    @property
    def parts(self) -> dict[str, str]:
        """Return its parts by name."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What one unit of a sku costs now, and what it is called."""

    sku: str
    name: str
    unit_price: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class ShippingMethod:
    """A way to send an order, and its price."""

    code: str
    name: str
    price: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedLine:
    """Some units of a sku that a customer wants."""

    sku: str
    quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentMeans:
    """How the customer pays: a method, and the provider's token for it."""

    method: str
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """What a customer asks for."""

    currency: str
    lines: tuple[RequestedLine, ...]
    email: str | None
    shipping_address: Address
    billing_address: Address | None
    shipping_method: str
    payment: PaymentMeans
    expected_total: Money | None

    @property
    def skus(self) -> tuple[str, ...]:
        """Return each sku once, in the order of the lines."""
        return tuple(dict.fromkeys(line.sku for line in self.lines))


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLine:
    """Some units of a sku at the price of the day."""

    id: UUID
    sku: str
    name: str
    quantity: int
    unit_price: Money
    discount: Money
    tax: Money
    shipped: int = 0
    returned: int = 0

    @property
    def total(self) -> Money:
        """Return what the line costs, less its discount; tax comes on top of it."""
        return self.unit_price * self.quantity - self.discount


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPayment:
    """The payment as the order knows it."""

    id: UUID | None
    status: PaymentStatus
    authorized: Money
    captured: Money
    refunded: Money
    failure_code: str | None = None

    @classmethod
    def awaited(cls, currency: str) -> Self:
        """Return a payment of which nothing is known yet."""
        return cls._of_nothing(PaymentStatus.PENDING, currency)

    @classmethod
    def never_begun(cls, currency: str) -> Self:
        """Return a payment that will not come, for its order was given up first."""
        return cls._of_nothing(PaymentStatus.VOIDED, currency)

    @classmethod
    def _of_nothing(cls, status: PaymentStatus, currency: str) -> Self:
        nothing = Money.zero(currency)
        return cls(id=None, status=status, authorized=nothing, captured=nothing, refunded=nothing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What an operator wants the others to know of an order; customers do not get to see it."""

    id: UUID
    text: str
    author: str
    written_at: datetime

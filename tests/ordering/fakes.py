"""Ordering's ports in memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from contexts.ordering.domain import (
    Anyone,
    CustomerId,
    Note,
    Order,
    OrderId,
    OrderNotFound,
    OrderPayment,
    PaymentMeans,
    Quote,
    ShippingMethod,
    ShippingMethodNotFound,
)
from shared.domain.errors import DomainError, OutcomeUnknown
from shared.domain.model import Event
from shared.domain.money import Money
from tests.shared.fakes import Shelf


class InMemoryOrders:
    """The port Orders, in a dictionary."""

    def __init__(self, *orders: Order) -> None:
        self._orders: Shelf[Order] = Shelf()
        self.notes: list[tuple[OrderId, Note]] = []
        for order in orders:
            self.save(order)

    @property
    def events(self) -> list[Event]:
        """Return what was published, oldest first."""
        return self._orders.events

    def __len__(self) -> int:
        return len(self._orders)

    def get(self, order_id: OrderId, *, of_customer: CustomerId | Anyone) -> Order:
        """Return the customer's order, or raise OrderNotFound."""
        order = self._orders.find(order_id)
        if order is None or (not isinstance(of_customer, Anyone) and order.customer_id != of_customer):
            raise OrderNotFound(order_id=order_id)
        return order

    def save(self, order: Order) -> None:
        """Store a new or changed order with its events."""
        notes = [(OrderId(order.id), note) for note in order.release_notes()]
        self._orders.keep(order)
        self.notes += notes


class InMemoryShippingMethods:
    """The port ShippingMethods, in a dictionary."""

    def __init__(self, *methods: ShippingMethod) -> None:
        self._methods: dict[tuple[str, str], ShippingMethod] = {}
        for method in methods:
            self.ensure(method)

    def get(self, code: str, *, currency: str) -> ShippingMethod:
        """Return the method with its price in the currency, or raise ShippingMethodNotFound."""
        try:
            return self._methods[code, currency]
        except KeyError:
            raise ShippingMethodNotFound(shipping_method=code, currency=currency) from None

    def ensure(self, method: ShippingMethod) -> None:
        """Add the method, or change its name and price."""
        self._methods[method.code, method.price.currency] = method


class FixedPriceList:
    """The port PriceList, with the prices that it was given."""

    def __init__(self, *quotes: Quote) -> None:
        self._quotes = quotes

    def quotes_of(self, skus: Sequence[str], *, currency: str) -> Mapping[str, Quote]:
        """Return the price of each sku that is for sale in the currency; others are absent."""
        return {
            quote.sku: quote for quote in self._quotes if quote.sku in skus and quote.unit_price.currency == currency
        }


class KnownCustomers:
    """The port Customers, with the addresses that it was given."""

    def __init__(self, emails: Mapping[CustomerId, str] | None = None) -> None:
        self.emails = dict(emails or {})

    def email_of(self, customer_id: CustomerId) -> str | None:
        """Return the address to write to."""
        return self.emails.get(customer_id)


@dataclass(slots=True)
class ObedientStock:
    """The port Stock: promises whatever it is asked for, or refuses as it was told to."""

    refusal: DomainError | None = None
    held: dict[OrderId, Mapping[str, int]] = field(default_factory=dict)
    secured: list[OrderId] = field(default_factory=list)

    def hold(self, *, order_id: OrderId, wanted: Mapping[str, int]) -> None:
        """Promise the units to the order, or refuse."""
        self._refuse()
        self.held[order_id] = dict(wanted)

    def secure(self, *, order_id: OrderId) -> None:
        """Make the promise lasting, or refuse."""
        self._refuse()
        self.secured.append(order_id)

    def _refuse(self) -> None:
        if self.refusal is not None:
            raise self.refusal


Verdict = Literal["authorized", "pending"] | Exception


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """One request to reserve an amount, as it arrived."""

    order_id: OrderId
    amount: Money
    means: PaymentMeans
    key: str
    answer: Verdict

    def ask(self) -> "Reply":
        """Answer as told to, or not at all."""
        if isinstance(self.answer, OutcomeUnknown):
            raise self.answer
        return Reply(self.answer)


@dataclass(frozen=True, slots=True)
class Reply:
    """What was answered."""

    answer: Verdict

    def note(self) -> Literal["authorized", "pending"] | DomainError:
        """Tell the answer."""
        assert isinstance(self.answer, str | DomainError)
        return self.answer


@dataclass(slots=True)
class ObedientPayments:
    """The port Payments: answers as it was told to, and remembers what it was asked."""

    methods: frozenset[str] = frozenset({"simulator"})
    authorize_answer: Verdict = "authorized"
    void_answer: Literal["settled", "pending"] | Exception = "settled"
    known: dict[OrderId, OrderPayment] = field(default_factory=dict)
    authorizations: list[Authorization] = field(default_factory=list)
    voids: list[tuple[OrderId, str]] = field(default_factory=list)

    def accepts(self, method: str) -> bool:
        """Tell whether orders can be paid by this method."""
        return method in self.methods

    def authorize(self, *, order_id: OrderId, amount: Money, means: PaymentMeans, key: str) -> Authorization:
        """Take the request, which will be answered as told."""
        asked = Authorization(order_id=order_id, amount=amount, means=means, key=key, answer=self.authorize_answer)
        self.authorizations.append(asked)
        return asked

    def refuse(
        self, *, order_id: OrderId, amount: Money, means: PaymentMeans, key: str
    ) -> Literal["settled", "pending"]:
        """Give the reservation up, or answer otherwise."""
        self.voids.append((order_id, key))
        if isinstance(self.void_answer, Exception):
            raise self.void_answer
        return self.void_answer

    def of(self, order_id: OrderId) -> OrderPayment | None:
        """Return what is known of the order's payment."""
        return self.known.get(order_id)

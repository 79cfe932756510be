"""Amounts of money: whole minor units of one currency, so that nothing is ever rounded by accident."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Self

from shared.domain.errors import BusinessRuleViolationError, InvalidInputError

#: Decimals of the currencies that do not have two (ISO 4217, list one).
EXPONENTS = MappingProxyType(
    dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(), 0)
    | dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3)
    | dict.fromkeys("CLF UYW".split(), 4)
)

MAX_MINOR = 2**63 - 1  # what a BIGINT column can hold

_AMOUNT = re.compile(r"(?P<whole>-?[0-9]{1,20})(\.(?P<decimals>[0-9]{1,20}))?")


class MixedCurrencies(BusinessRuleViolationError):
    """Amounts of different currencies cannot be added or compared."""


class MalformedAmount(InvalidInputError):
    """An amount is a decimal number with no more decimals than its currency has, such as "12.34"."""


def exponent_of(currency: str) -> int:
    """Return how many decimals the currency has (ISO 4217)."""
    return EXPONENTS.get(currency, 2)


class AmountTooLarge(InvalidInputError):
    """An amount has at most 9223372036854775807 minor units, such as cents."""


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """An amount in whole minor units (cents, for EUR) of one ISO 4217 currency."""

    minor: int
    currency: str

    @classmethod
    def zero(cls, currency: str) -> Self:
        """Return nothing, in the given currency."""
        return cls(0, currency)

    @classmethod
    def parse(cls, amount: str, currency: str) -> Self:
        """Read a decimal string; raise MalformedAmount for more decimals than the currency has, or AmountTooLarge."""
        read = _AMOUNT.fullmatch(amount)
        decimals = (read["decimals"] or "").rstrip("0") if read else ""
        if read is None or len(decimals) > exponent_of(currency):
            raise MalformedAmount(amount=amount, currency=currency)
        minor = int(read["whole"] + decimals.ljust(exponent_of(currency), "0"))
        if abs(minor) > MAX_MINOR:
            raise AmountTooLarge(amount=amount, currency=currency)
        return cls(minor, currency)

    @classmethod
    def total(cls, amounts: Iterable[Self], *, currency: str) -> Self:
        """Add the amounts up, starting from nothing in the given currency."""
        total = cls.zero(currency)
        for amount in amounts:
            total = total + amount
        return total

    @property
    def amount(self) -> str:
        """Return the decimal string with exactly the decimals of the currency."""
        exponent = EXPONENTS.get(self.currency, 2)
        if exponent == 0:
            return str(self.minor)
        whole, decimals = divmod(abs(self.minor), 10**exponent)
        return f"{'-' if self.minor < 0 else ''}{whole}.{decimals:0{exponent}d}"

    @property
    def is_negative(self) -> bool:
        """Tell whether it is less than nothing."""
        return self.minor < 0

    def allocate(self, weights: Sequence[int]) -> tuple[Self, ...]:
        """Split by weight without losing a minor unit; the remainder goes to the largest fractions first."""
        whole = sum(weights)
        if whole <= 0 or any(weight < 0 for weight in weights):
            raise ValueError("weights are whole numbers, none negative, that add up to more than zero")
        shares = [self.minor * weight // whole for weight in weights]
        by_fraction = sorted(range(len(weights)), key=lambda place: self.minor * weights[place] % whole, reverse=True)
        for place in by_fraction[: self.minor - sum(shares)]:
            shares[place] += 1
        return tuple(type(self)(share, self.currency) for share in shares)

    def __add__(self, other: Self) -> Self:
        self._must_share_currency(other)
        return type(self)(self.minor + other.minor, self.currency)

    def __sub__(self, other: Self) -> Self:
        self._must_share_currency(other)
        return type(self)(self.minor - other.minor, self.currency)

    def __mul__(self, factor: int) -> Self:
        return type(self)(self.minor * factor, self.currency)

    def __neg__(self) -> Self:
        return type(self)(-self.minor, self.currency)

    def __lt__(self, other: Self) -> bool:
        self._must_share_currency(other)
        return self.minor < other.minor

    def __le__(self, other: Self) -> bool:
        self._must_share_currency(other)
        return self.minor <= other.minor

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"

    def _must_share_currency(self, other: Self) -> None:
        if self.currency != other.currency:
            raise MixedCurrencies(left=self.currency, right=other.currency)

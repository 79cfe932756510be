from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.money import AmountTooLarge, MalformedAmount, MixedCurrencies, Money, exponent_of

#: One currency for each number of decimals that there is.
CURRENCIES = {"JPY": 0, "EUR": 2, "KWD": 3, "CLF": 4}
BIGGEST = 2**63 - 1  # minor units that a BIGINT column can hold

currencies = st.sampled_from(sorted(CURRENCIES))
minors = st.integers(min_value=-BIGGEST, max_value=BIGGEST)
weights = st.lists(st.integers(min_value=0, max_value=10**6), min_size=1, max_size=20).filter(any)


class TestExponent:
    @pytest.mark.parametrize(("currency", "exponent"), CURRENCIES.items())
    def test_is_the_number_of_decimals_in_iso_4217(self, currency: str, exponent: int) -> None:
        assert exponent_of(currency) == exponent


class TestAmount:
    @pytest.mark.parametrize(
        ("money", "amount"),
        [
            (Money(1234, "EUR"), "12.34"),
            (Money(5, "EUR"), "0.05"),
            (Money(-5, "EUR"), "-0.05"),
            (Money(0, "EUR"), "0.00"),
            (Money(1234, "JPY"), "1234"),
            (Money(0, "JPY"), "0"),
            (Money(1234, "KWD"), "1.234"),
            (Money(1, "CLF"), "0.0001"),
            (Money(BIGGEST, "EUR"), "92233720368547758.07"),
        ],
        ids=str,
    )
    def test_has_exactly_the_decimals_of_the_currency(self, money: Money, amount: str) -> None:
        assert money.amount == amount
        assert str(money) == f"{amount} {money.currency}"

    @given(minor=minors, currency=currencies)
    def test_read_back_is_the_same_money(self, minor: int, currency: str) -> None:
        money = Money(minor, currency)

        assert Money.parse(money.amount, currency) == money

    @given(minor=minors, currency=currencies)
    def test_never_uses_an_exponent(self, minor: int, currency: str) -> None:
        amount = Money(minor, currency).amount

        whole, _, decimals = amount.removeprefix("-").partition(".")
        assert whole.isdigit()
        assert len(decimals) == CURRENCIES[currency]


class TestParse:
    @pytest.mark.parametrize(
        ("amount", "currency", "minor"),
        [
            ("12.34", "EUR", 1234),
            ("12.3", "EUR", 1230),
            ("12", "EUR", 1200),
            ("12.00", "JPY", 12),
            ("-0.5", "EUR", -50),
        ],
    )
    def test_reads_fewer_decimals_than_the_currency_has(self, amount: str, currency: str, minor: int) -> None:
        assert Money.parse(amount, currency) == Money(minor, currency)

    @pytest.mark.parametrize(
        ("amount", "currency"),
        [
            ("12.345", "EUR"),
            ("12.5", "JPY"),
            ("0.0001", "KWD"),
            ("0.00001", "CLF"),
            ("10000000000000000000000000000.001", "EUR"),
            ("", "EUR"),
            ("twelve", "EUR"),
            ("12,34", "EUR"),
            ("NaN", "EUR"),
            ("sNaN", "EUR"),
            ("Infinity", "EUR"),
            ("1e999999", "EUR"),
            ("1e9", "EUR"),
            ("1_000", "EUR"),
            (" 12", "EUR"),
            ("\N{FULLWIDTH DIGIT ONE}", "EUR"),
        ],
    )
    def test_refuses_what_is_not_an_amount_of_the_currency(self, amount: str, currency: str) -> None:
        with pytest.raises(
            MalformedAmount, match="a decimal number with no more decimals than its currency"
        ) as refusal:
            Money.parse(amount, currency)

        assert refusal.value.code == "malformed_amount"
        assert refusal.value.details == {"amount": amount, "currency": currency}

    @pytest.mark.parametrize("amount", ["92233720368547758.08", "-92233720368547758.08", "9" * 20])
    def test_refuses_what_no_column_can_hold(self, amount: str) -> None:
        with pytest.raises(AmountTooLarge):
            Money.parse(amount, "EUR")


class TestAllocate:
    @given(minor=minors, weights=weights, currency=currencies)
    def test_loses_nothing(self, minor: int, weights: Sequence[int], currency: str) -> None:
        shares = Money(minor, currency).allocate(weights)

        assert len(shares) == len(weights)
        assert Money.total(shares, currency=currency) == Money(minor, currency)

    @given(minor=minors, weights=weights)
    def test_gives_each_its_fair_share_to_within_one_minor_unit(self, minor: int, weights: Sequence[int]) -> None:
        shares = Money(minor, "EUR").allocate(weights)

        for share, weight in zip(shares, weights, strict=True):
            assert abs(share.minor * sum(weights) - minor * weight) < sum(weights)

    @given(minor=minors, weights=weights)
    def test_gives_nothing_for_a_weight_of_zero(self, minor: int, weights: Sequence[int]) -> None:
        *shares, last = Money(minor, "EUR").allocate([*weights, 0])

        assert last == Money.zero("EUR")
        assert len(shares) == len(weights)

    def test_gives_the_remainder_to_the_largest_fractions_first(self) -> None:
        assert [share.minor for share in Money(100, "EUR").allocate([1, 1, 1])] == [34, 33, 33]
        assert [share.minor for share in Money(10, "EUR").allocate([15, 26, 59])] == [1, 3, 6]

    @pytest.mark.parametrize("weights", [[], [0, 0], [2, -1]])
    def test_is_refused_without_anything_to_split_by(self, weights: list[int]) -> None:
        with pytest.raises(ValueError, match="none negative, that add up to more than zero"):
            Money(100, "EUR").allocate(weights)


class TestArithmetic:
    def test_adds_subtracts_multiplies_and_negates(self) -> None:
        five, two = Money(500, "EUR"), Money(200, "EUR")

        assert five + two == Money(700, "EUR")
        assert five - two == Money(300, "EUR")
        assert two * 3 == Money(600, "EUR")
        assert -two == Money(-200, "EUR")
        assert two < five
        assert two <= Money(200, "EUR")
        assert (two - five).is_negative
        assert not (two - two).is_negative

    def test_of_nothing_adds_up_to_nothing(self) -> None:
        assert Money.total([], currency="EUR") == Money.zero("EUR") == Money(0, "EUR")

    def test_tells_one_currency_from_another(self) -> None:
        assert Money(1, "EUR") != Money(1, "USD")

    @pytest.mark.parametrize("operation", ["__add__", "__sub__", "__lt__", "__le__"])
    def test_never_mixes_currencies(self, operation: str) -> None:
        with pytest.raises(MixedCurrencies, match="cannot be added or compared") as refusal:
            getattr(Money(1, "EUR"), operation)(Money(1, "USD"))

        assert refusal.value.code == "mixed_currencies"
        assert refusal.value.details == {"left": "EUR", "right": "USD"}

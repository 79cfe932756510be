"""What every implementation of the port ShippingMethods does, and what PostgreSQL adds to it."""

import pytest
from django.db import IntegrityError, transaction

from contexts.ordering.domain import ShippingMethodNotFound
from contexts.ordering.models import ShippingMethodRow
from contexts.ordering.ports import ShippingMethods
from contexts.ordering.repositories import DjangoShippingMethods
from shared.domain.money import Money
from tests.ordering.builders import a_shipping_method, euros
from tests.ordering.fakes import InMemoryShippingMethods


class ShippingMethodsContract:
    """Each test runs on each implementation; a subclass says how its own is made."""

    methods: ShippingMethods

    def test_gives_back_what_was_stored(self) -> None:
        express = a_shipping_method(code="express", name="Tomorrow before ten", price=euros("14.90"))

        self.methods.ensure(express)

        assert self.methods.get("express", currency="EUR") == express

    def test_takes_the_newer_name_and_price(self) -> None:
        self.methods.ensure(a_shipping_method(name="Standard", price=euros("4.90")))
        self.methods.ensure(a_shipping_method(name="Slow", price=euros("0.00")))

        assert self.methods.get("standard", currency="EUR") == a_shipping_method(name="Slow", price=euros("0.00"))

    def test_keeps_a_price_for_each_currency(self) -> None:
        self.methods.ensure(a_shipping_method(price=Money(490, "EUR")))
        self.methods.ensure(a_shipping_method(price=Money(700, "JPY")))

        assert self.methods.get("standard", currency="EUR").price == Money(490, "EUR")
        assert self.methods.get("standard", currency="JPY").price == Money(700, "JPY")

    @pytest.mark.parametrize(("code", "currency"), [("standard", "USD"), ("by-drone", "EUR"), ("Standard", "EUR")])
    def test_does_not_find_what_is_not_there(self, code: str, currency: str) -> None:
        self.methods.ensure(a_shipping_method(code="standard", price=euros("4.90")))

        with pytest.raises(ShippingMethodNotFound, match="no such shipping method in this currency") as refusal:
            self.methods.get(code, currency=currency)

        assert refusal.value.details == {"shipping_method": code, "currency": currency}


class TestInMemoryShippingMethods(ShippingMethodsContract):
    @pytest.fixture(autouse=True)
    def _fresh(self) -> None:
        self.methods = InMemoryShippingMethods()


@pytest.mark.django_db
class TestDjangoShippingMethods(ShippingMethodsContract):
    methods = DjangoShippingMethods()


@pytest.mark.django_db
class TestLastWordOfTheDatabase:
    """Whatever the code does, PostgreSQL refuses these."""

    def test_keeps_one_price_per_method_and_currency(self) -> None:
        ShippingMethodRow.objects.create(code="standard", name="Standard", currency="EUR", price_minor=1)

        with pytest.raises(IntegrityError, match="ordering_shipping_method_once"), transaction.atomic():
            ShippingMethodRow.objects.create(code="standard", name="Slow", currency="EUR", price_minor=2)

    def test_keeps_prices_from_falling_below_nothing(self) -> None:
        with pytest.raises(IntegrityError, match="ordering_shipping_not_negative"), transaction.atomic():
            ShippingMethodRow.objects.create(code="standard", name="Standard", currency="EUR", price_minor=-1)

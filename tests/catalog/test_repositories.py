from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from config.demo.catalog import demo_catalog
from contexts.catalog.domain import (
    Category,
    CategoryId,
    CategorySlugTaken,
    ProductId,
    ProductNotFound,
    SkuTaken,
    VariantNotFound,
)
from contexts.catalog.gateways import InventoryAvailability
from contexts.catalog.models import CategoryRow, PriceRow, ProductRow
from contexts.catalog.ports import Availability, Categories, Products
from contexts.catalog.public import Quote, quotes_of
from contexts.catalog.repositories import DjangoCategories, DjangoProducts
from contexts.catalog.wiring import add_category, add_product, change_price, load_products, withdraw_product
from shared.domain.errors import LostRace
from shared.domain.money import Money
from shared.outbox.messages import history_of
from shared.persistence.identifiers import new_id
from tests.catalog.builders import (
    NOW,
    PriceFactory,
    StockItemFactory,
    VariantFactory,
    a_new_product,
    a_new_variant,
    a_product,
    a_product_row,
    euros,
)
from tests.catalog.fakes import InMemoryCategories, InMemoryProducts, KnownAvailability

on_both = pytest.fixture(params=["memory", "postgresql"])


@dataclass(frozen=True, slots=True)
class Store:
    """Products and the categories that they are in."""

    products: Products
    categories: Categories

    def category(self, slug: str = "kitchen") -> CategoryId:
        """Return the id of a category that is there."""
        category = Category(id=CategoryId(new_id()), slug=slug, name="Kitchen")
        self.categories.add(category)
        return category.id


@on_both
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "memory":
        return Store(InMemoryProducts(), InMemoryCategories())
    request.getfixturevalue("db")
    return Store(DjangoProducts(), DjangoCategories())


@on_both
def availability_with(request: pytest.FixtureRequest) -> Callable[[dict[str, int]], Availability]:
    if request.param == "memory":
        return KnownAvailability
    request.getfixturevalue("db")

    def stocked(units: dict[str, int]) -> Availability:
        for sku, on_hand in units.items():
            StockItemFactory.create(sku=sku, on_hand=on_hand)
        return InventoryAvailability()

    return stocked


class TestProducts:
    def test_are_returned_as_they_were_added(self, store: Store) -> None:
        added = a_product(
            a_new_variant("L", prices=(euros("45.00"), Money(5200, "USD")), options={"size": "45 cm"}),
            a_new_variant("S", "27.00", backorderable=True),
            category_id=store.category(),
        )
        store.products.add(added)
        for found in (store.products.get(ProductId(added.id)), store.products.get_by_sku("S")):
            assert (found.id, found.version, found.name, found.description) == (
                added.id, 1, added.name, added.description,
            )  # fmt: skip
            assert (found.category_id, found.currency, found.is_active) == (added.category_id, "EUR", True)
            assert found.created_at == NOW
            assert [variant.facts for variant in found.variants] == [variant.facts for variant in added.variants]

    def test_are_returned_as_they_were_saved(self, store: Store) -> None:
        product = a_product(a_new_variant("L"), a_new_variant("S"), category_id=store.category())
        store.products.add(product)
        product.change_price(sku="S", price=euros("9.00"), at=NOW)
        product.change_price(sku="L", price=Money(2000, "USD"), at=NOW)
        product.withdraw(at=NOW)
        store.products.save(product)
        found = store.products.get(ProductId(product.id))
        assert (found.version, found.sequence, found.is_active) == (2, 3, False)
        assert found.price_from == euros("9.00")
        assert found.variants[0].prices == {"EUR": euros("18.00"), "USD": Money(2000, "USD")}

    def test_are_not_saved_over_a_change_that_was_not_seen(self, store: Store) -> None:
        store.products.add(a_product(category_id=store.category()))
        mine, theirs = store.products.get_by_sku("MUG-SAND"), store.products.get_by_sku("MUG-SAND")
        theirs.change_price(sku="MUG-SAND", price=euros("20.00"), at=NOW)
        store.products.save(theirs)
        mine.change_price(sku="MUG-SAND", price=euros("21.00"), at=NOW)
        with pytest.raises(LostRace):
            store.products.save(mine)

    def test_have_one_variant_per_sku(self, store: Store) -> None:
        category_id = store.category()
        store.products.add(a_product(category_id=category_id))
        with pytest.raises(SkuTaken, match="Another product") as refusal:
            store.products.add(a_product(category_id=category_id))
        assert refusal.value.details == {"sku": "MUG-SAND"}

    def test_are_refused_together_when_two_share_a_sku(self, store: Store) -> None:
        category_id = store.category()
        with pytest.raises(SkuTaken, match="Another product"):
            store.products.add(a_product(category_id=category_id), a_product(category_id=category_id))

    def test_are_not_found_by_what_nobody_knows(self, store: Store) -> None:
        with pytest.raises(ProductNotFound, match="no such product"):
            store.products.get(ProductId(new_id()))
        with pytest.raises(VariantNotFound, match="no variant"):
            store.products.get_by_sku("MUG-SAND")

    def test_tell_the_prices_of_known_skus(self, store: Store) -> None:
        category_id = store.category()
        gone = a_product(a_new_variant("GONE", "1.00"), category_id=category_id)
        gone.withdraw(at=NOW)
        priced = a_new_variant("A", prices=(euros("2.00"), Money(3, "USD")))
        store.products.add(gone, a_product(priced, category_id=category_id))
        assert store.products.prices_of(["A", "GONE", "UNKNOWN"]) == {
            "A": frozenset({euros("2.00"), Money(3, "USD")}),
            "GONE": frozenset({euros("1.00")}),
        }


class TestCategories:
    def test_are_returned_as_they_were_added(self, store: Store) -> None:
        parent_id = store.category()
        added = Category(id=CategoryId(new_id()), slug="brewing", name="Brewing", parent_id=parent_id)
        store.categories.add(added)
        assert store.categories.find("brewing") == added
        assert store.categories.ids() == {"kitchen": parent_id, "brewing": added.id}

    def test_are_not_found_by_an_unknown_slug(self, store: Store) -> None:
        assert store.categories.find("garden") is None

    def test_have_one_per_slug(self, store: Store) -> None:
        store.category()
        with pytest.raises(CategorySlugTaken, match="slug already"):
            store.category()


class TestAvailability:
    def test_is_told_for_known_skus_only(self, availability_with: Callable[[dict[str, int]], Availability]) -> None:
        availability = availability_with({"A": 3, "B": 0, "C": 5})
        units = availability.of(skus=["A", "B", "UNKNOWN"])
        assert units == {"A": 3, "B": 0}
        assert all(type(each) is int for each in units.values())

    def test_is_nothing_for_no_skus(self, availability_with: Callable[[dict[str, int]], Availability]) -> None:
        assert availability_with({"A": 3}).of(skus=[]) == {}


@pytest.mark.django_db
class TestQuotes:
    def test_carry_what_an_order_needs_in_one_statement(self, django_assert_num_queries: Callable[..., Any]) -> None:
        row = a_product_row(name="Stoneware Mug", sku="MUG")
        with django_assert_num_queries(1):
            quotes = quotes_of(skus=["MUG", "UNKNOWN"], currency="EUR")
        assert quotes == {
            "MUG": Quote(
                sku="MUG",
                product_id=row.id,
                variant_id=row.variants.get().id,
                name="Stoneware Mug",
                unit_price=euros("18.00"),
            )
        }

    def test_name_the_variant_where_there_are_several(self) -> None:
        row = a_product_row(name="Stoneware Mug", sku="SAND", variants__name="sand")
        assert quotes_of(skus=["SAND"], currency="EUR")["SAND"].name == "Stoneware Mug"
        VariantFactory.create(product=row, sku="MOSS", name="moss")
        VariantFactory.create(product=row, sku="PLAIN")
        names = {sku: quote.name for sku, quote in quotes_of(skus=["SAND", "MOSS", "PLAIN"], currency="EUR").items()}
        assert names == {"SAND": "Stoneware Mug, sand", "MOSS": "Stoneware Mug, moss", "PLAIN": "Stoneware Mug"}

    def test_are_absent_for_withdrawn_products(self) -> None:
        a_product_row(sku="GONE", is_active=False)
        assert quotes_of(skus=["GONE"], currency="EUR") == {}

    def test_are_in_the_currency_that_was_asked_for(self) -> None:
        row = a_product_row(sku="MUG")
        assert quotes_of(skus=["MUG"], currency="USD") == {}
        PriceFactory.create(variant=row.variants.get(), currency="USD", amount_minor=2100)
        assert quotes_of(skus=["MUG"], currency="USD")["MUG"].unit_price == Money(2100, "USD")

    def test_are_none_for_no_skus(self) -> None:
        assert quotes_of(skus=[], currency="EUR") == {}


@pytest.mark.django_db
class TestEventsOfCatalog:
    def test_are_stored_with_the_state(self) -> None:
        add_category(slug="kitchen", name="Kitchen")
        product_id = add_product(product=a_new_product())
        change_price(sku="MUG-SAND", price=euros("19.00"))
        withdraw_product(product_id=product_id)
        history = history_of(product_id)
        assert [(entry.sequence, entry.topic) for entry in history] == [
            (1, "catalog.product_added.v1"),
            (2, "catalog.price_changed.v1"),
            (3, "catalog.product_withdrawn.v1"),
        ]
        assert history[0].payload["variants"][0]["prices"] == [{"currency": "EUR", "amount_minor": 1800}]
        assert history[1].payload["previous_amount_minor"] == 1800

    def test_are_none_for_a_bulk_load(self) -> None:
        add_category(slug="kitchen", name="Kitchen")
        load_products(products=[a_new_product()])
        assert history_of(ProductRow.objects.get().id) == []


@pytest.mark.django_db
class TestTables:
    def test_refuse_a_negative_price(self) -> None:
        row = a_product_row()
        with pytest.raises(IntegrityError, match="catalog_price_is_not_negative"), transaction.atomic():
            PriceRow.objects.filter(variant__product=row).update(amount_minor=-1)

    def test_refuse_two_prices_in_one_currency(self) -> None:
        variant = a_product_row().variants.get()
        with pytest.raises(IntegrityError, match="catalog_price_once_per_currency"), transaction.atomic():
            PriceFactory.create(variant=variant)

    def test_refuse_a_sku_twice(self) -> None:
        a_product_row(sku="MUG")
        with pytest.raises(IntegrityError, match="catalog_variant_sku_is_unique"), transaction.atomic():
            a_product_row(sku="MUG")

    def test_refuse_a_category_below_itself(self) -> None:
        row = a_product_row().category
        with pytest.raises(IntegrityError, match="catalog_category_is_not_its_own_parent"), transaction.atomic():
            CategoryRow.objects.filter(id=row.id).update(parent_id=row.id)


class TestDemoCatalog:
    def test_is_a_believable_shop(self) -> None:
        demo = demo_catalog()
        variants = [variant for product in demo.products for variant in product.variants]
        assert 36 <= len(demo.products) <= 48
        assert 60 <= len(variants) <= 100
        assert len({variant.sku for variant in variants}) == len(variants)
        assert {product.category for product in demo.products} <= {category.slug for category in demo.categories}
        assert {code for variant in variants for code in variant.stock} == {"BER-1", "HAM-1"}
        assert any(sum(variant.stock.values()) == 0 for variant in variants)
        assert any(len(variant.stock) == 1 for variant in variants)

"""Catalog's ports, kept in memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from contexts.catalog.domain import (
    Category,
    CategoryId,
    CategoryNotFound,
    CategorySlugTaken,
    Product,
    ProductId,
    ProductNotFound,
    SkuTaken,
    VariantNotFound,
)
from shared.domain.errors import LostRace
from shared.domain.money import Money
from tests.shared.fakes import Shelf


class InMemoryProducts:
    """The port Products, in a dictionary."""

    def __init__(self) -> None:
        self.shelf: Shelf[Product] = Shelf()

    def get(self, product_id: ProductId) -> Product:
        product = self.shelf.find(product_id)
        if product is None:
            raise ProductNotFound(product_id=product_id)
        return product

    def get_by_sku(self, sku: str) -> Product:
        for product in self.shelf:
            if any(variant.sku == sku for variant in product.variants):
                return product
        raise VariantNotFound(sku=sku)

    def add(self, *products: Product) -> None:
        skus = [variant.sku for product in products for variant in product.variants]
        for sku in self.prices_of(skus):
            raise SkuTaken(sku=sku)
        if len(set(skus)) != len(skus):
            raise SkuTaken
        for product in products:
            self.shelf.keep(product)

    def save(self, product: Product) -> None:
        self.shelf.keep(product)

    def prices_of(self, skus: Sequence[str]) -> Mapping[str, frozenset[Money]]:
        return {
            variant.sku: frozenset(variant.prices.values())
            for product in self.shelf
            for variant in product.variants
            if variant.sku in skus
        }


class InMemoryCategories:
    """The port Categories, in a dictionary."""

    def __init__(self) -> None:
        self._by_slug: dict[str, Category] = {}

    def find(self, slug: str) -> Category | None:
        return self._by_slug.get(slug)

    def get(self, category_id: CategoryId) -> Category:
        for category in self._by_slug.values():
            if category.id == category_id:
                return category
        raise CategoryNotFound(category_id=category_id)

    def save(self, category: Category) -> Category:
        if self.get(category.id).version != category.version:
            raise LostRace
        self._by_slug[category.slug] = replace(category, version=category.version + 1)
        return self._by_slug[category.slug]

    def ids(self) -> Mapping[str, CategoryId]:
        return {slug: category.id for slug, category in self._by_slug.items()}

    def add(self, category: Category) -> None:
        if category.slug in self._by_slug:
            raise CategorySlugTaken(slug=category.slug)
        self._by_slug[category.slug] = category


@dataclass(slots=True)
class KnownAvailability:
    """The port Availability, as the test says; it counts how often it was asked."""

    units: dict[str, int] = field(default_factory=dict)
    asked: int = 0

    def of(self, *, skus: Sequence[str]) -> Mapping[str, int]:
        self.asked += 1
        return {sku: self.units[sku] for sku in skus if sku in self.units}

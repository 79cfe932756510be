"""What catalog needs from the world."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from contexts.catalog.domain import Category, CategoryId, Product, ProductId
from shared.domain.money import Money


class Products(Protocol):
    """Everything that is, or was, for sale."""

    def get(self, product_id: ProductId) -> Product:
        """Return the product, locked for this unit of work, or raise ProductNotFound."""

    def get_by_sku(self, sku: str) -> Product:
        """Return the product that has this variant, locked for this unit of work, or raise VariantNotFound."""

    def add(self, *products: Product) -> None:
        """Store new products with what they recorded, or raise SkuTaken."""

    def save(self, product: Product) -> None:
        """Store a changed product with what it recorded."""

    def prices_of(self, skus: Sequence[str]) -> Mapping[str, frozenset[Money]]:
        """Return the prices of those skus that are known, also of withdrawn products."""


class Categories(Protocol):
    """The tree that products are arranged in."""

    def find(self, slug: str) -> Category | None:
        """Return the category, if there is one with this slug."""

    def get(self, category_id: CategoryId) -> Category:
        """Return the category, locked for this unit of work, or raise CategoryNotFound."""

    def ids(self) -> Mapping[str, CategoryId]:
        """Return the id of each category by its slug."""

    def add(self, category: Category) -> None:
        """Store a new category, or raise CategorySlugTaken."""

    def save(self, category: Category) -> Category:
        """Store a changed category; return it at its new version."""


class Availability(Protocol):
    """Knows how many units of a variant can be promised now."""

    def of(self, *, skus: Sequence[str]) -> Mapping[str, int]:
        """Return the units of each sku; those of which nothing is known are absent."""

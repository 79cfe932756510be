"""The catalog for operators: products, variants, prices and categories, changed by use cases at a version seen."""

from rest_framework.routers import SimpleRouter

from contexts.catalog.operator_api.categories import CategoryViewSet
from contexts.catalog.operator_api.prices import PriceViewSet
from contexts.catalog.operator_api.products import ProductViewSet
from contexts.catalog.operator_api.variants import VariantViewSet

__all__ = ["register"]


def register(router: SimpleRouter) -> None:
    """Add catalog's resources to the operator API."""
    router.register("products", ProductViewSet, basename="product")
    router.register("variants", VariantViewSet, basename="variant")
    router.register("prices", PriceViewSet, basename="price")
    router.register("categories", CategoryViewSet, basename="category")

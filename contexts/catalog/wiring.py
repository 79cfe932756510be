"""Composition root: catalog's use cases and queries, ready to call."""

from uuid import UUID

from django.conf import settings
from django.utils import timezone

from contexts.catalog.gateways import InventoryAvailability
from contexts.catalog.queries import ListProducts, ShowProduct
from contexts.catalog.repositories import DjangoCategories, DjangoProducts
from contexts.catalog.use_cases import AddCategory, AddProduct, ChangePrice, LoadProducts, WithdrawProduct
from shared.cache.valkey import ValkeyCache
from shared.domain.ports import Cache
from shared.persistence.identifiers import new_id
from shared.persistence.unit_of_work import atomic

_products = DjangoProducts()
_categories = DjangoCategories()

add_product = AddProduct(
    products=_products, categories=_categories, unit_of_work=atomic, now=timezone.now, new_id=new_id
)
change_price = ChangePrice(products=_products, unit_of_work=atomic, now=timezone.now)
withdraw_product = WithdrawProduct(products=_products, unit_of_work=atomic, now=timezone.now)
add_category = AddCategory(categories=_categories, unit_of_work=atomic, new_id=new_id)
load_products = LoadProducts(
    products=_products, categories=_categories, unit_of_work=atomic, now=timezone.now, new_id=new_id
)

#: What is shown to everybody, worked out once for all who ask within settings.CATALOG_REMEMBERED.
answers: Cache = ValkeyCache(name="catalog", url=settings.REDIS_URL)

_availability = InventoryAvailability()

list_products = ListProducts(availability=_availability, currency=settings.DEFAULT_CURRENCY)
show_product = ShowProduct(availability=_availability)


def key_of_product(product_id: UUID) -> str:
    """Return under which key the answer about a product is remembered."""
    return f"product:{product_id}"

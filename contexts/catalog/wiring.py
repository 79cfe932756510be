"""Composition root: catalog's use cases and queries, ready to call."""

from uuid import UUID

from django.conf import settings
from django.utils import timezone

from contexts.catalog.gateways import InventoryAvailability
from contexts.catalog.queries import ListProducts, ShowProduct
from contexts.catalog.repositories import DjangoCategories, DjangoProducts
from contexts.catalog.use_cases import (
    AddCategory,
    AddProduct,
    AddVariant,
    ChangePrice,
    ChangeVariant,
    DescribeProduct,
    LoadProducts,
    RenameCategory,
    WithdrawProduct,
)
from shared.audit.trail import record_change
from shared.cache.valkey import ValkeyCache
from shared.domain.ports import Cache
from shared.persistence.identifiers import new_id
from shared.persistence.unit_of_work import atomic

_products = DjangoProducts()
_categories = DjangoCategories()

add_product = AddProduct(
    products=_products,
    categories=_categories,
    record_change=record_change,
    unit_of_work=atomic,
    now=timezone.now,
    new_id=new_id,
)
change_price = ChangePrice(products=_products, record_change=record_change, unit_of_work=atomic, now=timezone.now)
withdraw_product = WithdrawProduct(
    products=_products, record_change=record_change, unit_of_work=atomic, now=timezone.now
)
describe_product = DescribeProduct(
    products=_products, categories=_categories, record_change=record_change, unit_of_work=atomic, now=timezone.now
)
add_variant = AddVariant(
    products=_products, record_change=record_change, unit_of_work=atomic, now=timezone.now, new_id=new_id
)
change_variant = ChangeVariant(products=_products, record_change=record_change, unit_of_work=atomic, now=timezone.now)
add_category = AddCategory(categories=_categories, record_change=record_change, unit_of_work=atomic, new_id=new_id)
rename_category = RenameCategory(categories=_categories, record_change=record_change, unit_of_work=atomic)
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

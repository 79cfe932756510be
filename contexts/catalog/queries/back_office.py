"""Reads of the whole catalog for operators, also of what is withdrawn: rows to frozen values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.contrib.postgres.search import SearchQuery
from django.db.models import Q, QuerySet

from contexts.catalog.domain import CategoryNotFound, ProductNotFound, VariantNotFound
from contexts.catalog.models import CategoryRow, PriceRow, ProductRow, VariantRow
from shared.domain.money import Money
from shared.persistence.plans import planned_for_its_values


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantDetails:
    """A variant as operators see it; its version is its product's."""

    id: UUID
    product_id: UUID
    version: int
    sku: str
    name: str
    options: Mapping[str, str]
    backorderable: bool
    prices: Sequence[Money]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductDetails:
    """A product as operators see it."""

    id: UUID
    version: int
    name: str
    description: str
    category: str
    is_active: bool
    price_from: Money
    created_at: datetime
    variants: Sequence[VariantDetails]


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceDetails:
    """What a variant costs in one currency; its version is its product's."""

    id: UUID
    product_id: UUID
    version: int
    sku: str
    price: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryDetails:
    """A category as operators see it."""

    id: UUID
    version: int
    slug: str
    name: str
    parent: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyProductFilter:
    """Which products are wanted, for sale or not; what is None does not matter."""

    text: str | None = None
    category: str | None = None
    sku: str | None = None
    is_active: bool | None = None


def any_products(wanted: AnyProductFilter, *, before: UUID | None, limit: int) -> Sequence[ProductDetails]:
    """Return the products that are wanted, the newest first: their ids are time-ordered."""
    given = {
        "category__slug": wanted.category,
        "variants__sku": wanted.sku,
        "is_active": wanted.is_active,
        "id__lt": before,
    }
    condition = Q(**{name: value for name, value in given.items() if value is not None})
    if wanted.text is not None:
        condition &= Q(search=SearchQuery(wanted.text, config="english", search_type="websearch"))
    with planned_for_its_values():
        return [_product_of(row) for row in _products().filter(condition).order_by("-id")[:limit]]


def any_product(product_id: UUID) -> ProductDetails:
    """Return one product, for sale or not, or raise ProductNotFound."""
    row = _products().filter(id=product_id).first()
    if row is None:
        raise ProductNotFound(product_id=product_id)
    return _product_of(row)


def variants(
    *, product_id: UUID | None = None, sku: str | None = None, after: str | None, limit: int
) -> Sequence[VariantDetails]:
    """Return variants by their skus."""
    given = {"product_id": product_id, "sku": sku, "sku__gt": after}
    rows = _variants().filter(**{name: value for name, value in given.items() if value is not None})
    with planned_for_its_values():
        return [_variant_of(row) for row in rows.order_by("sku")[:limit]]


def variant(variant_id: UUID) -> VariantDetails:
    """Return one variant, or raise VariantNotFound."""
    row = _variants().filter(id=variant_id).first()
    if row is None:
        raise VariantNotFound(variant_id=variant_id)
    return _variant_of(row)


def prices(
    *, sku: str | None = None, currency: str | None = None, after: tuple[str, UUID] | None, limit: int
) -> Sequence[PriceDetails]:
    """Return prices by the sku of their variant, and by id."""
    given = {"variant__sku": sku, "currency": currency}
    rows = PriceRow.objects.filter(**{name: value for name, value in given.items() if value is not None})
    if after is not None:
        rows = rows.filter(Q(variant__sku__gt=after[0]) | Q(variant__sku=after[0], id__gt=after[1]))
    found = rows.select_related("variant__product").defer("variant__product__search").order_by("variant__sku", "id")
    with planned_for_its_values():
        return [_price_of(row) for row in found[:limit]]


def price_of(*, sku: str, currency: str) -> PriceDetails:
    """Return what a variant costs in the currency, or raise VariantNotFound."""
    found = prices(sku=sku, currency=currency, after=None, limit=1)
    if not found:
        raise VariantNotFound(sku=sku)
    return found[0]


def all_categories(*, after: str | None, limit: int) -> Sequence[CategoryDetails]:
    """Return categories by their slugs."""
    rows = CategoryRow.objects.select_related("parent").order_by("slug")
    if after is not None:
        rows = rows.filter(slug__gt=after)
    return [_category_of(row) for row in rows[:limit]]


def category(category_id: UUID) -> CategoryDetails:
    """Return one category, or raise CategoryNotFound."""
    row = CategoryRow.objects.select_related("parent").filter(id=category_id).first()
    if row is None:
        raise CategoryNotFound(category_id=category_id)
    return _category_of(row)


def _products() -> QuerySet[ProductRow]:
    return ProductRow.objects.select_related("category").defer("search").prefetch_related("variants__prices")


def _variants() -> QuerySet[VariantRow]:
    return VariantRow.objects.select_related("product").defer("product__search").prefetch_related("prices")


def _product_of(row: ProductRow) -> ProductDetails:
    return ProductDetails(
        id=row.id,
        version=row.version,
        name=row.name,
        description=row.description,
        category=row.category.slug,
        is_active=row.is_active,
        price_from=Money(row.price_from_minor, row.price_currency),
        created_at=row.created_at,
        variants=[_variant_of(each, version=row.version) for each in row.variants.all()],
    )


def _variant_of(row: VariantRow, *, version: int | None = None) -> VariantDetails:
    prices = sorted(row.prices.all(), key=lambda price: price.currency)
    return VariantDetails(
        id=row.id,
        product_id=row.product_id,
        version=row.product.version if version is None else version,
        sku=row.sku,
        name=row.name,
        options=row.options,
        backorderable=row.backorderable,
        prices=[Money(price.amount_minor, price.currency) for price in prices],
    )


def _price_of(row: PriceRow) -> PriceDetails:
    return PriceDetails(
        id=row.id,
        product_id=row.variant.product_id,
        version=row.variant.product.version,
        sku=row.variant.sku,
        price=Money(row.amount_minor, row.currency),
    )


def _category_of(row: CategoryRow) -> CategoryDetails:
    return CategoryDetails(
        id=row.id,
        version=row.version,
        slug=row.slug,
        name=row.name,
        parent=row.parent.slug if row.parent else None,
    )

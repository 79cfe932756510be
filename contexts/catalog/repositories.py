"""Catalog's ports kept in the database."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from django.db import IntegrityError
from django.db.models import F, QuerySet

from contexts.catalog.domain import (
    Category,
    CategoryId,
    CategoryNotFound,
    CategorySlugTaken,
    Product,
    ProductId,
    ProductNotFound,
    SkuTaken,
    Variant,
    VariantId,
    VariantNotFound,
)
from contexts.catalog.models import CategoryRow, PriceRow, ProductRow, VariantRow
from shared.domain.errors import LostRace
from shared.domain.money import Money
from shared.outbox.messages import publish_events_of

FIRST_VERSION = 1
SKU_IS_UNIQUE = "catalog_variant_sku_is_unique"
SLUG_IS_UNIQUE = "catalog_category_slug_is_unique"


class DjangoProducts:
    """The port Products over Django's ORM."""

    def get(self, product_id: ProductId) -> Product:
        """Return the product, locked for this unit of work, or raise ProductNotFound."""
        product = _locked(ProductRow.objects.filter(id=product_id))
        if product is None:
            raise ProductNotFound(product_id=product_id)
        return product

    def get_by_sku(self, sku: str) -> Product:
        """Return the product that has this variant, locked for this unit of work, or raise VariantNotFound."""
        product = _locked(ProductRow.objects.filter(variants__sku=sku))
        if product is None:
            raise VariantNotFound(sku=sku)
        return product

    def add(self, *products: Product) -> None:
        """Store new products with what they recorded, or raise SkuTaken."""
        _refuse_taken([variant.sku for product in products for variant in product.variants])
        ProductRow.objects.bulk_create(map(_row_of, products))
        with _refusing_taken_skus():
            VariantRow.objects.bulk_create(_variant_rows_of(products))
        PriceRow.objects.bulk_create(_price_rows_of(products))
        for product in products:
            product.version = FIRST_VERSION
        publish_events_of(*products)

    def save(self, product: Product) -> None:
        """Store a changed product with what it recorded."""
        saved = ProductRow.objects.filter(id=product.id, version=product.version).update(
            name=product.name,
            description=product.description,
            category_id=product.category_id,
            is_active=product.is_active,
            price_from_minor=product.price_from.minor,
            version=F("version") + 1,
            sequence=product.sequence,
        )
        if not saved:
            raise LostRace
        product.version += 1
        with _refusing_taken_skus():
            VariantRow.objects.bulk_create(
                _variant_rows_of([product]),
                update_conflicts=True,
                unique_fields=["id"],
                update_fields=["name", "options", "backorderable"],
            )
        PriceRow.objects.bulk_create(
            _price_rows_of([product]),
            update_conflicts=True,
            unique_fields=["variant", "currency"],
            update_fields=["amount_minor"],
        )
        publish_events_of(product)

    def prices_of(self, skus: Sequence[str]) -> Mapping[str, frozenset[Money]]:
        """Return the prices of those skus that are known, also of withdrawn products."""
        prices: dict[str, set[Money]] = {}
        rows = PriceRow.objects.filter(variant__sku__in=skus)
        for sku, currency, minor in rows.values_list("variant__sku", "currency", "amount_minor"):
            prices.setdefault(sku, set()).add(Money(minor, currency))
        return {sku: frozenset(each) for sku, each in prices.items()}


class DjangoCategories:
    """The port Categories over Django's ORM."""

    def find(self, slug: str) -> Category | None:
        """Return the category, if there is one with this slug."""
        row = CategoryRow.objects.filter(slug=slug).first()
        return _category_of(row) if row is not None else None

    def get(self, category_id: CategoryId) -> Category:
        """Return the category, locked for this unit of work, or raise CategoryNotFound."""
        row = CategoryRow.objects.select_for_update().filter(id=category_id).first()
        if row is None:
            raise CategoryNotFound(category_id=category_id)
        return _category_of(row)

    def ids(self) -> Mapping[str, CategoryId]:
        """Return the id of each category by its slug."""
        return {slug: CategoryId(id_) for slug, id_ in CategoryRow.objects.values_list("slug", "id")}

    def add(self, category: Category) -> None:
        """Store a new category, or raise CategorySlugTaken."""
        try:
            CategoryRow.objects.create(
                id=category.id, slug=category.slug, name=category.name, parent_id=category.parent_id
            )
        except IntegrityError as error:
            if _constraint_of(error) != SLUG_IS_UNIQUE:
                raise
            raise CategorySlugTaken(slug=category.slug) from error

    def save(self, category: Category) -> Category:
        """Store a changed category; return it at its new version."""
        saved = CategoryRow.objects.filter(id=category.id, version=category.version).update(
            name=category.name, version=F("version") + 1
        )
        if not saved:
            raise LostRace
        return replace(category, version=category.version + 1)


def _category_of(row: CategoryRow) -> Category:
    return Category(
        id=CategoryId(row.id),
        slug=row.slug,
        name=row.name,
        parent_id=CategoryId(row.parent_id) if row.parent_id else None,
        version=row.version,
    )


@contextmanager
def _refusing_taken_skus() -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        if _constraint_of(error) != SKU_IS_UNIQUE:
            raise
        raise SkuTaken from error


def _locked(found: QuerySet[ProductRow]) -> Product | None:
    row = found.select_for_update(of=("self",)).defer("search").first()
    if row is None:
        return None
    variants = VariantRow.objects.filter(product_id=row.id).prefetch_related("prices").order_by("position")
    return Product(
        id=row.id,
        version=row.version,
        sequence=row.sequence,
        name=row.name,
        description=row.description,
        category_id=CategoryId(row.category_id),
        currency=row.price_currency,
        is_active=row.is_active,
        created_at=row.created_at,
        variants=tuple(map(_variant_of, variants)),
    )


def _variant_of(row: VariantRow) -> Variant:
    return Variant(
        id=VariantId(row.id),
        sku=row.sku,
        name=row.name,
        options=row.options,
        backorderable=row.backorderable,
        prices={price.currency: Money(price.amount_minor, price.currency) for price in row.prices.all()},
    )


def _row_of(product: Product) -> ProductRow:
    price_from = product.price_from
    return ProductRow(
        id=product.id,
        name=product.name,
        description=product.description,
        category_id=product.category_id,
        is_active=product.is_active,
        price_from_minor=price_from.minor,
        price_currency=price_from.currency,
        version=FIRST_VERSION,
        sequence=product.sequence,
        created_at=product.created_at,
    )


def _variant_rows_of(products: Iterable[Product]) -> list[VariantRow]:
    return [
        VariantRow(
            id=variant.id,
            product_id=product.id,
            sku=variant.sku,
            name=variant.name,
            options=variant.options,
            backorderable=variant.backorderable,
            position=position,
        )
        for product in products
        for position, variant in enumerate(product.variants)
    ]


def _price_rows_of(products: Iterable[Product]) -> list[PriceRow]:
    return [
        PriceRow(variant_id=variant.id, currency=price.currency, amount_minor=price.minor)
        for product in products
        for variant in product.variants
        for price in variant.prices.values()
    ]


def _refuse_taken(skus: Sequence[str]) -> None:
    taken = VariantRow.objects.filter(sku__in=skus).values_list("sku", flat=True).first()
    if taken is not None:
        raise SkuTaken(sku=taken)


def _constraint_of(error: IntegrityError) -> str | None:
    """Return the name of the constraint that the database found violated."""
    diagnosis = getattr(error.__cause__, "diag", None)
    return getattr(diagnosis, "constraint_name", None)

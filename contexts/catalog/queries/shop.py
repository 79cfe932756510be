"""Reads of the catalog: rows to frozen values, no domain objects."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

import orjson
from django.contrib.postgres.search import SearchQuery
from django.db import connection
from django.db.models import Q, QuerySet
from django.db.models.expressions import RawSQL

from contexts.catalog.domain import MOST_MINOR, ProductId, ProductNotFound
from contexts.catalog.models import CategoryRow, ProductRow
from contexts.catalog.ports import Availability
from shared.domain.money import Money
from shared.http.pagination import DEFAULT_LIMIT, InvalidCursor, Page, decode_cursor, encode_cursor, page_of
from shared.persistence.arrays import ListStatement

#: One request for products in stock looks at twice its limit, and then four times at this many, before it gives up.
SCANNED_AT_ONCE = 200
MOST_SCANS = 5

#: On the hot path of placing an order, so no ORM has to compile it.
QUOTES = ListStatement.over(
    """
SELECT variant.sku, product.id, variant.id,
       CASE WHEN variant.name <> '' AND EXISTS (
           SELECT FROM catalog_variant AS other WHERE other.product_id = product.id AND other.id <> variant.id
       ) THEN product.name || ', ' || variant.name ELSE product.name END,
       price.amount_minor
FROM catalog_variant AS variant
JOIN catalog_product AS product ON product.id = variant.product_id AND product.is_active
JOIN catalog_price AS price ON price.variant_id = variant.id AND price.currency = %s
WHERE variant.sku = ANY({})
""",
    "text",
)

#: The variants of some products, priced in the currency that each product is listed in.
VARIANTS = ListStatement.over(
    """
SELECT product.id, variant.sku, COALESCE(NULLIF(variant.name, ''), product.name), variant.options,
       variant.backorderable, price.amount_minor, price.currency
FROM catalog_product AS product
JOIN catalog_variant AS variant ON variant.product_id = product.id
JOIN catalog_price AS price ON price.variant_id = variant.id AND price.currency = product.price_currency
WHERE product.id = ANY({})
ORDER BY variant.position, variant.id
""",
    "uuid",
)

#: A category and everything below it.
CATEGORY_TREE = """
WITH RECURSIVE tree AS (
    SELECT id FROM catalog_category WHERE slug = %s
    UNION SELECT child.id FROM catalog_category AS child JOIN tree ON child.parent_id = tree.id
) SELECT id FROM tree
"""

Sort = Literal["name", "-name", "price", "-price", "created_at", "-created_at"]


@dataclass(frozen=True, slots=True)
class Quote:
    """What one unit of a variant costs now, and what it is called on an order."""

    sku: str
    product_id: UUID
    variant_id: UUID
    name: str
    unit_price: Money


@dataclass(frozen=True, slots=True)
class VariantView:
    """A variant as clients see it."""

    sku: str
    name: str
    options: Mapping[str, str]
    price: Money
    available: int
    backorderable: bool


@dataclass(frozen=True, slots=True)
class ProductView:
    """A product as clients see it."""

    id: UUID
    name: str
    description: str
    category: str
    variants: Sequence[VariantView]

    @property
    def is_in_stock(self) -> bool:
        """Tell whether a unit of some variant can be promised now."""
        return any(variant.available > 0 for variant in self.variants)


@dataclass(frozen=True, slots=True)
class CategoryView:
    """A category with what is below it."""

    slug: str
    name: str
    children: Sequence["CategoryView"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductFilter:
    """Which products are wanted; what is None does not matter."""

    text: str | None = None
    category: str | None = None
    sku: str | None = None
    price_min: Money | None = None
    price_max: Money | None = None
    in_stock: bool = False


def quotes_of(*, skus: Sequence[str], currency: str) -> Mapping[str, Quote]:
    """Return the quote of each sku that is for sale in the currency, in one statement; others are absent."""
    with connection.cursor() as cursor:
        cursor.execute(*QUOTES.of(skus, before=[currency]))
        return {
            sku: Quote(sku, product_id, variant_id, name, Money(minor, currency))
            for sku, product_id, variant_id, name, minor in cursor.fetchall()
        }


def product_selling(sku: str) -> ProductId | None:
    """Return the product that has this variant, if there is one."""
    found = ProductRow.objects.filter(variants__sku=sku).values_list("id", flat=True).first()
    return None if found is None else ProductId(found)


def categories() -> Sequence[CategoryView]:
    """Return the tree of categories, each level in the order of its names."""
    below: dict[UUID | None, list[tuple[UUID, str, str]]] = {}
    rows = CategoryRow.objects.order_by("name", "slug").values_list("id", "parent_id", "slug", "name")
    for id_, parent_id, slug, name in rows:
        below.setdefault(parent_id, []).append((id_, slug, name))

    def children_of(parent: UUID | None) -> Sequence[CategoryView]:
        return [CategoryView(slug, name, children_of(id_)) for id_, slug, name in below.get(parent, ())]

    return children_of(None)


@dataclass(frozen=True, slots=True)
class ShowProduct:
    """Show one product that is for sale, in three statements."""

    availability: Availability

    def __call__(self, *, product_id: ProductId) -> ProductView:
        rows = list(map(_Row._make, _for_sale().filter(id=product_id)))
        if not rows:
            raise ProductNotFound(product_id=product_id)
        return _shown(rows, availability=self.availability)[0]


@dataclass(frozen=True, slots=True)
class ListProducts:
    """Show the products that are for sale, page by page; prices are compared in the shop's currency."""

    availability: Availability
    currency: str

    def __call__(
        self, *, wanted: ProductFilter, sort: Sort = "name", limit: int = DEFAULT_LIMIT, cursor: str | None = None
    ) -> Page[ProductView]:
        walk = _Walk(rows=_matching(wanted, sort=sort, currency=self.currency), sort=sort)
        after = walk.position_in(cursor) if cursor else None
        if wanted.in_stock:
            return self._page_in_stock(walk, after, limit=limit)
        page = page_of(walk.take(limit + 1, after=after), limit=limit, key=walk.key_of)
        return Page(items=_shown(page.items, availability=self.availability), next_cursor=page.next_cursor)

    def _page_in_stock(self, walk: "_Walk", after: "_Position | None", *, limit: int) -> Page[ProductView]:
        """Walk on until the page is full, the list ends, or enough was looked at.

        The cursor goes on behind the last product looked at, so a page may be short, or empty, before the end.
        """
        items: list[ProductView] = []
        for scan in range(MOST_SCANS):
            size = SCANNED_AT_ONCE if scan else 2 * limit
            rows = walk.take(size, after=after)
            for row, product in zip(rows, _shown(rows, availability=self.availability), strict=True):
                if product.is_in_stock:
                    items.append(product)
                if len(items) == limit:
                    return Page(items=items, next_cursor=encode_cursor(walk.key_of(row)))
            if len(rows) < size:
                return Page(items=items, next_cursor=None)
            after = walk.position_of(rows[-1])
        return Page(items=items, next_cursor=encode_cursor(walk.key_of(rows[-1])))


class _Row(NamedTuple):
    id: UUID
    name: str
    description: str
    category: str
    price: int
    created_at: datetime


class _Position(NamedTuple):
    """Where a walk has come to: the sort value and the id of the last product."""

    value: str | int | datetime
    id: UUID


_COLUMN_OF = {"name": "name", "price": "price_from_minor", "created_at": "created_at"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Walk:
    """Products in the order of one column, and of their ids where that is equal."""

    rows: "QuerySet[ProductRow, tuple[Any, ...]]"
    sort: Sort

    @property
    def sorted_by(self) -> str:
        return self.sort.removeprefix("-")

    def take(self, size: int, *, after: _Position | None) -> Sequence[_Row]:
        """Return the next products behind the position, or the first ones."""
        column = _COLUMN_OF[self.sorted_by]
        sign, beyond = ("-", "lt") if self.sort.startswith("-") else ("", "gt")
        rows = self.rows.order_by(f"{sign}{column}", f"{sign}id")
        if after is not None:  # `column >= value` by itself, so that the index begins there
            further = Q((f"{column}__{beyond}", after.value)) | Q((f"id__{beyond}", after.id))
            rows = rows.filter(Q((f"{column}__{beyond}e", after.value)), further)
        return list(map(_Row._make, rows[:size]))

    def position_of(self, row: _Row) -> _Position:
        """Return where the walk is after this product."""
        return _Position(getattr(row, self.sorted_by), row.id)

    def key_of(self, row: _Row) -> Sequence[str | int]:
        """Return the position as a cursor holds it, with the order that it belongs to."""
        value, id_ = self.position_of(row)
        return self.sort, value.isoformat() if isinstance(value, datetime) else value, str(id_)

    def position_in(self, cursor: str) -> _Position:
        """Read a cursor of a walk in the same order, or raise InvalidCursor."""
        sort, value, id_ = decode_cursor(cursor, length=3)
        try:
            position = _Position(_READ[self.sorted_by](value), UUID(str(id_)))
        except ValueError:
            raise InvalidCursor from None
        if sort != self.sort:
            raise InvalidCursor
        return position


def _read_name(value: str | int) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise ValueError
    return value


def _read_price(value: str | int) -> int:
    if not isinstance(value, int) or not 0 <= value < MOST_MINOR:
        raise ValueError
    return value


def _read_time(value: str | int) -> datetime:
    time = datetime.fromisoformat(str(value))
    if time.tzinfo is None:
        raise ValueError
    return time


_READ: Mapping[str, Callable[[str | int], str | int | datetime]] = {
    "name": _read_name,
    "price": _read_price,
    "created_at": _read_time,
}


def _for_sale() -> "QuerySet[ProductRow, tuple[Any, ...]]":
    return ProductRow.objects.filter(is_active=True).values_list(
        "id", "name", "description", "category__slug", "price_from_minor", "created_at"
    )


def _matching(wanted: ProductFilter, *, sort: Sort, currency: str) -> "QuerySet[ProductRow, tuple[Any, ...]]":
    rows = _for_sale()
    if wanted.text is not None:
        rows = rows.filter(search=SearchQuery(wanted.text, config="english", search_type="websearch"))
    if wanted.category is not None:
        tree = RawSQL(CATEGORY_TREE, [wanted.category])  # noqa: S611 - a constant with a parameter
        rows = rows.filter(category_id__in=tree)
    if wanted.sku is not None:
        rows = rows.filter(variants__sku=wanted.sku)
    if sort.endswith("price") or wanted.price_min or wanted.price_max:
        rows = rows.filter(price_currency=currency)
    if wanted.price_min is not None:
        rows = rows.filter(price_from_minor__gte=wanted.price_min.minor)
    if wanted.price_max is not None:
        rows = rows.filter(price_from_minor__lte=wanted.price_max.minor)
    return rows


def _shown(rows: Sequence[_Row], *, availability: Availability) -> Sequence[ProductView]:
    """Return the products with their variants, in two statements however many they are."""
    if not rows:
        return []
    with connection.cursor() as cursor:
        cursor.execute(*VARIANTS.of([row.id for row in rows]))
        found = cursor.fetchall()
    units = availability.of(skus=[sku for _, sku, *_ in found])
    variants: dict[UUID, list[VariantView]] = {row.id: [] for row in rows}
    for product_id, sku, name, options, backorderable, minor, currency in found:
        variants[product_id].append(
            VariantView(sku, name, orjson.loads(options), Money(minor, currency), units.get(sku, 0), backorderable)
        )
    return [ProductView(row.id, row.name, row.description, row.category, variants[row.id]) for row in rows]

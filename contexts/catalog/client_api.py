"""Products and categories in the client API; open to everybody."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Schema
from pydantic import Field

from contexts.catalog.domain import MAX_SKU, MAX_SLUG, ProductId
from contexts.catalog.queries import CategoryView, ProductFilter, ProductView, Sort, categories
from contexts.catalog.wiring import answers, key_of_product, list_products, show_product
from shared.domain.money import Money
from shared.http.caching import public
from shared.http.json import to_json
from shared.http.pagination import DEFAULT_LIMIT
from shared.http.schemas import Cursor, Limit, MoneyOut, PageOut, ProblemOut, refuse_unknown_parameters

router = Router(tags=["catalog"])

PRODUCTS_FRESH = {"Cache-Control": public(fresh=10, stale=30)}  # availability changes with every order
CATEGORIES_FRESH = {"Cache-Control": public(fresh=60, stale=600)}

#: What any endpoint may answer.
TROUBLE = {400: ProblemOut, 500: ProblemOut, 503: ProblemOut}

Amount = Annotated[
    str | None,
    Field(pattern=r"^\d{1,12}(\.\d{1,4})?$", examples=["12.34"], description="decimal, in the shop's currency"),
]


class ListProductsIn(Schema):
    q: Annotated[
        str | None,
        Field(max_length=200, description='full text: words, "a phrase", or, -without', examples=["dark roast"]),
    ] = None
    category: Annotated[str | None, Field(max_length=MAX_SLUG, description="slug; with what is below it")] = None
    sku: Annotated[str | None, Field(max_length=MAX_SKU, description="of one of the variants")] = None
    price_min: Amount = None
    price_max: Amount = None
    in_stock: Annotated[
        bool,
        Field(description="only what can be promised now; a page may then be short, or empty, before the end"),
    ] = False
    sort: Annotated[Sort, Field(description="by what; the other way round with a minus")] = "name"
    limit: Limit = DEFAULT_LIMIT
    cursor: Cursor = None

    @property
    def remembered_as(self) -> str | None:
        """Return the key of the answer, or None for one of the many that nobody else is likely to ask for."""
        if self.cursor is not None or (self.q, self.sku, self.price_min, self.price_max) != (None,) * 4:
            return None
        return f"products:{self.sort}:{self.limit}:{self.in_stock}:{self.category or ''}"

    def to_filter(self) -> ProductFilter:
        """Read it as the description of the wanted products, or raise MalformedAmount."""
        return ProductFilter(
            text=self.q,
            category=self.category,
            sku=self.sku,
            price_min=_money_of(self.price_min),
            price_max=_money_of(self.price_max),
            in_stock=self.in_stock,
        )


class VariantOut(Schema):
    sku: Annotated[str, Field(examples=["COFFEE-ETH-250-BEANS"])]
    name: str
    options: Annotated[dict[str, str], Field(examples=[{"size": "250 g", "grind": "whole beans"}])]
    price: MoneyOut
    available: Annotated[int, Field(description="units that can be promised now")]
    backorderable: bool


class ProductOut(Schema):
    id: UUID
    name: str
    description: str
    category: Annotated[str, Field(description="slug", examples=["coffee"])]
    variants: list[VariantOut]


class CategoryOut(Schema):
    slug: str
    name: str
    children: "list[CategoryOut]"


class CategoryTreeOut(Schema):
    items: list[CategoryOut]


@router.get(
    "/products",
    response={200: PageOut[ProductOut], 304: None, 422: ProblemOut, **TROUBLE},
    operation_id="list_products",
    summary="List products",
)
def products(request: HttpRequest, query: Query[ListProductsIn]) -> HttpResponse:
    """List the products that are for sale."""
    refuse_unknown_parameters(request, known=ListProductsIn)

    def load() -> bytes:
        page = list_products(wanted=query.to_filter(), sort=query.sort, limit=query.limit, cursor=query.cursor)
        return to_json({"items": list(map(_product, page.items)), "next_cursor": page.next_cursor})

    key = query.remembered_as
    return _shown(load() if key is None else _remembered(key, load), headers=PRODUCTS_FRESH)


@router.get(
    "/products/{uuid:product_id}",
    response={200: ProductOut, 304: None, 404: ProblemOut, **TROUBLE},
    operation_id="get_product",
    summary="Get a product",
)
def product(request: HttpRequest, product_id: UUID) -> HttpResponse:  # noqa: ARG001 - Ninja's signature
    """Show one product with its variants."""

    def load() -> bytes:
        return to_json(_product(show_product(product_id=ProductId(product_id))))

    return _shown(_remembered(key_of_product(product_id), load), headers=PRODUCTS_FRESH)


@router.get(
    "/categories",
    response={200: CategoryTreeOut, 304: None, **TROUBLE},
    operation_id="get_category_tree",
    summary="Get the tree of categories",
)
def category_tree(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - Ninja's signature
    """Show the tree of categories."""

    def load() -> bytes:
        return to_json({"items": list(map(_category, categories()))})

    return _shown(_remembered("categories", load), headers=CATEGORIES_FRESH)


def _remembered(key: str, load: Callable[[], bytes]) -> bytes:
    return answers.remember(key, seconds=settings.CATALOG_REMEMBERED, load=load)


def _shown(body: bytes, *, headers: Mapping[str, str]) -> HttpResponse:
    return HttpResponse(body, content_type="application/json", headers=dict(headers))


def _money_of(amount: str | None) -> Money | None:
    return Money.parse(amount, settings.DEFAULT_CURRENCY) if amount is not None else None


def _product(view: ProductView) -> dict[str, Any]:
    return {
        "id": view.id,
        "name": view.name,
        "description": view.description,
        "category": view.category,
        "variants": [
            {
                "sku": variant.sku,
                "name": variant.name,
                "options": variant.options,
                "price": variant.price,
                "available": variant.available,
                "backorderable": variant.backorderable,
            }
            for variant in view.variants
        ],
    }


def _category(view: CategoryView) -> dict[str, Any]:
    return {"slug": view.slug, "name": view.name, "children": list(map(_category, view.children))}

"""Things of catalog in the state that a test needs."""

# mypy: disable-error-code="no-untyped-call"
# ... for factory-boy is half typed

from datetime import UTC, datetime
from typing import Any

from factory.declarations import LazyAttribute, LazyFunction, RelatedFactoryList, SelfAttribute, Sequence, SubFactory
from factory.django import DjangoModelFactory

from contexts.catalog.domain import CategoryId, NewProduct, NewVariant, Product
from contexts.catalog.models import CategoryRow, PriceRow, ProductRow, VariantRow
from contexts.inventory.models import LocationRow, StockItemRow
from shared.domain.money import Money
from shared.persistence.identifiers import new_id

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def euros(amount: str) -> Money:
    """Return the amount in EUR."""
    return Money.parse(amount, "EUR")


def a_new_variant(sku: str = "MUG-SAND", price: str = "18.00", **changes: Any) -> NewVariant:
    """Return a variant as somebody wants to offer it."""
    return NewVariant(**{"sku": sku, "prices": (euros(price),)} | changes)


def a_new_product(*variants: NewVariant, **changes: Any) -> NewProduct:
    """Return a product as somebody wants to offer it: a mug in sand, unless told otherwise."""
    values: dict[str, Any] = {
        "name": "Stoneware Mug",
        "description": "Thrown by hand.",
        "category": "kitchen",
        "variants": variants or (a_new_variant(),),
    }
    return NewProduct(**values | changes)


def a_product(*variants: NewVariant, category_id: CategoryId | None = None, **changes: Any) -> Product:
    """Return a product that is for sale; nothing of it is news."""
    return Product.draft(
        a_new_product(*variants, **changes),
        category_id=category_id or CategoryId(new_id()),
        new_id=new_id,
        at=NOW,
    )


class CategoryFactory(DjangoModelFactory[CategoryRow]):
    class Meta:
        model = CategoryRow

    slug = Sequence(lambda n: f"category-{n}")
    name = LazyAttribute(lambda row: row.slug.title())


class PriceFactory(DjangoModelFactory[PriceRow]):
    class Meta:
        model = PriceRow

    currency = "EUR"
    amount_minor = 1800


class VariantFactory(DjangoModelFactory[VariantRow]):
    class Meta:
        model = VariantRow
        skip_postgeneration_save = True

    sku = Sequence(lambda n: f"SKU-{n:05}")
    price = RelatedFactoryList(
        PriceFactory,
        "variant",
        size=1,
        amount_minor=SelfAttribute("variant.product.price_from_minor"),
        currency=SelfAttribute("variant.product.price_currency"),
    )


class ProductFactory(DjangoModelFactory[ProductRow]):
    """A product for sale at 18.00 EUR, in one variant."""

    class Meta:
        model = ProductRow
        skip_postgeneration_save = True

    name = Sequence(lambda n: f"Product {n:05}")
    description = "Made by hand."
    category = SubFactory(CategoryFactory)
    price_from_minor = 1800
    price_currency = "EUR"
    is_active = True
    created_at = LazyFunction(lambda: NOW)
    variants = RelatedFactoryList(VariantFactory, "product", size=1)


class LocationFactory(DjangoModelFactory[LocationRow]):
    class Meta:
        model = LocationRow
        django_get_or_create = ("code",)

    code = "BER-1"
    name = "Berlin warehouse"


class StockItemFactory(DjangoModelFactory[StockItemRow]):
    class Meta:
        model = StockItemRow

    location = SubFactory(LocationFactory)
    on_hand = 5
    held = 0
    backorder_limit = 0


def a_product_row(**values: Any) -> ProductRow:
    """Return a stored product that is for sale; ``sku`` names its only variant."""
    if "sku" in values:
        values["variants__sku"] = values.pop("sku")
    row: ProductRow = ProductFactory.create(**values)
    return row


def sku_of(row: ProductRow) -> str:
    """Return the sku of the product's only variant."""
    return row.variants.get().sku

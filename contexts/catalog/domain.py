"""Products as they are offered: what may be sold, under which sku, and at what price."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NewType, Self
from uuid import UUID

from contexts.catalog.events import (
    PriceChanged,
    PriceFact,
    ProductAdded,
    ProductChanged,
    ProductWithdrawn,
    VariantAdded,
    VariantChanged,
    VariantFact,
)
from shared.domain.errors import (
    BusinessRuleViolationError,
    ConflictError,
    EntityNotFoundError,
    InvalidInputError,
)
from shared.domain.model import Aggregate
from shared.domain.money import Money
from shared.domain.ports import NewId

ProductId = NewType("ProductId", UUID)
VariantId = NewType("VariantId", UUID)
CategoryId = NewType("CategoryId", UUID)

MAX_SKU = 64  # characters
MAX_NAME = 200  # characters
MAX_SLUG = 60  # characters
MAX_OPTION = 60  # characters
MOST_MINOR = 10**15  # minor units of one price

_CURRENCY = re.compile(r"[A-Z]{3}")
_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class ProductNotFound(EntityNotFoundError):
    """There is no such product."""


class VariantNotFound(EntityNotFoundError):
    """There is no variant with this sku."""


class CategoryNotFound(EntityNotFoundError):
    """There is no category with this slug."""


class SkuTaken(ConflictError):
    """Another product has a variant with this sku; a sku names one variant for ever."""


class CategorySlugTaken(ConflictError):
    """Another category has this slug already."""


class ProductAlreadyWithdrawn(ConflictError):
    """The product is no longer for sale, so its price cannot be changed, and it gets no more variants."""


class MalformedSku(InvalidInputError):
    """A sku has 1 to 64 printable characters and no spaces at its ends."""

    pointer = "/sku"


class MalformedName(InvalidInputError):
    """A name has 1 to 200 printable characters and no spaces at its ends."""

    pointer = "/name"


class MalformedSlug(InvalidInputError):
    """A slug has 1 to 60 lower-case letters, digits and single hyphens between them."""

    pointer = "/slug"


class MalformedOption(InvalidInputError):
    """An option, such as "size", and its value have 1 to 60 printable characters and no spaces at their ends."""

    pointer = "/options"


class PriceOutOfRange(InvalidInputError):
    """A price is not negative, has at most 15 digits and a currency of three capital letters (ISO 4217)."""

    pointer = "/price"


class DuplicateSku(BusinessRuleViolationError):
    """Two variants of one product cannot have the same sku."""


class ProductWithoutVariants(BusinessRuleViolationError):
    """A product has at least one variant that can be bought."""


class PriceMissing(BusinessRuleViolationError):
    """Each variant needs a price, once per currency, in the currency of the product's first price."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVariant:
    """A variant as somebody wants to offer it; without a name it is called by the values of its options."""

    sku: str
    prices: tuple[Money, ...]
    name: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    backorderable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NewProduct:
    """A product as somebody wants to offer it; the category is named by its slug."""

    name: str
    category: str
    variants: tuple[NewVariant, ...]
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """A place in the tree of products."""

    id: CategoryId
    slug: str
    name: str
    parent_id: CategoryId | None = None
    version: int = 1

    def __post_init__(self) -> None:
        _must_be_name(self.name)
        if len(self.slug) > MAX_SLUG or not _SLUG.fullmatch(self.slug):
            raise MalformedSlug(slug=self.slug)


@dataclass(slots=True, kw_only=True, eq=False)
class Variant:
    """One thing that can be put into a basket, named by its sku."""

    id: VariantId
    sku: str
    name: str
    options: Mapping[str, str]
    backorderable: bool
    prices: dict[str, Money]

    @classmethod
    def of(cls, new: NewVariant, *, new_id: NewId) -> Self:
        """Make the variant, or refuse what is wrong with it."""
        _must_be_sku(new.sku)
        prices = {price.currency: price for price in new.prices}
        if len(prices) != len(new.prices):
            raise PriceMissing(sku=new.sku)
        for price in new.prices:
            _must_be_price(price)
        return cls(
            id=VariantId(new_id()),
            sku=new.sku,
            name=_called(new.name, options=new.options),
            options=new.options,
            backorderable=new.backorderable,
            prices=prices,
        )

    @property
    def facts(self) -> VariantFact:
        """Return the variant in primitives."""
        prices = sorted((price.currency, price.minor) for price in self.prices.values())
        return VariantFact(
            variant_id=self.id,
            sku=self.sku,
            name=self.name,
            options=dict(self.options),
            backorderable=self.backorderable,
            prices=tuple(PriceFact(currency=currency, amount_minor=minor) for currency, minor in prices),
        )


@dataclass(slots=True, kw_only=True, eq=False)
class Product(Aggregate):
    """Something that is offered in one or more variants, listed in one currency and priced in it and others."""

    name: str
    description: str
    category_id: CategoryId
    currency: str
    variants: Sequence[Variant]
    created_at: datetime
    is_active: bool = True

    @classmethod
    def draft(cls, new: NewProduct, *, category_id: CategoryId, new_id: NewId, at: datetime) -> Self:
        """Make the product without telling anyone, or refuse what is wrong with it."""
        _must_be_name(new.name)
        if not new.variants:
            raise ProductWithoutVariants(name=new.name)
        variants = tuple(Variant.of(each, new_id=new_id) for each in new.variants)
        if len({variant.sku for variant in variants}) != len(variants):
            raise DuplicateSku(skus=[variant.sku for variant in variants])
        currency = next(iter(variants[0].prices), "")
        for variant in variants:
            if currency not in variant.prices:
                raise PriceMissing(sku=variant.sku, currency=currency)
        return cls(
            id=new_id(),
            name=new.name,
            description=new.description,
            category_id=category_id,
            currency=currency,
            variants=variants,
            created_at=at,
        )

    @property
    def price_from(self) -> Money:
        """Return the lowest price among the variants, in the currency that the product is listed in."""
        return min((variant.prices[self.currency] for variant in self.variants), key=lambda price: price.minor)

    def launch(self, *, category: str) -> None:
        """Begin to sell what was drafted, under the category of that slug."""
        self.record(
            ProductAdded(
                product_id=self.id,
                name=self.name,
                description=self.description,
                category=category,
                variants=tuple(variant.facts for variant in self.variants),
                occurred_at=self.created_at,
            )
        )

    def change_price(self, *, sku: str, price: Money, at: datetime) -> None:
        """Sell the variant at this price from now on; setting the same price twice is harmless."""
        _must_be_price(price)
        if not self.is_active:
            raise ProductAlreadyWithdrawn(product_id=self.id)
        variant = self.variant(sku)
        previous = variant.prices.get(price.currency)
        if previous == price:
            return
        variant.prices[price.currency] = price
        self.record(
            PriceChanged(
                product_id=self.id,
                sku=sku,
                currency=price.currency,
                amount_minor=price.minor,
                previous_amount_minor=previous.minor if previous else None,
                occurred_at=at,
            )
        )

    def describe(self, *, name: str, description: str, category_id: CategoryId, category: str, at: datetime) -> None:
        """Call, describe and arrange it like this from now on, under the category of that slug."""
        _must_be_name(name)
        if (name, description, category_id) == (self.name, self.description, self.category_id):
            return
        self.name, self.description, self.category_id = name, description, category_id
        self.record(
            ProductChanged(product_id=self.id, name=name, description=description, category=category, occurred_at=at)
        )

    def add_variant(self, new: NewVariant, *, new_id: NewId, at: datetime) -> Variant:
        """Sell it in one more variant, or refuse what is wrong with that."""
        if not self.is_active:
            raise ProductAlreadyWithdrawn(product_id=self.id)
        variant = Variant.of(new, new_id=new_id)
        if self.currency not in variant.prices:
            raise PriceMissing(sku=variant.sku, currency=self.currency)
        if any(each.sku == variant.sku for each in self.variants):
            raise SkuTaken(sku=variant.sku)
        self.variants = (*self.variants, variant)
        self.record(VariantAdded(product_id=self.id, variant=variant.facts, occurred_at=at))
        return variant

    def change_variant(
        self, *, sku: str, name: str, options: Mapping[str, str], backorderable: bool, at: datetime
    ) -> Variant:
        """Call and describe the variant like this from now on; its sku stays."""
        variant = self.variant(sku)
        name = _called(name, options=options)
        if (name, options, backorderable) != (variant.name, variant.options, variant.backorderable):
            variant.name, variant.options, variant.backorderable = name, options, backorderable
            self.record(VariantChanged(product_id=self.id, variant=variant.facts, occurred_at=at))
        return variant

    def withdraw(self, *, at: datetime) -> None:
        """Stop selling it; withdrawing twice is harmless."""
        if not self.is_active:
            return
        self.is_active = False
        skus = tuple(variant.sku for variant in self.variants)
        self.record(ProductWithdrawn(product_id=self.id, skus=skus, occurred_at=at))

    def price_of(self, sku: str, *, currency: str) -> Money | None:
        """Return what the variant costs in the currency, if it has a price in it."""
        return self.variant(sku).prices.get(currency)

    def variant(self, sku: str) -> Variant:
        """Return the variant, or raise VariantNotFound."""
        for variant in self.variants:
            if variant.sku == sku:
                return variant
        raise VariantNotFound(sku=sku)


def _must_be_sku(sku: str) -> None:
    if not _is_line(sku, longest=MAX_SKU):
        raise MalformedSku(sku=sku)


def _must_be_name(name: str) -> None:
    if not _is_line(name, longest=MAX_NAME):
        raise MalformedName(name=name)


def _must_be_price(price: Money) -> None:
    if not 0 <= price.minor < MOST_MINOR or not _CURRENCY.fullmatch(price.currency):
        raise PriceOutOfRange(price=str(price))


def _is_line(text: str, *, longest: int) -> bool:
    return 0 < len(text) <= longest and text.isprintable() and text == text.strip()


def _called(name: str, *, options: Mapping[str, str]) -> str:
    """Return the name, or the values of the options where there is none; refuse what is wrong with either."""
    for option in (*options.keys(), *options.values()):
        if not _is_line(option, longest=MAX_OPTION):
            raise MalformedOption(option=option)
    called = name or ", ".join(options.values())
    if called:
        _must_be_name(called)
    return called

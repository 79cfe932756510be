"""What catalog tells the rest of the house."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from shared.domain.model import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceFact:
    """A price, in whole minor units of its currency."""

    currency: str
    amount_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantFact:
    """A variant, as it is offered."""

    variant_id: UUID
    sku: str
    name: str
    options: Mapping[str, str]
    backorderable: bool
    prices: tuple[PriceFact, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductAdded(Event):
    """A product is for sale from now on."""

    topic: ClassVar[str] = "catalog.product_added.v1"

    product_id: UUID
    name: str
    description: str
    category: str  # slug
    variants: tuple[VariantFact, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceChanged(Event):
    """A variant costs something else from now on; orders that were placed keep their price."""

    topic: ClassVar[str] = "catalog.price_changed.v1"

    product_id: UUID
    sku: str
    currency: str
    amount_minor: int
    previous_amount_minor: int | None  # None: it had no price in this currency


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductWithdrawn(Event):
    """A product is no longer for sale."""

    topic: ClassVar[str] = "catalog.product_withdrawn.v1"

    product_id: UUID
    skus: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductChanged(Event):
    """A product is called, described or arranged otherwise from now on."""

    topic: ClassVar[str] = "catalog.product_changed.v1"

    product_id: UUID
    name: str
    description: str
    category: str  # slug


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantAdded(Event):
    """A product is for sale in one more variant."""

    topic: ClassVar[str] = "catalog.variant_added.v1"

    product_id: UUID
    variant: VariantFact


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantChanged(Event):
    """A variant is called or described otherwise from now on; its sku stays."""

    topic: ClassVar[str] = "catalog.variant_changed.v1"

    product_id: UUID
    variant: VariantFact

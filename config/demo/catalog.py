"""The goods of the demonstration shop, as they stand in ``catalog.json``."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).with_name("catalog.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoLocation:
    """A place where the demo goods are kept; smaller priorities are used first."""

    code: str
    name: str
    priority: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoCategory:
    """A category; the parent is named by its slug, and comes before its children."""

    slug: str
    name: str
    parent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoVariant:
    """A variant with its price as a decimal string and its units by the code of their location."""

    sku: str
    price: str
    stock: Mapping[str, int]
    options: Mapping[str, str] = field(default_factory=dict)
    backorderable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoProduct:
    """A product in the category of that slug."""

    name: str
    description: str
    category: str
    variants: Sequence[DemoVariant]


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoCatalog:
    """Everything that the demonstration shop sells, priced in one currency."""

    currency: str
    locations: Sequence[DemoLocation]
    categories: Sequence[DemoCategory]
    products: Sequence[DemoProduct]


def demo_catalog() -> DemoCatalog:
    """Read the goods of the demonstration shop."""
    stored = json.loads(SOURCE.read_text(encoding="utf-8"))
    return DemoCatalog(
        currency=stored["currency"],
        locations=tuple(DemoLocation(**each) for each in stored["locations"]),
        categories=tuple(DemoCategory(**each) for each in stored["categories"]),
        products=tuple(map(_product, stored["products"])),
    )


def _product(stored: Mapping[str, Any]) -> DemoProduct:
    variants = tuple(DemoVariant(**each) for each in stored["variants"])
    return DemoProduct(**{**stored, "variants": variants})

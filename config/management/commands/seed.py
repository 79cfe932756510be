from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from config.demo.catalog import DemoProduct, demo_catalog
from contexts.catalog import wiring as catalog
from contexts.catalog.domain import NewProduct, NewVariant
from contexts.identity import wiring as identity
from contexts.inventory import wiring as inventory
from contexts.inventory.ports import OpeningStock
from contexts.ordering import wiring as ordering
from contexts.ordering.domain import ShippingMethod
from shared.domain.money import Money

OPERATOR_EMAIL = "operator@example.com"
OPERATOR_PASSWORD = "orderly-demo"  # noqa: S105 - the demo's, told to everybody
CUSTOMERS = (("ada@example.com", "Ada Lovelace"), ("grace@example.com", "Grace Hopper"))
KEY_NAME = "demo"
KEY_SCOPES = ("orders:read", "orders:write", "events:read", "webhooks:write", "ops:*")
KEY_LIFETIME = timedelta(days=365)
SHIPPING_METHODS = (
    ("standard", "Standard, three working days", {"EUR": 490, "USD": 590}),
    ("express", "Express, next working day", {"EUR": 1290, "USD": 1490}),
)


class Command(BaseCommand):
    """Fill the database with a small shop; what is there already is kept."""

    help = "Add the demo shop: products, stock, shipping methods, an operator and an API key. Safe to repeat."

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        if not settings.DEMO:
            raise CommandError("seed adds an operator with a known password, so it runs in development only")
        self._offer_shipping_methods()
        products = self._load_catalog()
        identity.ensure_operator(email=OPERATOR_EMAIL, password=OPERATOR_PASSWORD, name="Demo operator")
        for email, name in CUSTOMERS:
            identity.ensure_customer(email=email, password=OPERATOR_PASSWORD, name=name)
        self._write_key()
        self.stdout.write(f"{products} products added")

    def _offer_shipping_methods(self) -> None:
        for code, name, prices in SHIPPING_METHODS:
            for currency, minor in prices.items():
                ordering.offer_shipping_method(
                    method=ShippingMethod(code=code, name=name, price=Money(minor, currency))
                )

    def _load_catalog(self) -> int:
        demo = demo_catalog()
        for location in demo.locations:
            inventory.ensure_location(code=location.code, name=location.name, priority=location.priority)
        for category in demo.categories:
            catalog.add_category(slug=category.slug, name=category.name, parent=category.parent)
        added = catalog.load_products(
            products=[_new(product, currency=demo.currency) for product in demo.products]
        ).added
        inventory.load_opening_stock(
            opening=(
                OpeningStock(sku=variant.sku, location=code, units=units)
                for product in demo.products
                for variant in product.variants
                for code, units in variant.stock.items()
            )
        )
        return added

    def _write_key(self) -> None:
        path = Path(settings.DATA_DIRECTORY) / "demo-api-key"
        path.parent.mkdir(exist_ok=True)
        kept = path.read_text().strip() if path.exists() else None
        key = identity.ensure_api_key(
            name=KEY_NAME, scopes=KEY_SCOPES, expires_at=timezone.now() + KEY_LIFETIME, kept=kept
        )
        path.touch(mode=0o600)
        path.write_text(key + "\n")


def _new(product: DemoProduct, *, currency: str) -> NewProduct:
    return NewProduct(
        name=product.name,
        description=product.description,
        category=product.category,
        variants=tuple(
            NewVariant(
                sku=variant.sku,
                options=variant.options,
                prices=(Money.parse(variant.price, currency),),
                backorderable=variant.backorderable,
            )
            for variant in product.variants
        ),
    )

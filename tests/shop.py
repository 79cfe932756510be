"""A small shop in the test's own database, set up through the use cases as an operator would."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from django.test import Client
from django.utils import timezone

from contexts.catalog import wiring as catalog
from contexts.catalog.domain import NewProduct, NewVariant
from contexts.identity import wiring as identity
from contexts.inventory import wiring as inventory
from contexts.inventory.ports import OpeningStock
from contexts.ordering import wiring as ordering
from contexts.ordering.domain import ShippingMethod
from shared.domain.money import Money

PASSWORD = "correct horse battery"
JSON = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """Who may call the shop, and how."""

    key: str
    client: Client = field(default_factory=Client)

    def post(self, path: str, body: Any, *, as_: str | None = None, key: str | None = None, **headers: str) -> Any:
        """Send a POST with a fresh Idempotency-Key, unless one is given; an empty one is left out."""
        sent = uuid4().hex if key is None else key
        return self.client.post(
            path,
            body,
            content_type=JSON,
            headers=self._headers(as_) | ({"Idempotency-Key": sent} if sent else {}) | headers,
        )

    def get(self, path: str, query: dict[str, Any] | None = None, *, as_: str | None = None, **headers: str) -> Any:
        """Send a GET."""
        return self.client.get(path, query or {}, headers=self._headers(as_) | headers)

    def place(self, body: dict[str, Any] | None = None, *, as_: str | None = None, key: str | None = None) -> Any:
        """Place an order."""
        return self.post("/api/v1/orders", body or an_order(), as_=as_, key=key)

    def _headers(self, token: str | None) -> dict[str, str]:
        given = self.key if token is None else token
        return {"Authorization": f"Bearer {given}"} if given else {}


def open_shop(*, units: int = 10) -> Shop:
    """Set up two products, stock in two places, a shipping method and an API key that may do everything."""
    catalog.add_category(slug="coffee", name="Coffee")
    catalog.load_products(
        products=[
            NewProduct(name=name, category="coffee", variants=(NewVariant(sku=sku, prices=(Money(price, "EUR"),)),))
            for name, sku, price in (("Espresso", "ESP-250", 990), ("Filter", "FIL-250", 1190))
        ]
    )
    for place, code in enumerate(("NEAR", "FAR")):
        inventory.ensure_location(code=code, name=code.title(), priority=place)
    inventory.load_opening_stock(
        opening=[
            OpeningStock(sku=sku, location=location, units=units)
            for sku in ("ESP-250", "FIL-250")
            for location in ("NEAR", "FAR")
        ]
    )
    ordering.offer_shipping_method(method=ShippingMethod(code="standard", name="Standard", price=Money(490, "EUR")))
    return Shop(key=a_key("orders:read", "orders:write", "ops:*"))


def a_key(*scopes: str) -> str:
    """Return a new API key with the scopes."""
    expires_at = timezone.now() + timedelta(hours=1)
    return identity.create_api_key(name=uuid4().hex, scopes=scopes, expires_at=expires_at).token


def a_customer(email: str = "ada@example.com") -> tuple[UUID, str]:
    """Register a customer; return the account's id and an access token."""
    account = identity.register_customer(email=email, password=PASSWORD, name="Ada Lovelace")
    return account.id, identity.issue_tokens(email=email, password=PASSWORD, address="127.0.0.1").access_token


def an_order(**changes: Any) -> dict[str, Any]:
    """Return the body of a good request for an order, with changes."""
    return {
        "lines": [{"sku": "ESP-250", "quantity": 2}],
        "email": "grace@example.com",
        "shipping_address": {
            "name": "Grace Hopper",
            "line1": "Lindenstraße 12",
            "city": "Berlin",
            "postal_code": "10969",
            "country": "DE",
        },
        "shipping_method": "standard",
        "payment": {"method": "simulator", "token": "tok_approved"},
    } | changes

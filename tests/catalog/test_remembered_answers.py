"""What the catalog shows may be some seconds old, until a change is told; what is charged never is."""

from uuid import UUID

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from contexts.catalog.domain import ProductId
from contexts.catalog.models import VariantRow
from contexts.catalog.wiring import change_price, withdraw_product
from contexts.identity.models import ApiKeyRow
from contexts.identity.wiring import revoke_api_key
from contexts.inventory.domain import StockItemId
from contexts.inventory.models import StockItemRow
from contexts.inventory.wiring import adjust_stock
from shared.domain.money import Money
from shared.outbox.deliveries import deliver
from shared.outbox.models import DeliveryRow
from shared.outbox.relay import relay_pending_messages
from tests.shop import Shop, an_order, open_shop

pytestmark = pytest.mark.django_db

SKU = "ESP-250"  # at 9.90


@pytest.fixture(autouse=True)
def _remembered_for_long(settings: Settings) -> None:
    settings.CATALOG_REMEMBERED = 600


@pytest.fixture
def shop() -> Shop:
    """Open a shop that sells the sku."""
    return open_shop()


@pytest.fixture
def product_id(shop: Shop) -> UUID:
    """Return the product that is looked at, after somebody has looked at it."""
    product_id = VariantRow.objects.get(sku=SKU).product_id
    assert shown_price(shop.client, product_id) == "9.90"
    return product_id


def shown_price(client: Client, product_id: UUID) -> str:
    """Return the price that the shop shows."""
    return str(client.get(f"/api/v1/products/{product_id}").json()["variants"][0]["price"]["amount"])


def tell_everybody() -> None:
    """Relay and deliver what has happened."""
    relay_pending_messages()
    for delivery_id in DeliveryRow.objects.filter(status="pending").values_list("id", flat=True):
        deliver(delivery_id)


class TestPrice:
    def test_is_shown_as_it_was_until_the_change_is_told(self, shop: Shop, product_id: UUID) -> None:
        change_price(sku=SKU, price=Money(1250, "EUR"))
        assert shown_price(shop.client, product_id) == "9.90"

        tell_everybody()
        assert shown_price(shop.client, product_id) == "12.50"

    def test_that_is_charged_is_never_a_remembered_one(self, shop: Shop, product_id: UUID) -> None:
        change_price(sku=SKU, price=Money(1250, "EUR"))
        assert shown_price(shop.client, product_id) == "9.90"
        order = shop.place(an_order(lines=[{"sku": SKU, "quantity": 1}])).json()

        assert order["lines"][0]["unit_price"]["amount"] == "12.50"

    def test_that_a_customer_saw_is_not_replaced_unasked(self, shop: Shop, product_id: UUID) -> None:
        change_price(sku=SKU, price=Money(1250, "EUR"))
        seen = {"amount": "14.80", "currency": "EUR"}  # the price shown, and shipping
        answer = shop.place(an_order(lines=[{"sku": SKU, "quantity": 1}], expected_total=seen))

        assert (answer.status_code, answer.json()["code"]) == (409, "price_has_changed")
        assert answer.json()["total"]["amount"] == "17.40"


class TestProduct:
    def test_that_is_withdrawn_is_shown_no_more_once_that_is_told(self, shop: Shop, product_id: UUID) -> None:
        withdraw_product(product_id=ProductId(product_id))
        tell_everybody()

        assert shop.client.get(f"/api/v1/products/{product_id}").status_code == 404

    def test_shows_the_stock_that_an_operator_has_counted(self, shop: Shop, product_id: UUID) -> None:
        (item, *_) = StockItemRow.objects.filter(sku=SKU)
        adjust_stock(stock_item_id=StockItemId(item.id), delta=5, reason="counted")
        tell_everybody()

        assert shop.client.get(f"/api/v1/products/{product_id}").json()["variants"][0]["available"] == 25


class TestList:
    def test_of_the_front_page_is_remembered(self, shop: Shop, product_id: UUID) -> None:
        before = shop.client.get("/api/v1/products").json()
        change_price(sku=SKU, price=Money(1250, "EUR"))

        assert shop.client.get("/api/v1/products").json() == before

    @pytest.mark.parametrize("query", ["q=Espresso", f"sku={SKU}", "price_min=0.01", "price_max=99"])
    def test_that_few_ask_for_is_not(self, shop: Shop, product_id: UUID, query: str) -> None:
        shop.client.get(f"/api/v1/products?{query}")
        change_price(sku=SKU, price=Money(1250, "EUR"))
        shown = shop.client.get(f"/api/v1/products?{query}").json()["items"]

        assert "12.50" in [variant["price"]["amount"] for product in shown for variant in product["variants"]]


class TestApiKey:
    def test_that_is_revoked_is_refused_by_the_very_next_request(self, shop: Shop, product_id: UUID) -> None:
        assert shop.place(an_order()).status_code == 201
        revoke_api_key(api_key_id=ApiKeyRow.objects.get().pk)

        assert shop.place(an_order()).status_code == 401
        assert shop.client.get(f"/api/v1/products/{product_id}").status_code == 200  # which is for everybody

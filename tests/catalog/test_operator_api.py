"""The catalog as an operator's program sees it."""

from typing import Any
from uuid import uuid4

import pytest

from contexts.catalog.models import PriceRow, ProductRow, VariantRow
from contexts.inventory.models import StockItemRow
from shared.audit.models import AuditEntryRow
from shared.outbox.deliveries import deliver
from shared.outbox.models import DeliveryRow, OutboxMessageRow
from shared.outbox.relay import relay_pending_messages
from tests.shop import JSON, Shop, a_customer, a_key, an_order, open_shop

pytestmark = pytest.mark.django_db

PRODUCTS = "/api/ops/v1/products"
VARIANTS = "/api/ops/v1/variants"
PRICES = "/api/ops/v1/prices"
CATEGORIES = "/api/ops/v1/categories"

EUROS = {"amount": "18.00", "currency": "EUR"}


@pytest.fixture
def shop() -> Shop:
    """Open a shop that sells coffee."""
    return open_shop()


def a_mug(**changes: Any) -> dict[str, Any]:
    """Return the body of a good request for a product."""
    variant = {"sku": "MUG-SAND", "options": {"colour": "sand"}, "prices": [EUROS]}
    told = {"name": "Stoneware Mug", "description": "Holds 0.3 l.", "category": "coffee"}
    return told | {"variants": [variant]} | changes


def patch(shop: Shop, path: str, body: Any, *, match: str = "*", as_: str | None = None) -> Any:
    """Send a PATCH of what was seen at some version."""
    headers = {"Authorization": f"Bearer {shop.key if as_ is None else as_}"} | ({"If-Match": match} if match else {})
    return shop.client.patch(path, body, content_type=JSON, headers=headers)


def items_of(answer: Any) -> list[dict[str, Any]]:
    """Return what a list answered with."""
    assert answer.status_code == 200, answer.content
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def code_of(answer: Any) -> tuple[int, str]:
    """Return status and code of a problem."""
    assert answer["Content-Type"] == "application/problem+json", answer.content
    return answer.status_code, answer.json()["code"]


def told(topic: str) -> list[dict[str, Any]]:
    """Return what the events of a topic say."""
    return [row.payload for row in OutboxMessageRow.objects.filter(topic=topic).order_by("id")]


def audited(action: str) -> AuditEntryRow:
    """Return the only entry of an action."""
    entry = AuditEntryRow.objects.get(action=action)
    assert entry.actor.startswith("key:")
    return entry


def work_off() -> None:
    """Tell every handler what happened."""
    relay_pending_messages()
    for delivery_id in DeliveryRow.objects.filter(status="pending").values_list("id", flat=True):
        deliver(delivery_id)


@pytest.fixture
def mug(shop: Shop) -> dict[str, Any]:
    """Add a mug in one colour."""
    added: dict[str, Any] = shop.post(PRODUCTS, a_mug()).json()
    return added


class TestProducts:
    def test_are_added_with_variants_and_prices(self, shop: Shop) -> None:
        answer = shop.post(PRODUCTS, a_mug())

        assert (answer.status_code, answer["ETag"]) == (201, '"v1"')
        assert shop.get(answer["Location"]).json() == answer.json()
        assert answer.json()["price_from"] == EUROS
        (variant,) = answer.json()["variants"]
        assert (variant["sku"], variant["name"], variant["prices"]) == ("MUG-SAND", "sand", [EUROS])
        (event,) = told("catalog.product_added.v1")
        assert event["variants"][0]["sku"] == "MUG-SAND"
        assert audited("catalog.add_product").after == {"title": "Stoneware Mug", "skus": ["MUG-SAND"]}

    def test_are_added_once_per_key(self, shop: Shop) -> None:
        first, second = shop.post(PRODUCTS, a_mug(), key="k"), shop.post(PRODUCTS, a_mug(), key="k")

        assert (second.content, second["Idempotency-Replayed"]) == (first.content, "true")
        assert ProductRow.objects.filter(name="Stoneware Mug").count() == 1

    def test_get_stock_items_at_each_location(self, shop: Shop, mug: dict[str, Any]) -> None:
        work_off()

        found = items_of(shop.get("/api/ops/v1/stock-items", {"sku": "MUG-SAND"}))
        assert sorted((each["location"], each["on_hand"]) for each in found) == [("FAR", 0), ("NEAR", 0)]
        filled = shop.post(
            f"/api/ops/v1/stock-items/{found[0]['id']}/adjustments",
            {"delta": 5, "reason": "delivery"},
            **{"If-Match": '"v1"'},
        )
        assert filled.json()["available"] == 5

    def test_can_be_ordered_once_there_is_stock(self, shop: Shop, mug: dict[str, Any]) -> None:
        work_off()
        StockItemRow.objects.filter(sku="MUG-SAND").update(on_hand=1)

        order = shop.place(an_order(lines=[{"sku": "MUG-SAND", "quantity": 1}]))

        assert (order.status_code, order.json()["subtotal"]) == (201, EUROS)

    def test_are_listed_the_newest_first(self, shop: Shop, mug: dict[str, Any]) -> None:
        page = shop.get(PRODUCTS, {"limit": 2}).json()
        rest = shop.get(PRODUCTS, {"limit": 2, "cursor": page["next_cursor"]}).json()

        assert page["items"][0]["id"] == mug["id"]
        assert len(page["items"] + rest["items"]) == 3
        assert rest["next_cursor"] is None

    def test_are_found_for_sale_or_not(self, shop: Shop, mug: dict[str, Any]) -> None:
        shop.post(f"{PRODUCTS}/{mug['id']}/withdraw", None, **{"If-Match": '"v1"'})

        queries = ({"sku": "MUG-SAND"}, {"q": "mug"}, {"is_active": "false"}, {"q": "stoneware", "category": "coffee"})
        for query in queries:
            assert [each["id"] for each in items_of(shop.get(PRODUCTS, query))] == [mug["id"]], query
        assert items_of(shop.get(PRODUCTS, {"sku": "MUG-SAND", "is_active": "true"})) == []
        assert items_of(shop.get(PRODUCTS, {"category": "tea"})) == []

    def test_are_described_otherwise_at_the_version_that_was_seen(self, shop: Shop, mug: dict[str, Any]) -> None:
        answer = patch(shop, f"{PRODUCTS}/{mug['id']}", {"name": "Stoneware Cup"}, match='"v1"')

        assert (answer.status_code, answer["ETag"], answer.json()["name"]) == (200, '"v2"', "Stoneware Cup")
        assert answer.json()["description"] == "Holds 0.3 l."
        (event,) = told("catalog.product_changed.v1")
        assert (event["name"], event["category"]) == ("Stoneware Cup", "coffee")
        entry = audited("catalog.describe_product")
        assert (dict(entry.before or {})["title"], dict(entry.after or {})["title"]) == (
            "Stoneware Mug",
            "Stoneware Cup",
        )

        late = patch(shop, f"{PRODUCTS}/{mug['id']}", {"name": "Beaker"}, match='"v1"')
        assert code_of(late) == (412, "version_mismatch")
        assert code_of(patch(shop, f"{PRODUCTS}/{mug['id']}", {"name": "x"}, match="")) == (428, "if_match_required")

    def test_are_arranged_otherwise(self, shop: Shop, mug: dict[str, Any]) -> None:
        shop.post(CATEGORIES, {"slug": "mugs", "name": "Mugs"})

        assert patch(shop, f"{PRODUCTS}/{mug['id']}", {"category": "mugs"}).json()["category"] == "mugs"
        unknown = patch(shop, f"{PRODUCTS}/{mug['id']}", {"category": "tea"})
        assert code_of(unknown) == (404, "category_not_found")

    def test_are_withdrawn(self, shop: Shop, mug: dict[str, Any]) -> None:
        answer = shop.post(f"{PRODUCTS}/{mug['id']}/withdraw", None, **{"If-Match": '"v1"'})

        assert (answer.status_code, answer.json()["is_active"]) == (200, False)
        assert len(told("catalog.product_withdrawn.v1")) == 1
        assert audited("catalog.withdraw_product").after == {"is_active": False}
        assert code_of(shop.post(f"{PRODUCTS}/{mug['id']}/withdraw", None)) == (428, "if_match_required")

    @pytest.mark.parametrize(
        ("changes", "problem"),
        [
            ({"category": "tea"}, (404, "category_not_found")),
            ({"variants": []}, (422, "validation_error")),
            ({"variants": [{"sku": "A", "prices": []}]}, (422, "validation_error")),
            ({"variants": [{"sku": "A", "prices": [EUROS | {"amount": "1.999"}]}]}, (422, "malformed_amount")),
            ({"variants": [{"sku": "A", "prices": [EUROS], "weight": 3}]}, (422, "validation_error")),
            ({"variants": [{"sku": "A", "prices": [EUROS, EUROS]}]}, (400, "price_missing")),
            ({"variants": [{"sku": "A", "prices": [EUROS]}] * 2}, (400, "duplicate_sku")),
            ({"variants": [{"sku": "ESP-250", "prices": [EUROS]}]}, (409, "sku_taken")),
            ({"name": ""}, (422, "validation_error")),
            ({"name": "Two\nlines"}, (422, "malformed_name")),
            ({"colour": "red"}, (422, "validation_error")),
        ],
    )
    def test_are_refused_when_they_make_no_sense(
        self, shop: Shop, changes: dict[str, Any], problem: tuple[int, str]
    ) -> None:
        assert code_of(shop.post(PRODUCTS, a_mug(**changes))) == problem
        assert not ProductRow.objects.filter(name=a_mug(**changes)["name"]).exists()

    def test_that_never_were_are_not_found(self, shop: Shop) -> None:
        path = f"{PRODUCTS}/{uuid4()}"

        withdrawn = shop.post(f"{path}/withdraw", None, **{"If-Match": "*"})
        for answer in (shop.get(path), patch(shop, path, {"name": "x"}), withdrawn):
            assert code_of(answer) == (404, "product_not_found")


class TestVariants:
    def add(self, shop: Shop, mug: dict[str, Any], *, match: str = "*", **changes: Any) -> Any:
        body = {"product_id": mug["id"], "sku": "MUG-MOSS", "options": {"colour": "moss"}, "prices": [EUROS]} | changes
        return shop.post(VARIANTS, body, **({"If-Match": match} if match else {}))

    def test_are_added_to_a_product(self, shop: Shop, mug: dict[str, Any]) -> None:
        answer = self.add(shop, mug, match='"v1"')

        assert (answer.status_code, answer["ETag"], answer.json()["name"]) == (201, '"v2"', "moss")
        assert shop.get(answer["Location"]).json() == answer.json()
        shown = shop.get(f"{PRODUCTS}/{mug['id']}").json()
        assert [each["sku"] for each in shown["variants"]] == ["MUG-SAND", "MUG-MOSS"]
        (event,) = told("catalog.variant_added.v1")
        assert event["variant"]["sku"] == "MUG-MOSS"
        assert audited("catalog.add_variant").after == {"sku": "MUG-MOSS"}
        work_off()
        assert StockItemRow.objects.filter(sku="MUG-MOSS").count() == 2

    def test_can_make_a_product_cheaper(self, shop: Shop, mug: dict[str, Any]) -> None:
        cheap = {"amount": "9.00", "currency": "EUR"}
        self.add(shop, mug, prices=[cheap])

        assert shop.get(f"{PRODUCTS}/{mug['id']}").json()["price_from"] == cheap

    @pytest.mark.parametrize(
        ("changes", "problem"),
        [
            ({"sku": "MUG-SAND"}, (409, "sku_taken")),
            ({"sku": "ESP-250"}, (409, "sku_taken")),
            ({"prices": [{"amount": "1", "currency": "USD"}]}, (400, "price_missing")),
            ({"product_id": str(uuid4())}, (404, "product_not_found")),
            ({"sku": ""}, (422, "validation_error")),
            ({"options": {"colour": "x" * 61}}, (422, "validation_error")),
            ({"match": ""}, (428, "if_match_required")),
            ({"match": '"v7"'}, (412, "version_mismatch")),
        ],
    )
    def test_are_refused_when_they_make_no_sense(
        self, shop: Shop, mug: dict[str, Any], changes: dict[str, Any], problem: tuple[int, str]
    ) -> None:
        assert code_of(self.add(shop, mug, **changes)) == problem
        assert VariantRow.objects.filter(product_id=mug["id"]).count() == 1

    def test_are_not_added_to_what_is_withdrawn(self, shop: Shop, mug: dict[str, Any]) -> None:
        shop.post(f"{PRODUCTS}/{mug['id']}/withdraw", None, **{"If-Match": "*"})

        assert code_of(self.add(shop, mug)) == (409, "product_already_withdrawn")

    def test_are_called_otherwise_and_keep_their_sku(self, shop: Shop, mug: dict[str, Any]) -> None:
        path = f"{VARIANTS}/{mug['variants'][0]['id']}"
        answer = patch(shop, path, {"name": "Desert", "backorderable": True}, match='"v1"')

        assert (answer.status_code, answer["ETag"]) == (200, '"v2"')
        assert (answer.json()["name"], answer.json()["backorderable"]) == ("Desert", True)
        assert answer.json()["options"] == {"colour": "sand"}
        (event,) = told("catalog.variant_changed.v1")
        assert (event["variant"]["sku"], event["variant"]["name"]) == ("MUG-SAND", "Desert")
        assert audited("catalog.change_variant").after == {"sku": "MUG-SAND", "title": "Desert", "backorderable": True}
        assert code_of(patch(shop, path, {"sku": "MUG-DUNE"}))[0] == 422
        assert code_of(patch(shop, path, {"name": "x"}, match='"v1"')) == (412, "version_mismatch")

    def test_are_listed_by_sku(self, shop: Shop, mug: dict[str, Any]) -> None:
        self.add(shop, mug)
        page = shop.get(VARIANTS, {"limit": 3}).json()
        rest = shop.get(VARIANTS, {"limit": 3, "cursor": page["next_cursor"]}).json()

        skus = [each["sku"] for each in page["items"] + rest["items"]]
        assert skus == ["ESP-250", "FIL-250", "MUG-MOSS", "MUG-SAND"]
        of_mug = items_of(shop.get(VARIANTS, {"product_id": mug["id"]}))
        assert [each["sku"] for each in of_mug] == ["MUG-MOSS", "MUG-SAND"]
        assert code_of(shop.get(f"{VARIANTS}/{uuid4()}")) == (404, "variant_not_found")


class TestPrices:
    def change(self, shop: Shop, amount: str, *, currency: str = "EUR", match: str = "*", sku: str = "MUG-SAND") -> Any:
        body = {"sku": sku, "price": {"amount": amount, "currency": currency}}
        return shop.post(PRICES, body, **({"If-Match": match} if match else {}))

    def test_are_changed_at_the_version_that_was_seen(self, shop: Shop, mug: dict[str, Any]) -> None:
        answer = self.change(shop, "19.50", match='"v1"')

        assert (answer.status_code, answer["ETag"]) == (201, '"v2"')
        assert answer.json()["price"] == {"amount": "19.50", "currency": "EUR"}
        (event,) = told("catalog.price_changed.v1")
        assert (event["amount_minor"], event["previous_amount_minor"]) == (1950, 1800)
        entry = audited("catalog.change_price")
        assert (entry.before, entry.after) == (
            {"sku": "MUG-SAND", "price": "18.00 EUR"},
            {"sku": "MUG-SAND", "price": "19.50 EUR"},
        )
        assert code_of(self.change(shop, "20.00", match='"v1"')) == (412, "version_mismatch")
        assert code_of(self.change(shop, "20.00", match="")) == (428, "if_match_required")

    def test_are_added_in_another_currency(self, shop: Shop, mug: dict[str, Any]) -> None:
        assert self.change(shop, "21.00", currency="USD").status_code == 201

        found = items_of(shop.get(PRICES, {"sku": "MUG-SAND"}))
        assert sorted(each["price"]["currency"] for each in found) == ["EUR", "USD"]
        assert [each["sku"] for each in items_of(shop.get(PRICES, {"currency": "USD"}))] == ["MUG-SAND"]

    def test_are_listed_by_sku(self, shop: Shop, mug: dict[str, Any]) -> None:
        page = shop.get(PRICES, {"limit": 2}).json()
        rest = shop.get(PRICES, {"limit": 2, "cursor": page["next_cursor"]}).json()

        assert [each["sku"] for each in page["items"] + rest["items"]] == ["ESP-250", "FIL-250", "MUG-SAND"]

    @pytest.mark.parametrize(
        ("amount", "currency", "sku", "problem"),
        [
            ("-1", "EUR", "MUG-SAND", (422, "validation_error")),
            ("1.999", "EUR", "MUG-SAND", (422, "malformed_amount")),
            ("1", "euro", "MUG-SAND", (422, "validation_error")),
            ("1", "EUR", "NONE", (404, "variant_not_found")),
        ],
    )
    def test_are_refused_when_they_make_no_sense(
        self, shop: Shop, mug: dict[str, Any], amount: str, currency: str, sku: str, problem: tuple[int, str]
    ) -> None:
        assert code_of(self.change(shop, amount, currency=currency, sku=sku)) == problem
        assert PriceRow.objects.get(variant__sku="MUG-SAND").amount_minor == 1800


class TestCategories:
    def test_are_added_and_renamed(self, shop: Shop) -> None:
        added = shop.post(CATEGORIES, {"slug": "beans", "name": "Beans", "parent": "coffee"})

        assert (added.status_code, added["ETag"], added.json()["parent"]) == (201, '"v1"', "coffee")
        renamed = patch(shop, added["Location"], {"name": "Whole beans"}, match='"v1"')
        assert (renamed.status_code, renamed["ETag"], renamed.json()["name"]) == (200, '"v2"', "Whole beans")
        assert audited("catalog.rename_category").before == {"title": "Beans"}
        assert code_of(patch(shop, added["Location"], {"name": "x"}, match='"v1"')) == (412, "version_mismatch")
        assert code_of(patch(shop, added["Location"], {"name": "x"}, match="")) == (428, "if_match_required")
        assert shop.get(added["Location"]).json() == renamed.json()

    def test_are_listed_by_slug(self, shop: Shop) -> None:
        shop.post(CATEGORIES, {"slug": "beans", "name": "Beans", "parent": "coffee"})
        page = shop.get(CATEGORIES, {"limit": 1}).json()
        rest = shop.get(CATEGORIES, {"limit": 1, "cursor": page["next_cursor"]}).json()

        assert [each["slug"] for each in page["items"] + rest["items"]] == ["beans", "coffee"]

    @pytest.mark.parametrize(
        ("body", "problem"),
        [
            ({"slug": "coffee", "name": "Tea"}, (409, "category_slug_taken")),
            ({"slug": "Not A Slug", "name": "Tea"}, (422, "malformed_slug")),
            ({"slug": "tea", "name": "Tea", "parent": "leaves"}, (404, "category_not_found")),
            ({"slug": "tea"}, (422, "validation_error")),
        ],
    )
    def test_are_refused_when_they_make_no_sense(self, shop: Shop, body: Any, problem: tuple[int, str]) -> None:
        assert code_of(shop.post(CATEGORIES, body)) == problem

    def test_that_never_were_are_not_found(self, shop: Shop) -> None:
        assert code_of(shop.get(f"{CATEGORIES}/{uuid4()}")) == (404, "category_not_found")
        assert code_of(patch(shop, f"{CATEGORIES}/{uuid4()}", {"name": "x"})) == (404, "category_not_found")


class TestAccess:
    @pytest.mark.parametrize("path", [PRODUCTS, VARIANTS, PRICES, CATEGORIES])
    def test_needs_the_scopes(self, shop: Shop, path: str) -> None:
        resource = path.rpartition("/")[2]
        reader, writer = a_key(f"ops:{resource}:read"), a_key(f"ops:{resource}:write")

        assert shop.get(path, as_=reader).status_code == 200
        assert code_of(shop.get(path, as_=writer)) == (403, "insufficient_scope")
        assert code_of(shop.post(path, {}, as_=reader)) == (403, "insufficient_scope")
        assert code_of(shop.post(path, {}, as_=writer))[0] == 422
        _, token = a_customer()
        assert code_of(shop.get(path, as_=token)) == (403, "insufficient_scope")

    @pytest.mark.parametrize("path", [PRODUCTS, VARIANTS, CATEGORIES])
    def test_needs_the_scope_for_changes(self, shop: Shop, path: str) -> None:
        resource = path.rpartition("/")[2]
        reader, writer = a_key(f"ops:{resource}:read"), a_key(f"ops:{resource}:write")

        assert code_of(patch(shop, f"{path}/{uuid4()}", {"name": "x"}, as_=reader)) == (403, "insufficient_scope")
        assert code_of(patch(shop, f"{path}/{uuid4()}", {"name": "x"}, as_=writer))[0] == 404

    @pytest.mark.parametrize("path", [PRODUCTS, VARIANTS, PRICES, CATEGORIES])
    @pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 101}, {"limit": "abc"}, {"cursor": "?"}, {"x": "y"}])
    def test_refuses_a_malformed_query(self, shop: Shop, path: str, query: dict[str, Any]) -> None:
        assert code_of(shop.get(path, query))[0] == 422

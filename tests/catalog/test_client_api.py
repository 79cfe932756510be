from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client

from contexts.catalog.domain import ProductId
from contexts.catalog.models import ProductRow
from contexts.catalog.queries import ListProducts, ProductFilter
from contexts.catalog.queries import shop as queries
from contexts.catalog.wiring import change_price, list_products, withdraw_product
from shared.http.pagination import encode_cursor, walking
from shared.persistence.identifiers import new_id
from tests.catalog.builders import (
    NOW,
    CategoryFactory,
    PriceFactory,
    StockItemFactory,
    VariantFactory,
    a_product_row,
    euros,
    sku_of,
)
from tests.catalog.fakes import KnownAvailability

pytestmark = pytest.mark.django_db
PRODUCTS = "/api/v1/products"


def names(client: Client, **query: Any) -> list[str]:
    """Return the names of the products on the first page."""
    answer = client.get(PRODUCTS, query)
    assert answer.status_code == 200, answer.content
    return [item["name"] for item in answer.json()["items"]]


def pages(client: Client, **query: Any) -> Iterator[list[str]]:
    """Return the names of the products page by page, as a client walks them."""
    cursor: dict[str, Any] = {}
    while True:
        page = client.get(PRODUCTS, query | cursor).json()
        yield [item["name"] for item in page["items"]]
        if page["next_cursor"] is None:
            return
        cursor = {"cursor": page["next_cursor"]}


def refused(client: Client, **query: Any) -> dict[str, Any]:
    """Return the problem that the query is refused with."""
    answer = client.get(PRODUCTS, query)
    assert (answer.status_code, answer["Content-Type"]) == (422, "application/problem+json")
    problem: dict[str, Any] = answer.json()
    return problem


class TestListOfProducts:
    def test_shows_products_with_variants_prices_and_availability(self, client: Client) -> None:
        row = a_product_row(name="Stoneware Mug", sku="MUG-SAND", category__slug="kitchen")
        row.variants.update(name="sand", options={"colour": "sand"}, backorderable=True)
        StockItemFactory.create(sku="MUG-SAND", on_hand=5, held=2)
        answer = client.get(PRODUCTS)
        assert answer["Content-Type"] == "application/json"
        assert answer.json() == {
            "items": [
                {
                    "id": str(row.id),
                    "name": "Stoneware Mug",
                    "description": "Made by hand.",
                    "category": "kitchen",
                    "variants": [
                        {
                            "sku": "MUG-SAND",
                            "name": "sand",
                            "options": {"colour": "sand"},
                            "price": {"amount": "18.00", "currency": "EUR"},
                            "available": 3,
                            "backorderable": True,
                        }
                    ],
                }
            ],
            "next_cursor": None,
        }

    def test_shows_the_price_in_the_currency_that_the_product_is_listed_in(self, client: Client) -> None:
        variant = a_product_row(price_currency="USD").variants.get()
        PriceFactory.create(variant=variant, currency="EUR")
        shown = client.get(PRODUCTS).json()["items"][0]["variants"]
        assert [each["price"]["currency"] for each in shown] == ["USD"]

    def test_is_empty_when_nothing_is_for_sale(self, client: Client) -> None:
        a_product_row(is_active=False)
        assert client.get(PRODUCTS).json() == {"items": [], "next_cursor": None}

    @pytest.mark.parametrize("shown", [1, 20])
    def test_takes_three_statements_however_long_it_is(
        self, client: Client, shown: int, django_assert_num_queries: Callable[..., Any]
    ) -> None:
        for _ in range(21):
            VariantFactory.create(product=a_product_row(), name="another")
        listed = list_products
        with django_assert_num_queries(3):
            page = listed(wanted=ProductFilter(), limit=shown)
        assert [len(product.variants) for product in page.items] == [2] * shown

    def test_keeps_variants_in_their_order(self, client: Client) -> None:
        row = a_product_row(variants__sku="SECOND", variants__position=2)
        VariantFactory.create(product=row, sku="FIRST", position=1)
        variants = client.get(PRODUCTS).json()["items"][0]["variants"]
        assert [variant["sku"] for variant in variants] == ["FIRST", "SECOND"]


class TestFilters:
    @pytest.mark.parametrize(
        ("q", "found"),
        [
            ("kettles", ["Gooseneck Kettle"]),
            ("pouring coffee", ["Gooseneck Kettle"]),
            ("coffee -kettle", ["Harbour Espresso"]),
            ("kettle or espresso", ["Gooseneck Kettle", "Harbour Espresso"]),
            ('"heavy crema"', ["Harbour Espresso"]),
            ('"crema heavy"', []),
            ("tea", []),
            ("the", []),
            ("'; DROP TABLE catalog_product; --", []),
            ("!&|:*()", []),
        ],
    )
    def test_search_names_and_descriptions(self, client: Client, q: str, found: list[str]) -> None:
        a_product_row(name="Gooseneck Kettle", description="Pours coffee slowly.")
        a_product_row(name="Harbour Espresso", description="Coffee with a heavy crema.")
        assert names(client, q=q) == found

    def test_include_what_is_below_a_category(self, client: Client) -> None:
        kitchen = CategoryFactory.create(slug="kitchen")
        brewing = CategoryFactory.create(slug="brewing", parent=kitchen)
        a_product_row(name="Dripper", category=CategoryFactory.create(slug="drippers", parent=brewing))
        a_product_row(name="Kettle", category=brewing)
        a_product_row(name="Pan", category=kitchen)
        a_product_row(name="Tea", category__slug="tea")
        assert names(client, category="kitchen") == ["Dripper", "Kettle", "Pan"]
        assert names(client, category="brewing") == ["Dripper", "Kettle"]
        assert names(client, category="garden") == []

    def test_find_the_product_of_a_sku(self, client: Client) -> None:
        a_product_row(name="Mug", sku="MUG")
        a_product_row(name="Pan", sku="PAN")
        assert names(client, sku="PAN") == ["Pan"]
        assert names(client, sku="pan") == []

    def test_take_prices_inclusively(self, client: Client) -> None:
        for name, minor in (("A", 999), ("B", 1000), ("C", 2000), ("D", 2001)):
            a_product_row(name=name, price_from_minor=minor)
        a_product_row(name="E", price_from_minor=1500, price_currency="USD")
        assert names(client, price_min="10", price_max="20.00") == ["B", "C"]
        assert names(client, price_max="9.99") == ["A"]

    def test_work_together(self, client: Client) -> None:
        a_product_row(name="Cheap Kettle", price_from_minor=1000, category__slug="brewing")
        a_product_row(name="Dear Kettle", price_from_minor=9000, category__slug="kitchen")
        assert names(client, q="kettle", price_min="50", category="kitchen", sort="-price") == ["Dear Kettle"]


class TestOrder:
    @pytest.mark.parametrize(
        ("sort", "order"),
        [
            ("name", "ABC"),
            ("-name", "CBA"),
            ("price", "BCA"),
            ("-price", "ACB"),
            ("created_at", "CAB"),
            ("-created_at", "BAC"),
        ],
    )
    def test_holds_across_pages(self, client: Client, sort: str, order: str) -> None:
        for name, minor, age in (("A", 3000, 2), ("B", 1000, 1), ("C", 2000, 3)):
            a_product_row(name=name, price_from_minor=minor, created_at=NOW - timedelta(days=age))
        assert names(client, sort=sort) == list(order)
        assert list(pages(client, sort=sort, limit=1)) == [[name] for name in order]

    @pytest.mark.parametrize("sort", ["name", "-name", "price", "-price", "created_at", "-created_at"])
    def test_shows_each_product_once_where_values_are_equal(self, client: Client, sort: str) -> None:
        rows = [a_product_row(name="Same") for _ in range(5)]
        found: list[UUID] = []
        cursor: dict[str, Any] = {}
        while True:
            page = client.get(PRODUCTS, {"sort": sort, "limit": 2, **cursor}).json()
            found += [UUID(item["id"]) for item in page["items"]]
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
        assert sorted(found) == sorted(row.id for row in rows)

    def test_is_walked_without_offset(self, client: Client) -> None:
        for name in "ABD":
            a_product_row(name=name)
        page = client.get(PRODUCTS, {"limit": 2}).json()
        a_product_row(name="AA")
        assert names(client, limit=2, cursor=page["next_cursor"]) == ["D"]


class TestInStock:
    def test_leaves_out_what_cannot_be_promised(self, client: Client) -> None:
        for name, on_hand, held in (("A", 5, 0), ("B", 5, 5), ("C", 0, 0)):
            StockItemFactory.create(sku=sku_of(a_product_row(name=name)), on_hand=on_hand, held=held)
        a_product_row(name="D")
        assert names(client, in_stock="true") == ["A"]
        assert names(client, in_stock="false") == ["A", "B", "C", "D"]

    def test_shows_a_product_when_one_variant_is_there(self, client: Client) -> None:
        row = a_product_row(name="A", sku="GONE")
        VariantFactory.create(product=row, sku="THERE")
        StockItemFactory.create(sku="THERE")
        assert names(client, in_stock="true") == ["A"]

    def test_fills_its_pages_over_gaps(self, client: Client) -> None:
        for place in range(12):
            row = a_product_row(name=f"{place:02}")
            if place % 3 == 0:
                StockItemFactory.create(sku=sku_of(row))
        walked = list(pages(client, in_stock="true", limit=1, sort="-name"))
        assert [name for page in walked for name in page] == ["09", "06", "03", "00"]

    def test_does_bounded_work_and_goes_on_from_there(
        self, monkeypatch: pytest.MonkeyPatch, django_assert_max_num_queries: Callable[..., Any]
    ) -> None:
        monkeypatch.setattr(queries, "SCANNED_AT_ONCE", 3)
        rows = [a_product_row(name=f"{place:02}") for place in range(20)]
        availability = KnownAvailability({sku_of(rows[-1]): 1})
        listed = ListProducts(availability=availability, currency="EUR")
        with django_assert_max_num_queries(10):
            page = listed(wanted=ProductFilter(in_stock=True), limit=1)
        assert (page.items, availability.asked) == ([], 5)
        assert page.next_cursor is not None
        page = listed(wanted=ProductFilter(in_stock=True), limit=1, cursor=page.next_cursor)
        assert [product.name for product in page.items] == ["19"]


class TestRefusals:
    def test_name_unknown_parameters(self, client: Client) -> None:
        problem = refused(client, colour="red", page=2)
        assert problem["code"] == "validation_error"
        assert [error["pointer"] for error in problem["errors"]] == ["/colour", "/page"]

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("limit", "0"),
            ("limit", "101"),
            ("limit", "many"),
            ("sort", "popularity"),
            ("price_min", "-1"),
            ("price_max", "1e3"),
            ("price_max", "NaN"),
            ("in_stock", "perhaps"),
            ("q", "x" * 201),
            ("sku", "x" * 65),
        ],
    )
    def test_name_the_malformed_parameter(self, client: Client, name: str, value: str) -> None:
        problem = refused(client, **{name: value})
        assert (problem["code"], problem["errors"][0]["pointer"]) == ("validation_error", f"/{name}")

    def test_tell_of_too_many_decimals(self, client: Client) -> None:
        assert refused(client, price_min="1.001")["code"] == "malformed_amount"

    @pytest.mark.parametrize(
        "values",
        [
            ["name", "A"],
            ["name", "A", "no id"],
            ["name", 1, str(UUID(int=1))],
            ["name", "\0", str(UUID(int=1))],
            ["-name", "A", str(UUID(int=1))],
            [True, "A", str(UUID(int=1))],
        ],
    )
    def test_turn_foreign_cursors_away(self, client: Client, values: list[Any]) -> None:
        with walking(PRODUCTS, ""):
            cursor = encode_cursor(values)
        assert refused(client, cursor=cursor)["code"] == "invalid_cursor"

    @pytest.mark.parametrize(
        ("sort", "value"),
        [
            ("price", "A"),
            ("price", -1),
            ("price", 10**18),
            ("created_at", "yesterday"),
            ("created_at", "2026-01-01T00:00:00"),
            ("created_at", 1),
        ],
    )
    def test_turn_cursors_of_the_wrong_kind_away(self, client: Client, sort: str, value: str | int) -> None:
        with walking(PRODUCTS, f"sort={sort}"):
            cursor = encode_cursor([sort, value, str(UUID(int=1))])
        assert refused(client, sort=sort, cursor=cursor)["code"] == "invalid_cursor"

    def test_answer_a_nul_character(self, client: Client) -> None:
        assert client.get(f"{PRODUCTS}?q=%00").status_code == 400


#: What RFC 9111 and RFC 5861 let a cache in front of the shop do with products.
PRODUCTS_FRESH = "public, max-age=10, stale-while-revalidate=30, stale-if-error=30"


class TestCaches:
    """What stands between the shop and its customers may keep what is the same for everybody, and nothing else."""

    @pytest.mark.parametrize(
        ("path", "policy"),
        [
            ("/api/v1/products", PRODUCTS_FRESH),
            ("/api/v1/products?limit=1&sort=price", PRODUCTS_FRESH),
            ("/api/v1/categories", "public, max-age=60, stale-while-revalidate=600, stale-if-error=600"),
        ],
    )
    def test_may_keep_the_catalog(self, client: Client, path: str, policy: str) -> None:
        a_product_row(sku="MUG")
        answer = client.get(path)
        again = client.get(path, headers={"If-None-Match": answer["ETag"]})

        assert (answer.status_code, again.status_code, again.content) == (200, 304, b"")
        assert answer["Cache-Control"] == again["Cache-Control"] == policy
        assert answer["Vary"] == "origin"  # which a page may name, and nothing of the caller
        assert not answer.cookies

    def test_may_show_it_to_all_whoever_asked_first(self, client: Client) -> None:
        a_product_row(sku="MUG")
        anybody, somebody = (client.get(PRODUCTS, headers=headers) for headers in ({}, {"Authorization": "Bearer x"}))

        assert (anybody.content, anybody["ETag"]) == (somebody.content, somebody["ETag"])

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("get", "/api/v1/orders"),
            ("post", "/api/v1/orders"),
            ("get", "/api/v1/me"),
            ("get", f"/api/v1/products/{UUID(int=1)}"),
            ("get", "/api/v1/nowhere"),
            ("get", "/api/ops/v1/stock-items"),
            ("post", "/api/v1/auth/tokens"),
        ],
    )
    def test_keep_no_refusal(self, client: Client, method: str, path: str) -> None:
        answer = getattr(client, method)(path)

        assert answer.status_code >= 400
        assert answer["Cache-Control"] == "no-store"
        assert {"Authorization", "Cookie"} <= {each.strip() for each in answer["Vary"].split(",")}


class TestProduct:
    def test_is_shown_with_its_variants(self, client: Client) -> None:
        row = a_product_row(sku="MUG")
        answer = client.get(f"{PRODUCTS}/{row.id}")
        assert (answer.status_code, answer["Cache-Control"]) == (200, PRODUCTS_FRESH)
        assert answer.json() == client.get(PRODUCTS).json()["items"][0]

    def test_is_named_after_the_product_when_the_variant_has_no_name(self, client: Client) -> None:
        row = a_product_row(name="Stoneware Mug")
        assert client.get(f"{PRODUCTS}/{row.id}").json()["variants"][0]["name"] == "Stoneware Mug"

    def test_is_not_sent_again_while_it_is_unchanged(self, client: Client) -> None:
        row = a_product_row(sku="MUG")
        etag = client.get(f"{PRODUCTS}/{row.id}")["ETag"]
        assert etag.startswith('"')
        answer = client.get(f"{PRODUCTS}/{row.id}", headers={"If-None-Match": f'"other", {etag}'})
        assert (answer.status_code, answer.content, answer["ETag"]) == (304, b"", etag)

    def test_has_another_etag_when_price_or_availability_change(self, client: Client) -> None:
        row = a_product_row(sku="MUG")
        seen = {client.get(f"{PRODUCTS}/{row.id}")["ETag"]}
        change_price(sku="MUG", price=euros("19.00"))
        seen.add(client.get(f"{PRODUCTS}/{row.id}")["ETag"])
        StockItemFactory.create(sku="MUG")
        seen.add(client.get(f"{PRODUCTS}/{row.id}")["ETag"])
        assert len(seen) == 3

    @pytest.mark.parametrize("make", [lambda: new_id(), lambda: a_product_row(is_active=False).id])
    def test_is_not_found_when_unknown_or_withdrawn(self, client: Client, make: Callable[[], UUID]) -> None:
        answer = client.get(f"{PRODUCTS}/{make()}")
        assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")
        assert answer.json()["code"] == "product_not_found"

    @pytest.mark.parametrize("malformed", ["1", "not-an-id", "%00", "0" * 36])
    def test_is_a_problem_when_the_id_is_malformed(self, client: Client, malformed: str) -> None:
        answer = client.get(f"{PRODUCTS}/{malformed}")
        assert answer.status_code in {400, 404}
        assert answer["Content-Type"] == "application/problem+json"

    def test_is_gone_once_withdrawn(self, client: Client) -> None:
        row: ProductRow = a_product_row()
        withdraw_product(product_id=ProductId(row.id))
        assert client.get(f"{PRODUCTS}/{row.id}").status_code == 404


class TestCategories:
    def test_are_a_tree_in_the_order_of_names(self, client: Client) -> None:
        kitchen = CategoryFactory.create(slug="kitchen", name="Kitchen")
        CategoryFactory.create(slug="pans", name="Pans", parent=kitchen)
        CategoryFactory.create(slug="brewing", name="Brewing", parent=kitchen)
        CategoryFactory.create(slug="coffee", name="Coffee")
        answer = client.get("/api/v1/categories")
        assert answer.json() == {
            "items": [
                {"slug": "coffee", "name": "Coffee", "children": []},
                {
                    "slug": "kitchen",
                    "name": "Kitchen",
                    "children": [
                        {"slug": "brewing", "name": "Brewing", "children": []},
                        {"slug": "pans", "name": "Pans", "children": []},
                    ],
                },
            ]
        }
        again = client.get("/api/v1/categories", headers={"If-None-Match": answer["ETag"]})
        assert again.status_code == 304


class TestSearchPlan:
    def test_can_use_the_index_for_text(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute(
                "EXPLAIN SELECT id FROM catalog_product WHERE search @@ websearch_to_tsquery('english', 'kettle')"
            )
            assert "catalog_product_search" in str(cursor.fetchall())

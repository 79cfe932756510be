"""The order endpoints as a client sees them, over the real URLs on PostgreSQL."""

from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from contexts.inventory.models import HoldRow, StockItemRow
from contexts.ordering.models import OrderRow
from shared.idempotency.models import IdempotencyKeyRow
from shared.outbox.models import OutboxMessageRow
from shared.saga.models import SagaRow
from tests.shop import Shop, a_customer, a_key, an_order, open_shop

pytestmark = pytest.mark.django_db

MOST_STATEMENTS = 12


@pytest.fixture
def shop() -> Shop:
    """Open a shop with ten units of each sku at each of two places."""
    return open_shop()


def nothing_was_written() -> bool:
    """Tell whether no order, promise, event, process or key was stored."""
    tables = (OrderRow, HoldRow, OutboxMessageRow, SagaRow, IdempotencyKeyRow)
    orderless = OutboxMessageRow.objects.filter(topic__startswith="ordering.")
    counts = [table.objects.count() for table in tables if table is not OutboxMessageRow]
    return not any(counts) and not orderless.exists() and not StockItemRow.objects.filter(held__gt=0).exists()


def problem(answer: Any) -> tuple[int, str]:
    """Return status and code of an error, having checked its form (RFC 9457)."""
    body = answer.json()
    assert answer["Content-Type"] == "application/problem+json"
    assert body["status"] == answer.status_code
    assert {"type", "title", "detail", "instance", "code", "request_id"} <= body.keys()
    assert body["request_id"] == answer["X-Request-ID"]
    return answer.status_code, body["code"]


class TestPlace:
    def test_answers_with_the_order_at_the_price_of_the_day(self, shop: Shop) -> None:
        answer = shop.place(an_order(lines=[{"sku": "ESP-250", "quantity": 2}, {"sku": "FIL-250", "quantity": 1}]))
        order = answer.json()

        assert answer.status_code == 201
        assert answer["Location"] == f"/api/v1/orders/{order['id']}"
        assert answer["ETag"] == '"v1"'
        assert [(line["sku"], line["quantity"], line["total"]["amount"]) for line in order["lines"]] == [
            ("ESP-250", 2, "19.80"),
            ("FIL-250", 1, "11.90"),
        ]
        assert order["subtotal"] == {"amount": "31.70", "currency": "EUR"}
        assert order["shipping"] == {"amount": "4.90", "currency": "EUR"}
        assert order["total"] == {"amount": "36.60", "currency": "EUR"}
        assert (order["status"], order["payment_status"]) == ("pending", "pending")
        assert order["billing_address"] == order["shipping_address"]

    def test_is_the_same_order_that_is_read_afterwards(self, shop: Shop) -> None:
        placed = shop.place().json()

        assert shop.get(f"/api/v1/orders/{placed['id']}").json() == placed

    def test_stores_order_promise_event_process_and_key_together(self, shop: Shop) -> None:
        order = shop.place().json()

        assert HoldRow.objects.get(order_id=order["id"]).quantity == 2
        assert OutboxMessageRow.objects.get(aggregate_id=order["id"]).topic == "ordering.order_placed.v1"
        assert SagaRow.objects.get(subject_id=order["id"]).name == "ordering.checkout"
        assert IdempotencyKeyRow.objects.get().status == 201

    def test_keeps_personal_data_out_of_the_event(self, shop: Shop) -> None:
        order = shop.place().json()
        stored = str(OutboxMessageRow.objects.get(aggregate_id=order["id"]).payload)

        assert "grace" not in stored.lower()
        assert "Lindenstraße" not in stored

    def test_takes_few_statements(self, shop: Shop) -> None:
        shop.place()
        with CaptureQueriesContext(connection) as statements:
            shop.place()
        counted = [each["sql"] for each in statements if "SAVEPOINT" not in each["sql"]]

        assert len(counted) <= MOST_STATEMENTS, "\n".join(counted)

    def test_locks_the_stock_last(self, shop: Shop) -> None:
        with CaptureQueriesContext(connection) as statements:
            shop.place()
        counted = [each["sql"] for each in statements if "SAVEPOINT" not in each["sql"]]

        assert "UPDATE inventory_stock_item" in counted[-1]

    def test_of_a_customer_writes_to_the_customers_address(self, shop: Shop) -> None:
        _, token = a_customer("ada@example.com")
        order = an_order()
        del order["email"]

        assert shop.place(order, as_=token).json()["email"] == "ada@example.com"


class TestPlaceRefuses:
    def test_more_units_than_there_are_and_names_each_shortage(self, shop: Shop) -> None:
        answer = shop.place(an_order(lines=[{"sku": "ESP-250", "quantity": 15}, {"sku": "ESP-250", "quantity": 6}]))

        assert problem(answer) == (409, "insufficient_stock")
        assert answer.json()["shortages"] == [{"sku": "ESP-250", "requested": 21, "available": 20}]
        assert not OrderRow.objects.exists()

    def test_another_total_than_was_expected_and_tells_the_new_one(self, shop: Shop) -> None:
        answer = shop.place(an_order(expected_total={"amount": "24.69", "currency": "EUR"}))

        assert problem(answer) == (409, "price_has_changed")
        assert answer.json()["total"] == {"amount": "24.70", "currency": "EUR"}
        assert not OrderRow.objects.exists()

    @pytest.mark.parametrize(
        ("changes", "pointer"),
        [
            ({"lines": []}, "/lines"),
            ({"lines": [{"sku": "ESP-250", "quantity": 0}]}, "/lines/0/quantity"),
            ({"lines": [{"sku": "ESP-250", "quantity": -1}]}, "/lines/0/quantity"),
            ({"lines": [{"sku": "ESP-250", "quantity": 10**9}]}, "/lines/0/quantity"),
            ({"lines": [{"sku": "ESP-250", "quantity": 10**30}]}, "/lines/0/quantity"),
            ({"lines": [{"sku": "ESP-250", "quantity": "2"}]}, "/lines/0/quantity"),
            ({"lines": [{"sku": "ESP-250", "quantity": 1.5}]}, "/lines/0/quantity"),
            ({"lines": [{"sku": "ESP-250", "quantity": True}]}, "/lines/0/quantity"),
            ({"lines": [{"sku": "ESP-250", "quantity": None}]}, "/lines/0/quantity"),
            ({"lines": [{"sku": 7, "quantity": 1}]}, "/lines/0/sku"),
            ({"lines": [{"sku": "ESP-250", "quantity": 1, "price": "0.01"}]}, "/lines/0/price"),
            ({"lines": {"sku": "ESP-250"}}, "/lines"),
            ({"lines": [{"sku": "ESP-250", "quantity": 1}] * 201}, "/lines"),
            ({"colour": "red"}, "/colour"),
            ({"email": "not an address"}, "/email"),
            ({"currency": "euro"}, "/currency"),
            ({"shipping_address": None}, "/shipping_address"),
            ({"payment": {"method": "simulator"}}, "/payment/token"),
            ({"expected_total": {"amount": "12,34", "currency": "EUR"}}, "/expected_total/amount"),
        ],
    )
    def test_what_does_not_fit_the_schema(self, shop: Shop, changes: dict[str, Any], pointer: str) -> None:
        answer = shop.place(an_order(**changes))

        assert problem(answer) == (422, "validation_error")
        assert pointer in [error["pointer"] for error in answer.json()["errors"]]
        assert nothing_was_written()

    @pytest.mark.parametrize(
        ("changes", "code", "pointer"),
        [
            ({"lines": [{"sku": "NO-SUCH", "quantity": 1}]}, "variant_not_found", "/lines/0/sku"),
            ({"currency": "CHF"}, "shipping_method_not_found", "/shipping_method"),
            ({"shipping_method": "teleport"}, "shipping_method_not_found", "/shipping_method"),
            ({"payment": {"method": "shells", "token": "t"}}, "payment_method_not_accepted", "/payment/method"),
            ({"email": None}, "email_required", "/email"),
            ({"expected_total": {"amount": "1.999", "currency": "EUR"}}, "malformed_amount", ""),
        ],
    )
    def test_what_is_not_for_sale(self, shop: Shop, changes: dict[str, Any], code: str, pointer: str) -> None:
        answer = shop.place(an_order(**changes))

        assert problem(answer) == (422, code)
        assert [error["pointer"] for error in answer.json().get("errors", [])] == ([pointer] if pointer else [])
        assert not OrderRow.objects.exists()
        assert not HoldRow.objects.exists()

    @pytest.mark.parametrize(
        "body", [b"{", b"[1, 2", b"\xff\xfe", b'{"email": "a\\u0000b"}', b'{"a": NaN}', b"[" * 100_000]
    )
    def test_a_body_that_is_not_json(self, shop: Shop, body: bytes) -> None:
        answer = shop.post("/api/v1/orders", body)

        assert problem(answer) == (400, "malformed_request")
        assert nothing_was_written()

    @pytest.mark.parametrize("body", [b"", b"null", b"[]", b'"text"', b"7"])
    def test_json_that_is_not_an_object(self, shop: Shop, body: bytes) -> None:
        assert problem(shop.post("/api/v1/orders", body)) == (422, "validation_error")
        assert nothing_was_written()

    def test_a_body_of_two_mebibytes(self, shop: Shop) -> None:
        answer = shop.place(an_order(email="a" * 2 * 1024 * 1024))

        assert problem(answer) == (413, "body_too_large")
        assert nothing_was_written()

    @pytest.mark.parametrize("token", ["", "nonsense", "ok_unknown_key", "a.b.c", "ok_", "Bearer"])
    def test_who_does_not_say_who_it_is(self, shop: Shop, token: str) -> None:
        answer = shop.place(as_=token)

        assert answer.status_code == 401
        assert answer["WWW-Authenticate"] == "Bearer"
        assert problem(answer)[1] in {"invalid_token", "missing_token"}
        assert nothing_was_written()

    def test_a_key_without_the_scope(self, shop: Shop) -> None:
        assert problem(shop.place(as_=a_key("orders:read"))) == (403, "insufficient_scope")
        assert nothing_was_written()


class TestIdempotencyKey:
    def test_is_required(self, shop: Shop) -> None:
        assert problem(shop.place(key="")) == (400, "idempotency_key_required")
        assert nothing_was_written()

    def test_gives_the_first_answer_again(self, shop: Shop) -> None:
        first, second = shop.place(key="k"), shop.place(key="k")

        assert (second.status_code, second.content) == (201, first.content)
        assert second["Location"] == first["Location"]
        assert "Idempotency-Replayed" not in first
        assert second["Idempotency-Replayed"] == "true"
        assert OrderRow.objects.count() == 1

    def test_takes_json_in_another_order_for_the_same_request(self, shop: Shop) -> None:
        shop.place(an_order(), key="k")

        assert shop.place(dict(reversed(an_order().items())), key="k")["Idempotency-Replayed"] == "true"

    def test_is_not_for_another_request(self, shop: Shop) -> None:
        shop.place(key="k")

        assert problem(shop.place(an_order(email="other@example.com"), key="k")) == (422, "idempotency_key_reused")
        assert OrderRow.objects.count() == 1

    def test_belongs_to_its_caller(self, shop: Shop) -> None:
        shop.place(key="k")
        other = shop.place(key="k", as_=a_key("orders:write"))

        assert other.status_code == 201
        assert OrderRow.objects.count() == 2

    def test_gives_a_refusal_again_even_when_the_reason_has_gone(self, shop: Shop) -> None:
        too_many = an_order(lines=[{"sku": "ESP-250", "quantity": 21}])
        first = shop.place(too_many, key="k")
        StockItemRow.objects.update(on_hand=1000)
        second = shop.place(too_many, key="k")

        assert (second.status_code, second.content) == (409, first.content)
        assert second["Idempotency-Replayed"] == "true"
        assert shop.place(too_many, key="another").status_code == 201

    @pytest.mark.parametrize("key", ["x" * 256, "ä", "a\tb"])
    def test_has_a_sensible_form(self, shop: Shop, key: str) -> None:
        assert problem(shop.place(key=key)) == (422, "idempotency_key_invalid")


class TestRead:
    def test_shows_customers_their_own_orders_only(self, shop: Shop) -> None:
        _, ada = a_customer("ada@example.com")
        _, eve = a_customer("eve@example.com")
        order = shop.place(as_=ada).json()

        assert shop.get(f"/api/v1/orders/{order['id']}", as_=ada).status_code == 200
        assert problem(shop.get(f"/api/v1/orders/{order['id']}", as_=eve)) == (404, "order_not_found")
        assert problem(shop.get(f"/api/v1/orders/{order['id']}/timeline", as_=eve)) == (404, "order_not_found")
        assert shop.get("/api/v1/orders", as_=eve).json() == {"items": [], "next_cursor": None}
        assert [each["id"] for each in shop.get("/api/v1/orders", as_=ada).json()["items"]] == [order["id"]]

    def test_shows_a_key_all_orders(self, shop: Shop) -> None:
        _, ada = a_customer()
        order = shop.place(as_=ada).json()

        assert shop.get("/api/v1/orders", as_=a_key("orders:read")).json()["items"][0]["id"] == order["id"]

    def test_pages_through_all_orders_newest_first(self, shop: Shop) -> None:
        placed = [shop.place(an_order(lines=[{"sku": "ESP-250", "quantity": 1}])).json()["id"] for _ in range(5)]
        seen: list[str] = []
        cursor: str | None = None
        while True:
            query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
            page = shop.get("/api/v1/orders", query).json()
            seen += [order["id"] for order in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break

        assert seen == placed[::-1]

    def test_reads_a_page_in_a_constant_number_of_statements(self, shop: Shop) -> None:
        for _ in range(4):
            shop.place(an_order(lines=[{"sku": "ESP-250", "quantity": 1}]))
        with CaptureQueriesContext(connection) as statements:
            shop.get("/api/v1/orders")

        assert len(statements) <= 4

    @pytest.mark.parametrize(
        "query",
        [
            {"limit": 0},
            {"limit": 101},
            {"limit": "many"},
            {"offset": 1},
            {"cursor": "!"},
            {"cursor": "WzFd"},
            {"cursor": "WyJhIiwiYiJd"},
        ],
    )
    def test_refuses_a_malformed_page(self, shop: Shop, query: dict[str, Any]) -> None:
        assert problem(shop.get("/api/v1/orders", query))[0] == 422

    def test_answers_304_to_who_has_the_present_version(self, shop: Shop) -> None:
        order = shop.place().json()
        answer = shop.get(f"/api/v1/orders/{order['id']}", None, **{"If-None-Match": '"v1"'})

        assert (answer.status_code, answer.content) == (304, b"")

    @pytest.mark.parametrize("path", [f"/api/v1/orders/{uuid4()}", "/api/v1/orders/7", "/api/v1/nothing", "/api/nope"])
    def test_answers_404_in_problem_json(self, shop: Shop, path: str) -> None:
        assert problem(shop.get(path))[0] == 404

    def test_answers_405_in_problem_json(self, shop: Shop) -> None:
        answer = shop.client.delete("/api/v1/orders")

        assert problem(answer) == (405, "method_not_allowed")
        assert set(answer["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}

    def test_answers_400_to_a_nul_in_the_url(self, shop: Shop) -> None:
        assert problem(shop.client.get("/api/v1/products?q=%00")) == (400, "malformed_request")


class TestCaches:
    def test_ask_each_time_whether_an_order_is_still_as_they_keep_it(self, shop: Shop) -> None:
        order = shop.place().json()
        seen = shop.get(f"/api/v1/orders/{order['id']}")

        assert seen["Cache-Control"] == "private, no-cache"
        assert "Authorization" in seen["Vary"]

    def test_keep_no_answer_to_what_changed_something(self, shop: Shop) -> None:
        assert shop.place()["Cache-Control"] == "no-store"


class TestCancel:
    def test_gives_the_order_up(self, shop: Shop) -> None:
        order = shop.place().json()
        answer = shop.post(f"/api/v1/orders/{order['id']}/cancellation", {"reason": "ordered twice"})

        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
        assert answer.json()["cancel_reason"] == "ordered twice"
        assert answer["ETag"] == '"v2"'

    def test_twice_is_harmless(self, shop: Shop) -> None:
        order = shop.place().json()
        path = f"/api/v1/orders/{order['id']}/cancellation"
        shop.post(path, {"reason": "first"})

        assert shop.post(path, {"reason": "second"}).json()["cancel_reason"] == "first"

    def test_is_refused_for_another_customers_order(self, shop: Shop) -> None:
        _, ada = a_customer("ada@example.com")
        _, eve = a_customer("eve@example.com")
        order = shop.place(as_=ada).json()
        answer = shop.post(f"/api/v1/orders/{order['id']}/cancellation", {"reason": "mine now"}, as_=eve)

        assert problem(answer) == (404, "order_not_found")
        assert OrderRow.objects.get().status == "pending"

    def test_is_refused_once_shipped(self, shop: Shop) -> None:
        order = shop.place().json()
        OrderRow.objects.update(fulfillment_status="shipped")
        answer = shop.post(f"/api/v1/orders/{order['id']}/cancellation", {"reason": "late"})

        assert problem(answer) == (409, "order_already_shipped")

    def test_needs_a_reason(self, shop: Shop) -> None:
        order = shop.place().json()

        assert problem(shop.post(f"/api/v1/orders/{order['id']}/cancellation", {})) == (422, "validation_error")

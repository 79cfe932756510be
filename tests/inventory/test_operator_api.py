"""The stock endpoints as an operator's program sees them."""

from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from contexts.inventory.models import MovementRow, StockItemRow
from shared.outbox.models import OutboxMessageRow
from tests.shop import Shop, a_customer, a_key, open_shop

pytestmark = pytest.mark.django_db

LIST = "/api/ops/v1/stock-items"


@pytest.fixture
def shop() -> Shop:
    """Open a shop with ten units of each sku at each of two places."""
    return open_shop()


@pytest.fixture
def item(shop: Shop) -> dict[str, Any]:
    """Return the stock item of the espresso at the near place."""
    found: dict[str, Any] = shop.get(LIST, {"sku": "ESP-250", "location": "NEAR"}).json()["items"][0]
    return found


def adjust(shop: Shop, item: dict[str, Any], body: dict[str, Any], **options: Any) -> Any:
    """Send an adjustment of the item at any version, unless another header says which."""
    return shop.post(f"{LIST}/{item['id']}/adjustments", body, **{"If-Match": "*"} | options)


def code_of(answer: Any) -> tuple[int, str]:
    """Return status and code of a problem."""
    assert answer["Content-Type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


class TestList:
    def test_pages_by_sku(self, shop: Shop) -> None:
        first = shop.get(LIST, {"limit": 3}).json()
        second = shop.get(LIST, {"limit": 3, "cursor": first["next_cursor"]}).json()

        assert [each["sku"] for each in first["items"] + second["items"]] == ["ESP-250"] * 2 + ["FIL-250"] * 2
        assert second["next_cursor"] is None

    def test_finds_low_stock(self, shop: Shop, item: dict[str, Any]) -> None:
        adjust(shop, item, {"counted": 2, "reason": "counted"})

        assert [each["id"] for each in shop.get(LIST, {"available_below": 3}).json()["items"]] == [item["id"]]

    @pytest.mark.parametrize("query", [{"limit": 0}, {"limit": "x"}, {"cursor": "?"}, {"color": "red"}])
    def test_refuses_a_malformed_query(self, shop: Shop, query: dict[str, Any]) -> None:
        assert code_of(shop.get(LIST, query))[0] == 422


class TestAdjust:
    def test_changes_the_units_on_hand_and_tells_why(self, shop: Shop, item: dict[str, Any]) -> None:
        answer = adjust(shop, item, {"delta": -3, "reason": "broken"})

        assert (answer.status_code, answer.json()["on_hand"], answer.json()["available"]) == (201, 7, 7)
        assert answer["ETag"] == '"v2"'
        movement = shop.get(f"{LIST}/{item['id']}/movements").json()["items"][0]
        assert (movement["delta"], movement["on_hand"], movement["reason"]) == (-3, 7, "broken")
        assert movement["actor"].startswith("key:")
        assert OutboxMessageRow.objects.filter(topic="inventory.stock_adjusted.v1").count() == 1

    def test_to_what_was_counted(self, shop: Shop, item: dict[str, Any]) -> None:
        assert adjust(shop, item, {"counted": 25, "reason": "stocktaking"}).json()["on_hand"] == 25

    def test_happens_once_per_key(self, shop: Shop, item: dict[str, Any]) -> None:
        first = adjust(shop, item, {"delta": 5, "reason": "found"}, key="k")
        second = adjust(shop, item, {"delta": 5, "reason": "found"}, key="k")

        assert second.content == first.content
        assert second["Idempotency-Replayed"] == "true"
        assert StockItemRow.objects.get(id=item["id"]).on_hand == 15

    def test_takes_no_key_for_an_answer(self, shop: Shop, item: dict[str, Any]) -> None:
        assert adjust(shop, item, {"delta": 5, "reason": "found"}, key="").status_code == 201

    def test_is_refused_below_what_is_promised(self, shop: Shop, item: dict[str, Any]) -> None:
        shop.place()

        assert code_of(adjust(shop, item, {"counted": 1, "reason": "counted"})) == (409, "stock_promised")
        assert MovementRow.objects.filter(stock_item_id=item["id"]).count() == 1

    def test_is_refused_when_somebody_changed_it_meanwhile(self, shop: Shop, item: dict[str, Any]) -> None:
        adjust(shop, item, {"delta": 1, "reason": "found"})
        late = adjust(shop, item, {"delta": 1, "reason": "found"}, **{"If-Match": '"v1"'})

        assert code_of(late) == (412, "version_mismatch")

    def test_needs_the_version_that_was_seen(self, shop: Shop, item: dict[str, Any]) -> None:
        blind = shop.post(f"{LIST}/{item['id']}/adjustments", {"delta": 1, "reason": "found"})

        assert code_of(blind) == (428, "if_match_required")
        assert StockItemRow.objects.get(id=item["id"]).on_hand == 10

    @pytest.mark.parametrize(
        "body",
        [
            {"delta": 0, "reason": "x"},
            {"reason": "x"},
            {"delta": 1, "counted": 1, "reason": "x"},
            {"delta": 1},
            {"delta": "many", "reason": "x"},
            {"delta": 10**13, "reason": "x"},
            {"counted": -1, "reason": "x"},
            {"delta": 1, "reason": ""},
            {"delta": 1, "reason": "x", "colour": "red"},
            [],
        ],
    )
    def test_is_refused_when_it_makes_no_sense(self, shop: Shop, item: dict[str, Any], body: Any) -> None:
        assert code_of(adjust(shop, item, body))[0] == 422
        assert StockItemRow.objects.get(id=item["id"]).on_hand == 10

    def test_of_an_unknown_item_is_not_found(self, shop: Shop) -> None:
        assert code_of(adjust(shop, {"id": uuid4()}, {"delta": 1, "reason": "x"})) == (404, "stock_item_not_found")

    def test_of_malformed_json_is_refused(self, shop: Shop, item: dict[str, Any]) -> None:
        answer = shop.post(f"{LIST}/{item['id']}/adjustments", b"{")

        assert code_of(answer) == (400, "malformed_request")


class TestAccess:
    def test_needs_a_token(self, shop: Shop) -> None:
        answer = shop.get(LIST, as_="")

        assert code_of(answer)[0] == 401
        assert answer["WWW-Authenticate"] == "Bearer"

    def test_is_not_for_customers(self, shop: Shop) -> None:
        _, token = a_customer()

        assert code_of(shop.get(LIST, as_=token)) == (403, "insufficient_scope")

    def test_needs_the_scope(self, shop: Shop, item: dict[str, Any]) -> None:
        reader = a_key("ops:stock:read")

        assert shop.get(LIST, as_=reader).status_code == 200
        assert code_of(adjust(shop, item, {"delta": 1, "reason": "x"}, as_=reader)) == (403, "insufficient_scope")

    def test_takes_a_staff_session_with_its_csrf_token(self, item: dict[str, Any]) -> None:
        operator = get_user_model().objects.create_superuser(email="op@example.com", password="x", name="Op")
        browser = Client(enforce_csrf_checks=True)
        browser.force_login(operator)

        assert browser.get(LIST).status_code == 200
        blind = browser.post(
            f"{LIST}/{item['id']}/adjustments", {"delta": 1, "reason": "x"}, content_type="application/json"
        )
        assert code_of(blind)[0] == 403

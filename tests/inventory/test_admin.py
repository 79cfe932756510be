from typing import Any
from uuid import uuid4

import pytest
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from contexts.identity.models import AccountRow
from contexts.inventory.domain import StockItemId
from contexts.inventory.models import HoldRow, MovementRow, StockItemRow
from contexts.inventory.ports import OpeningStock
from contexts.inventory.wiring import adjust_stock, ensure_location, hold_stock, load_opening_stock, release_stock
from shared.outbox.models import OutboxMessageRow
from tests.identity.builders import an_account_row
from tests.inventory.builders import MUG, SHIRT, an_order_id

pytestmark = pytest.mark.django_db

LIST = "admin:inventory_stockitemrow_changelist"


@pytest.fixture
def operator() -> AccountRow:
    row: AccountRow = an_account_row(email="op@example.com", operator=True)
    return row


@pytest.fixture
def site(client: Client, operator: AccountRow) -> Client:
    client.force_login(operator)
    return client


def an_item(*, sku: str = SHIRT, units: int = 10) -> StockItemRow:
    ensure_location(code="berlin", name="Berlin", priority=0)
    load_opening_stock(opening=[OpeningStock(sku=sku, location="berlin", units=units)])
    return StockItemRow.objects.get(sku=sku)


def page_of(item: StockItemRow) -> str:
    return reverse("admin:inventory_stockitemrow_change", args=[item.pk])


def messages_of(response: Any) -> str:
    return " ".join(str(message) for message in get_messages(response.wsgi_request))


class TestStockList:
    def test_tells_what_can_still_be_promised(self, site: Client) -> None:
        an_item(units=10)
        hold_stock(order_id=an_order_id(), wanted={SHIRT: 7})
        page = site.get(reverse(LIST)).content.decode()
        for text in (SHIRT, "berlin", ">10<", ">7<", ">3<", "low"):
            assert text in page

    def test_filters_by_level_and_searches_by_the_beginning_of_a_sku(self, site: Client) -> None:
        for sku, units in ((SHIRT, 6), (MUG, 5), ("SOLD", 0)):
            an_item(sku=sku, units=units)

        def skus(**query: str) -> list[str]:
            return [row.sku for row in site.get(reverse(LIST), query).context["cl"].result_list]

        assert skus() == sorted([SHIRT, MUG, "SOLD"])
        assert skus(level="low") == [MUG, "SOLD"]
        assert skus(level="out") == ["SOLD"]
        assert skus(q=SHIRT[:4]) == [SHIRT]
        assert skus(o="4") == ["SOLD", MUG, SHIRT]

    def test_takes_as_many_statements_for_many_items_as_for_one(self, site: Client) -> None:
        an_item()
        site.get(reverse(LIST))
        with CaptureQueriesContext(connection) as few:
            site.get(reverse(LIST))
        for number in range(20):
            an_item(sku=f"SKU-{number}")
        with CaptureQueriesContext(connection) as many:
            site.get(reverse(LIST))
        assert len(many) == len(few)


class TestStockPage:
    def test_tells_of_movements_and_open_holds(self, site: Client) -> None:
        item, order_id, gone = an_item(), an_order_id(), an_order_id()
        for each in (order_id, gone):
            hold_stock(order_id=each, wanted={SHIRT: 2})
        release_stock(order_id=gone)
        page = site.get(page_of(item)).content.decode()
        for text in ("opening stock", "+10", reverse("admin:ordering_orderrow_change", args=[order_id])):
            assert text in page
        assert str(gone) not in page

    def test_tells_of_the_newest_fifty(self, site: Client) -> None:
        item = an_item()
        for number in range(60):
            adjust_stock(stock_item_id=StockItemId(item.pk), delta=1, reason=f"reason-{number}.")
        page = site.get(page_of(item)).content.decode()
        assert "reason-59." in page
        assert "reason-10." in page
        assert "reason-9." not in page

    def test_changes_nothing(self, site: Client) -> None:
        item = an_item()
        assert site.get(reverse("admin:inventory_stockitemrow_add")).status_code == 403
        assert site.post(page_of(item), {"on_hand": "99"}).status_code == 403
        assert site.post(reverse("admin:inventory_stockitemrow_delete", args=[item.pk])).status_code == 403


class TestAdjustStock:
    def post(self, site: Client, item_id: object, **form: object) -> Any:
        url = reverse("admin:inventory_stockitemrow_adjust", args=[item_id])
        return site.post(url, {"_form_submitted": "on", "reason": "counted again", "version": 1} | form)

    @pytest.mark.parametrize(("form", "on_hand"), [({"delta": -3}, 7), ({"counted": 12}, 12), ({"counted": 0}, 0)])
    def test_leaves_a_movement_with_its_actor(
        self, site: Client, operator: AccountRow, form: dict[str, int], on_hand: int
    ) -> None:
        item = an_item(units=10)
        response = self.post(site, item.pk, **form)
        assert response.headers["HX-Redirect"] == page_of(item)
        item.refresh_from_db()
        movement = MovementRow.objects.order_by("id").last()
        assert item.on_hand == on_hand
        assert movement is not None
        assert (movement.on_hand, movement.reason, movement.actor) == (on_hand, "counted again", f"staff:{operator.pk}")
        assert OutboxMessageRow.objects.get().actor == f"staff:{operator.pk}"

    def test_asks_for_one_of_the_two_ways_and_a_reason(self, site: Client) -> None:
        item = an_item()
        page = site.get(reverse("admin:inventory_stockitemrow_adjust", args=[item.pk])).content.decode()
        assert 'name="version" value="1"' in page
        for form in ({}, {"delta": 1, "counted": 2}):
            assert "either a delta" in self.post(site, item.pk, **form).content.decode()
        assert "required" in self.post(site, item.pk, delta=1, reason="").content.decode()
        assert MovementRow.objects.count() == 1

    def test_tells_why_it_is_refused(self, site: Client) -> None:
        item = an_item(units=10)
        hold_stock(order_id=an_order_id(), wanted={SHIRT: 8})
        response = self.post(site, item.pk, counted=7)
        assert "promised to orders" in messages_of(response)
        assert "held 8" in messages_of(response)
        assert HoldRow.objects.get().quantity == 8

    def test_is_refused_when_somebody_else_was_faster(self, site: Client) -> None:
        item = an_item(units=10)
        adjust_stock(stock_item_id=StockItemId(item.pk), delta=5, reason="delivery")
        assert "changed by somebody else" in messages_of(self.post(site, item.pk, counted=10))
        item.refresh_from_db()
        assert item.on_hand == 15

    @pytest.mark.parametrize("item_id", [str(uuid4()), "nonsense"])
    def test_finds_no_item_that_is_not_there(self, site: Client, item_id: str) -> None:
        assert self.post(site, item_id, delta=1).status_code == 404

    def test_is_refused_to_those_who_may_only_look(self, client: Client) -> None:
        client.force_login(an_account_row(email="clerk@example.com", is_staff=True))
        assert self.post(client, an_item().pk, delta=1).status_code == 403


class TestLocations:
    def test_are_listed(self, site: Client) -> None:
        item = an_item()
        assert "Berlin" in site.get(reverse("admin:inventory_locationrow_changelist")).content.decode()
        url = reverse("admin:inventory_locationrow_change", args=[item.location_id])
        assert "Berlin" in site.get(url).content.decode()

"""The stream of an order, as far as one answer reaches: what it tells, to whom, and from where on."""

import json
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from contexts.ordering.client_api.live import STATE
from contexts.ordering.domain import ANYONE, OrderId, PaymentStatus
from contexts.ordering.repositories import DjangoOrders
from contexts.ordering.wiring import cancel_order
from shared.persistence.unit_of_work import atomic
from tests.shop import Shop, a_customer, a_key, an_order, open_shop

pytestmark = pytest.mark.django_db

PLACED, CANCELLED = "ordering.order_placed.v1", "ordering.order_cancelled.v1"


@pytest.fixture
def shop() -> Shop:
    """Open a shop."""
    return open_shop()


def events_of(answer: Any) -> list[dict[str, Any]]:
    """Return the events of a stream that has ended."""
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/event-stream"), answer.content
    blocks = [block.split("\n") for block in answer.content.decode().split("\n\n") if block.startswith("id: ")]
    fields = [dict(line.split(": ", 1) for line in block) for block in blocks]
    return [{**each, "data": json.loads(each["data"])} for each in fields]


def follow(shop: Shop, order_id: str, *, after: str = "", as_: str | None = None) -> Any:
    """Ask for the stream; the test's server cannot keep it open."""
    headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": after} if after else {})
    return shop.get(f"/api/v1/orders/{order_id}/stream", None, as_=as_, **headers)


def note_payment(order_id: str, status: PaymentStatus) -> None:
    """Change the order without an event."""
    with atomic():
        orders = DjangoOrders()
        order = orders.get(OrderId(UUID(order_id)), of_customer=ANYONE)
        order.note_payment(replace(order.payment, status=status))
        orders.save(order)


def cancelled(order_id: str) -> None:
    """Cancel the order."""
    cancel_order(order_id=OrderId(UUID(order_id)), of_customer=ANYONE, reason="ordered twice")


class TestFollow:
    def test_tells_of_everything_from_the_first_event_on(self, shop: Shop) -> None:
        order_id = shop.place().json()["id"]
        cancelled(order_id)
        answer = follow(shop, order_id)
        placed, gone = events_of(answer)

        assert answer.content.startswith(b"retry: ")
        assert answer["Cache-Control"] == "no-store"
        assert (placed["event"], gone["event"]) == (PLACED, CANCELLED)
        assert gone["data"]["change"]["data"]["reason"] == "ordered twice"
        assert gone["data"]["status"] == "cancelled"
        assert gone["data"]["order_id"] == order_id

    def test_tells_after_an_event_of_what_came_later(self, shop: Shop) -> None:
        order_id = shop.place().json()["id"]
        (placed,) = events_of(follow(shop, order_id))
        assert events_of(follow(shop, order_id, after=placed["id"])) == []
        cancelled(order_id)
        (gone,) = events_of(follow(shop, order_id, after=placed["id"]))

        assert gone["event"] == CANCELLED

    def test_tells_of_a_status_that_changed_without_an_event(self, shop: Shop) -> None:
        order_id = shop.place().json()["id"]
        (placed,) = events_of(follow(shop, order_id))
        note_payment(order_id, PaymentStatus.UNKNOWN)
        (state,) = events_of(follow(shop, order_id, after=placed["id"]))

        assert state["event"] == STATE
        assert (state["data"]["payment_status"], state["data"]["change"]) == ("unknown", None)
        assert events_of(follow(shop, order_id, after=state["id"])) == []
        assert [each["event"] for each in events_of(follow(shop, order_id))] == [PLACED]

    def test_ends_for_good_when_nothing_more_is_expected(self, shop: Shop) -> None:
        order_id = shop.place().json()["id"]
        note_payment(order_id, PaymentStatus.AUTHORIZED)
        cancelled(order_id)
        last = events_of(follow(shop, order_id))[-1]
        assert not last["data"]["is_over"]  # the money is still on its way back
        note_payment(order_id, PaymentStatus.VOIDED)
        (state,) = events_of(follow(shop, order_id, after=last["id"]))

        assert state["data"]["is_over"]
        done = follow(shop, order_id, after=state["id"])
        assert (done.status_code, done.content) == (204, b"")

    @pytest.mark.parametrize("position", ["1", "x-1", "1-1-1", "99999999999-1", "-"])
    def test_refuses_a_position_that_it_never_gave(self, shop: Shop, position: str) -> None:
        answer = follow(shop, shop.place().json()["id"], after=position)

        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_last_event_id")
        assert answer["Content-Type"] == "application/problem+json"

    def test_is_for_the_owner_and_for_keys_that_may_read_orders(self, shop: Shop) -> None:
        _, ada = a_customer("ada@example.com")
        _, eve = a_customer("eve@example.com")
        order_id = shop.place(as_=ada).json()["id"]

        assert events_of(follow(shop, order_id, as_=ada))
        assert events_of(follow(shop, order_id, as_=a_key("orders:read")))
        for token, refusal in (
            (eve, (404, "order_not_found")),
            (a_key("orders:write"), (403, "insufficient_scope")),
            ("", (401, "missing_token")),
        ):
            answer = follow(shop, order_id, as_=token)
            assert (answer.status_code, answer.json()["code"]) == refusal
        assert follow(shop, str(uuid4()), as_=ada).json()["code"] == "order_not_found"

    def test_is_described_as_a_stream(self, shop: Shop) -> None:
        document = shop.get("/api/v1/openapi.json").json()
        operation = document["paths"]["/api/v1/orders/{order_id}/stream"]["get"]

        assert operation["responses"]["200"]["content"].keys() == {"text/event-stream"}
        assert "Last-Event-ID" in [each["name"] for each in operation["parameters"]]


class TestWait:
    def test_is_not_promised_where_the_server_cannot_hold_an_answer(self, shop: Shop) -> None:
        answer = shop.post("/api/v1/orders", an_order(), Prefer="wait=5")

        assert answer.status_code == 201
        assert "Preference-Applied" not in answer

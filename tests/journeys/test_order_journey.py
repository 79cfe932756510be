"""One order, end to end, on real processes: shop, server, relay, worker and payment provider."""

import pytest

from tests.journeys.orders import an_order, cancel, payment_status, place, settled
from tests.journeys.system import System, eventually

pytestmark = pytest.mark.journey


@pytest.fixture
def sku(system: System) -> str:
    """Return a sku of which there is plenty."""
    ((found,),) = system.query("SELECT sku FROM inventory_stock_item ORDER BY on_hand - held DESC LIMIT 1")
    return str(found)


class TestOrder:
    def test_is_confirmed_once_its_payment_is_authorized(self, system: System, sku: str) -> None:
        with system.client() as shop:
            placed = place(shop, an_order(sku, quantity=2))
            order = settled(shop, placed.json()["id"])

        assert placed.status_code == 201
        assert placed.json()["status"] == "pending"
        assert placed.headers["Location"] == f"/api/v1/orders/{order['id']}"
        assert (order["status"], order["payment_status"]) == ("confirmed", "authorized")
        assert order["payment"]["authorized"] == order["total"]

    def test_is_cancelled_and_its_stock_released_when_its_payment_is_declined(self, system: System, sku: str) -> None:
        with system.client() as shop:
            order = settled(shop, place(shop, an_order(sku, token="tok_declined")).json()["id"])

        assert (order["status"], order["payment_status"]) == ("cancelled", "failed")
        assert (order["cancel_reason"], order["payment"]["failure_code"]) == ("payment_declined", "card_declined")
        eventually(lambda: not open_holds(system, order["id"]), what="the release of the units")

    @pytest.mark.parametrize("token", ["tok_error_before_charge", "tok_error_after_charge", "tok_requires_action"])
    def test_is_charged_once_when_the_provider_is_difficult(self, system: System, sku: str, token: str) -> None:
        with system.client() as shop, system.psp() as psp:
            order = settled(shop, place(shop, an_order(sku, token=token)).json()["id"])
            entries = psp.get("/v1/ledger", params={"reference": order["id"]}).json()["entries"]

        assert (order["status"], order["payment_status"]) == ("confirmed", "authorized")
        assert [entry["kind"] for entry in entries] == ["authorise"]

    def test_gives_back_units_and_money_when_it_is_cancelled(self, system: System, sku: str) -> None:
        with system.client() as shop, system.psp() as psp:
            order = settled(shop, place(shop, an_order(sku)).json()["id"])
            cancelled = cancel(shop, order["id"])
            payment_status(shop, order["id"], "voided")
            entries = psp.get("/v1/ledger", params={"reference": order["id"]}).json()["entries"]

        assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
        assert [entry["kind"] for entry in entries] == ["authorise", "void"]
        eventually(lambda: not open_holds(system, order["id"]), what="the release of the units")

    def test_keeps_no_money_when_it_is_cancelled_while_the_provider_ponders(self, system: System, sku: str) -> None:
        with system.client() as shop:
            order = place(shop, an_order(sku, token="tok_slow")).json()
            assert cancel(shop, order["id"]).json()["status"] == "cancelled"
            payment_status(shop, order["id"], "voided")

        eventually(lambda: not open_holds(system, order["id"]), what="the release of the units")

    def test_tells_what_happened_to_it(self, system: System, sku: str) -> None:
        with system.client(**{"X-Request-ID": "journey-timeline"}) as shop:
            order = settled(shop, place(shop, an_order(sku)).json()["id"])
            entries = shop.get(f"/api/v1/orders/{order['id']}/timeline").json()["items"]

        assert [entry["type"] for entry in entries] == ["ordering.order_placed.v1", "ordering.order_confirmed.v1"]
        events = system.query("SELECT DISTINCT correlation_id FROM outbox_message WHERE aggregate_id = %s", order["id"])
        assert events == [("journey-timeline",)]

    def test_is_placed_once_however_often_it_is_sent(self, system: System, sku: str) -> None:
        with system.client() as shop:
            first = place(shop, an_order(sku), key="sent-again")
            second = place(shop, an_order(sku), key="sent-again")

        assert (first.status_code, second.status_code) == (201, 201)
        assert second.content == first.content
        assert second.headers["Idempotency-Replayed"] == "true"


class TestKilledWorker:
    def test_leaves_nothing_behind_that_another_does_not_finish(self, system: System, sku: str) -> None:
        with system.client() as shop:
            orders = [place(shop, an_order(sku, token="tok_slow")).json()["id"] for _ in range(3)]
            eventually(lambda: waiting_for_provider(system) >= 1, what="a call to the provider")
            system.kill("worker")
            system.query(
                "UPDATE saga SET leased_until = now(), due_at = now() WHERE status = 'running' RETURNING 1"
            )  # the lease is given up at once, instead of a minute later
            system.start("worker")
            assert {settled(shop, order, within=40)["status"] for order in orders} == {"confirmed"}


def open_holds(system: System, order_id: str) -> int:
    """Return how many holds the order has."""
    ((count,),) = system.query(
        "SELECT count(*) FROM inventory_hold WHERE order_id = %s AND status IN ('soft', 'hard')", order_id
    )
    return int(count)


def waiting_for_provider(system: System) -> int:
    """Return how many processes wait for the provider's answer."""
    ((count,),) = system.query("SELECT count(*) FROM saga WHERE leased_until > now()")
    return int(count)

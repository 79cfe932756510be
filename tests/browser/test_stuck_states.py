"""Each way in which something can get stuck: made to happen, seen on the dashboard, and resolved by its lever."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.journeys.orders import an_order, place, settled
from tests.journeys.system import System, eventually

pytestmark = [pytest.mark.browser, pytest.mark.journey]

TOPIC = "payments.payment_declined.v1"
REASON = "seen to by the browser test"


@pytest.fixture
def sku(house: System) -> str:
    """Return a sku of which there is plenty."""
    ((found,),) = house.query("SELECT sku FROM inventory_stock_item ORDER BY on_hand - held DESC LIMIT 1")
    return str(found)


class TestDeadLetter:
    def test_is_retried(self, house: System, page: Page, sku: str) -> None:
        order_id = an_order_of(house, sku, token="tok_declined")
        house.query("UPDATE outbox_message SET payload = payload - 'failure_code' WHERE topic = %s RETURNING 1", TOPIC)
        house.query(
            "UPDATE outbox_delivery SET status = 'pending', finished_at = NULL, attempts = 11, due_at = now()"
            " WHERE subscription = 'ordering.note_declined_payment' RETURNING 1"
        )
        eventually(lambda: house.query("SELECT 1 FROM outbox_delivery WHERE status = 'dead'"), what="a dead letter")
        page.reload()
        attention(page, "dead letter").click()
        house.query(
            'UPDATE outbox_message SET payload = payload || \'{"failure_code": "card_declined"}\''
            " WHERE topic LIKE 'payments.payment_declined%%' RETURNING 1"
        )
        pull(page, "Retry")

        expect(page.get_by_text("Due now: 1.")).to_be_visible()
        eventually(lambda: not house.query("SELECT 1 FROM outbox_delivery WHERE status <> 'done'"), what="its delivery")
        with house.client() as shop:
            assert settled(shop, order_id)["payment"]["failure_code"] == "card_declined"


class TestUnknownPayment:
    def test_is_learned_of_once_its_process_is_retried(self, house: System, page: Page, sku: str) -> None:
        with silent_provider(house):
            order_id = an_order_of(house, sku, wait=False)
            eventually(lambda: unknown(house), within=40, what="a payment of which nothing is known")
            page.reload()
            expect(attention(page, "unknown payment")).to_be_visible()
            put_off(house, order_id)
        page.goto(f"/admin/saga/sagarow/?q={order_id}")
        page.locator("#result_list a").first.click()
        pull(page, "Retry", reason=REASON)

        expect(page.get_by_text("Due now.")).to_be_visible()
        with house.client() as shop:
            assert settled(shop, order_id)["payment_status"] == "authorized"


class TestOverdueProcess:
    def test_is_given_up_and_undone(self, house: System, page: Page, sku: str) -> None:
        with silent_provider(house):
            order_id = an_order_of(house, sku, wait=False)
            eventually(lambda: unknown(house), within=40, what="a payment of which nothing is known")
            put_off(house, order_id)
            house.query("UPDATE saga SET deadline_at = now() WHERE subject_id = %s RETURNING 1", order_id)
            house.query("UPDATE payments_operation SET attempted_at = attempted_at - interval '1 minute' RETURNING 1")
        page.reload()
        attention(page, "overdue process").click()
        pull(page, "Give up and undo", reason=REASON)

        expect(page.get_by_text("It is being undone.")).to_be_visible()
        with house.client() as shop:
            assert settled(shop, order_id)["cancel_reason"] == "given_up_by_operator"
        assert house.query("SELECT 1 FROM audit_entry WHERE action = 'saga.compensate' AND reason = %s", REASON)


class TestRelayLag:
    def test_is_made_up_for_by_hand(self, house: System, page: Page, sku: str) -> None:
        for name in ("relay", "beat"):
            house.kill(name)
        try:
            order_id = an_order_of(house, sku, wait=False)
            house.query(
                "UPDATE outbox_message SET recorded_at = recorded_at - interval '1 minute' WHERE pending RETURNING 1"
            )
            page.reload()
            expect(attention(page, "event not relayed")).to_be_visible()
            page.locator("a").filter(has_text="Events not relayed").click()
            page.locator("a").filter(has_text="Relay waiting events now").click()

            expect(page.get_by_text("Relayed: 1.")).to_be_visible()
            eventually(lambda: not house.query("SELECT 1 FROM outbox_message WHERE pending"), what="an empty outbox")
        finally:
            house.start("relay", "beat")
        with house.client() as shop:
            assert settled(shop, order_id, within=60)["status"] == "confirmed"


def an_order_of(house: System, sku: str, *, token: str = "tok_approved", wait: bool = True) -> str:
    """Place an order, and wait for the end of its checkout and of all that it set in motion."""
    with house.client() as shop:
        order_id = str(place(shop, an_order(sku, token=token)).json()["id"])
        if wait:
            settled(shop, order_id)
            eventually(house.is_idle, within=30, what="quiet")
    return order_id


@contextmanager
def silent_provider(house: System) -> Iterator[None]:
    """Have the payment provider not answer for the time being."""
    process = house.processes["psp"]
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def unknown(house: System) -> bool:
    """Tell whether there is a payment of which nothing is known."""
    return bool(house.query("SELECT 1 FROM payments_payment WHERE status = 'unknown'"))


def put_off(house: System, order_id: str) -> None:
    """Have the order's process tried again in an hour, once no worker has it in hand."""
    eventually(
        lambda: house.query(
            "UPDATE saga SET due_at = now() + interval '1 hour'"
            " WHERE subject_id = %s AND (leased_until IS NULL OR leased_until < now()) RETURNING 1",
            order_id,
        ),
        within=40,
        what="the end of the call in hand",
    )


def attention(page: Page, kind: str) -> Locator:
    """Return the first row of that kind below "Needs attention"."""
    return page.locator("a").filter(has_text=kind).filter(has_text="since").first


def pull(page: Page, lever: str, *, reason: str = "") -> None:
    """Use a lever of the row's page, and answer its dialog."""
    page.locator("a[hx-get]").filter(has_text=lever).first.click()
    if reason:
        page.locator("#modal-content [name=reason]").fill(reason)
    page.locator("#modal-content button[type=submit]").click()

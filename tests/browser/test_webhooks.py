"""A webhook endpoint that was lost, and what it was not told: seen on the dashboard, and resolved by the levers."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_stuck_states import REASON, attention, pull
from tests.journeys.orders import an_order, place
from tests.journeys.system import System, eventually
from tests.journeys.webhooks import add_endpoint
from tests.webhooks.receiver import TAKEN, Answer, Receiver, listening

pytestmark = [pytest.mark.browser, pytest.mark.journey]

GONE = Answer(status=410)


@pytest.fixture
def receiver(house: System) -> Iterator[Receiver]:
    """Run another server, and have it told that it is gone: its endpoint is disabled, and one event is dead."""
    house.start("webhooks")
    try:
        with listening() as running:
            running.answers = lambda _: GONE
            add_endpoint(house, running.url)
            ((sku,),) = house.query("SELECT sku FROM inventory_stock_item ORDER BY on_hand - held DESC LIMIT 1")
            with house.client() as shop:
                place(shop, an_order(sku))
            eventually(
                lambda: house.query("SELECT 1 FROM webhooks_endpoint WHERE disabled_because = 'gone'"), what="its loss"
            )
            running.answers = lambda _: TAKEN
            yield running
    finally:
        house.kill("webhooks")


class TestLostEndpoint:
    def test_is_enabled_has_its_dead_letter_retried_and_is_told_again(
        self, house: System, page: Page, receiver: Receiver
    ) -> None:
        page.reload()
        attention(page, "lost endpoint").click()
        pull(page, "Enable", reason=REASON)
        expect(page.get_by_text("Enabled.")).to_be_visible()

        page.goto("/admin/")
        attention(page, "dead webhook").click()
        pull(page, "Retry", reason=REASON)
        expect(page.get_by_text("Due now.")).to_be_visible()
        eventually(lambda: len(receiver.received) > 1, what="the retried request")

        told = len(receiver.received)
        page.goto("/admin/webhooks/endpointrow/")
        page.locator("#result_list a").first.click()
        page.locator("a[hx-get]").filter(has_text="Replay").first.click()
        page.locator("#modal-content [name=since]").fill(f"{datetime.now(UTC) - timedelta(hours=1):%Y-%m-%dT%H:%M}")
        page.locator("#modal-content [name=reason]").fill(REASON)
        page.locator("#modal-content button[type=submit]").click()
        expect(page.get_by_text("These events are made due")).to_be_visible()
        eventually(lambda: len(receiver.received) > told, what="the replay")
        eventually(lambda: house.query("SELECT 1 FROM webhooks_replay WHERE is_done"), what="the end of the replay")
        page.reload()
        expect(page.get_by_text("newest replays")).to_be_visible()

        actions = house.query("SELECT action FROM audit_entry WHERE reason = %s AND action LIKE 'webhooks.%%'", REASON)
        assert {action for (action,) in actions} == {
            "webhooks.enable_endpoint",
            "webhooks.retry_delivery",
            "webhooks.replay",
        }

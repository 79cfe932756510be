"""The pages work in a real browser under the policy that production has, and ask nobody else for anything."""

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.test import Client
from pytest_django.live_server_helper import LiveServer

from config.settings import base
from tests.browser.chromium import CHROMIUM, Page, a_page
from tests.identity.builders import an_account_row
from tests.shop import open_shop

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium here"),
]


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """Run one browser for all."""
    with a_page() as running:
        yield running


class TestPages:
    def test_have_the_policy_of_production(self) -> None:
        assert settings.CONTENT_SECURITY_POLICIES == base.CONTENT_SECURITY_POLICIES

    @pytest.mark.parametrize(
        ("path", "works"),
        [
            ("/api/v1/docs", "document.querySelectorAll('.opblock').length > 10"),
            ("/api/ops/v1/docs", "document.querySelectorAll('.opblock').length > 3"),
            ("/admin/login/", "typeof Alpine === 'object' && document.querySelectorAll('[x-cloak]').length === 0"),
        ],
    )
    def test_for_anybody_work(self, live_server: LiveServer, page: Page, path: str, works: str) -> None:
        page.open(f"{live_server.url}{path}")

        assert page.eventually(works)
        assert page.evaluate("complaints") == []

    @pytest.mark.parametrize("path", ["", "ordering/orderrow/", "catalog/productrow/", "inventory/stockitemrow/"])
    def test_of_the_admin_work(self, live_server: LiveServer, page: Page, path: str) -> None:
        open_shop().place()
        operator = Client()
        operator.force_login(an_account_row(operator=True))
        page.set_cookies(live_server.url, {name: cookie.value for name, cookie in operator.cookies.items()})
        page.open(f"{live_server.url}/admin/{path}")

        assert page.eventually("typeof Alpine === 'object' && document.readyState === 'complete'")
        assert page.evaluate("complaints") == []

    def test_may_not_run_what_somebody_slipped_into_them(self, live_server: LiveServer, page: Page) -> None:
        page.open(f"{live_server.url}/api/v1/docs")
        page.evaluate(
            "document.body.insertAdjacentHTML('beforeend', `<img src=x onerror='window.hacked = 1'>"
            "<iframe src='https://evil.example/'></iframe>`)"
        )
        told = page.eventually("complaints.filter(each => /script-src|frame-src/.test(each)).length > 1 && complaints")

        assert any("evil.example" in each for each in told)
        assert page.evaluate("window.hacked") is None
        assert "unsafe-eval" in page.evaluate("try { eval('1') } catch (error) { error.message }")

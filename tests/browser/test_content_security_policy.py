"""The pages work in a real browser under the policy that production has, and ask nobody else for anything."""

import pytest
from django.conf import settings
from playwright.sync_api import Browser, Page

from config.settings import base
from tests.browser.conftest import PATIENCE
from tests.journeys.system import System

pytestmark = [pytest.mark.browser, pytest.mark.journey]

#: Runs in each page before its own scripts: notes what the page was not allowed to do, and what went wrong.
NOTE_COMPLAINTS = """
window.complaints = [];
document.addEventListener('securitypolicyviolation', event => complaints.push(
  `${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
window.addEventListener('error', event => complaints.push(event.message || `cannot load ${event.target.src}`), true);
"""
#: What somebody could have slipped in. The click comes after this was evaluated, as from any page: what a debugger
#: itself evaluates, no policy keeps from making code of strings.
SLIP_IN = """
document.body.insertAdjacentHTML('beforeend',
  `<img src=x onerror='window.hacked = 1'><iframe src='https://evil.example/'></iframe>`);
const makes_code = document.createElement('button');
makes_code.addEventListener('click', () => {
  try { eval('window.hacked = 1') } catch (error) { window.told = error.message }
});
document.body.append(makes_code);
setTimeout(() => makes_code.click());
"""


@pytest.fixture
def visitor(chromium: Browser, house: System) -> Page:
    """Look at pages without being logged in."""
    return _noting(chromium.new_context(base_url=house.url).new_page())


def _noting(page: Page) -> Page:
    page.set_default_timeout(PATIENCE)
    page.add_init_script(NOTE_COMPLAINTS)
    return page


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
    def test_for_anybody_work(self, visitor: Page, path: str, works: str) -> None:
        visitor.goto(path)

        visitor.wait_for_function(works)
        assert visitor.evaluate("complaints") == []

    @pytest.mark.parametrize("path", ["", "ordering/orderrow/", "catalog/productrow/", "inventory/stockitemrow/"])
    def test_of_the_admin_work(self, logged_in: Page, path: str) -> None:
        page = _noting(logged_in.context.new_page())
        page.goto(f"/admin/{path}")

        page.wait_for_function("typeof Alpine === 'object' && document.readyState === 'complete'")
        assert page.evaluate("complaints") == []

    def test_may_not_run_what_somebody_slipped_into_them(self, visitor: Page) -> None:
        visitor.goto("/api/v1/docs")
        visitor.evaluate(SLIP_IN)
        visitor.wait_for_function(
            "window.told && complaints.filter(each => /script-src|frame-src/.test(each)).length > 2"
        )
        complaints = visitor.evaluate("complaints")

        assert any("evil.example" in each for each in complaints)
        assert visitor.evaluate("window.hacked") is None
        assert "unsafe-eval" in visitor.evaluate("told")

"""A headless Chromium, logged in to the admin of a whole system."""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from config.management.commands.seed import OPERATOR_EMAIL, OPERATOR_PASSWORD
from tests.journeys.system import System, running_system

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PATIENCE = 30_000  # milliseconds


@pytest.fixture(scope="module")
def house() -> Iterator[System]:
    """Run a whole system."""
    with running_system(told={"SAGA_LEASE_SECONDS": "15"}) as system:
        yield system


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Run the browser, or skip the tests that need one."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine (Debian: apt install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def logged_in(chromium: Browser, house: System) -> Page:
    """Log in as the demo's operator, by the form."""
    page = chromium.new_context(base_url=house.url, viewport={"width": 1440, "height": 1000}).new_page()
    page.set_default_timeout(PATIENCE)
    page.goto("/admin/")
    page.fill("input[name=username]", OPERATOR_EMAIL)
    page.fill("input[name=password]", OPERATOR_PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_url("**/admin/")
    return page


@pytest.fixture
def page(logged_in: Page) -> Page:
    """Begin at the dashboard."""
    logged_in.goto("/admin/")
    return logged_in

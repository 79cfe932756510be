"""The documentation pages, in a real browser, under the headers of production."""

import json
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.journeys.system import System

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WITHIN = 90  # seconds

pytestmark = [
    pytest.mark.journey,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine"),
]


@pytest.mark.parametrize(
    ("page", "shown"),
    [
        ("/api/v1/docs", ["Orderly client API", "/api/v1/orders", "Place an order"]),
        ("/api/ops/v1/docs", ["Orderly operator API", "/api/ops/v1/stock-items", "Adjust a stock item"]),
    ],
)
class TestDocumentationPage:
    def test_shows_every_operation_and_asks_nobody_else(
        self, whole_system: System, tmp_path: Path, page: str, shown: list[str]
    ) -> None:
        dom, requested, console = look_at(whole_system.url + page, tmp_path)

        assert [text for text in shown if text not in dom] == []
        assert {f"{parts.scheme}://{parts.netloc}" for parts in map(urlsplit, requested)} == {whole_system.url}
        assert "Content Security Policy" not in console
        assert "Uncaught" not in console


def look_at(url: str, directory: Path) -> tuple[str, list[str], str]:
    """Return what the page shows once its scripts have run, what it asked for, and what its console says."""
    log = directory / "net.json"
    command = [
        *(str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"),
        *("--disable-component-update", "--no-first-run", f"--user-data-dir={directory / 'profile'}"),
        *("--enable-logging=stderr", "--v=0", f"--log-net-log={log}", "--virtual-time-budget=20000", "--dump-dom", url),
    ]
    seen = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN, check=True)
    return seen.stdout, requests_in(log), seen.stderr


def requests_in(log: Path) -> list[str]:
    """Return the addresses that the page, not the browser for itself, asked for."""
    told = json.loads(log.read_text())
    started = told["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
    found = (event.get("params", {}) for event in told["events"] if event["type"] == started)
    return [
        params["url"]
        for params in found
        if params.get("url", "").startswith("http") and params.get("initiator", "not an origin") != "not an origin"
    ]

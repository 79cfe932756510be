"""A real browser, spoken to in its own words over a pipe (Chrome DevTools Protocol)."""

import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
)
ANSWERED_WITHIN = 60.0  # seconds

#: Runs in each page before its own scripts: notes what the page was not allowed to do, and what went wrong.
NOTE_COMPLAINTS = """
window.complaints = [];
document.addEventListener('securitypolicyviolation', event => complaints.push(
  `${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
window.addEventListener('error', event => complaints.push(event.message || `cannot load ${event.target.src}`), true);
"""


@dataclass(slots=True)
class Page:
    """One tab."""

    commands: int
    events: int
    session: str = ""
    _number: int = 0
    _unread: bytes = b""
    _heard: list[dict[str, Any]] = field(default_factory=list)

    def call(self, method: str, **parameters: Any) -> Any:
        """Send a command and return its result."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._number:
            self._heard.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def open(self, url: str) -> None:
        """Go to the URL, and wait until it has loaded."""
        self._heard.clear()
        went = self.call("Page.navigate", url=url)
        assert "errorText" not in went, went
        while not any(heard.get("method") == "Page.loadEventFired" for heard in self._heard):
            self._heard.append(self._next())

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression in the page."""
        result = self.call(
            "Runtime.evaluate",
            expression=expression,
            returnByValue=True,
            awaitPromise=True,
            allowUnsafeEvalBlockedByCSP=False,  # the page's own policy holds here as well
        )
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def eventually(self, expression: str) -> Any:
        """Return the value of the expression once it is true."""
        deadline = time.monotonic() + ANSWERED_WITHIN
        while not (value := self.evaluate(expression)):
            assert time.monotonic() < deadline, f"{expression} never came true"
        return value

    def set_cookies(self, url: str, cookies: Mapping[str, str]) -> None:
        """Give the page cookies."""
        for name, value in cookies.items():
            self.call("Network.setCookie", url=url, name=name, value=value)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._unread:
            ready, _, _ = select.select([self.events], [], [], ANSWERED_WITHIN)
            assert ready, "the browser does not answer"
            chunk = os.read(self.events, 1 << 16)
            assert chunk, "the browser has gone"
            self._unread += chunk
        line, _, self._unread = self._unread.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message


@contextmanager
def a_page() -> Iterator[Page]:
    """Start a browser with one empty page, and end it."""
    for_browser, commands = os.pipe()
    events, from_browser = os.pipe()
    with tempfile.TemporaryDirectory(prefix="orderly-chromium-", ignore_cleanup_errors=True) as profile:
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
        browser = subprocess.Popen(
            [CHROMIUM, *arguments, f"--user-data-dir={profile}", "--remote-debugging-pipe", "about:blank"],
            preexec_fn=_pipes_at_3_and_4(for_browser, from_browser),
            close_fds=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(for_browser)
        os.close(from_browser)
        try:
            page = Page(commands=commands, events=events)
            target = page.call("Target.createTarget", url="about:blank")["targetId"]
            page.session = page.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Network"):
                page.call(f"{domain}.enable")
            page.call("Page.addScriptToEvaluateOnNewDocument", source=NOTE_COMPLAINTS)
            yield page
        finally:
            browser.kill()
            browser.wait()
            os.close(commands)
            os.close(events)


def _pipes_at_3_and_4(for_browser: int, from_browser: int) -> Callable[[], None]:
    def arrange() -> None:
        incoming, outgoing = os.dup(for_browser), os.dup(from_browser)
        os.dup2(incoming, 3)
        os.dup2(outgoing, 4)

    return arrange

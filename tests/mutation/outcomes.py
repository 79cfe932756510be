"""A pytest plugin that writes down which tests passed, which failed and on what: ``-p tests.mutation.outcomes``."""

import json
from pathlib import Path

import pytest


class Outcomes:
    """Collects what became of each test; an error outside the test itself is kept apart from a failure of it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept: dict[str, dict[str, str]] = {"passed": {}, "failed": {}, "errors": {}}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the outcome of one phase of a test."""
        if report.failed:
            self._kept["failed" if report.when == "call" else "errors"][report.nodeid] = _message_of(report)
        elif report.passed and report.when == "call":
            self._kept["passed"][report.nodeid] = ""

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keep what could not even be imported."""
        if report.failed:
            self._kept["errors"][report.nodeid] = _message_of(report)

    def pytest_sessionfinish(self) -> None:
        """Write it all down."""
        self._path.write_text(json.dumps(self._kept))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the path of the file to write."""
    parser.addoption("--outcomes", help="where to write what became of each test")


def pytest_configure(config: pytest.Config) -> None:
    """Listen, when there is somewhere to write."""
    if path := config.getoption("--outcomes"):
        config.pluginmanager.register(Outcomes(Path(str(path))), "outcomes-of-tests")


def _message_of(report: pytest.TestReport | pytest.CollectReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    return str(crash.message if crash else report.longrepr)

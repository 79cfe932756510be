"""What every test may use."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from django.core.cache import cache

from tests.shared.audit_tables import let_tests_empty_the_tables

if TYPE_CHECKING:
    from tests.journeys.system import System


@pytest.fixture(autouse=True)
def _clean_cache(request: pytest.FixtureRequest) -> None:
    """Begin each test that touches the database with an empty cache."""
    if "db" in request.fixturenames or "transactional_db" in request.fixturenames:
        cache.clear()


@pytest.fixture(scope="session", autouse=True)
def _emptied_tables() -> Iterator[None]:
    """Let the tables of the audit trail be emptied between tests; nobody else may."""
    with pytest.MonkeyPatch.context() as patch:
        let_tests_empty_the_tables(patch)
        yield


@pytest.fixture(scope="session")
def whole_system() -> "Iterator[System]":
    """Run a whole Orderly for all tests of this run that call it from outside."""
    from tests.journeys.system import running_system  # not above: most runs need no such thing

    with running_system(told={"LOG_LEVEL": "INFO"}) as system:
        yield system

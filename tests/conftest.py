"""What every test may use."""

from collections.abc import Iterator

import pytest
from django.core.cache import cache

from tests.shared.audit_tables import let_tests_empty_the_tables


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

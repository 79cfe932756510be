"""What every test may use."""

import pytest
from django.core.cache import cache


@pytest.fixture(autouse=True)
def _clean_cache(request: pytest.FixtureRequest) -> None:
    """Begin each test that touches the database with an empty cache."""
    if "db" in request.fixturenames or "transactional_db" in request.fixturenames:
        cache.clear()

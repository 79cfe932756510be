"""What several tests of identity begin with."""

import pytest

from tests.identity.world import Identity


@pytest.fixture
def identity() -> Identity:
    """Return identity around a set of fakes."""
    return Identity()

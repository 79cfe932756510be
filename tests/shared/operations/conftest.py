"""What tests of the kernel's operator API may use."""

import pytest

from tests.shop import Shop, a_key


@pytest.fixture
def operator() -> Shop:
    """Return somebody who may do everything, where there is nothing yet."""
    return Shop(key=a_key("ops:*"))

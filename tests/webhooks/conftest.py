from collections.abc import Iterator

import pytest

from tests.shared.conftest import in_thread
from tests.webhooks.receiver import Receiver, listening

__all__ = ["in_thread"]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Run another server."""
    with listening() as running:
        yield running

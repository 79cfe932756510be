from collections.abc import Iterator

import pytest

from tests.journeys.system import System, eventually


@pytest.fixture
def system(whole_system: System) -> Iterator[System]:
    """Give the running system; once the journey is over and all is quiet, every law holds and no log tells a secret."""
    yield whole_system
    eventually(whole_system.is_idle, within=60, what="quiet")
    audit = whole_system.manage("audit")
    assert audit.returncode == 0, audit.stdout
    assert whole_system.told_secrets() == []

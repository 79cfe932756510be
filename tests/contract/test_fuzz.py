"""What `make fuzz` does at length, for less than a minute on both APIs."""

import pytest

from tests.contract.fuzz import PREFIXES, PROCESSES, fuzz
from tests.journeys.system import running_system

pytestmark = pytest.mark.journey


class TestSchemathesis:
    def test_finds_no_fault(self) -> None:
        with running_system(processes=PROCESSES) as system:  # of its own: it erases, revokes and empties what it finds
            outcomes = [fuzz(system, prefix, examples=1, phases="fuzzing") for prefix in PREFIXES]

        for outcome in outcomes:
            assert outcome.returncode == 0, outcome.stdout[-20_000:] + outcome.stderr

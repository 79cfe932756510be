"""Somebody has thought about who may use each operation of the two APIs."""

from collections.abc import Mapping

import pytest

from config.roles import ROLES
from tests.access.expectations import EVERY_ROLE, Rule
from tests.access.operations import ALL, PREFIXES, Operation, operations


class TestExpectations:
    @pytest.mark.parametrize(("operation", "rule"), ALL, ids=[f"{each.method} {each.path}" for each, _ in ALL])
    def test_have_a_row_for_every_operation(self, operation: Operation, rule: Rule | None) -> None:
        assert rule is not None, f"say in tests/access/expectations.py who may use {operation.id}"

    @pytest.mark.parametrize(("prefix", "rows"), PREFIXES.items(), ids=list(PREFIXES))
    def test_have_no_row_of_an_operation_that_is_gone(self, prefix: str, rows: Mapping[str, Rule]) -> None:
        assert sorted(set(rows) - {operation.id for operation in operations(prefix)}) == []

    @pytest.mark.parametrize("prefix", PREFIXES)
    def test_are_told_apart_by_name(self, prefix: str) -> None:
        names = [operation.id for operation in operations(prefix)]
        assert len(names) == len(set(names))

    def test_know_every_role(self) -> None:
        assert set(ROLES) == EVERY_ROLE

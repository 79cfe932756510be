"""Somebody has thought about who may use each operation of the two APIs."""

import pytest

from config.roles import ROLES
from tests.access.expectations import CLIENT, EVERY_ROLE, OPERATOR
from tests.access.operations import ALL, Operation


class TestExpectations:
    @pytest.mark.parametrize("operation", [operation for operation, _ in ALL], ids=lambda each: each.id)
    def test_has_a_row_for_every_operation(self, operation: Operation) -> None:
        assert operation.id in {**CLIENT, **OPERATOR}, "say in tests/access/expectations.py who may use it"

    def test_has_no_row_of_an_operation_that_is_gone(self) -> None:
        assert sorted({*CLIENT, *OPERATOR} - {operation.id for operation, _ in ALL}) == []

    def test_know_every_role(self) -> None:
        assert set(ROLES) == EVERY_ROLE

    def test_knows_every_operation_by_one_name(self) -> None:
        names = [operation.id for operation, _ in ALL]
        assert len(names) == len(set(names))

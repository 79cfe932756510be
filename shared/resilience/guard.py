"""Keeps network calls out of transactions."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from django.db import connection

P = ParamSpec("P")
R = TypeVar("R")


class CalledInsideTransaction(RuntimeError):
    """A call to another system waits on the network while rows are locked; commit first, then call."""


def refuse_inside_transaction() -> None:
    """Raise CalledInsideTransaction when a transaction is open, other than the one around a test."""
    if any(not getattr(block, "_from_testcase", False) for block in connection.atomic_blocks):
        raise CalledInsideTransaction(CalledInsideTransaction.__doc__)


def outside_transactions(call: Callable[P, R]) -> Callable[P, R]:
    """Mark a method that calls another system, so that it refuses to run inside a transaction."""

    @wraps(call)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        refuse_inside_transaction()
        return call(*args, **kwargs)

    return guarded

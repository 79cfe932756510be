"""What orders tell about persons."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any
from uuid import UUID

from contexts.ordering.domain import CustomerId
from contexts.ordering.queries import orders_of
from contexts.ordering.wiring import forget_customer
from shared.domain.money import Money
from shared.privacy.registry import PersonalRecords, declare

READ_AT_ONCE = 200  # orders


def orders_placed_by(customer_id: UUID) -> list[Any]:
    """Return all orders of the customer, the newest first."""
    return list(_orders_placed_by(CustomerId(customer_id)))


def _orders_placed_by(customer_id: CustomerId) -> Iterator[Any]:
    before = None
    while page := orders_of(of_customer=customer_id, before=before, limit=READ_AT_ONCE):
        yield from (_plain(order) for order in page)
        before = (page[-1].placed_at, page[-1].id)


def _plain(value: Any) -> Any:
    """Return dataclasses as dictionaries; money stays money, which JSON shows as amount and currency."""
    if isinstance(value, Money):
        return value
    if is_dataclass(value):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


declare(
    PersonalRecords(
        name="orders",
        show=orders_placed_by,
        forget=lambda customer_id: forget_customer(customer_id=CustomerId(customer_id)),
    )
)

"""What other contexts may ask of inventory synchronously."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from contexts.inventory import queries, wiring
from contexts.inventory.domain import HoldExpired, InsufficientStock, OrderId

__all__ = ["HoldExpired", "InsufficientStock", "availability_of", "hold_stock", "secure_stock"]


def availability_of(*, skus: Sequence[str]) -> Mapping[str, int]:
    """Return how many units of each sku can be promised now; skus without stock are absent."""
    return queries.availability_of(skus=skus)


def hold_stock(*, order_id: UUID, wanted: Mapping[str, int]) -> None:
    """Promise units to an order, in the caller's unit of work, or raise InsufficientStock."""
    wiring.hold_stock(order_id=OrderId(order_id), wanted=wanted)


def secure_stock(*, order_id: UUID) -> None:
    """Make the promise lasting, in the caller's unit of work, or raise HoldExpired."""
    wiring.secure_stock(order_id=OrderId(order_id))

"""What inventory does when others tell it something."""

from contexts.inventory.domain import OrderId
from contexts.inventory.wiring import release_stock
from contexts.ordering.events import OrderCancelled
from shared.outbox.registry import subscribe


@subscribe(OrderCancelled)
def release_stock_of_cancelled_order(event: OrderCancelled) -> None:
    """Give back what the order held."""
    release_stock(order_id=OrderId(event.order_id))

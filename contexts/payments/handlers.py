"""What payments does when others tell it something."""

from contexts.ordering.events import OrderCancelled
from contexts.payments.domain import OrderId
from contexts.payments.wiring import return_money
from shared.outbox.registry import subscribe


@subscribe(OrderCancelled)
def return_money_of_cancelled_order(event: OrderCancelled) -> None:
    """Begin to give back what was reserved for the order."""
    return_money(order_id=OrderId(event.order_id))

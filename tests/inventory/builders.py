"""What tests of stock begin with."""

from uuid import UUID, uuid4

from contexts.inventory.domain import Offer, OrderId, StockItem, StockItemId

SHIRT = "SHIRT-M"
MUG = "MUG-BLUE"


def an_order_id() -> OrderId:
    """Return the id of some order."""
    return OrderId(uuid4())


def a_stock_item(
    *,
    id: UUID | None = None,  # noqa: A002 - the field's own name
    sku: str = SHIRT,
    location: str = "berlin",
    on_hand: int = 10,
    held: int = 0,
    backorder_limit: int = 0,
    version: int = 0,
) -> StockItem:
    """Build an item that nobody stored yet."""
    return StockItem(
        id=id or uuid4(),
        sku=sku,
        location=location,
        on_hand=on_hand,
        held=held,
        backorder_limit=backorder_limit,
        version=version,
    )


def an_offer(*, sku: str = SHIRT, available: int = 10, stock_item_id: UUID | None = None) -> Offer:
    """Build what one item can promise."""
    return Offer(stock_item_id=StockItemId(stock_item_id or uuid4()), sku=sku, available=available)

"""What inventory does when others tell it something."""

from contexts.catalog.events import ProductAdded, VariantAdded
from contexts.inventory.domain import OrderId
from contexts.inventory.wiring import release_stock, stock_new_skus
from contexts.ordering.events import OrderCancelled
from shared.outbox.registry import subscribe


@subscribe(OrderCancelled)
def release_stock_of_cancelled_order(event: OrderCancelled) -> None:
    """Give back what the order held."""
    release_stock(order_id=OrderId(event.order_id))


@subscribe(ProductAdded)
def stock_skus_of_new_product(event: ProductAdded) -> None:
    """Have stock items for what is for sale now."""
    stock_new_skus(skus=[variant.sku for variant in event.variants])


@subscribe(VariantAdded)
def stock_sku_of_new_variant(event: VariantAdded) -> None:
    """Have stock items for what is for sale now."""
    stock_new_skus(skus=[event.variant.sku])

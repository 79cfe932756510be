"""What catalog does when something that it shows has changed: it works the answer out anew."""

from contexts.catalog.events import PriceChanged, ProductChanged, ProductWithdrawn, VariantAdded, VariantChanged
from contexts.catalog.queries import product_selling
from contexts.catalog.wiring import answers, key_of_product
from contexts.inventory.events import StockAdjusted
from shared.outbox.registry import subscribe


@subscribe(PriceChanged)
def show_changed_price(event: PriceChanged) -> None:
    """Show the new price at once."""
    answers.forget(key_of_product(event.product_id))


@subscribe(ProductChanged)
def show_changed_product(event: ProductChanged) -> None:
    """Show at once how it is called now."""
    answers.forget(key_of_product(event.product_id))


@subscribe(VariantAdded)
def show_added_variant(event: VariantAdded) -> None:
    """Show at once what else there is of it."""
    answers.forget(key_of_product(event.product_id))


@subscribe(VariantChanged)
def show_changed_variant(event: VariantChanged) -> None:
    """Show at once how it is called now."""
    answers.forget(key_of_product(event.product_id))


@subscribe(ProductWithdrawn)
def show_withdrawn_product_no_more(event: ProductWithdrawn) -> None:
    """Stop showing what is no longer for sale."""
    answers.forget(key_of_product(event.product_id))


@subscribe(StockAdjusted)
def show_adjusted_stock(event: StockAdjusted) -> None:
    """Show what an operator has counted; what orders take is seen when the answer's time is over."""
    product_id = product_selling(event.sku)
    if product_id is not None:
        answers.forget(key_of_product(product_id))

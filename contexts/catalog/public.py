"""What other contexts may ask of catalog synchronously."""

from collections.abc import Mapping, Sequence

from contexts.catalog import queries
from contexts.catalog.queries import Quote

__all__ = ["Quote", "quotes_of"]


def quotes_of(*, skus: Sequence[str], currency: str) -> Mapping[str, Quote]:
    """Return the quote of each sku that is for sale in the currency, in one statement; others are absent."""
    return queries.quotes_of(skus=skus, currency=currency)

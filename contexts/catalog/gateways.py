"""Catalog's ports kept by other contexts."""

from collections.abc import Mapping, Sequence

from contexts.inventory import public as inventory


class InventoryAvailability:
    """The port Availability, kept by inventory."""

    def of(self, *, skus: Sequence[str]) -> Mapping[str, int]:
        """Return the units of each sku; those of which nothing is known are absent."""
        return inventory.availability_of(skus=skus)

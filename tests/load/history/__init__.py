"""The history of a shop, written by SQL: many orders, with all that the use cases would have left behind."""

from tests.load.history.filling import Size, fill

__all__ = ["Size", "fill"]

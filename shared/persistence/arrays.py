"""Statements over lists, whose plan PostgreSQL keeps.

Of an array that is one parameter the planner does not know the length: it takes it for ten elements, finds that dear,
and so plans the statement anew for each short list, which takes several times as long as to run it, and the longer the
more there is in the tables. An array of several parameters has a length, and the plan is good for all lists as long
(PostgreSQL source, ``choose_custom_plan`` and ``estimate_array_length``).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg.types.numeric import Int8

#: What is longer goes as one parameter: it is worth its plan, and needs no text of its own.
LONGEST = 10


@dataclass(frozen=True, slots=True, eq=False)
class ListStatement:
    """A statement over lists of one length: ``{}`` in its text stands for each of them, whose types are named."""

    template: str
    types: tuple[str, ...]
    _texts: dict[int, str] = field(default_factory=dict, repr=False)

    @classmethod
    def over(cls, template: str, *types: str) -> "ListStatement":
        """Return the statement; the types are those of the elements, such as ``uuid``."""
        return cls(template, types)

    def of(self, *lists: Sequence[Any], before: Sequence[Any] = ()) -> tuple[str, list[Any]]:
        """Return the text for these lists, and its parameters; ``before`` are those of each ``%s`` before the lists."""
        length = len(lists[0])
        typed = [list(map(_typed, values)) for values in lists]
        if not 0 < length <= LONGEST:
            return self._text(0), [*before, *typed]
        return self._text(length), [*before, *(each for values in typed for each in values)]

    def _text(self, size: int) -> str:
        if size not in self._texts:
            value = f"ARRAY[{', '.join(['%s'] * size)}]" if size else "%s"
            self._texts[size] = self.template.format(*(f"{value}::{each}[]" for each in self.types))
        return self._texts[size]


def _typed(value: Any) -> Any:
    """Give numbers one type, whatever their size, so that there is one plan for all of them."""
    return Int8(value) if type(value) is int else value

"""What is kept about persons: each part of the house declares its own, so that all of it can be shown, or forgotten."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalRecords:
    """One kind of records about persons.

    ``show`` returns a person's records as plain values. ``forget`` makes them anonymous or deletes them, in the
    one unit of work that forgets all; it may be run again, and a DomainError of one refuses all.
    """

    name: str
    forget: Callable[[UUID], None]
    show: Callable[[UUID], object] | None = None


_declared: dict[str, PersonalRecords] = {}


def declare(records: PersonalRecords) -> None:
    """Make the records known; raise ValueError for a second declaration under the same name."""
    if _declared.setdefault(records.name, records) is not records:
        raise ValueError(f"two kinds of personal records are named {records.name}; rename one")


def show_all(subject_id: UUID) -> Mapping[str, object]:
    """Return what is kept about the person, by the name of its kind."""
    return {name: records.show(subject_id) for name, records in sorted(_declared.items()) if records.show}


def forget_all(subject_id: UUID) -> None:
    """Have every kind of records forget the person, in the order of their names; the first refusal ends it."""
    for _, records in sorted(_declared.items()):
        records.forget(subject_id)

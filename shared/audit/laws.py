"""Conservation laws: what must be true of the tables at any moment, and how to find the offenders."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

from django.db import DatabaseError, connection, transaction

from shared.audit.snapshot import snapshot

OFFENDERS_SHOWN = 20


class FindOffenders(Protocol):
    """Reads what a SELECT cannot compare, and yields what breaks the law: what it is, and what is wrong with it."""

    def __call__(self, *, full: bool) -> Iterable[tuple[str, str]]:
        """Look at everything, or at what was not looked at before; read in batches, and never write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """A rule about the stored data.

    ``offenders`` is one set-based SELECT that returns a row for each thing that breaks the law: first what
    it is (its id), then what is wrong with it, in words. Where SQL does not suffice, it is a function that does so.
    """

    number: int
    title: str
    offenders: str | FindOffenders


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What the audit found of one law."""

    law: Law
    broken_by: int
    offenders: Sequence[tuple[str, str]]
    seconds: float

    @property
    def holds(self) -> bool:
        """Tell whether nothing breaks the law."""
        return self.broken_by == 0

    def as_record(self) -> dict[str, Any]:
        """Return the finding for a program."""
        return {
            "law": self.law.number,
            "title": self.law.title,
            "holds": self.holds,
            "broken_by": self.broken_by,
            "seconds": round(self.seconds, 4),
            "offenders": [{"what": what, "why": why} for what, why in self.offenders],
        }


_laws: dict[tuple[int, str], Law] = {}


def declare(*laws: Law) -> None:
    """Have the laws checked by every audit."""
    for law in laws:
        if _laws.setdefault((law.number, law.title), law) is not law:
            raise ValueError(f"two laws are numbered {law.number} and titled {law.title!r}; rename one")


def known_laws() -> tuple[Law, ...]:
    """Return all laws, in the order of their numbers."""
    return tuple(law for _, law in sorted(_laws.items()))


def check_laws(*, full: bool = False) -> tuple[Finding, ...]:
    """Check every law against one snapshot of the database, without writing; ``full`` takes nothing as checked before."""
    with snapshot():
        return tuple(_check(law, full=full) for law in known_laws())


def _check(law: Law, *, full: bool) -> Finding:
    started = time.perf_counter()
    broken_by, offenders = (
        _count_selected(law.offenders) if isinstance(law.offenders, str) else _count_found(law.offenders, full=full)
    )
    seconds = time.perf_counter() - started
    return Finding(law=law, broken_by=broken_by, offenders=offenders, seconds=seconds)


def _count_selected(sql: str) -> tuple[int, Sequence[tuple[str, str]]]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) OVER (), offender.* FROM ({sql}) AS offender LIMIT {OFFENDERS_SHOWN}")
        rows = cursor.fetchall()
    return rows[0][0] if rows else 0, [(str(what), str(why)) for _, what, why in rows]


def _count_found(find: FindOffenders, *, full: bool) -> tuple[int, Sequence[tuple[str, str]]]:
    """Return how many offenders there are and the first of them; what cannot be read breaks the law, too."""
    shown: list[tuple[str, str]] = []
    count = 0
    try:
        with transaction.atomic():
            found = iter(find(full=full))
            shown.extend(islice(found, OFFENDERS_SHOWN))
            count = len(shown) + sum(1 for _ in found)
    except (DatabaseError, ArithmeticError, TypeError, ValueError) as error:
        shown.append(("unreadable", f"{type(error).__name__}: {error}"))
        count = len(shown)
    return count, shown

"""Conservation laws: what must be true of the tables at any moment, as SQL that returns the offenders."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection, transaction

OFFENDERS_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """A rule about the stored data.

    ``offenders`` is one set-based SELECT that returns a row for each thing that breaks the law: first what
    it is (its id), then what is wrong with it, in words.
    """

    number: int
    title: str
    offenders: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What the audit found of one law."""

    law: Law
    broken_by: int
    offenders: Sequence[tuple[str, str]]

    @property
    def holds(self) -> bool:
        """Tell whether nothing breaks the law."""
        return self.broken_by == 0


_laws: dict[tuple[int, str], Law] = {}


def declare(*laws: Law) -> None:
    """Have the laws checked by every audit."""
    for law in laws:
        if _laws.setdefault((law.number, law.title), law) is not law:
            raise ValueError(f"two laws are numbered {law.number} and titled {law.title!r}; rename one")


def known_laws() -> tuple[Law, ...]:
    """Return all laws, in the order of their numbers."""
    return tuple(law for _, law in sorted(_laws.items()))


def check_laws() -> tuple[Finding, ...]:
    """Check every law against one snapshot of the database, without writing."""
    with transaction.atomic(), connection.cursor() as cursor:
        if not connection.in_atomic_block or len(connection.atomic_blocks) == 1:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        return tuple(_check(cursor, law) for law in known_laws())


def _check(cursor: object, law: Law) -> Finding:
    execute, fetchall = cursor.execute, cursor.fetchall  # type: ignore[attr-defined]
    execute(f"SELECT count(*) OVER (), offender.* FROM ({law.offenders}) AS offender LIMIT {OFFENDERS_SHOWN}")
    rows = fetchall()
    return Finding(
        law=law,
        broken_by=rows[0][0] if rows else 0,
        offenders=[(str(what), str(why)) for _, what, why in rows],
    )

"""Updates of one row whose text is made once, for the aggregates that every order changes.

Django compiles an UPDATE anew each time (docs/decisions/0012-the-hot-path-of-an-order.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

from django.db import connection, models

from shared.domain.errors import LostRace
from shared.persistence.inserts import adapted


@dataclass(frozen=True, slots=True)
class VersionedUpdate:
    """An UPDATE of the row of a model that has an ``id`` and a ``version``."""

    text: str

    @classmethod
    def of(cls, model: type[models.Model], *fields: str) -> Self:
        """Return the UPDATE of these fields; raises FieldDoesNotExist for a field that the model lacks."""
        meta = model._meta  # noqa: SLF001 - Django's documented way to ask a model about itself
        changed = ", ".join(f'"{meta.get_field(name).column}" = %s' for name in fields)  # type: ignore[union-attr]
        table = meta.db_table
        return cls(f'UPDATE "{table}" SET {changed}, version = version + 1 WHERE id = %s AND version = %s')  # noqa: S608

    def row(self, id: UUID, *, version: int, values: Sequence[Any]) -> None:  # noqa: A002 - the column's own name
        """Change the row and count its version up, at once; raise LostRace when it has another version by now."""
        with connection.cursor() as cursor:
            cursor.execute(self.text, [*map(adapted, values), id, adapted(version)])
            if cursor.rowcount != 1:
                raise LostRace

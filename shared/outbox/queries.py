"""Reads of deliveries: what was given up."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from shared.outbox.models import DeliveryRow


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A delivery that was given up after its last attempt."""

    id: int
    topic: str
    subscription: str
    last_error: str
    died_at: datetime | None


def count_dead_letters() -> int:
    """Return how many deliveries were given up; an index has just those."""
    return _dead().count()


def oldest_dead_letters(*, limit: int) -> Sequence[DeadLetter]:
    """Return the deliveries that were given up first."""
    return [
        DeadLetter(
            id=row.id,
            topic=row.message.topic,
            subscription=row.subscription,
            last_error=row.last_error,
            died_at=row.finished_at,
        )
        for row in _dead().select_related("message").order_by("id")[:limit]
    ]


def _dead() -> QuerySet[DeliveryRow]:
    return DeliveryRow.objects.filter(status=DeliveryRow.Status.DEAD)

"""What operators do about dead letters: have them delivered after all, or leave it; either is audited."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import Now

from shared.audit.trail import record_change
from shared.domain.errors import EntityNotFoundError
from shared.outbox.models import DeliveryRow
from shared.persistence.unit_of_work import atomic
from shared.persistence.wakeup import wake_relay_after_commit

#: In one transaction: each of them is audited by an entry of its own.
MOST_AT_ONCE = 200

REVIVED: dict[str, Any] = {
    "status": DeliveryRow.Status.PENDING,
    "attempts": 0,
    "due_at": Now(),
    "finished_at": None,
}
LEFT: dict[str, Any] = {"status": DeliveryRow.Status.DROPPED}


class DeadLetterNotFound(EntityNotFoundError):
    """There is no such dead letter; it may have been retried or discarded meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterFilter:
    """Which dead letters are meant; what is None does not matter."""

    handler: str | None = None
    topic: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dealt:
    """How many dead letters were dealt with, and how many more there are of the kind."""

    count: int
    remaining: int


def retry(delivery_id: int, *, reason: str = "") -> None:
    """Make a dead letter due now, with all its attempts ahead of it again, or raise DeadLetterNotFound."""
    if not _deal("outbox.retry_delivery", _dead().filter(id=delivery_id), change=REVIVED, reason=reason):
        raise DeadLetterNotFound


def retry_dead(delivery_ids: Sequence[int], *, reason: str = "") -> int:
    """Make dead letters due now; return how many of these were dead."""
    return _deal("outbox.retry_delivery", _dead().filter(id__in=delivery_ids), change=REVIVED, reason=reason)


def discard(delivery_id: int, *, reason: str) -> None:
    """Never deliver a dead letter, or raise DeadLetterNotFound; only a replay of its event tells the handler again."""
    if not _deal("outbox.discard_delivery", _dead().filter(id=delivery_id), change=LEFT, reason=reason):
        raise DeadLetterNotFound


def retry_matching(wanted: DeadLetterFilter, *, limit: int = MOST_AT_ONCE, reason: str = "") -> Dealt:
    """Make the oldest dead letters of the kind due now."""
    return _deal_with_some("outbox.retry_delivery", wanted, change=REVIVED, limit=limit, reason=reason)


def discard_matching(wanted: DeadLetterFilter, *, limit: int = MOST_AT_ONCE, reason: str) -> Dealt:
    """Never deliver the oldest dead letters of the kind."""
    return _deal_with_some("outbox.discard_delivery", wanted, change=LEFT, limit=limit, reason=reason)


def _deal_with_some(action: str, wanted: DeadLetterFilter, *, change: dict[str, Any], limit: int, reason: str) -> Dealt:
    given = {"subscription": wanted.handler, "message__topic": wanted.topic}
    rows = _dead().filter(**{name: value for name, value in given.items() if value is not None})
    with atomic():
        count = _deal(action, rows.order_by("id")[: min(limit, MOST_AT_ONCE)], change=change, reason=reason)
        return Dealt(count=count, remaining=rows.count())


def _deal(action: str, rows: QuerySet[DeliveryRow], *, change: dict[str, Any], reason: str) -> int:
    with atomic():
        letters = list(rows.select_for_update(of=("self",)))
        DeliveryRow.objects.filter(id__in=[letter.pk for letter in letters]).update(**change)
        for letter in letters:
            record_change(
                action=action,
                subject_kind="delivery",
                subject_id=str(letter.pk),
                before={"status": letter.status, "attempts": letter.attempts},
                after={"status": str(change["status"]), "attempts": int(change.get("attempts", letter.attempts))},
                reason=reason,
            )
        wake_relay_after_commit()
    return len(letters)


def _dead() -> QuerySet[DeliveryRow]:
    return DeliveryRow.objects.filter(status=DeliveryRow.Status.DEAD)

"""Moves events that everybody has been told of long ago out of the way, by batches and without long locks.

History and laws read the archive as well, so nothing is forgotten but who was told. An event with a dead letter stays
with all its deliveries until somebody has dealt with that.
"""

from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet

from shared.outbox.models import ArchivedMessageRow, DeliveryRow, OutboxMessageRow
from shared.persistence.clock import database_time
from shared.persistence.unit_of_work import atomic

KEEP_FOR = timedelta(days=30)
BATCH = 500
MOST_BATCHES = 1000  # in one run; the next one goes on
#: How far the clocks of those who give ids and of the database may be apart.
CLOCK_MARGIN = timedelta(hours=1)

COLUMNS = ", ".join(str(field.column) for field in ArchivedMessageRow._meta.concrete_fields)  # noqa: SLF001 - documented
MOVE = f"""
WITH moved AS (DELETE FROM outbox_message WHERE id = ANY(%s) RETURNING {COLUMNS})
INSERT INTO outbox_message_archive ({COLUMNS}) SELECT {COLUMNS} FROM moved
"""  # noqa: S608 - names of columns

_log = structlog.get_logger(__name__)


def archive_old_events(*, older_than: timedelta = KEEP_FOR) -> int:
    """Archive the events whose deliveries have all been done for so long; return how many."""
    before = database_time() - older_than
    archived = 0
    for _ in range(MOST_BATCHES):
        moved = archive_batch(before=before)
        if moved == 0:
            break
        archived += moved
    _log.info("events_archived", count=archived, recorded_before=before.isoformat())
    return archived


def archive_batch(*, before: datetime, limit: int = BATCH) -> int:
    """Archive some of the events that were recorded, and told to everybody, before this moment; return how many.

    Looked at again once locked: whoever makes deliveries of an event locks it (a replay and its foreign key do).
    """
    with atomic():
        oldest = _told_to_all(before).order_by("id").values_list("id", flat=True)
        locked = list(oldest.select_for_update(skip_locked=True, of=("self",))[:limit])
        ids = list(_told_to_all(before).filter(id__in=locked).values_list("id", flat=True))
        if ids:
            DeliveryRow.objects.filter(message_id__in=ids).delete()
            with connection.cursor() as cursor:
                cursor.execute(MOVE, [ids])
    return len(ids)


def first_id_at(moment: datetime) -> UUID:
    """Return the smallest UUIDv7 that is given at this moment (RFC 9562, section 5.7)."""
    milliseconds = max(0, int(moment.timestamp() * 1000))
    return UUID(int=milliseconds << 80 | 7 << 76 | 2 << 62)


def _told_to_all(before: datetime) -> QuerySet[OutboxMessageRow]:
    """Return the events that nothing is left to do for; ids sort by time, so the index bounds the search."""
    over = (DeliveryRow.Status.DONE, DeliveryRow.Status.DROPPED)
    unfinished = DeliveryRow.objects.filter(~Q(status__in=over) | Q(finished_at__gte=before))
    return OutboxMessageRow.objects.filter(
        ~Exists(unfinished.filter(message_id=OuterRef("pk"))),
        id__lt=first_id_at(before + CLOCK_MARGIN),
        recorded_at__lt=before,
        pending=False,
    )

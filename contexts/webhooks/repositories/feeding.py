"""The feed, and how far it was turned into deliveries."""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from django.db import connection
from django.db.models import F

from contexts.webhooks.domain import EndpointId, Replay, ReplayId
from contexts.webhooks.models import ProgressRow, ReplayRow
from contexts.webhooks.ports import FedEvent
from shared.outbox import feed

#: A feed that is new to the webhooks is not told from its beginning.
BEGIN = """
INSERT INTO webhooks_progress (id, position) VALUES (1, %(end)s) ON CONFLICT (id) DO NOTHING
"""


class OutboxFeed:
    """The feed of the outbox."""

    def end(self) -> int:
        """Return the last place that was given."""
        return feed.end_of_feed()

    def after(self, position: int, *, limit: int) -> Sequence[FedEvent]:
        """Return the events behind that place, in their order."""
        return [_event_of(entry) for entry in feed.events_after(position, limit=limit)]

    def recorded(self, replay: Replay, *, after: UUID, limit: int) -> Sequence[FedEvent]:
        """Return the events that the replay asks for, by id and behind that one."""
        entries = feed.events_recorded(
            since=replay.since, until=replay.until, topics=replay.topics, after=after, limit=limit
        )
        return [_event_of(entry) for entry in entries]

    def named(self, ids: Collection[UUID]) -> Mapping[UUID, FedEvent]:
        """Return the events of these ids."""
        return {id_: _event_of(entry) for id_, entry in feed.events_named(ids).items()} if ids else {}


class DjangoProgress:
    """One number in ``webhooks_progress``."""

    def hold(self) -> int:
        """Return the last place that was fanned out; it does not move before this unit of work ends."""
        position = self._locked(skip_locked=False)
        assert position is not None  # noqa: S101 - it was stored a moment ago
        return position

    def hold_if_free(self) -> int | None:
        """Return the same, or None when another unit of work holds it."""
        return self._locked(skip_locked=True)

    def move_to(self, position: int) -> None:
        """Store the last place; it is held."""
        ProgressRow.objects.filter(pk=1).update(position=position)

    def _locked(self, *, skip_locked: bool) -> int | None:
        rows = ProgressRow.objects.select_for_update(skip_locked=skip_locked).values_list("position", flat=True)
        position = rows.first()
        if position is None and not ProgressRow.objects.exists():
            with connection.cursor() as cursor:
                cursor.execute(BEGIN, {"end": feed.end_of_feed()})
            position = rows.first()
        return position


class DjangoReplays:
    """Replays in ``webhooks_replay``."""

    def add(self, replay: Replay) -> None:
        """Store a new wish."""
        ReplayRow.objects.create(
            id=replay.id,
            endpoint_id=replay.endpoint_id,
            since=replay.since,
            until=replay.until,
            topics=list(replay.topics),
            asked_at=replay.asked_at,
            reached=UUID(int=0),
        )

    def take_open(self) -> tuple[Replay, UUID] | None:
        """Return a wish that is not fulfilled, locked, and the last event that it was fulfilled for."""
        open_ones = ReplayRow.objects.select_for_update(skip_locked=True, no_key=True).filter(is_done=False)
        row = open_ones.order_by("id").first()
        if row is None:
            return None
        replay = Replay(
            id=ReplayId(row.id),
            endpoint_id=EndpointId(row.endpoint_id),
            since=row.since,
            until=row.until,
            topics=tuple(row.topics),
            asked_at=row.asked_at,
        )
        return replay, row.reached

    def move_on(self, replay_id: ReplayId, *, after: UUID, count: int, is_done: bool) -> None:
        """Store how far it is fulfilled."""
        ReplayRow.objects.filter(pk=replay_id).update(reached=after, count=F("count") + count, is_done=is_done)


def _event_of(entry: feed.FeedEntry) -> FedEvent:
    return FedEvent(
        position=entry.position,
        id=entry.id,
        topic=entry.topic,
        aggregate_id=entry.aggregate_id,
        sequence=entry.aggregate_sequence,
        occurred_at=entry.occurred_at,
        correlation_id=entry.correlation_id,
        traceparent=entry.traceparent,
        payload=entry.payload,
    )

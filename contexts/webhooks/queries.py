"""Reads of webhooks: rows to frozen values."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from django.db.models import Prefetch, QuerySet

from contexts.webhooks.domain import DISABLED_BY_WISH, Anyone, EndpointId, EndpointNotFound, OwnerId, ReplayNotFound
from contexts.webhooks.models import AttemptRow, DeliveryRow, EndpointRow, ReplayRow
from shared.http.pagination import InvalidCursor
from shared.outbox.feed import FeedEntry, events_after, events_named
from shared.outbox.schemas import published_events


@cache
def published_topics() -> frozenset[str]:
    """Return the topics of all events that this version of the code publishes."""
    return frozenset(event.topic for event in published_events())


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointView:
    """An endpoint as its owner and operators see it."""

    id: UUID
    owner_id: UUID
    url: str
    topics: Sequence[str]
    email: str
    enabled: bool
    disabled_because: str | None
    failing_since: datetime | None
    secret_rotation_ends_at: datetime | None
    created_at: datetime
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptView:
    """One request and its answer."""

    number: int
    at: datetime
    duration_ms: int
    url: str
    request_headers: dict[str, str]
    request_body: str
    status: int | None
    headers: dict[str, str]
    body: str
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryView:
    """A delivery with its attempts, the oldest first."""

    id: UUID
    endpoint_id: UUID
    event_id: UUID
    topic: str
    status: str
    attempts: int
    due_at: datetime | None
    finished_at: datetime | None
    last_error: str | None
    log: Sequence[AttemptView]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayView:
    """How far a replay is."""

    id: UUID
    since: datetime
    until: datetime
    topics: Sequence[str]
    count: int
    is_done: bool


def endpoints(
    *,
    of_owner: OwnerId | Anyone,
    enabled: bool | None = None,
    failing: bool | None = None,
    after: UUID | None = None,
    limit: int,
) -> list[EndpointView]:
    """Return endpoints, the oldest first, from the one after the given id on."""
    rows = _of(of_owner)
    if enabled is not None:
        rows = rows.filter(disabled_because="") if enabled else rows.exclude(disabled_because="")
    if failing is not None:
        rows = rows.filter(failing_since__isnull=not failing)
    if after is not None:
        rows = rows.filter(id__gt=after)
    return [_view_of(row) for row in rows.order_by("id")[:limit]]


def endpoint(endpoint_id: EndpointId, *, of_owner: OwnerId | Anyone) -> EndpointView:
    """Return one endpoint, or raise EndpointNotFound."""
    row = _of(of_owner).filter(pk=endpoint_id).first()
    if row is None:
        raise EndpointNotFound(endpoint_id=endpoint_id)
    return _view_of(row)


def deliveries(
    *,
    endpoint_id: EndpointId | None = None,
    status: str | None = None,
    topic: str | None = None,
    before: UUID | None = None,
    limit: int,
) -> list[DeliveryView]:
    """Return deliveries with their log, the newest first."""
    rows = _deliveries()
    if endpoint_id is not None:
        rows = rows.filter(endpoint_id=endpoint_id)
    if status is not None:
        rows = rows.filter(status=status)
    if topic is not None:
        rows = rows.filter(topic=topic)
    if before is not None:
        rows = rows.filter(id__lt=before)
    log = Prefetch("log", queryset=AttemptRow.objects.order_by("id"))
    return [_delivery_of(row) for row in rows.prefetch_related(log).order_by("-id")[:limit]]


def delivery(delivery_id: UUID) -> DeliveryView | None:
    """Return one delivery with its log."""
    row = _deliveries().filter(pk=delivery_id).prefetch_related("log").first()
    return _delivery_of(row) if row else None


def replay(replay_id: UUID, *, endpoint_id: EndpointId) -> ReplayView:
    """Return how far the endpoint's replay is, or raise ReplayNotFound."""
    row = ReplayRow.objects.filter(pk=replay_id, endpoint_id=endpoint_id).first()
    if row is None:
        raise ReplayNotFound(replay_id=replay_id)
    return ReplayView(
        id=row.id, since=row.since, until=row.until, topics=row.topics, count=row.count, is_done=row.is_done
    )


def events(*, after: UUID | None, topics: Collection[str], limit: int) -> Sequence[FeedEntry]:
    """Return the events behind that one in the order of the feed, or raise InvalidCursor."""
    position = 0
    if after is not None:
        known = events_named([after])
        if after not in known:
            raise InvalidCursor(pointer="/after")
        position = known[after].position
    return events_after(position, topics=topics, limit=limit)


def count_dead() -> int:
    """Return how many deliveries were given up; an index has just those."""
    return _deliveries().filter(status="dead").count()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadView:
    """A delivery that was given up."""

    id: UUID
    topic: str
    url: str
    died_at: datetime | None


def oldest_dead(*, limit: int) -> list[DeadView]:
    """Return the deliveries that were given up first."""
    rows = _deliveries().filter(status="dead").order_by("id")
    found = rows.values_list("id", "topic", "endpoint__url", "finished_at")[:limit]
    return [DeadView(id=id_, topic=topic, url=url, died_at=died_at) for id_, topic, url, died_at in found]


def count_lost() -> int:
    """Return how many endpoints were disabled, though nobody wished it."""
    return _lost().count()


def newest_lost(*, limit: int) -> list[EndpointView]:
    """Return the endpoints that were disabled though nobody wished it, the newest first."""
    return [_view_of(row) for row in _lost().defer("secret", "previous_secret").order_by("-id")[:limit]]


def _lost() -> QuerySet[EndpointRow]:
    return EndpointRow.objects.exclude(disabled_because__in=["", *DISABLED_BY_WISH])


def dead_ids(*, endpoint_id: UUID | None, topic: str | None, of_enabled: bool, limit: int) -> list[UUID]:
    """Return deliveries that were given up, the oldest first; of endpoints that are enabled only, if so wished."""
    rows = _deliveries().filter(status="dead")
    if of_enabled:
        rows = rows.filter(endpoint__disabled_because="")
    if endpoint_id is not None:
        rows = rows.filter(endpoint_id=endpoint_id)
    if topic is not None:
        rows = rows.filter(topic=topic)
    return list(rows.order_by("id").values_list("id", flat=True)[:limit])


def _deliveries() -> QuerySet[DeliveryRow]:
    return DeliveryRow.objects.filter(endpoint__removed_at=None)


def _of(owner: OwnerId | Anyone) -> QuerySet[EndpointRow]:
    rows = EndpointRow.objects.defer("secret", "previous_secret")
    return rows if isinstance(owner, Anyone) else rows.filter(owner_id=owner)


def _view_of(row: EndpointRow) -> EndpointView:
    return EndpointView(
        id=row.id,
        owner_id=row.owner_id,
        url=row.url,
        topics=row.topics,
        email=row.email,
        enabled=not row.disabled_because,
        disabled_because=row.disabled_because or None,
        failing_since=row.failing_since,
        secret_rotation_ends_at=row.previous_secret_until,
        created_at=row.created_at,
        version=row.version,
    )


def _delivery_of(row: DeliveryRow) -> DeliveryView:
    log: Any = row.log.all()
    return DeliveryView(
        id=row.id,
        endpoint_id=row.endpoint_id,
        event_id=row.event_id,
        topic=row.topic,
        status=row.status,
        attempts=row.attempts,
        due_at=row.due_at if row.status == "pending" else None,
        finished_at=row.finished_at,
        last_error=row.last_error or None,
        log=[
            AttemptView(
                number=attempt.number,
                at=attempt.at,
                duration_ms=attempt.milliseconds,
                url=attempt.url,
                request_headers=attempt.request_headers,
                request_body=attempt.request_body,
                status=attempt.status,
                headers=attempt.headers,
                body=attempt.body,
                error=attempt.error or None,
            )
            for attempt in log
        ],
    )

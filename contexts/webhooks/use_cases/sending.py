"""How events become deliveries, deliveries requests, and answers an end."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import UUID

from contexts.webhooks.domain import (
    TRIED_FOR,
    Attempt,
    Delivery,
    DeliveryId,
    DisabledBecause,
    Endpoint,
    EndpointId,
)
from contexts.webhooks.ports import (
    Chance,
    Claimed,
    Deliveries,
    Endpoints,
    FedEvent,
    Feed,
    Mailer,
    Progress,
    Replays,
    Request,
)
from shared.domain.ports import AuditTrail, Clock, NewId, StartSaga, UnitOfWork

EVENTS_AT_ONCE = 500
#: For so long nobody else sends what was claimed; longer than any request takes.
LEASE = timedelta(seconds=60)
#: How much later than three days the last attempt may come, when the senders have a lot to do.
GRACE = timedelta(hours=2)
KEPT_FOR = timedelta(days=30)
FORGOTTEN_AT_ONCE = 5000
#: Longer than any transaction lasts that makes deliveries.
OWED_FOR = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class FanOut:
    """Turn the next events of the feed into deliveries, each once; return how many events it took."""

    endpoints: Endpoints
    deliveries: Deliveries
    progress: Progress
    feed: Feed
    unit_of_work: UnitOfWork
    now: Clock

    def __call__(self) -> int:
        with self.unit_of_work():
            position = self.progress.hold_if_free()
            if position is None:
                return 0
            if not self.endpoints.any_enabled():
                self.progress.move_to(self.feed.end())
                return 0
            events = self.feed.after(position, limit=EVENTS_AT_ONCE)
            if events:
                self.deliveries.owe(events, at=self.now())
                self.progress.move_to(events[-1].position)
        return len(events)


@dataclass(frozen=True, slots=True)
class FulfilReplays:
    """Make the next events that somebody wants to be told of again due; return how many."""

    deliveries: Deliveries
    replays: Replays
    feed: Feed
    unit_of_work: UnitOfWork
    now: Clock

    def __call__(self) -> int:
        with self.unit_of_work():
            taken = self.replays.take_open()
            if taken is None:
                return 0
            replay, after = taken
            events = self.feed.recorded(replay, after=after, limit=EVENTS_AT_ONCE)
            self.deliveries.owe_again(events, to=replay.endpoint_id, at=self.now())
            self.replays.move_on(
                replay.id,
                after=events[-1].id if events else after,
                count=len(events),
                is_done=len(events) < EVENTS_AT_ONCE,
            )
        return len(events)


@dataclass(frozen=True, slots=True)
class ClaimDeliveries:
    """Take due deliveries in hand, for one process to send; what it does not settle in time is due again."""

    deliveries: Deliveries
    feed: Feed
    unit_of_work: UnitOfWork
    now: Clock

    def __call__(self, *, busy: Mapping[EndpointId, int], limit: int) -> Sequence[Request]:
        with self.unit_of_work():
            now = self.now()
            claimed = self.deliveries.claim(busy=busy, limit=limit, at=now, until=now + LEASE)
        events = self.feed.named({each.event_id for each in claimed if each.payload is None})
        return [_request_of(each, events) for each in claimed]


@dataclass(frozen=True, slots=True)
class SettleAttempts:
    """Store what came of requests, and what follows for the deliveries and their endpoints."""

    endpoints: Endpoints
    deliveries: Deliveries
    progress: Progress
    tell_owner: StartSaga
    unit_of_work: UnitOfWork
    now: Clock
    new_id: NewId
    chance: Chance

    def __call__(self, *, attempts: Sequence[Attempt]) -> None:
        with self.unit_of_work():
            pending = self.deliveries.get_pending({attempt.delivery_id for attempt in attempts})
            endpoints = self.endpoints.get_all({delivery.endpoint_id for delivery in pending.values()})
            deliveries = {id_: each for id_, each in pending.items() if each.endpoint_id in endpoints}
            were_enabled = {endpoint_id for endpoint_id, endpoint in endpoints.items() if endpoint.is_enabled}
            marks = {endpoint_id: _marks_of(endpoint) for endpoint_id, endpoint in endpoints.items()}
            first_of_each = {attempt.delivery_id: attempt for attempt in reversed(attempts)}
            settled = [attempt for id_, attempt in first_of_each.items() if id_ in deliveries]
            for attempt in settled:
                delivery = deliveries[attempt.delivery_id]
                self._settle(attempt, delivery, endpoints[delivery.endpoint_id])
            self.deliveries.save(deliveries.values())
            self.deliveries.keep(settled, numbers={id_: each.attempts for id_, each in deliveries.items()})
            for endpoint_id, endpoint in endpoints.items():
                if endpoint_id in were_enabled and not endpoint.is_enabled:
                    self._give_up(endpoint)
                if _marks_of(endpoint) != marks[endpoint_id]:
                    self.endpoints.save(endpoint)

    def _settle(self, attempt: Attempt, delivery: Delivery, endpoint: Endpoint) -> None:
        now = self.now()
        if attempt.result.is_success:
            delivery.succeed(at=now)
            endpoint.note_success()
            return
        delivery.fail(attempt.result, at=now, chance=self.chance())
        if attempt.url == endpoint.url:
            endpoint.note_failure(attempt.result, at=now, chance=self.chance())

    def _give_up(self, endpoint: Endpoint) -> None:
        self.progress.hold()
        because = endpoint.disabled_because or DisabledBecause.FAILING
        self.deliveries.give_up_all_of(EndpointId(endpoint.id), why=f"endpoint_disabled_{because}", at=self.now())
        if endpoint.email:
            self.tell_owner(subject_id=self.new_id(), data={"endpoint_id": str(endpoint.id)})


@dataclass(frozen=True, slots=True)
class GiveUpOverdue:
    """Make dead letters of what an endpoint did not take within three days, tried or not; return how many."""

    deliveries: Deliveries
    unit_of_work: UnitOfWork
    now: Clock

    def __call__(self) -> int:
        with self.unit_of_work():
            now = self.now()
            return self.deliveries.give_up_overdue(began_before=now - TRIED_FOR - GRACE, at=now)


@dataclass(frozen=True, slots=True)
class ForgetDeliveries:
    """Delete what ended a month ago, and what was said back then of dead letters, by batches; return how many.

    Nobody knows what endpoints answer, so their answers are not kept for ever either.
    """

    deliveries: Deliveries
    unit_of_work: UnitOfWork
    now: Clock

    def __call__(self) -> int:
        before = self.now() - KEPT_FOR
        return _by_batches(partial(self.deliveries.forget, finished_before=before), self.unit_of_work) + _by_batches(
            partial(self.deliveries.forget_log, before=before), self.unit_of_work
        )


@dataclass(frozen=True, slots=True)
class ForgetRemoved:
    """Delete what endpoints were told that their owners have removed, by batches, and then these endpoints.

    Returns how many deliveries that were. An endpoint stays until no transaction can be under way that still owes it
    something.
    """

    endpoints: Endpoints
    unit_of_work: UnitOfWork
    now: Clock

    def __call__(self) -> int:
        forgotten = _by_batches(self.endpoints.forget_deliveries_of_removed, self.unit_of_work)
        with self.unit_of_work():
            self.endpoints.forget_removed(removed_before=self.now() - OWED_FOR)
        return forgotten


def _by_batches(forget: Callable[..., int], unit_of_work: UnitOfWork) -> int:
    forgotten, last = 0, FORGOTTEN_AT_ONCE
    while last == FORGOTTEN_AT_ONCE:
        with unit_of_work():
            last = forget(at_most=FORGOTTEN_AT_ONCE)
        forgotten += last
    return forgotten


@dataclass(frozen=True, slots=True)
class RetryDelivery:
    """Try a delivery once more from the beginning, as an operator."""

    deliveries: Deliveries
    endpoints: Endpoints
    record_change: AuditTrail
    unit_of_work: UnitOfWork
    now: Clock

    def __call__(self, *, delivery_id: DeliveryId, reason: str = "") -> None:
        with self.unit_of_work():
            delivery = self.deliveries.get(delivery_id)
            endpoint = self.endpoints.find(delivery.endpoint_id)
            if endpoint is not None:
                endpoint.must_be_enabled()
            before = delivery.status
            delivery.retry(at=self.now())
            self.deliveries.save([delivery])
            _record(self.record_change, "webhooks.retry_delivery", delivery, before=before, reason=reason)


@dataclass(frozen=True, slots=True)
class DiscardDelivery:
    """Settle a dead letter by not telling the endpoint, as an operator."""

    deliveries: Deliveries
    record_change: AuditTrail
    unit_of_work: UnitOfWork
    now: Clock

    def __call__(self, *, delivery_id: DeliveryId, reason: str = "") -> None:
        with self.unit_of_work():
            delivery = self.deliveries.get(delivery_id)
            before = delivery.status
            delivery.discard(at=self.now())
            self.deliveries.save([delivery])
            _record(self.record_change, "webhooks.discard_delivery", delivery, before=before, reason=reason)


@dataclass(frozen=True, slots=True)
class TellOwner:
    """Mail the owner that an endpoint was disabled, unless it is enabled again by now. Calls out."""

    endpoints: Endpoints
    mailer: Mailer

    def __call__(self, *, endpoint_id: EndpointId, key: str) -> None:
        endpoint = self.endpoints.find(endpoint_id)
        if endpoint is not None and not endpoint.is_enabled and endpoint.email:
            self.mailer.tell_disabled(endpoint, key=key)


def _request_of(claimed: Claimed, events: Mapping[UUID, FedEvent]) -> Request:
    event = events.get(claimed.event_id)
    return Request(
        delivery_id=claimed.delivery_id,
        endpoint_id=claimed.endpoint_id,
        message_id=str(claimed.event_id),
        url=claimed.url,
        secrets=claimed.secrets,
        topic=claimed.topic,
        occurred_at=event.occurred_at if event else claimed.began_at,
        payload=event.payload if event else claimed.payload,
        correlation_id=event.correlation_id if event else "",
        traceparent=event.traceparent if event else "",
    )


def _marks_of(endpoint: Endpoint) -> tuple[object, ...]:
    """Return what a settlement may change of an endpoint: most change nothing, and write nothing."""
    return endpoint.disabled_because, endpoint.failing_since, endpoint.failures_in_a_row, endpoint.rests_until


def _record(record: AuditTrail, action: str, delivery: Delivery, *, before: str, reason: str) -> None:
    record(
        action=action,
        subject_kind="webhook_delivery",
        subject_id=str(delivery.id),
        before={"status": before},
        after={"status": delivery.status},
        reason=reason,
    )

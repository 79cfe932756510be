"""What the owner of an endpoint can do with it, and what operators can."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from contexts.webhooks.domain import (
    ANYONE,
    MOST_ENDPOINTS,
    SECRET_BYTES,
    TEST_TOPIC,
    Anyone,
    Delivery,
    DeliveryId,
    DisabledBecause,
    Endpoint,
    EndpointId,
    OwnerId,
    Replay,
    ReplayId,
    Secret,
    TooManyEndpoints,
    UnknownTopic,
)
from contexts.webhooks.ports import Deliveries, Endpoints, Feed, Keys, Progress, RandomBytes, Replays, Topics
from shared.domain.ports import AuditTrail, Clock, NewId, StartSaga, UnitOfWork


@dataclass(frozen=True, slots=True)
class AddEndpoint:
    """Have another server told of events from now on; its secret is in the result, and never shown again."""

    endpoints: Endpoints
    progress: Progress
    feed: Feed
    topics: Topics
    unit_of_work: UnitOfWork
    now: Clock
    new_id: NewId
    random_bytes: RandomBytes

    def __call__(self, *, owner_id: OwnerId, url: str, topics: Sequence[str], email: str = "") -> Endpoint:
        wanted = _known(topics, of=self.topics())
        with self.unit_of_work():
            if self.endpoints.count_of(owner_id) >= MOST_ENDPOINTS:
                raise TooManyEndpoints(most=MOST_ENDPOINTS)
            self.progress.hold()
            endpoint = Endpoint.add(
                id=EndpointId(self.new_id()),
                owner_id=owner_id,
                url=url,
                topics=wanted,
                email=email,
                secret=Secret.of(self.random_bytes(SECRET_BYTES)),
                since=self.feed.end(),
                at=self.now(),
            )
            self.endpoints.add(endpoint)
        return endpoint


@dataclass(frozen=True, slots=True)
class ChangeEndpoint:
    """Tell an endpoint elsewhere, or of other topics, or nothing for a while; what is None stays."""

    endpoints: Endpoints
    deliveries: Deliveries
    progress: Progress
    feed: Feed
    topics: Topics
    unit_of_work: UnitOfWork
    now: Clock

    def __call__(
        self,
        *,
        endpoint_id: EndpointId,
        of_owner: OwnerId,
        url: str | None = None,
        topics: Sequence[str] | None = None,
        email: str | None = None,
        enabled: bool | None = None,
        expected_version: int | None = None,
    ) -> Endpoint:
        with self.unit_of_work():
            endpoint = self.endpoints.get(endpoint_id, of_owner=of_owner)
            endpoint.must_be_at(expected_version)
            self.progress.hold()
            endpoint.change(
                url=endpoint.url if url is None else url,
                topics=endpoint.topics if topics is None else _known(topics, of=self.topics()),
                email=endpoint.email if email is None else email,
                since=self.feed.end(),
                at=self.now(),
            )
            if enabled is True:
                endpoint.enable(since=self.feed.end(), at=self.now())
            elif enabled is False:
                _stop(endpoint, DisabledBecause.BY_OWNER, deliveries=self.deliveries, at=self.now())
            self.endpoints.save(endpoint)
        return endpoint


@dataclass(frozen=True, slots=True)
class RemoveEndpoint:
    """Give an endpoint up; what it was told may be a lot, and goes within minutes (``ForgetRemoved``)."""

    endpoints: Endpoints
    unit_of_work: UnitOfWork
    now: Clock

    def __call__(self, *, endpoint_id: EndpointId, of_owner: OwnerId) -> None:
        with self.unit_of_work():
            endpoint = self.endpoints.get(endpoint_id, of_owner=of_owner)
            now = self.now()
            endpoint.remove(at=now)
            self.endpoints.remove(endpoint, at=now)


@dataclass(frozen=True, slots=True)
class RotateSecret:
    """Give an endpoint another secret; for a while both sign."""

    endpoints: Endpoints
    unit_of_work: UnitOfWork
    now: Clock
    random_bytes: RandomBytes

    def __call__(self, *, endpoint_id: EndpointId, of_owner: OwnerId) -> Endpoint:
        with self.unit_of_work():
            endpoint = self.endpoints.get(endpoint_id, of_owner=of_owner)
            endpoint.rotate_secret(Secret.of(self.random_bytes(SECRET_BYTES)), at=self.now())
            self.endpoints.save(endpoint)
        return endpoint


@dataclass(frozen=True, slots=True)
class SendTest:
    """Send an endpoint something that tells of nothing, so that its owner can see it arrive."""

    endpoints: Endpoints
    deliveries: Deliveries
    unit_of_work: UnitOfWork
    now: Clock
    new_id: NewId

    def __call__(self, *, endpoint_id: EndpointId, of_owner: OwnerId) -> Delivery:
        with self.unit_of_work():
            endpoint = self.endpoints.get(endpoint_id, of_owner=of_owner)
            endpoint.must_be_enabled()
            delivery = Delivery(
                id=DeliveryId(self.new_id()),
                endpoint_id=endpoint_id,
                event_id=self.new_id(),
                topic=TEST_TOPIC,
                due_at=self.now(),
                began_at=self.now(),
                payload={"endpoint_id": str(endpoint_id)},
            )
            self.deliveries.add(delivery)
        return delivery


@dataclass(frozen=True, slots=True)
class AskForReplay:
    """Have an endpoint told once more of what was recorded in a span of time."""

    endpoints: Endpoints
    replays: Replays
    topics: Topics
    unit_of_work: UnitOfWork
    now: Clock
    new_id: NewId

    def __call__(
        self,
        *,
        endpoint_id: EndpointId,
        of_owner: OwnerId | Anyone,
        since: datetime,
        until: datetime,
        topics: Sequence[str] | None = None,
    ) -> Replay:
        with self.unit_of_work():
            endpoint = self.endpoints.get(endpoint_id, of_owner=of_owner)
            endpoint.must_be_enabled()
            replay = Replay(
                id=ReplayId(self.new_id()),
                endpoint_id=endpoint_id,
                since=since,
                until=until,
                topics=endpoint.topics if topics is None else _known(topics, of=self.topics()),
                asked_at=self.now(),
            )
            self.replays.add(replay)
        return replay


@dataclass(frozen=True, slots=True)
class ReplayAsOperator:
    """Have anybody's endpoint told once more, with a reason."""

    ask_for_replay: AskForReplay
    record_change: AuditTrail
    unit_of_work: UnitOfWork

    def __call__(
        self,
        *,
        endpoint_id: EndpointId,
        since: datetime,
        until: datetime,
        topics: Sequence[str] | None = None,
        reason: str,
    ) -> Replay:
        with self.unit_of_work():
            replay = self.ask_for_replay(
                endpoint_id=endpoint_id, of_owner=ANYONE, since=since, until=until, topics=topics
            )
            self.record_change(
                action="webhooks.replay",
                subject_kind="webhook_endpoint",
                subject_id=str(endpoint_id),
                before={},
                after={"since": since.isoformat(), "until": until.isoformat(), "topics": list(replay.topics)},
                reason=reason,
            )
        return replay


@dataclass(frozen=True, slots=True)
class SwitchEndpoint:
    """Enable or disable an endpoint as an operator, with a reason."""

    endpoints: Endpoints
    deliveries: Deliveries
    progress: Progress
    feed: Feed
    record_change: AuditTrail
    unit_of_work: UnitOfWork
    now: Clock

    def __call__(
        self, *, endpoint_id: EndpointId, enabled: bool, reason: str, expected_version: int | None = None
    ) -> None:
        with self.unit_of_work():
            endpoint = self.endpoints.get(endpoint_id, of_owner=ANYONE)
            endpoint.must_be_at(expected_version)
            if endpoint.is_enabled == enabled:
                return
            before = endpoint.disabled_because
            self.progress.hold()
            if enabled:
                endpoint.enable(since=self.feed.end(), at=self.now())
            else:
                _stop(endpoint, DisabledBecause.BY_OPERATOR, deliveries=self.deliveries, at=self.now())
            self.endpoints.save(endpoint)
            self.record_change(
                action="webhooks.enable_endpoint" if enabled else "webhooks.disable_endpoint",
                subject_kind="webhook_endpoint",
                subject_id=str(endpoint_id),
                before={"disabled_because": before},
                after={"disabled_because": endpoint.disabled_because},
                reason=reason,
            )


@dataclass(frozen=True, slots=True)
class DisableOrphans:
    """Disable the endpoints of API keys that have ended, and mail whom they named; return how many.

    Whoever had a key that was revoked may not go on hearing of everything that happens.
    """

    endpoints: Endpoints
    deliveries: Deliveries
    progress: Progress
    keys: Keys
    tell_owner: StartSaga
    unit_of_work: UnitOfWork
    now: Clock
    new_id: NewId

    def __call__(self) -> int:
        owners = self.endpoints.owners()
        orphans = self.endpoints.enabled_of(set(owners) - set(self.keys.good(owners)))
        for endpoint_id in orphans:
            with self.unit_of_work():
                for endpoint in self.endpoints.get_all([endpoint_id]).values():
                    self._disable(endpoint)
        return len(orphans)

    def _disable(self, endpoint: Endpoint) -> None:
        self.progress.hold()
        _stop(endpoint, DisabledBecause.KEY_ENDED, deliveries=self.deliveries, at=self.now())
        self.endpoints.save(endpoint)
        if endpoint.email:
            self.tell_owner(subject_id=self.new_id(), data={"endpoint_id": str(endpoint.id)})


@dataclass(frozen=True, slots=True)
class HandOverEndpoints:
    """Make the endpoints of an API key those of the key that takes its place."""

    endpoints: Endpoints
    unit_of_work: UnitOfWork

    def __call__(self, *, of: OwnerId, to: OwnerId) -> None:
        with self.unit_of_work():
            self.endpoints.hand_over(of=of, to=to)


def _stop(endpoint: Endpoint, because: DisabledBecause, *, deliveries: Deliveries, at: datetime) -> None:
    """Send nothing more to the endpoint; what it was owed becomes dead letters."""
    endpoint.disable(because, at=at)
    deliveries.give_up_all_of(EndpointId(endpoint.id), why=f"endpoint_disabled_{because}", at=at)


def _known(topics: Sequence[str], *, of: Collection[str]) -> tuple[str, ...]:
    """Return the topics in order, each once, or raise UnknownTopic."""
    strangers = sorted(set(topics) - set(of))
    if strangers:
        raise UnknownTopic(topics=strangers)
    return tuple(sorted(set(topics)))

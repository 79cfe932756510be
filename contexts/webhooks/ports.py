"""What webhooks needs from the world."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from contexts.webhooks.domain import (
    Anyone,
    Attempt,
    Delivery,
    DeliveryId,
    Endpoint,
    EndpointId,
    OwnerId,
    Replay,
    ReplayId,
    Secret,
)
from shared.domain.model import Primitive

#: Makes so many random bytes.
RandomBytes = Callable[[int], bytes]

#: Returns a number from 0 to 1 by chance.
Chance = Callable[[], float]

#: Returns the topics of all events that are published.
Topics = Callable[[], Collection[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class FedEvent:
    """An event of the feed; ``position`` is its place there."""

    position: int
    id: UUID
    topic: str
    aggregate_id: UUID
    sequence: int
    occurred_at: datetime
    correlation_id: str
    traceparent: str
    payload: Mapping[str, Primitive]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A delivery that this process has taken in hand, and where it goes."""

    delivery_id: DeliveryId
    endpoint_id: EndpointId
    event_id: UUID
    topic: str
    began_at: datetime
    payload: Mapping[str, Primitive] | None
    url: str
    secrets: tuple[Secret, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is to be sent: ``payload`` is None when the event is gone."""

    delivery_id: DeliveryId
    endpoint_id: EndpointId
    message_id: str
    url: str
    secrets: tuple[Secret, ...] = field(repr=False)
    topic: str
    occurred_at: datetime
    payload: Mapping[str, Primitive] | None
    correlation_id: str = ""
    traceparent: str = ""


class Feed(Protocol):
    """All events, in one order."""

    def end(self) -> int:
        """Return the last place that was given."""

    def after(self, position: int, *, limit: int) -> Sequence[FedEvent]:
        """Return the events behind that place, in their order."""

    def recorded(self, replay: Replay, *, after: UUID, limit: int) -> Sequence[FedEvent]:
        """Return the events that the replay asks for, by id and behind that one."""

    def named(self, ids: Collection[UUID]) -> Mapping[UUID, FedEvent]:
        """Return the events of these ids."""


class Progress(Protocol):
    """How far the feed was fanned out: one number, which one unit of work at a time may hold."""

    def hold(self) -> int:
        """Return the last place that was fanned out; it does not move before this unit of work ends."""

    def hold_if_free(self) -> int | None:
        """Return the same, or None when another unit of work holds it."""

    def move_to(self, position: int) -> None:
        """Store the last place; it is held."""


class Endpoints(Protocol):
    def get(self, endpoint_id: EndpointId, *, of_owner: OwnerId | Anyone) -> Endpoint:
        """Return the owner's endpoint, locked for this unit of work, or raise EndpointNotFound."""

    def get_all(self, ids: Collection[EndpointId]) -> Mapping[EndpointId, Endpoint]:
        """Return those endpoints that are there, locked in one order for this unit of work."""

    def count_of(self, owner_id: OwnerId) -> int:
        """Return how many endpoints the owner has; nobody else adds one for the owner before this unit of work ends."""

    def find(self, endpoint_id: EndpointId) -> Endpoint | None:
        """Return the endpoint as it stands, not locked."""

    def any_enabled(self) -> bool:
        """Tell whether anybody is told of anything."""

    def owners(self) -> Collection[OwnerId]:
        """Return whose endpoints are enabled."""

    def enabled_of(self, owners: Collection[OwnerId]) -> Sequence[EndpointId]:
        """Return which endpoints of these owners are enabled."""

    def hand_over(self, *, of: OwnerId, to: OwnerId) -> None:
        """Make the endpoints of one owner those of another."""

    def add(self, endpoint: Endpoint) -> None:
        """Store a new endpoint."""

    def save(self, endpoint: Endpoint) -> None:
        """Store the changed endpoint, or raise LostRace."""

    def remove(self, endpoint: Endpoint, *, at: datetime) -> None:
        """Have the endpoint gone for everybody; what it was told is left for ``ForgetRemoved``."""

    def forget_deliveries_of_removed(self, *, at_most: int) -> int:
        """Delete what removed endpoints were told, with its log; return how many deliveries."""

    def forget_removed(self, *, removed_before: datetime) -> int:
        """Delete the endpoints that were removed before then and of which nothing else is left; return how many."""


class Deliveries(Protocol):
    def get(self, delivery_id: DeliveryId) -> Delivery:
        """Return the delivery, locked for this unit of work, or raise DeliveryNotFound."""

    def get_pending(self, ids: Collection[DeliveryId]) -> Mapping[DeliveryId, Delivery]:
        """Return those that are pending, locked for this unit of work."""

    def add(self, delivery: Delivery) -> None:
        """Store a new delivery."""

    def owe(self, events: Sequence[FedEvent], *, at: datetime) -> None:
        """Make one delivery per event and enabled endpoint that listens to its topic and began before it."""

    def owe_again(self, events: Sequence[FedEvent], *, to: EndpointId, at: datetime) -> None:
        """Make these deliveries due again, or for the first time; what is pending is left alone."""

    def claim(self, *, busy: Mapping[EndpointId, int], limit: int, at: datetime, until: datetime) -> Sequence[Claimed]:
        """Take due deliveries in hand until then: the earliest of each aggregate, and fairly between endpoints.

        ``busy`` says how many deliveries to each endpoint this process has in hand already.
        """

    def save(self, deliveries: Collection[Delivery]) -> None:
        """Store what became of the deliveries; those that wait for them come later, or now."""

    def keep(self, attempts: Sequence[Attempt], *, numbers: Mapping[DeliveryId, int]) -> None:
        """Write the attempts down in the log."""

    def give_up_all_of(self, endpoint_id: EndpointId, *, why: str, at: datetime) -> None:
        """Make dead letters of all that is still owed to the endpoint."""

    def give_up_overdue(self, *, began_before: datetime, at: datetime) -> int:
        """Make dead letters of what was tried, or waited, for too long; return how many."""

    def forget(self, *, finished_before: datetime, at_most: int) -> int:
        """Delete deliveries that ended before then, with their log; dead letters stay. Return how many."""

    def forget_log(self, *, before: datetime, at_most: int) -> int:
        """Delete requests and answers from before then, whatever became of their deliveries. Return how many."""


class Replays(Protocol):
    def add(self, replay: Replay) -> None:
        """Store a new wish."""

    def take_open(self) -> tuple[Replay, UUID] | None:
        """Return a wish that is not fulfilled, locked, and the last event that it was fulfilled for."""

    def move_on(self, replay_id: ReplayId, *, after: UUID, count: int, is_done: bool) -> None:
        """Store how far it is fulfilled."""


class Keys(Protocol):
    def good(self, owners: Collection[OwnerId]) -> Collection[OwnerId]:
        """Return which of these API keys are neither revoked nor past their time."""


class Mailer(Protocol):
    def tell_disabled(self, endpoint: Endpoint, *, key: str) -> None:
        """Mail the endpoint's owner that nothing is sent to it any more; one that is sent twice has the same key."""

"""Endpoints of other servers, what is owed to each of them, and when to try again."""

import base64
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NewType, Self
from uuid import UUID

from contexts.webhooks.events import (
    EndpointAdded,
    EndpointChanged,
    EndpointDisabled,
    EndpointEnabled,
    EndpointRemoved,
)
from shared.domain.errors import ConflictError, EntityNotFoundError, InvalidInputError, VersionMismatch
from shared.domain.model import Aggregate, Primitive

EndpointId = NewType("EndpointId", UUID)
OwnerId = NewType("OwnerId", UUID)
DeliveryId = NewType("DeliveryId", UUID)
ReplayId = NewType("ReplayId", UUID)


class Anyone:
    """Says that it does not matter whose endpoint it is: an operator asks, or Orderly itself."""


ANYONE: Final = Anyone()

MOST_ENDPOINTS: Final = 50  # of one owner
SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - of secrets, not one itself
SECRET_BYTES: Final = 32
#: For so long both secrets sign, so that the receiver can change over.
SECRETS_OVERLAP: Final = timedelta(hours=24)
#: After the first attempt and each further one; they add up to three days.
PAUSES: Final = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 30, 120, 600, 1800, 3600, 7200, 14400, 21600, 28800, 36000, 43200, 50400, 52200)
)
#: How much longer a pause is at most by chance, so that what failed together does not come back together.
JITTER: Final = 0.1
TRIED_FOR: Final = timedelta(days=3)
DISABLED_AFTER: Final = timedelta(days=5)
#: How many requests to one endpoint may be under way from one process.
AT_ONCE: Final = 8
#: How many failures in a row it takes until an endpoint is left alone for a while and then asked one at a time.
FAILURES_UNTIL_REST: Final = 3
LONGEST_REST: Final = timedelta(minutes=5)
LONGEST_REPLAY: Final = timedelta(days=90)
TEST_TOPIC: Final = "webhooks.test.v1"
#: What stands in an event instead of words that somebody chose freely, for they may speak of a person.
IN_OWN_WORDS: Final = "in_own_words"
_FREE_TEXTS: Final = frozenset({"reason"})
_CODE: Final = re.compile(r"[a-z][a-z0-9_]*")


class EndpointNotFound(EntityNotFoundError):
    """There is no such webhook endpoint."""


class DeliveryNotFound(EntityNotFoundError):
    """There is no such delivery."""


class ReplayNotFound(EntityNotFoundError):
    """There is no such replay."""


class UnknownTopic(InvalidInputError):
    """There is no event of this topic; /api/v1/asyncapi.json lists those that there are."""

    pointer = "/topics"


class ImpossibleSpan(InvalidInputError):
    """A replay begins before it ends, and spans 90 days at most."""

    pointer = "/from"


class TooManyEndpoints(ConflictError):
    """You have 50 webhook endpoints already; remove one, or have one listen to more topics."""


class EndpointIsDisabled(ConflictError):
    """The endpoint is disabled; enable it first."""


class DeliveryIsUnderWay(ConflictError):
    """The delivery is still being tried; only a dead letter is retried or discarded."""


class DisabledBecause(StrEnum):
    """Why nothing is sent to an endpoint."""

    FAILING = "failing"  # every attempt failed for too long
    GONE = "gone"  # it answered 410
    KEY_ENDED = "key_ended"  # its owner's API key was revoked, or its time is over
    BY_OWNER = "by_owner"
    BY_OPERATOR = "by_operator"


DISABLED_BY_WISH: Final = frozenset({DisabledBecause.BY_OWNER, DisabledBecause.BY_OPERATOR})


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """What signs requests; both sides know it. ``expires_at`` is None for the one that is good until it is replaced."""

    text: str = field(repr=False)
    expires_at: datetime | None = None

    @classmethod
    def of(cls, random: bytes) -> Self:
        """Make a secret of random bytes, 24 to 64 (Standard Webhooks, "Signature scheme")."""
        return cls(text=SECRET_PREFIX + base64.b64encode(random).decode())

    def is_good(self, *, at: datetime) -> bool:
        """Tell whether it still signs."""
        return self.expires_at is None or at < self.expires_at

    def sign(self, *, message_id: str, at: datetime, body: bytes) -> str:
        """Return the signature of a request, as ``webhook-signature`` holds it (Standard Webhooks)."""
        key = base64.b64decode(self.text.removeprefix(SECRET_PREFIX))
        signed = b"%s.%d.%s" % (message_id.encode(), int(at.timestamp()), body)
        return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()


@dataclass(slots=True, kw_only=True, eq=False)
class Endpoint(Aggregate):
    """Where another server wants to be told of events, and how it has behaved of late.

    ``since`` is the place in the feed behind which it is told of its topics.
    """

    owner_id: OwnerId
    url: str
    topics: tuple[str, ...]
    email: str = field(default="", repr=False)
    secrets: tuple[Secret, ...]
    since: int
    created_at: datetime
    disabled_because: DisabledBecause | None = None
    failing_since: datetime | None = None
    failures_in_a_row: int = 0
    rests_until: datetime | None = None

    @classmethod
    def add(
        cls,
        *,
        id: EndpointId,  # noqa: A002 - the aggregate's own word
        owner_id: OwnerId,
        url: str,
        topics: tuple[str, ...],
        email: str,
        secret: Secret,
        since: int,
        at: datetime,
    ) -> Self:
        """Have the endpoint told of what happens from now on."""
        endpoint = cls(
            id=id,
            owner_id=owner_id,
            url=url,
            topics=topics,
            email=email,
            secrets=(secret,),
            since=since,
            created_at=at,
        )
        endpoint.record(EndpointAdded(endpoint_id=id, topics=topics, occurred_at=at))
        return endpoint

    @property
    def is_enabled(self) -> bool:
        """Tell whether anything is sent to it."""
        return self.disabled_because is None

    def must_be_at(self, version: int | None) -> None:
        """Raise VersionMismatch unless this is the version that the caller last saw, if any."""
        if version is not None and version != self.version:
            raise VersionMismatch(endpoint_id=self.id, version=self.version)

    def change(self, *, url: str, topics: tuple[str, ...], email: str, since: int, at: datetime) -> None:
        """Tell it elsewhere, or of other topics, from now on; another URL gets a fresh start."""
        if url != self.url:
            self._forget_failures()
        if (url, topics) != (self.url, self.topics):
            self.record(EndpointChanged(endpoint_id=self.id, topics=topics, occurred_at=at))
            self.since = since
        self.url, self.topics, self.email = url, topics, email

    def rotate_secret(self, secret: Secret, *, at: datetime) -> None:
        """Sign with another secret from now on, and for a while with the present one as well."""
        present = next(each for each in self.secrets if each.expires_at is None)
        self.secrets = (secret, Secret(text=present.text, expires_at=at + SECRETS_OVERLAP))

    def must_be_enabled(self) -> None:
        """Raise EndpointIsDisabled when nothing is sent to it."""
        if not self.is_enabled:
            raise EndpointIsDisabled(endpoint_id=self.id)

    def enable(self, *, since: int, at: datetime) -> None:
        """Have it told again of what happens from now on; enabling twice is harmless."""
        if self.is_enabled:
            return
        self.disabled_because = None
        self.since = since
        self._forget_failures()
        self.record(EndpointEnabled(endpoint_id=self.id, occurred_at=at))

    def disable(self, because: DisabledBecause, *, at: datetime) -> None:
        """Send nothing more to it; disabling twice is harmless."""
        if not self.is_enabled:
            return
        self.disabled_because = because
        self.record(EndpointDisabled(endpoint_id=self.id, cause=because.value, occurred_at=at))

    def remove(self, *, at: datetime) -> None:
        """Give it up for good."""
        self.record(EndpointRemoved(endpoint_id=self.id, occurred_at=at))

    def note_success(self) -> None:
        """Take note that it took a delivery."""
        self._forget_failures()

    def note_failure(self, result: "Result", *, at: datetime, chance: float) -> None:
        """Take note that it did not: three times in a row earn it a rest, five days without a success its end."""
        self.failing_since = self.failing_since or at
        self.failures_in_a_row += 1
        if result.is_gone:
            self.disable(DisabledBecause.GONE, at=at)
        elif at - self.failing_since >= DISABLED_AFTER:
            self.disable(DisabledBecause.FAILING, at=at)
        elif result.is_overload and self.failures_in_a_row >= FAILURES_UNTIL_REST:
            exponent = min(self.failures_in_a_row - FAILURES_UNTIL_REST + 1, 16)
            rest = min(LONGEST_REST, timedelta(seconds=2**exponent))
            self.rests_until = at + rest * (1 + JITTER * chance)

    def _forget_failures(self) -> None:
        self.failing_since = self.rests_until = None
        self.failures_in_a_row = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How an attempt ended: with the status of an answer, or with an error, a word for the log, without one."""

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    error: str = ""
    retry_after: timedelta = timedelta()

    @property
    def is_success(self) -> bool:
        """Tell whether the endpoint took it: 2xx; a redirect is not followed, and so is none."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_gone(self) -> bool:
        """Tell whether the endpoint wants nothing more (Standard Webhooks: 410)."""
        return self.status == 410

    @property
    def is_overload(self) -> bool:
        """Tell whether the endpoint as such is in trouble, rather than this one delivery."""
        return self.status is None or self.status >= 500 or self.status in {408, 429}

    @property
    def in_words(self) -> str:
        """Say what went wrong."""
        return self.error or f"http_{self.status}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One request to an endpoint, and what came of it; without headers nothing was sent."""

    delivery_id: DeliveryId
    began_at: datetime
    ended_at: datetime
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    result: Result


class DeliveryStatus(StrEnum):
    """What became of a delivery."""

    PENDING = "pending"
    DONE = "done"
    DEAD = "dead"
    DISCARDED = "discarded"


@dataclass(slots=True, kw_only=True, eq=False)
class Delivery:
    """One event that one endpoint is to be told of; ``payload`` is there only for what is in no feed: a test."""

    id: DeliveryId
    endpoint_id: EndpointId
    event_id: UUID
    topic: str
    status: DeliveryStatus = DeliveryStatus.PENDING
    attempts: int = 0
    due_at: datetime
    began_at: datetime
    finished_at: datetime | None = None
    last_error: str = ""
    payload: Mapping[str, Primitive] | None = None

    def succeed(self, *, at: datetime) -> None:
        """Take it as told."""
        self.attempts += 1
        self.last_error = ""
        self._finish(DeliveryStatus.DONE, at=at)

    def fail(self, result: Result, *, at: datetime, chance: float) -> None:
        """Try again after a pause, or give it up after three days; ``chance``, 0 to 1, spreads those that failed alike.

        An endpoint that asks for a longer pause (``Retry-After``) gets it, within the three days.
        """
        self.attempts += 1
        self.last_error = result.in_words
        if at >= self.gives_up_at:
            self._finish(DeliveryStatus.DEAD, at=at)
            return
        pause = PAUSES[min(self.attempts, len(PAUSES)) - 1] * (1 + JITTER * chance)
        self.due_at = min(at + max(pause, result.retry_after), self.gives_up_at)

    def give_up(self, why: str, *, at: datetime) -> None:
        """Make it a dead letter, because nothing is sent to its endpoint any more."""
        if self.status is DeliveryStatus.PENDING:
            self.last_error = why
            self._finish(DeliveryStatus.DEAD, at=at)

    def retry(self, *, at: datetime) -> None:
        """Try it once more from the beginning; what is still being tried is left alone."""
        if self.status is DeliveryStatus.PENDING:
            raise DeliveryIsUnderWay(delivery_id=self.id)
        self.status, self.attempts, self.finished_at = DeliveryStatus.PENDING, 0, None
        self.due_at = self.began_at = at

    def discard(self, *, at: datetime) -> None:
        """Settle a dead letter by not telling the endpoint; discarding twice is harmless."""
        if self.status is DeliveryStatus.DISCARDED:
            return
        if self.status is not DeliveryStatus.DEAD:
            raise DeliveryIsUnderWay(delivery_id=self.id)
        self._finish(DeliveryStatus.DISCARDED, at=at)

    @property
    def gives_up_at(self) -> datetime:
        """Return when the last attempt is made."""
        return self.began_at + TRIED_FOR

    def _finish(self, status: DeliveryStatus, *, at: datetime) -> None:
        self.status, self.finished_at = status, at


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A wish to be told once more of what was recorded in a span of time, whose end is excluded."""

    id: ReplayId
    endpoint_id: EndpointId
    since: datetime
    until: datetime
    topics: tuple[str, ...]
    asked_at: datetime

    def __post_init__(self) -> None:
        if not timedelta() < self.until - self.since <= LONGEST_REPLAY:
            raise ImpossibleSpan


def without_free_text(payload: Mapping[str, Primitive]) -> Mapping[str, Primitive]:
    """Return what other servers are told of an event: codes such as ``payment_declined``, but nobody's own words."""
    return {
        name: IN_OWN_WORDS if name in _FREE_TEXTS and not _CODE.fullmatch(str(value)) else value
        for name, value in payload.items()
    }

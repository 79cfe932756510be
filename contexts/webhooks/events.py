"""What webhooks tells the rest of the house."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from shared.domain.model import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointAdded(Event):
    """Another server wants to be told of events."""

    topic: ClassVar[str] = "webhooks.endpoint_added.v1"

    endpoint_id: UUID
    topics: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointChanged(Event):
    """An endpoint is to be told of these topics from now on, or at another URL."""

    topic: ClassVar[str] = "webhooks.endpoint_changed.v1"

    endpoint_id: UUID
    topics: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointDisabled(Event):
    """Nothing is sent to an endpoint any more, until somebody enables it again."""

    topic: ClassVar[str] = "webhooks.endpoint_disabled.v1"

    endpoint_id: UUID
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointEnabled(Event):
    """An endpoint is told of events again."""

    topic: ClassVar[str] = "webhooks.endpoint_enabled.v1"

    endpoint_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointRemoved(Event):
    """An endpoint is gone for good."""

    topic: ClassVar[str] = "webhooks.endpoint_removed.v1"

    endpoint_id: UUID

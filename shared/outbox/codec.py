"""Events to JSON and back; fields that are not known are ignored, so that old and new code run side by side."""

from collections.abc import Hashable
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter

from shared.domain.model import Event

E = TypeVar("E", bound=Event)


@cache
def _adapter_of(event_type: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter(event_type)


def to_payload(event: Event) -> dict[str, Any]:
    """Return the event as JSON-compatible primitives."""
    payload: dict[str, Any] = _adapter_of(type(event)).dump_python(event, mode="json")
    return payload


def from_payload(event_type: type[E], payload: dict[str, Any]) -> E:
    """Return the event that the payload tells of; raise pydantic.ValidationError when it does not fit."""
    event: E = _adapter_of(event_type).validate_python(payload)  # type: ignore[arg-type]
    return event

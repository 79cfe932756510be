"""Events to JSON and back; fields that are not known are ignored, so that old and new code run side by side."""

from typing import Any, TypeVar

from pydantic import TypeAdapter

from shared.domain.model import Event

E = TypeVar("E", bound=Event)


_adapters: dict[type[Event], TypeAdapter[Any]] = {}


def to_payload(event: Event) -> dict[str, Any]:
    """Return the event as JSON-compatible primitives."""
    payload: dict[str, Any] = _adapter_of(type(event)).dump_python(event, mode="json")
    return payload


def from_payload(event_type: type[E], payload: dict[str, Any]) -> E:
    """Return the event that the payload tells of; raise pydantic.ValidationError when it does not fit."""
    event: E = _adapter_of(event_type).validate_python(payload)
    return event


def _adapter_of(event_type: type[Event]) -> TypeAdapter[Any]:
    if event_type not in _adapters:
        _adapters[event_type] = TypeAdapter(event_type)
    return _adapters[event_type]

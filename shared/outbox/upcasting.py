"""Brings payloads of old versions of an event up to date, one version at a time.

A topic ends in its version: ``ordering.order_placed.v1``. Each upcaster makes the payload of the next version, so
that handlers know the newest one only.
"""

import re
from collections.abc import Callable
from typing import Any

Payload = dict[str, Any]
Upcaster = Callable[[Payload], Payload]

VERSIONED = re.compile(r"(?P<name>.+\.v)(?P<version>[1-9]\d*)")

_upcasters: dict[str, Upcaster] = {}


class NoWayUp(LookupError):
    """No chain of upcasters leads from the version that was stored to the one that the handler knows."""


def upcast(topic: str) -> Callable[[Upcaster], Upcaster]:
    """Have the function make a payload of the next version out of one of this topic; it gets a copy."""
    next_topic_of(topic)

    def register(upcaster: Upcaster) -> Upcaster:
        if topic in _upcasters:
            raise ValueError(f"two upcasters begin at {topic}; keep one")
        _upcasters[topic] = upcaster
        return upcaster

    return register


def has_upcaster(topic: str) -> bool:
    """Tell whether payloads of this topic can be brought to the next version."""
    return topic in _upcasters


def next_topic_of(topic: str) -> str:
    """Return the topic of the next version."""
    return _with_version(topic, +1)


def newer_topics(topic: str) -> tuple[str, ...]:
    """Return the newer versions that payloads of this topic can be brought to, the next one first."""
    found: list[str] = []
    while topic in _upcasters:
        topic = next_topic_of(topic)
        found.append(topic)
    return tuple(found)


def older_topics(topic: str) -> tuple[str, ...]:
    """Return the older versions whose payloads can be brought to this topic, the one before it first."""
    found: list[str] = []
    while VERSIONED.fullmatch(topic) and (topic := _with_version(topic, -1)) in _upcasters:
        found.append(topic)
    return tuple(found)


def upcasted(payload: Payload, *, topic: str, to: str) -> Payload:
    """Return the payload as the other version of its topic has it; raise NoWayUp when no chain leads there."""
    if topic != to and to not in newer_topics(topic):
        raise NoWayUp(f"from {topic} to {to}")
    while topic != to:
        payload, topic = _upcasters[topic](dict(payload)), next_topic_of(topic)
    return payload


def _with_version(topic: str, step: int) -> str:
    found = VERSIONED.fullmatch(topic)
    if found is None:
        raise ValueError(f"{topic} does not end in its version, such as .v1")
    return f"{found['name']}{int(found['version']) + step}"

"""Who wants to hear of which event."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from shared.domain.model import Event

E = TypeVar("E", bound=Event)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A handler's standing order for one topic; its name is kept in the delivery rows, so keep it stable."""

    name: str
    event_type: type[Event]
    handler: Callable[[Any], None]


_by_topic: dict[str, list[Subscription]] = {}
_by_name: dict[str, Subscription] = {}


def subscribe(event_type: type[E]) -> Callable[[Callable[[E], None]], Callable[[E], None]]:
    """Have the handler called once for each event of this type, in a transaction with the mark that it was."""

    def register(handler: Callable[[E], None]) -> Callable[[E], None]:
        context = handler.__module__.split(".")[-2]
        subscription = Subscription(name=f"{context}.{handler.__name__}", event_type=event_type, handler=handler)
        if subscription.name in _by_name:
            raise ValueError(f"two handlers are named {subscription.name}; rename one")
        _by_name[subscription.name] = subscription
        _by_topic.setdefault(event_type.topic, []).append(subscription)
        return handler

    return register


def subscriptions_of(topic: str) -> tuple[Subscription, ...]:
    """Return who subscribed to the topic."""
    return tuple(_by_topic.get(topic, ()))


def subscription_named(name: str) -> Subscription | None:
    """Return the subscription of that name, if this version of the code still has it."""
    return _by_name.get(name)

"""Who wants to hear of which event."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from shared.domain.model import Event
from shared.outbox.upcasting import newer_topics, older_topics

E = TypeVar("E", bound=Event)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A handler's standing order for one topic; its name is kept in the delivery rows, so keep it stable.

    ``in_order`` has it told of an event only when it is done with the earlier ones of the same aggregate; ``together``
    lets its deliveries share a transaction with others.
    """

    name: str
    event_type: type[Event]
    handler: Callable[[Any], None]
    in_order: bool = False
    together: bool = False

    @property
    def topics(self) -> tuple[str, ...]:
        """Return the topic and those of its older versions, which are brought up to date on the way."""
        return (self.event_type.topic, *older_topics(self.event_type.topic))


_by_topic: dict[str, list[Subscription]] = {}
_by_name: dict[str, Subscription] = {}


def subscribe(
    event_type: type[E], *, in_order: bool = False, together: bool = False
) -> Callable[[Callable[[E], None]], Callable[[E], None]]:
    """Have the handler called once for each event of this type, in a transaction with the mark that it was.

    ``in_order`` makes an event wait while an earlier one of the same aggregate is unfinished for this handler. One
    that became a dead letter is passed over, for it would block its aggregate until somebody looked.

    ``together`` says that the handler is quick and locks nothing that others wait for, such as stock: then many
    deliveries share one commit, which costs more than what such a handler does. It is never both.
    """
    if in_order and together:
        raise ValueError("a delivery that keeps its turn has a transaction of its own")

    def register(handler: Callable[[E], None]) -> Callable[[E], None]:
        context = handler.__module__.split(".")[-2]
        subscription = Subscription(
            name=f"{context}.{handler.__name__}",
            event_type=event_type,
            handler=handler,
            in_order=in_order,
            together=together,
        )
        if subscription.name in _by_name:
            raise ValueError(f"two handlers are named {subscription.name}; rename one")
        _by_name[subscription.name] = subscription
        _by_topic.setdefault(event_type.topic, []).append(subscription)
        return handler

    return register


def subscriptions_of(topic: str) -> tuple[Subscription, ...]:
    """Return who subscribed to the topic, or to a newer version of it that upcasters lead to."""
    return tuple(each for version in (topic, *newer_topics(topic)) for each in _by_topic.get(version, ()))


def subscribed_topics() -> list[tuple[str, Subscription]]:
    """Return each subscription beside each topic that it hears of, those of older versions included."""
    return [(topic, each) for each in _by_name.values() for topic in each.topics]


def subscribed_together() -> list[str]:
    """Return the names of the subscriptions whose deliveries may share a transaction."""
    return [each.name for each in _by_name.values() if each.together]


def subscription_named(name: str) -> Subscription | None:
    """Return the subscription of that name, if this version of the code still has it."""
    return _by_name.get(name)

"""What clients that follow an order are told, and when an order that was placed has been decided on."""

from collections.abc import Callable, Collection, Mapping
from functools import wraps
from typing import Any, Final
from uuid import UUID

import orjson
from django.http import HttpRequest, HttpResponse

from contexts.ordering import queries
from contexts.ordering.queries import OrderNews, Seen
from shared.live.news import START, Asked, News, StreamEvent
from shared.live.views import hold_for_news
from shared.outbox.messages import HistoryEntry

#: The kind of an event that tells of a new status for which no event of the order's own stands.
STATE: Final = "ordering.order_state"
STREAM: Final = f"""Server-sent events, one for each change of the order, from its first event on.

`event` is the topic of the event (those of `GET /orders/{{id}}/timeline`), or `{STATE}` where a status changed without
one. `data` is a JSON object: `order_id`, `version`, `status`, `payment_status`, `fulfillment_status`, `cancel_reason`
as the order stands when this is sent, `is_over` (nothing more is expected), and `change`: `id`, `type`, `occurred_at`,
`actor` and `data` of the event, or null. Connect again with the last `id` as `Last-Event-ID` (browsers do so by
themselves), and nothing is lost or told twice. A comment comes every 15 seconds. The stream ends when the order is
over, when the token runs out or is revoked, and after five minutes at most."""

Operation = Callable[..., HttpResponse]


def order_news(asked: Collection[Asked]) -> Mapping[Asked, News]:
    """Return what is new to followers of orders, each after its position."""
    by_seen = {_seen(each): each for each in asked}
    news = {by_seen[seen]: _news(seen, found) for seen, found in queries.news_of_orders(by_seen.keys()).items()}
    return {each: found for each, found in news.items() if found.events or found.is_last}


def settled_orders(asked: Collection[Asked]) -> Mapping[Asked, News]:
    """Return news of those orders that have left ``pending``."""
    left = queries.settled_among({order_id for order_id, _ in asked})
    return {each: News(events=(), position=START, is_last=True) for each in asked if each[0] in left}


def waits_until_settled(answer_anew: Callable[[UUID], HttpResponse]) -> Callable[[Operation], Operation]:
    """Have a client that prefers to wait told of its order once that has left ``pending``, first answer or replayed."""

    def decorator(operation: Operation) -> Operation:
        @wraps(operation)
        def held(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            response = operation(request, *args, **kwargs)
            if response.status_code != 201 or "Prefer" not in request.headers:
                return response
            order_id = UUID(orjson.loads(response.content)["id"])
            return hold_for_news(
                request, response, feed=settled_orders, key=order_id, answer_anew=lambda: answer_anew(order_id)
            )

        return held

    return decorator


def _seen(asked: Asked) -> Seen:
    order_id, position = asked
    sequence, _, version = position.partition("-")
    return Seen(order_id=order_id, sequence=int(sequence or 0), version=int(version or 0))


def _news(seen: Seen, found: OrderNews) -> News:
    events = [
        _event(found, position=f"{entry.sequence}-0", order_id=seen.order_id, change=entry) for entry in found.entries
    ]
    if not found.is_complete:
        return News(events=events, position=events[-1].id, is_last=False)
    position = f"{found.sequence}-{found.version}"
    if events:
        events[-1] = _event(found, position=position, order_id=seen.order_id, change=found.entries[-1])
    elif found.version != seen.version:
        events = [_event(found, position=position, order_id=seen.order_id, change=None)]
    return News(events=events, position=position, is_last=found.is_over)


def _event(found: OrderNews, *, position: str, order_id: UUID, change: HistoryEntry | None) -> StreamEvent:
    data = {
        "order_id": order_id,
        "version": found.version,
        "status": found.status,
        "payment_status": found.payment_status,
        "fulfillment_status": found.fulfillment_status,
        "cancel_reason": found.cancel_reason,
        "is_over": found.is_over,
        "change": None if change is None else shown_change(change),
    }
    return StreamEvent(id=position, kind=STATE if change is None else change.topic, data=data)


def shown_change(entry: HistoryEntry) -> dict[str, Any]:
    """Return what happened, in the form of TimelineEntryOut."""
    return {
        "id": entry.id,
        "type": entry.topic,
        "occurred_at": entry.occurred_at,
        "actor": entry.actor,
        "data": entry.payload,
    }

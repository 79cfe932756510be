"""Events for those who ask."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Schema
from pydantic import Field

from contexts.webhooks import queries
from contexts.webhooks.domain import without_free_text
from shared.http.auth import KeyBearer
from shared.http.json import json_response
from shared.http.schemas import In, Limit, PageOut, problems, refuse_unknown_parameters

router = Router(tags=["events"])
can_read = KeyBearer(scope="events:read")

Topic = Annotated[str, Field(max_length=120, pattern=r"^[a-z_]+\.[a-z_]+\.v[1-9][0-9]*$")]

Topics = Annotated[list[Topic], Field(max_length=50, description="only these", examples=[["ordering.order_placed.v1"]])]
After = Annotated[UUID | None, Field(description="id of the last event that you know; without it, from the first")]


class EventsIn(In):
    """The query of the events."""

    after: After = None
    topic: Topics = []
    limit: Limit = 20


class EventOut(Schema):
    id: Annotated[UUID, Field(description="the same as `webhook-id`")]
    type: Annotated[str, Field(description="topic", examples=["ordering.order_placed.v1"])]
    timestamp: Annotated[datetime, Field(description="when it happened")]
    aggregate_id: Annotated[UUID, Field(description="what it happened to")]
    sequence: Annotated[int, Field(description="counts the events of that aggregate from 1, without gaps")]
    data: dict[str, Any]


@router.get(
    "/events",
    auth=can_read,
    response={200: PageOut[EventOut], **problems(401, 403, 422, 503)},
    operation_id="list_events",
    summary="List events",
)
def events(request: HttpRequest, query: Query[EventsIn]) -> HttpResponse:
    """List all events after one that you know, in one order that never changes and in which none is skipped.

    Once `next_cursor` is null you know all; go on later with the id of the last event as `after`.
    """
    refuse_unknown_parameters(request, known=EventsIn)
    found = queries.events(after=query.after, topics=query.topic, limit=query.limit + 1)
    items = [
        {
            "id": entry.id,
            "type": entry.topic,
            "timestamp": entry.occurred_at,
            "aggregate_id": entry.aggregate_id,
            "sequence": entry.aggregate_sequence,
            "data": without_free_text(entry.payload),
        }
        for entry in found[: query.limit]
    ]
    more = len(found) > query.limit
    return json_response({"items": items, "next_cursor": items[-1]["id"] if more else None})

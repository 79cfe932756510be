"""What became of what an endpoint was told."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Schema
from pydantic import Field

from contexts.webhooks import queries
from contexts.webhooks.client_api.endpoints import can_write, id_in_cursor
from contexts.webhooks.domain import EndpointId, OwnerId
from shared.http.auth import caller_of
from shared.http.json import json_response
from shared.http.pagination import page_of
from shared.http.schemas import ListIn, PageOut, problems, refuse_unknown_parameters

router = Router(tags=["webhooks"])


class RequestOut(Schema):
    headers: Annotated[dict[str, str], Field(description="with the signatures, to compare with your own")]
    body: Annotated[str, Field(description="its first 4 KiB")]


class ResponseOut(Schema):
    status: int
    headers: Annotated[dict[str, str], Field(description="some of them")]
    body: Annotated[str, Field(description="its first KiB")]


class AttemptOut(Schema):
    number: int
    at: datetime
    duration_ms: int
    url: str
    request: Annotated[RequestOut | None, Field(description="what was sent; nothing, if the event was gone")]
    response: ResponseOut | None
    error: Annotated[str | None, Field(description="why there is no response", examples=["timeout"])]


class DeliveryOut(Schema):
    id: UUID
    event_id: Annotated[UUID, Field(description="`webhook-id`; GET /events?after= begins behind it")]
    topic: str
    status: Annotated[str, Field(description="`pending`, `done`, `dead` (given up) or `discarded`")]
    attempts: int
    due_at: Annotated[datetime | None, Field(description="when it is tried next")]
    finished_at: datetime | None
    last_error: str | None
    log: list[AttemptOut]


class DeliveriesIn(ListIn):
    status: Literal["pending", "done", "dead", "discarded"] | None = None
    topic: Annotated[str | None, Field(max_length=120)] = None


@router.get(
    "/webhook-endpoints/{uuid:endpoint_id}/deliveries",
    auth=can_write,
    response={200: PageOut[DeliveryOut], **problems(401, 403, 404, 422, 503)},
    operation_id="list_webhook_deliveries",
    summary="List deliveries to a webhook endpoint",
)
def deliveries(request: HttpRequest, endpoint_id: UUID, query: Query[DeliveriesIn]) -> HttpResponse:
    """List what the endpoint was told, or is to be told, the newest first; what is done is forgotten after 30 days."""
    refuse_unknown_parameters(request, known=DeliveriesIn)
    queries.endpoint(EndpointId(endpoint_id), of_owner=OwnerId(caller_of(request).id))
    found = queries.deliveries(
        endpoint_id=EndpointId(endpoint_id),
        status=query.status,
        topic=query.topic,
        before=id_in_cursor(query.cursor) if query.cursor else None,
        limit=query.limit + 1,
    )
    page = page_of(found, limit=query.limit, key=lambda delivery: (str(delivery.id),))
    return json_response({"items": [shown(each) for each in page.items], "next_cursor": page.next_cursor})


def shown(delivery: queries.DeliveryView) -> dict[str, Any]:
    """Return the delivery in the form of DeliveryOut."""
    return {
        "id": delivery.id,
        "event_id": delivery.event_id,
        "topic": delivery.topic,
        "status": delivery.status,
        "attempts": delivery.attempts,
        "due_at": delivery.due_at,
        "finished_at": delivery.finished_at,
        "last_error": delivery.last_error,
        "log": [_attempt(each) for each in delivery.log],
    }


def _attempt(attempt: queries.AttemptView) -> dict[str, Any]:
    request = {"headers": attempt.request_headers, "body": attempt.request_body}
    response = {"status": attempt.status, "headers": attempt.headers, "body": attempt.body}
    return {
        "number": attempt.number,
        "at": attempt.at,
        "duration_ms": attempt.duration_ms,
        "url": attempt.url,
        "request": request if attempt.request_headers else None,
        "response": response if attempt.status is not None else None,
        "error": attempt.error,
    }

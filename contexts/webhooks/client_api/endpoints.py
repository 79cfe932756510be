"""Endpoints at which other servers are told."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Schema
from pydantic import AwareDatetime, EmailStr, Field

from contexts.webhooks import queries
from contexts.webhooks.domain import Endpoint, EndpointId, OwnerId
from contexts.webhooks.wiring import (
    add_endpoint,
    ask_for_replay,
    change_endpoint,
    remove_endpoint,
    rotate_secret,
    send_test,
)
from shared.http.auth import KeyBearer, caller_of
from shared.http.documented import IDEMPOTENCY_KEY
from shared.http.etags import etag_of, is_unchanged, version_in_if_match
from shared.http.idempotency import answer_once, idempotent, key_of
from shared.http.json import json_response
from shared.http.pagination import InvalidCursor, decode_cursor, page_of
from shared.http.schemas import In, ListIn, PageOut, problems, refuse_unknown_parameters
from shared.persistence.unit_of_work import in_transaction_with_retry
from shared.resilience.outbound import outbound

router = Router(tags=["webhooks"])
can_write = KeyBearer(scope="webhooks:write")

Url = Annotated[str, Field(min_length=1, max_length=2048, examples=["https://shop.example/hooks"])]
Topics = Annotated[
    list[Annotated[str, Field(max_length=120)]],
    Field(min_length=1, max_length=100, examples=[["ordering.order_confirmed.v1"]]),
]
Email = Annotated[EmailStr, Field(max_length=254, description="who is told when the endpoint gets disabled")]


class AddEndpointIn(In):
    url: Url
    topics: Topics
    email: Email | None = None


class ChangeEndpointIn(In):
    url: Url | None = None
    topics: Topics | None = None
    email: Email | None = None
    enabled: Annotated[bool | None, Field(description="whether anything is sent to it")] = None


class ReplayIn(In):
    since: Annotated[AwareDatetime, Field(alias="from", description="the first moment of the span")]
    until: Annotated[AwareDatetime, Field(alias="to", description="the first moment after it")]
    topics: Annotated[Topics | None, Field(description="those of the endpoint, unless given")] = None


class EndpointOut(Schema):
    id: UUID
    url: str
    topics: list[str]
    email: str | None
    enabled: bool
    disabled_because: Annotated[
        str | None, Field(description="`failing`, `gone`, `by_owner`, `by_operator` or `key_ended`", examples=["gone"])
    ]
    failing_since: Annotated[datetime | None, Field(description="since when every attempt failed")]
    secret_rotation_ends_at: Annotated[datetime | None, Field(description="until when the old secret signs as well")]
    created_at: datetime


class NewSecretOut(EndpointOut):
    secret: Annotated[str, Field(description="shown this once", examples=["whsec_…"])]


class TestOut(Schema):
    delivery_id: UUID
    event_id: Annotated[UUID, Field(description="the `webhook-id` of the request")]


class ReplayOut(Schema):
    id: UUID
    since: Annotated[datetime, Field(alias="from")]
    until: Annotated[datetime, Field(alias="to")]
    topics: list[str]
    status: Annotated[str, Field(description="`pending` or `done`")]
    events: Annotated[int, Field(description="how many were made due so far")]


@router.post(
    "/webhook-endpoints",
    auth=can_write,
    response={201: NewSecretOut, **problems(400, 401, 403, 409, 413, 422, 503)},
    operation_id="add_webhook_endpoint",
    summary="Add a webhook endpoint",
    openapi_extra={"parameters": [IDEMPOTENCY_KEY]},
)
def add(request: HttpRequest, payload: AddEndpointIn) -> HttpResponse:
    """Have a URL told of events of these topics from now on. Needs Idempotency-Key.

    Requests are signed as [Standard Webhooks](https://www.standardwebhooks.com) says; its libraries verify them.
    """
    key_of(request, required=True)
    outbound().check(payload.url)

    def run() -> HttpResponse:
        endpoint = add_endpoint(
            owner_id=_owner(request), url=payload.url, topics=payload.topics, email=payload.email or ""
        )
        return _with_secret(endpoint, status=201)

    return answer_once(request, caller=caller_of(request).actor, run=run, is_secret=True)


@router.get(
    "/webhook-endpoints",
    auth=can_write,
    response={200: PageOut[EndpointOut], **problems(401, 403, 422, 503)},
    operation_id="list_webhook_endpoints",
    summary="List webhook endpoints",
)
def list_all(request: HttpRequest, query: Query[ListIn]) -> HttpResponse:
    """List your endpoints, the oldest first."""
    refuse_unknown_parameters(request, known=ListIn)
    after = id_in_cursor(query.cursor) if query.cursor else None
    found = queries.endpoints(of_owner=_owner(request), after=after, limit=query.limit + 1)
    page = page_of(found, limit=query.limit, key=lambda endpoint: (str(endpoint.id),))
    return json_response({"items": [shown(each) for each in page.items], "next_cursor": page.next_cursor})


@router.get(
    "/webhook-endpoints/{uuid:endpoint_id}",
    auth=can_write,
    response={200: EndpointOut, 304: None, **problems(401, 403, 404, 503)},
    operation_id="get_webhook_endpoint",
    summary="Get a webhook endpoint",
)
def get(request: HttpRequest, endpoint_id: UUID) -> HttpResponse:
    """Get one endpoint, with its version as ETag."""
    endpoint = queries.endpoint(EndpointId(endpoint_id), of_owner=_owner(request))
    etag = etag_of(endpoint.version)
    if is_unchanged(request, etag):
        return HttpResponse(status=304, headers={"ETag": etag})
    return json_response(shown(endpoint), headers={"ETag": etag})


@router.patch(
    "/webhook-endpoints/{uuid:endpoint_id}",
    auth=can_write,
    response={200: EndpointOut, **problems(400, 401, 403, 404, 412, 413, 422, 503)},
    operation_id="change_webhook_endpoint",
    summary="Change a webhook endpoint",
)
def change(request: HttpRequest, endpoint_id: UUID, payload: ChangeEndpointIn) -> HttpResponse:
    """Change where, of what and whether it is told from now on; with If-Match, only the version last seen."""
    if payload.url is not None:
        outbound().check(payload.url)
    expected_version = version_in_if_match(request)
    in_transaction_with_retry(
        lambda: change_endpoint(
            endpoint_id=EndpointId(endpoint_id),
            of_owner=_owner(request),
            expected_version=expected_version,
            **payload.model_dump(),
        )
    )
    return get(request, endpoint_id)


@router.delete(
    "/webhook-endpoints/{uuid:endpoint_id}",
    auth=can_write,
    response={204: None, **problems(401, 403, 404, 503)},
    operation_id="remove_webhook_endpoint",
    summary="Remove a webhook endpoint",
)
def remove(request: HttpRequest, endpoint_id: UUID) -> HttpResponse:
    """Remove an endpoint with its log; what it was not told of yet it is not told."""
    remove_endpoint(endpoint_id=EndpointId(endpoint_id), of_owner=_owner(request))
    return HttpResponse(status=204)


@router.post(
    "/webhook-endpoints/{uuid:endpoint_id}/secret-rotation",
    auth=can_write,
    response={200: NewSecretOut, **problems(400, 401, 403, 404, 409, 422, 503)},
    operation_id="rotate_webhook_secret",
    summary="Rotate the secret of a webhook endpoint",
    openapi_extra={"parameters": [IDEMPOTENCY_KEY]},
)
def rotate(request: HttpRequest, endpoint_id: UUID) -> HttpResponse:
    """Get a new secret; for a day, requests carry the signatures of both. Needs Idempotency-Key."""

    def run() -> HttpResponse:
        endpoint = rotate_secret(endpoint_id=EndpointId(endpoint_id), of_owner=_owner(request))
        return _with_secret(endpoint, status=200)

    return answer_once(request, caller=caller_of(request).actor, run=run, is_secret=True)


@router.post(
    "/webhook-endpoints/{uuid:endpoint_id}/test",
    auth=can_write,
    response={202: TestOut, **problems(400, 401, 403, 404, 409, 422, 503)},
    operation_id="test_webhook_endpoint",
    summary="Send a test to a webhook endpoint",
)
@idempotent
def test(request: HttpRequest, endpoint_id: UUID) -> HttpResponse:
    """Have a request of type `webhooks.test.v1` sent; its deliveries tell what came of it. Needs Idempotency-Key."""
    delivery = send_test(endpoint_id=EndpointId(endpoint_id), of_owner=_owner(request))
    return json_response({"delivery_id": delivery.id, "event_id": delivery.event_id}, status=202)


@router.post(
    "/webhook-endpoints/{uuid:endpoint_id}/replay",
    auth=can_write,
    response={202: ReplayOut, **problems(400, 401, 403, 404, 409, 413, 422, 503)},
    operation_id="replay_webhook_events",
    summary="Replay events to a webhook endpoint",
)
@idempotent
def replay(request: HttpRequest, endpoint_id: UUID, payload: ReplayIn) -> HttpResponse:
    """Have it told once more, with the same `webhook-id`, of what was recorded in a span of time.

    Needs Idempotency-Key. What is still being tried is left alone.
    """
    asked = ask_for_replay(
        endpoint_id=EndpointId(endpoint_id),
        of_owner=_owner(request),
        since=payload.since,
        until=payload.until,
        topics=payload.topics,
    )
    return json_response(_replay_shown(queries.replay(asked.id, endpoint_id=EndpointId(endpoint_id))), status=202)


@router.get(
    "/webhook-endpoints/{uuid:endpoint_id}/replays/{uuid:replay_id}",
    auth=can_write,
    response={200: ReplayOut, **problems(401, 403, 404, 503)},
    operation_id="get_webhook_replay",
    summary="Get a replay",
)
def get_replay(request: HttpRequest, endpoint_id: UUID, replay_id: UUID) -> HttpResponse:
    """Get how far a replay is."""
    queries.endpoint(EndpointId(endpoint_id), of_owner=_owner(request))
    return json_response(_replay_shown(queries.replay(replay_id, endpoint_id=EndpointId(endpoint_id))))


def id_in_cursor(cursor: str) -> UUID:
    """Return the id that a cursor of these lists holds, or raise InvalidCursor."""
    (text,) = decode_cursor(cursor, length=1)
    try:
        return UUID(str(text))
    except ValueError:
        raise InvalidCursor from None


def _owner(request: HttpRequest) -> OwnerId:
    """Return the key that asks: what it makes is its own."""
    return OwnerId(caller_of(request).id)


def shown(endpoint: queries.EndpointView) -> dict[str, Any]:
    """Return the endpoint in the form of EndpointOut."""
    return {
        "id": endpoint.id,
        "url": endpoint.url,
        "topics": endpoint.topics,
        "email": endpoint.email or None,
        "enabled": endpoint.enabled,
        "disabled_because": endpoint.disabled_because,
        "failing_since": endpoint.failing_since,
        "secret_rotation_ends_at": endpoint.secret_rotation_ends_at,
        "created_at": endpoint.created_at,
    }


def _with_secret(endpoint: Endpoint, *, status: int) -> HttpResponse:
    view = queries.endpoint(EndpointId(endpoint.id), of_owner=endpoint.owner_id)
    body = shown(view) | {"secret": endpoint.secrets[0].text}
    headers = {"ETag": etag_of(endpoint.version), "Cache-Control": "no-store"}
    return json_response(body, status=status, headers=headers | _location(endpoint, status=status))


def _location(endpoint: Endpoint, *, status: int) -> dict[str, str]:
    return {"Location": f"/api/v1/webhook-endpoints/{endpoint.id}"} if status == 201 else {}


def _replay_shown(view: queries.ReplayView) -> dict[str, Sequence[str] | object]:
    return {
        "id": view.id,
        "from": view.since,
        "to": view.until,
        "topics": view.topics,
        "status": "done" if view.is_done else "pending",
        "events": view.count,
    }

"""Webhooks for operators: who is told, what arrives, and a second chance for what did not."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, ClassVar
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.viewsets import ViewSet

from contexts.webhooks import queries
from contexts.webhooks.domain import ANYONE, DeliveryId, DeliveryNotFound, DeliveryStatus, EndpointId
from contexts.webhooks.operator_api.schemas import (
    DELIVERIES,
    ENDPOINT,
    ID,
    OF_A_TOPIC,
    STATUSES,
    TOPIC,
    DeadLetterQuery,
    DealIn,
    DeliveryQuery,
    EndpointQuery,
    ReasonIn,
    ReplayIn,
    WebhookDealtOut,
    WebhookDeliveryOut,
    WebhookEndpointOut,
    WebhookReplayOut,
)
from contexts.webhooks.wiring import discard_delivery, replay_as_operator, retry_delivery, switch_endpoint
from shared.http.auth import caller_of
from shared.http.drf import has_scope, http_request_of
from shared.http.drf_schemas import (
    IDEMPOTENCY_KEY,
    IF_MATCH,
    ItemPage,
    page_of_items,
    problems,
    query_of,
)
from shared.http.etags import etag_of, version_in_if_match
from shared.http.failures import SelectionRequired
from shared.http.idempotency import answer_once
from shared.http.json import json_response
from shared.http.pagination import InvalidCursor, decode_cursor, page_of


class _Scoped(ViewSet):
    """Reading and pulling levers need different scopes."""

    lookup_value_converter = "uuid"
    levers: ClassVar[frozenset[str]] = frozenset()

    def get_permissions(self) -> list[Any]:
        """Return what the action needs."""
        return [has_scope(f"ops:webhooks:{'write' if self.action in self.levers else 'read'}")()]


class WebhookEndpointViewSet(_Scoped):
    """The URLs at which other servers are told."""

    levers = frozenset({"enable", "disable", "replay"})

    @extend_schema(
        operation_id="list_all_webhook_endpoints",
        summary="List webhook endpoints",
        parameters=query_of(
            EndpointQuery,
            OpenApiParameter("enabled", bool, description="whether anything is sent to them"),
            OpenApiParameter("failing", bool, description="whether every attempt has failed of late"),
        ),
        responses={200: ItemPage(WebhookEndpointOut), **problems(401, 403, 422)},
    )
    def list(self, request: Request) -> HttpResponse:
        """List all endpoints, the oldest first."""
        query = EndpointQuery.read(request)
        cursor, limit = query.pop("cursor", None), query.pop("limit")
        found = queries.endpoints(of_owner=ANYONE, **query, after=_id_in(cursor), limit=limit + 1)
        return page_of_items(page_of(found, limit=limit, key=lambda each: (str(each.id),)))

    @extend_schema(
        operation_id="get_any_webhook_endpoint",
        summary="Get a webhook endpoint",
        parameters=[ID],
        responses={200: WebhookEndpointOut, **problems(401, 403, 404)},
    )
    def retrieve(self, request: Request, pk: UUID) -> HttpResponse:  # noqa: ARG002 - DRF's signature
        """Get an endpoint, with its version as ETag."""
        return _endpoint(pk)

    @extend_schema(
        operation_id="enable_webhook_endpoint",
        summary="Enable a webhook endpoint",
        parameters=[ID, IDEMPOTENCY_KEY, IF_MATCH],
        request=ReasonIn,
        responses={200: WebhookEndpointOut, **problems(400, 401, 403, 404, 409, 412, 422)},
    )
    @action(detail=True, methods=["post"])
    def enable(self, request: Request, pk: UUID) -> HttpResponse:
        """Have it told again of what happens from now on; what it missed is for a replay."""
        return self._switch(request, pk, enabled=True)

    @extend_schema(
        operation_id="disable_webhook_endpoint",
        summary="Disable a webhook endpoint",
        parameters=[ID, IDEMPOTENCY_KEY, IF_MATCH],
        request=ReasonIn,
        responses={200: WebhookEndpointOut, **problems(400, 401, 403, 404, 409, 412, 422)},
    )
    @action(detail=True, methods=["post"])
    def disable(self, request: Request, pk: UUID) -> HttpResponse:
        """Send nothing more to it; what it is owed becomes dead letters."""
        return self._switch(request, pk, enabled=False)

    @extend_schema(
        operation_id="replay_to_webhook_endpoint",
        summary="Replay events to a webhook endpoint",
        parameters=[ID, IDEMPOTENCY_KEY],
        request=ReplayIn,
        responses={200: WebhookReplayOut, **problems(400, 401, 403, 404, 409, 422)},
    )
    @action(detail=True, methods=["post"])
    def replay(self, request: Request, pk: UUID) -> HttpResponse:
        """Have it told once more of what was recorded in a span of time; what is still being tried is left alone."""
        payload = ReplayIn.read(request)
        since, until = payload.pop("from"), payload.pop("to")

        def run() -> HttpResponse:
            asked = replay_as_operator(endpoint_id=EndpointId(pk), since=since, until=until, **payload)
            return json_response(asdict(queries.replay(asked.id, endpoint_id=EndpointId(pk))))

        return _once(request, run)

    def _switch(self, request: Request, pk: UUID, *, enabled: bool) -> HttpResponse:
        payload = ReasonIn.read(request)
        expected_version = version_in_if_match(http_request_of(request))

        def run() -> HttpResponse:
            switch_endpoint(endpoint_id=EndpointId(pk), enabled=enabled, expected_version=expected_version, **payload)
            return _endpoint(pk)

        return _once(request, run)


class WebhookDeliveryViewSet(_Scoped):
    """What endpoints were told, or are to be told."""

    @extend_schema(
        operation_id="list_all_webhook_deliveries",
        summary="List webhook deliveries",
        parameters=query_of(DeliveryQuery, ENDPOINT, TOPIC, OpenApiParameter("status", str, enum=STATUSES)),
        responses={200: DELIVERIES, **problems(401, 403, 422)},
    )
    def list(self, request: Request) -> HttpResponse:
        """List deliveries with their log, the newest first."""
        return _page(DeliveryQuery.read(request))

    @extend_schema(
        operation_id="get_webhook_delivery",
        summary="Get a webhook delivery",
        parameters=[ID],
        responses={200: WebhookDeliveryOut, **problems(401, 403, 404)},
    )
    def retrieve(self, request: Request, pk: UUID) -> HttpResponse:  # noqa: ARG002 - DRF's signature
        """Get a delivery with its log."""
        return _delivery(pk)


class WebhookDeadLetterViewSet(_Scoped):
    """Deliveries that were given up."""

    levers = frozenset({"retry", "discard", "retry_some", "discard_some"})
    route_classes: ClassVar[dict[str, str]] = dict.fromkeys(("retry_some", "discard_some"), "bulk")

    @extend_schema(
        operation_id="list_webhook_dead_letters",
        summary="List webhook dead letters",
        parameters=query_of(DeadLetterQuery, ENDPOINT, TOPIC),
        responses={200: DELIVERIES, **problems(401, 403, 422)},
    )
    def list(self, request: Request) -> HttpResponse:
        """List deliveries that were given up, the newest first."""
        return _page(DeadLetterQuery.read(request) | {"status": DeliveryStatus.DEAD.value})

    @extend_schema(
        operation_id="retry_webhook_dead_letter",
        summary="Retry a webhook dead letter",
        parameters=[ID, IDEMPOTENCY_KEY],
        request=ReasonIn,
        responses={200: WebhookDeliveryOut, **problems(400, 401, 403, 404, 409, 422)},
    )
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: UUID) -> HttpResponse:
        """Have it tried from the beginning: it is due now."""
        return _deal_with(request, pk, retry_delivery)

    @extend_schema(
        operation_id="discard_webhook_dead_letter",
        summary="Discard a webhook dead letter",
        parameters=[ID, IDEMPOTENCY_KEY],
        request=ReasonIn,
        responses={200: WebhookDeliveryOut, **problems(400, 401, 403, 404, 409, 422)},
    )
    @action(detail=True, methods=["post"])
    def discard(self, request: Request, pk: UUID) -> HttpResponse:
        """Leave it untold: only a replay would tell the endpoint."""
        return _deal_with(request, pk, discard_delivery)

    @extend_schema(
        operation_id="retry_webhook_dead_letters",
        summary="Retry webhook dead letters",
        parameters=[IDEMPOTENCY_KEY],
        request=DealIn,
        responses={200: WebhookDealtOut, **problems(400, 401, 403, 409, 422)},
        examples=[OF_A_TOPIC],
    )
    @action(detail=False, methods=["post"], url_path="retry")
    def retry_some(self, request: Request) -> HttpResponse:
        """Have the oldest that match tried from the beginning; those of disabled endpoints stay."""
        return _deal_with_some(request, retry_delivery, of_enabled=True)

    @extend_schema(
        operation_id="discard_webhook_dead_letters",
        summary="Discard webhook dead letters",
        parameters=[IDEMPOTENCY_KEY],
        request=DealIn,
        responses={200: WebhookDealtOut, **problems(400, 401, 403, 409, 422)},
        examples=[OF_A_TOPIC],
    )
    @action(detail=False, methods=["post"], url_path="discard")
    def discard_some(self, request: Request) -> HttpResponse:
        """Leave the oldest that match untold."""
        return _deal_with_some(request, discard_delivery, of_enabled=False)


def _page(query: dict[str, Any]) -> HttpResponse:
    cursor, limit = query.pop("cursor", None), query.pop("limit")
    found = queries.deliveries(**query, before=_id_in(cursor), limit=limit + 1)
    return page_of_items(page_of(found, limit=limit, key=lambda each: (str(each.id),)))


def _deal_with(request: Request, pk: UUID, deal: Callable[..., None]) -> HttpResponse:
    payload = ReasonIn.read(request)

    def run() -> HttpResponse:
        deal(delivery_id=DeliveryId(pk), **payload)
        return _delivery(pk)

    return _once(request, run)


def _deal_with_some(request: Request, deal: Callable[..., None], *, of_enabled: bool) -> HttpResponse:
    payload = DealIn.read(request)
    if not payload["all"] and not {"endpoint_id", "topic"} & payload.keys():
        raise SelectionRequired

    def run() -> HttpResponse:
        ids = queries.dead_ids(
            endpoint_id=payload.get("endpoint_id"),
            topic=payload.get("topic"),
            of_enabled=of_enabled,
            limit=payload["limit"],
        )
        for id_ in ids:
            deal(delivery_id=DeliveryId(id_), reason=payload["reason"])
        return json_response({"count": len(ids)})

    return _once(request, run)


def _endpoint(endpoint_id: UUID) -> HttpResponse:
    found = queries.endpoint(EndpointId(endpoint_id), of_owner=ANYONE)
    return json_response(asdict(found), headers={"ETag": etag_of(found.version)})


def _delivery(delivery_id: UUID) -> HttpResponse:
    found = queries.delivery(delivery_id)
    if found is None:
        raise DeliveryNotFound(delivery_id=delivery_id)
    return json_response(asdict(found))


def _once(request: Request, run: Callable[[], HttpResponse]) -> HttpResponse:
    return answer_once(http_request_of(request), caller=caller_of(request).actor, run=run, required=False)


def _id_in(cursor: str | None) -> UUID | None:
    if cursor is None:
        return None
    (text,) = decode_cursor(cursor, length=1)
    try:
        return UUID(str(text))
    except ValueError:
        raise InvalidCursor from None

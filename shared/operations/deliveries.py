"""Deliveries of events to handlers for operators, and a second chance, or none, for dead letters."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.routers import SimpleRouter
from rest_framework.viewsets import ViewSet

from shared.domain.errors import EntityNotFoundError
from shared.http.auth import caller_of
from shared.http.drf import has_scope, http_request_of
from shared.http.drf_schemas import (
    IDEMPOTENCY_KEY,
    ItemPage,
    PageQuery,
    StrictSerializer,
    page_of_items,
    problems,
    query_of,
)
from shared.http.failures import SelectionRequired
from shared.http.idempotency import answer_once
from shared.http.json import json_response
from shared.http.pagination import decode_number, page_of
from shared.outbox import dead_letters
from shared.outbox.dead_letters import MOST_AT_ONCE, DeadLetterFilter, DeadLetterNotFound
from shared.outbox.models import DeliveryRow
from shared.outbox.queries import DeliveryFilter, deliveries, delivery

ID = OpenApiParameter(
    "id", {"type": "integer", "format": "int64", "minimum": 1, "maximum": 2**63 - 1}, OpenApiParameter.PATH
)
HANDLER = OpenApiParameter("handler", str, description="to exactly this handler, such as inventory.release_stock")
TOPIC = OpenApiParameter("topic", str, description="of exactly this topic, such as ordering.order_placed.v1")


class DeliveryNotFound(EntityNotFoundError):
    """There is no such delivery; those of archived events are forgotten."""


class DeliveryOut(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    event_id = serializers.UUIDField()
    topic = serializers.CharField()
    handler = serializers.CharField(help_text="who is told")
    status = serializers.ChoiceField(choices=DeliveryRow.Status.choices)
    waits = serializers.BooleanField(help_text="whether an earlier event of the same thing has to be done first")
    attempts = serializers.IntegerField()
    due_at = serializers.DateTimeField(help_text="when it is tried next, if it is pending")
    finished_at = serializers.DateTimeField(allow_null=True)
    last_error = serializers.CharField()


class DeliveryQuery(PageQuery):
    event_id = serializers.UUIDField(required=False)
    topic = serializers.CharField(required=False, max_length=120)
    handler = serializers.CharField(required=False, max_length=120)
    status = serializers.ChoiceField(required=False, choices=DeliveryRow.Status.choices)


class DeadLetterQuery(PageQuery):
    topic = serializers.CharField(required=False, max_length=120)
    handler = serializers.CharField(required=False, max_length=120)


class RetryIn(StrictSerializer):
    reason = serializers.CharField(required=False, default="", allow_blank=True, max_length=200)


class DiscardIn(StrictSerializer):
    reason = serializers.CharField(max_length=200, help_text="the audit trail keeps it")


class _SomeIn(StrictSerializer):
    topic = serializers.CharField(required=False, max_length=120)
    handler = serializers.CharField(required=False, max_length=120)
    all = serializers.BooleanField(required=False, default=False, help_text="whichever topic and handler they are of")
    limit = serializers.IntegerField(required=False, default=MOST_AT_ONCE, min_value=1, max_value=MOST_AT_ONCE)


class RetrySomeIn(RetryIn, _SomeIn):
    """Which dead letters are retried; a topic, a handler, both, or `all`."""


class DiscardSomeIn(DiscardIn, _SomeIn):
    """Which dead letters are discarded; a topic, a handler, both, or `all`."""


class DealtOut(serializers.Serializer[Any]):
    count = serializers.IntegerField(help_text="how many were dealt with")
    remaining = serializers.IntegerField(help_text="how many more match")


class DeliveryViewSet(ViewSet):
    """Deliveries of events to handlers."""

    lookup_value_converter = "int"
    permission_classes = [has_scope("ops:deliveries:read")]

    @extend_schema(
        operation_id="list_deliveries",
        summary="List deliveries",
        parameters=query_of(
            DeliveryQuery,
            OpenApiParameter("event_id", OpenApiTypes.UUID, description="of this event"),
            TOPIC,
            HANDLER,
            OpenApiParameter("status", str, enum=DeliveryRow.Status.values),
        ),
        responses={200: ItemPage(DeliveryOut), **problems(401, 403, 422)},
    )
    def list(self, request: Request) -> HttpResponse:
        """List deliveries, the newest first."""
        return _page(DeliveryQuery.read(request))

    @extend_schema(
        operation_id="get_delivery",
        summary="Get a delivery",
        parameters=[ID],
        responses={200: DeliveryOut, **problems(401, 403, 404)},
    )
    def retrieve(self, request: Request, pk: int) -> HttpResponse:  # noqa: ARG002 - DRF's signature
        """Get a delivery, and why it failed last, if it did."""
        return _response_of(pk)


class DeadLetterViewSet(ViewSet):
    """Deliveries that were given up after their last attempt."""

    lookup_value_converter = "int"
    route_classes: ClassVar[dict[str, str]] = dict.fromkeys(("retry_some", "discard_some"), "bulk")
    permission_scopes: ClassVar[dict[str, str]] = dict.fromkeys(
        ("retry", "discard", "retry_some", "discard_some"), "ops:deliveries:write"
    )

    def get_permissions(self) -> list[Any]:
        """Reading and writing need different scopes."""
        return [has_scope(self.permission_scopes.get(self.action or "", "ops:deliveries:read"))()]

    @extend_schema(
        operation_id="list_dead_letters",
        summary="List dead letters",
        parameters=query_of(DeadLetterQuery, TOPIC, HANDLER),
        responses={200: ItemPage(DeliveryOut), **problems(401, 403, 422)},
    )
    def list(self, request: Request) -> HttpResponse:
        """List deliveries that were given up, the newest first."""
        return _page(DeadLetterQuery.read(request) | {"status": DeliveryRow.Status.DEAD.value})

    @extend_schema(
        operation_id="get_dead_letter",
        summary="Get a dead letter",
        parameters=[ID],
        responses={200: DeliveryOut, **problems(401, 403, 404)},
    )
    def retrieve(self, request: Request, pk: int) -> HttpResponse:  # noqa: ARG002 - DRF's signature
        """Get a dead letter, and why it failed last."""
        found = delivery(pk)
        if found is None or found.status != DeliveryRow.Status.DEAD:
            raise DeadLetterNotFound
        return json_response(found)

    @extend_schema(
        operation_id="retry_dead_letter",
        summary="Retry a dead letter",
        parameters=[ID, IDEMPOTENCY_KEY],
        request=RetryIn,
        responses={200: DeliveryOut, **problems(400, 401, 403, 404, 409, 422)},
        examples=[OpenApiExample("Fixed", value={"reason": "the handler is fixed"}, request_only=True)],
    )
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: int) -> HttpResponse:
        """Have it delivered after all: it is due now, with all its attempts ahead of it again."""
        payload = RetryIn.read(request)

        def run() -> HttpResponse:
            dead_letters.retry(pk, **payload)
            return _response_of(pk)

        return _once(request, run)

    @extend_schema(
        operation_id="discard_dead_letter",
        summary="Discard a dead letter",
        parameters=[ID, IDEMPOTENCY_KEY],
        request=DiscardIn,
        responses={200: DeliveryOut, **problems(400, 401, 403, 404, 409, 422)},
        examples=[OpenApiExample("Settled", value={"reason": "done by hand"}, request_only=True)],
    )
    @action(detail=True, methods=["post"])
    def discard(self, request: Request, pk: int) -> HttpResponse:
        """Leave it undelivered: only a replay of its event would tell the handler again."""
        payload = DiscardIn.read(request)

        def run() -> HttpResponse:
            dead_letters.discard(pk, **payload)
            return _response_of(pk)

        return _once(request, run)

    @extend_schema(
        operation_id="retry_dead_letters",
        summary="Retry dead letters",
        parameters=[IDEMPOTENCY_KEY],
        request=RetrySomeIn,
        responses={200: DealtOut, **problems(400, 401, 403, 409, 422)},
        examples=[
            OpenApiExample(
                "One handler's", value={"handler": "payments.return_money_of_cancelled_order"}, request_only=True
            )
        ],
    )
    @action(detail=False, methods=["post"], url_path="retry")
    def retry_some(self, request: Request) -> HttpResponse:
        """Have the oldest that match delivered after all; call it again while some remain."""
        payload = RetrySomeIn.read(request)
        wanted = _meant(payload)
        return _once(request, lambda: json_response(dead_letters.retry_matching(wanted, **payload)))

    @extend_schema(
        operation_id="discard_dead_letters",
        summary="Discard dead letters",
        parameters=[IDEMPOTENCY_KEY],
        request=DiscardSomeIn,
        responses={200: DealtOut, **problems(400, 401, 403, 409, 422)},
        examples=[
            OpenApiExample(
                "One topic's",
                value={"topic": "ordering.order_cancelled.v1", "reason": "the subscriber is gone"},
                request_only=True,
            )
        ],
    )
    @action(detail=False, methods=["post"], url_path="discard")
    def discard_some(self, request: Request) -> HttpResponse:
        """Leave the oldest that match undelivered; call it again while some remain."""
        payload = DiscardSomeIn.read(request)
        wanted = _meant(payload)
        return _once(request, lambda: json_response(dead_letters.discard_matching(wanted, **payload)))


def _page(given: dict[str, Any]) -> HttpResponse:
    cursor, limit = given.pop("cursor", None), given.pop("limit")
    found = deliveries(DeliveryFilter(**given), before=decode_number(cursor) if cursor else None, limit=limit + 1)
    return page_of_items(page_of(found, limit=limit, key=lambda each: (each.id,)))


def _response_of(delivery_id: int) -> HttpResponse:
    found = delivery(delivery_id)
    if found is None:
        raise DeliveryNotFound
    return json_response(found)


def _once(request: Request, run: Callable[[], HttpResponse]) -> HttpResponse:
    return answer_once(http_request_of(request), caller=caller_of(request).actor, run=run, required=False)


def _meant(payload: dict[str, Any]) -> DeadLetterFilter:
    """Take the filter out of the payload, or raise SelectionRequired: an empty one has to be meant."""
    wanted = DeadLetterFilter(handler=payload.pop("handler", None), topic=payload.pop("topic", None))
    if not payload.pop("all") and wanted == DeadLetterFilter():
        raise SelectionRequired
    return wanted


def register(router: SimpleRouter) -> None:
    """Add deliveries and dead letters to the operator API."""
    router.register("deliveries", DeliveryViewSet, basename="delivery")
    router.register("dead-letters", DeadLetterViewSet, basename="dead-letter")

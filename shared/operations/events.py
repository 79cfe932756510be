"""Events for operators: what happened, and who was told of it."""

from dataclasses import fields
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.routers import SimpleRouter
from rest_framework.viewsets import ViewSet

from shared.domain.errors import EntityNotFoundError
from shared.http.drf import has_scope
from shared.http.drf_schemas import ItemPage, PageQuery, page_of_items, problems, query_of, time_field
from shared.http.json import json_response
from shared.http.pagination import decode_id, page_of
from shared.operations.deliveries import DeliveryOut
from shared.outbox.queries import DeliveryFilter, EventFilter, deliveries, event, events

ID = OpenApiParameter("id", OpenApiTypes.UUID, OpenApiParameter.PATH)
MOST_DELIVERIES = 1000  # of one event: one per handler


class EventNotFound(EntityNotFoundError):
    """There is no such event."""


class EventOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    topic = serializers.CharField(help_text="such as ordering.order_placed.v1")
    aggregate_id = serializers.UUIDField(help_text="what it happened to")
    aggregate_sequence = serializers.IntegerField(help_text="its place in the history of that, from 1 without gaps")
    occurred_at = serializers.DateTimeField()
    recorded_at = serializers.DateTimeField()
    actor = serializers.CharField(help_text="who did it: a kind and an id")
    correlation_id = serializers.CharField(help_text="request id of what set it in motion")
    causation_id = serializers.CharField(help_text="id of the event that caused it, if one did")
    traceparent = serializers.CharField(help_text="W3C Trace Context")
    payload: Any = serializers.DictField()


class EventWithDeliveriesOut(EventOut):
    deliveries = DeliveryOut(many=True, help_text="of an archived event there are none left")


class EventQuery(PageQuery):
    topic = serializers.CharField(required=False, max_length=120)
    aggregate_id = serializers.UUIDField(required=False)
    occurred_from = time_field(required=False)
    occurred_before = time_field(required=False)


class EventViewSet(ViewSet):
    """Events, archived or not."""

    lookup_value_converter = "uuid"
    permission_classes = [has_scope("ops:events:read")]

    @extend_schema(
        operation_id="list_events",
        summary="List events",
        parameters=query_of(
            EventQuery,
            OpenApiParameter("topic", str, description="exactly this topic, such as ordering.order_placed.v1"),
            OpenApiParameter("aggregate_id", OpenApiTypes.UUID, description="what happened to this"),
            OpenApiParameter("occurred_from", OpenApiTypes.DATETIME, description="at or after this time, or day (UTC)"),
            OpenApiParameter("occurred_before", OpenApiTypes.DATETIME, description="before this time, or day (UTC)"),
        ),
        responses={200: ItemPage(EventOut), **problems(401, 403, 422)},
    )
    def list(self, request: Request) -> HttpResponse:
        """List events, the last one recorded first."""
        given = EventQuery.read(request)
        cursor, limit = given.pop("cursor", None), given.pop("limit")
        found = events(EventFilter(**given), before=decode_id(cursor) if cursor else None, limit=limit + 1)
        return page_of_items(page_of(found, limit=limit, key=lambda each: (str(each.id),)))

    @extend_schema(
        operation_id="get_event",
        summary="Get an event",
        parameters=[ID],
        responses={200: EventWithDeliveriesOut, **problems(401, 403, 404)},
    )
    def retrieve(self, request: Request, pk: UUID) -> HttpResponse:  # noqa: ARG002 - DRF's signature
        """Get an event, and who was told of it."""
        found = event(pk)
        if found is None:
            raise EventNotFound(event_id=pk)
        told = deliveries(DeliveryFilter(event_id=pk), limit=MOST_DELIVERIES)
        return json_response({each.name: getattr(found, each.name) for each in fields(found)} | {"deliveries": told})


def register(router: SimpleRouter) -> None:
    """Add events to the operator API."""
    router.register("events", EventViewSet, basename="event")

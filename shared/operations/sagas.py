"""Durable processes for operators: where each stands, and the levers for one that does not get on by itself."""

from collections.abc import Callable
from typing import Any, ClassVar
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.routers import SimpleRouter
from rest_framework.viewsets import ViewSet

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
from shared.http.idempotency import answer_once
from shared.http.json import json_response
from shared.http.pagination import decode_id, page_of
from shared.saga import levers
from shared.saga.models import SagaRow, SagaStepRow
from shared.saga.queries import ProcessFilter, process, processes

ID = OpenApiParameter("id", OpenApiTypes.UUID, OpenApiParameter.PATH)


class SagaStepOut(serializers.Serializer[Any]):
    name = serializers.CharField()
    status = serializers.ChoiceField(choices=SagaStepRow.Status.choices)
    attempts = serializers.IntegerField()
    error = serializers.CharField(help_text="of the last attempt")
    started_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class SagaOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField(help_text="kind of process, such as ordering.checkout")
    subject_id = serializers.UUIDField(help_text="what it is about, such as an order")
    status = serializers.ChoiceField(choices=SagaRow.Status.choices)
    reason = serializers.CharField(help_text="why it was given up")
    failures = serializers.IntegerField()
    last_error = serializers.CharField()
    created_at = serializers.DateTimeField()
    due_at = serializers.DateTimeField(allow_null=True, help_text="when it is looked at next")
    deadline_at = serializers.DateTimeField(help_text="by when it has to end")
    finished_at = serializers.DateTimeField(allow_null=True)
    steps = SagaStepOut(many=True, help_text="in the order in which they began")


class PullLeverIn(StrictSerializer):
    reason = serializers.CharField(max_length=200, help_text="the audit trail keeps it")


class SagaQuery(PageQuery):
    name = serializers.CharField(required=False, max_length=80)
    status = serializers.ChoiceField(required=False, choices=SagaRow.Status.choices)
    subject_id = serializers.UUIDField(required=False)
    overdue = serializers.BooleanField(required=False, allow_null=True, default=None)


def _lever(operation_id: str, summary: str) -> Callable[..., Any]:
    return extend_schema(
        operation_id=operation_id,
        summary=summary,
        parameters=[ID, IDEMPOTENCY_KEY],
        request=PullLeverIn,
        responses={200: SagaOut, **problems(400, 401, 403, 404, 409, 422)},
        examples=[OpenApiExample("Why", value={"reason": "the provider confirmed it by phone"}, request_only=True)],
    )


class SagaViewSet(ViewSet):
    """Durable processes; what they carry is not shown, for it may hold a payment token."""

    lookup_value_converter = "uuid"
    permission_scopes: ClassVar[dict[str, str]] = dict.fromkeys(("retry", "skip", "compensate"), "ops:sagas:write")

    def get_permissions(self) -> list[Any]:
        """Reading and writing need different scopes."""
        return [has_scope(self.permission_scopes.get(self.action or "", "ops:sagas:read"))()]

    @extend_schema(
        operation_id="list_sagas",
        summary="List processes",
        parameters=query_of(
            SagaQuery,
            OpenApiParameter("name", str, description="of this kind, such as ordering.checkout"),
            OpenApiParameter("status", str, enum=SagaRow.Status.values),
            OpenApiParameter("subject_id", OpenApiTypes.UUID, description="about this order, payment, …"),
            OpenApiParameter("overdue", bool, description="whether the deadline has passed and it is not finished"),
        ),
        responses={200: ItemPage(SagaOut), **problems(401, 403, 422)},
    )
    def list(self, request: Request) -> HttpResponse:
        """List processes with their steps, the newest first."""
        given = SagaQuery.read(request)
        cursor, limit = given.pop("cursor", None), given.pop("limit")
        wanted = ProcessFilter(is_overdue=given.pop("overdue"), **given)
        found = processes(wanted, before=decode_id(cursor) if cursor else None, limit=limit + 1)
        return page_of_items(page_of(found, limit=limit, key=lambda each: (str(each.id),)))

    @extend_schema(
        operation_id="get_saga",
        summary="Get a process",
        parameters=[ID],
        responses={200: SagaOut, **problems(401, 403, 404)},
    )
    def retrieve(self, request: Request, pk: UUID) -> HttpResponse:  # noqa: ARG002 - DRF's signature
        """Get a process with its steps."""
        return _response_of(pk)

    @_lever("retry_saga", "Retry a process")
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: UUID) -> HttpResponse:
        """Have the process try again now, under the same keys as before: nothing is done twice."""
        return _pull(levers.retry, request, pk)

    @_lever("skip_saga_step", "Skip the step in hand")
    @action(detail=True, methods=["post"])
    def skip(self, request: Request, pk: UUID) -> HttpResponse:
        """Take the step in hand as done, because somebody has done or settled it by other means."""
        return _pull(levers.skip, request, pk)

    @_lever("compensate_saga", "Give a process up")
    @action(detail=True, methods=["post"])
    def compensate(self, request: Request, pk: UUID) -> HttpResponse:
        """Give the process up: what it did is undone, step by step, the one in hand included."""
        return _pull(levers.compensate, request, pk)


def _pull(lever: Callable[..., None], request: Request, saga_id: UUID) -> HttpResponse:
    reason = PullLeverIn.read(request)["reason"]

    def run() -> HttpResponse:
        lever(saga_id, reason=reason)
        return _response_of(saga_id)

    return answer_once(http_request_of(request), caller=caller_of(request).actor, run=run, required=False)


def _response_of(saga_id: UUID) -> HttpResponse:
    found = process(saga_id)
    if found is None:
        raise levers.SagaNotFound(saga_id=saga_id)
    return json_response(found)


def register(router: SimpleRouter) -> None:
    """Add processes to the operator API."""
    router.register("sagas", SagaViewSet, basename="saga")

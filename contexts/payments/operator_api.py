"""Payments for operators: what was asked of the provider, what is known, and a way to ask it again."""

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

from contexts.payments import queries
from contexts.payments.domain import OperationKind, OperationStatus, PaymentId, PaymentStatus
from contexts.payments.wiring import resolve_payment
from shared.http.drf import has_scope, http_request_of
from shared.http.drf_schemas import (
    ItemPage,
    MoneyOut,
    PageQuery,
    StrictSerializer,
    choice_of,
    page_of_items,
    problems,
    query_of,
    time_field,
)
from shared.http.etags import etag_of, is_unchanged
from shared.http.json import json_response
from shared.http.pagination import decode_id, page_of

ID = OpenApiParameter("id", OpenApiTypes.UUID, OpenApiParameter.PATH)


class OperationOut(serializers.Serializer[Any]):
    kind = choice_of(OperationKind)
    status = choice_of(OperationStatus)
    key = serializers.CharField(help_text="idempotency key under which the provider knows it")
    attempted_at = serializers.DateTimeField(help_text="when it was sent last")
    failure_code = serializers.CharField(allow_null=True)


class PaymentOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    version = serializers.IntegerField()
    order_id = serializers.UUIDField()
    method = serializers.CharField()
    amount = MoneyOut()
    status = choice_of(PaymentStatus)
    reference = serializers.CharField(help_text="the provider's own; empty while it is not known")
    failure_code = serializers.CharField(allow_null=True)
    is_given_up = serializers.BooleanField(help_text="its order was cancelled: money that is reserved is given back")
    created_at = serializers.DateTimeField()
    operations = OperationOut(many=True)


class ResolveIn(StrictSerializer):
    reason = serializers.CharField(required=False, default="", allow_blank=True, max_length=200)


class PaymentQuery(PageQuery):
    status = choice_of(PaymentStatus, required=False)
    order_id = serializers.UUIDField(required=False)
    method = serializers.CharField(required=False, max_length=40)
    created_from = time_field(required=False)
    created_before = time_field(required=False)
    overdue = serializers.BooleanField(required=False, allow_null=True, default=None)


class PaymentViewSet(ViewSet):
    """Payments of orders."""

    lookup_value_converter = "uuid"
    permission_scopes: ClassVar[dict[str, str]] = {"resolve": "ops:payments:write"}

    def get_permissions(self) -> list[Any]:
        """Reading and writing need different scopes."""
        return [has_scope(self.permission_scopes.get(self.action or "", "ops:payments:read"))()]

    @extend_schema(
        operation_id="list_payments",
        summary="List payments",
        parameters=query_of(
            PaymentQuery,
            OpenApiParameter("status", str, enum=list(PaymentStatus), description="`unknown`: money in doubt"),
            OpenApiParameter("order_id", OpenApiTypes.UUID),
            OpenApiParameter("method", str),
            OpenApiParameter("created_from", OpenApiTypes.DATETIME, description="at or after this time, or day (UTC)"),
            OpenApiParameter("created_before", OpenApiTypes.DATETIME, description="before this time, or day (UTC)"),
            OpenApiParameter("overdue", bool, description="whether it has been pending or unknown for five minutes"),
        ),
        responses={200: ItemPage(PaymentOut), **problems(401, 403, 422)},
    )
    def list(self, request: Request) -> HttpResponse:
        """List payments with what was asked of the provider, the newest first."""
        given = PaymentQuery.read(request)
        cursor, limit = given.pop("cursor", None), given.pop("limit")
        wanted = queries.PaymentFilter(is_overdue=given.pop("overdue"), **given)
        found = queries.payments(wanted, before=decode_id(cursor) if cursor else None, limit=limit + 1)
        return page_of_items(page_of(found, limit=limit, key=lambda each: (str(each.id),)))

    @extend_schema(
        operation_id="get_payment",
        summary="Get a payment",
        parameters=[ID],
        responses={200: PaymentOut, 304: None, **problems(401, 403, 404)},
    )
    def retrieve(self, request: Request, pk: UUID) -> HttpResponse:
        """Get a payment with what was asked of the provider, and with its version as ETag."""
        payment = queries.payment(pk)
        if is_unchanged(http_request_of(request), etag_of(payment.version)):
            return HttpResponse(status=304, headers={"ETag": etag_of(payment.version)})
        return _response_of(payment)

    @extend_schema(
        operation_id="resolve_payment",
        summary="Resolve a payment",
        parameters=[ID],
        request=ResolveIn,
        responses={200: PaymentOut, **problems(400, 401, 403, 404, 422, 503)},
        examples=[OpenApiExample("Why", value={"reason": "the customer called"}, request_only=True)],
    )
    @action(detail=True, methods=["post"])
    def resolve(self, request: Request, pk: UUID) -> HttpResponse:
        """Ask the provider now what came of the payment, and take note of its answer; asking twice is harmless.

        Nothing but the provider's answer settles a payment, and one that is settled is left as it is. So it takes
        neither key nor version.
        """
        resolve_payment(payment_id=PaymentId(pk), **ResolveIn.read(request))
        return _response_of(queries.payment(pk))


def _response_of(payment: queries.PaymentDetails) -> HttpResponse:
    return json_response(payment, headers={"ETag": etag_of(payment.version)})


def register(router: SimpleRouter) -> None:
    """Add payments to the operator API."""
    router.register("payments", PaymentViewSet, basename="payment")

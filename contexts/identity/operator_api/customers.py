"""Customers for operators: find them, look at one, and erase one."""

from dataclasses import asdict
from typing import Any, ClassVar
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.viewsets import ViewSet

from contexts.identity import queries
from contexts.identity.domain import AccountNotFound
from contexts.identity.wiring import erase_customer
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
from shared.http.etags import etag_of
from shared.http.idempotency import answer_once
from shared.http.json import json_response
from shared.http.pagination import decode_cursor, decode_moment, page_of

ID = OpenApiParameter("id", OpenApiTypes.UUID, OpenApiParameter.PATH)


class CustomerOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    email = serializers.EmailField()
    name = serializers.CharField()
    is_active = serializers.BooleanField()
    email_verified = serializers.BooleanField()
    registered_at = serializers.DateTimeField()
    erased_at = serializers.DateTimeField(allow_null=True)
    version = serializers.IntegerField()


class CustomerQuery(PageQuery):
    email = serializers.CharField(required=False, max_length=254)
    q = serializers.CharField(required=False, max_length=100)


class EraseCustomerIn(StrictSerializer):
    reason = serializers.CharField(max_length=200)


class CustomerViewSet(ViewSet):
    """Customers: people with an account who are not staff."""

    lookup_value_converter = "uuid"
    permission_scopes: ClassVar[dict[str, str]] = {"erase": "ops:customers:erase"}

    def get_permissions(self) -> list[Any]:
        """Reading and erasing need different scopes."""
        return [has_scope(self.permission_scopes.get(self.action or "", "ops:customers:read"))()]

    @extend_schema(
        operation_id="list_customers",
        summary="List customers",
        parameters=query_of(
            CustomerQuery,
            OpenApiParameter("email", str, description="exactly this address, whatever its case"),
            OpenApiParameter("q", str, description="part of the name or address"),
        ),
        responses={200: ItemPage(CustomerOut), **problems(401, 403, 422)},
    )
    def list(self, request: Request) -> HttpResponse:
        """List customers, the newest first."""
        query = CustomerQuery.read(request)
        cursor, limit = query.pop("cursor", None), query.pop("limit")
        before = decode_moment(*decode_cursor(cursor, length=2)) if cursor else None
        found = queries.customers(**query, before=before, limit=limit + 1)
        return page_of_items(page_of(found, limit=limit, key=lambda one: (one.registered_at.isoformat(), str(one.id))))

    @extend_schema(
        operation_id="get_customer",
        summary="Get a customer",
        parameters=[ID],
        responses={200: CustomerOut, **problems(401, 403, 404)},
    )
    def retrieve(self, request: Request, pk: UUID) -> HttpResponse:  # noqa: ARG002 - DRF's signature
        """Get a customer, with the version as ETag."""
        customer = queries.customer(pk)
        if customer is None:
            raise AccountNotFound
        return json_response(asdict(customer), headers={"ETag": etag_of(customer.version)})

    @extend_schema(
        operation_id="erase_customer",
        summary="Erase a customer",
        parameters=[ID, IDEMPOTENCY_KEY],
        request=EraseCustomerIn,
        responses={204: None, **problems(400, 401, 403, 404, 409, 422)},
    )
    @action(detail=True, methods=["post"])
    def erase(self, request: Request, pk: UUID) -> HttpResponse:
        """Forget a customer for good; orders stay, anonymous. Refused while one is on its way."""
        payload = EraseCustomerIn.read(request)

        def run() -> HttpResponse:
            erase_customer(account_id=pk, reason=payload["reason"])
            return HttpResponse(status=204)

        return answer_once(http_request_of(request), caller=caller_of(request).actor, run=run, required=False)

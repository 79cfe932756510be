"""Variants: find, add to a product, call otherwise."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.viewsets import ViewSet

from contexts.catalog import queries
from contexts.catalog.domain import MAX_NAME, MAX_OPTION, ProductId
from contexts.catalog.operator_api.schemas import ID, VariantIn, VariantOut, at_its_version, once, reading_or_writing
from contexts.catalog.wiring import add_variant, change_variant
from shared.http.drf import http_request_of
from shared.http.drf_schemas import (
    IDEMPOTENCY_KEY,
    IF_MATCH_REQUIRED,
    ItemPage,
    PageQuery,
    StrictSerializer,
    page_of_items,
    problems,
    query_of,
)
from shared.http.etags import version_required
from shared.http.pagination import decode_text, page_of


class AddVariantIn(VariantIn):
    product_id = serializers.UUIDField()


class ChangeVariantIn(StrictSerializer):
    name = serializers.CharField(required=False, allow_blank=True, max_length=MAX_NAME)
    options = serializers.DictField(required=False, child=serializers.CharField(max_length=MAX_OPTION))
    backorderable = serializers.BooleanField(required=False)


class VariantQuery(PageQuery):
    product_id = serializers.UUIDField(required=False)
    sku = serializers.CharField(required=False, max_length=64)


class VariantViewSet(ViewSet):
    """Variants of products; they are changed at the version of their product."""

    lookup_value_converter = "uuid"

    def get_permissions(self) -> list[Any]:
        """Reading and writing need different scopes."""
        return reading_or_writing("variants", self.action)

    @extend_schema(
        operation_id="list_variants",
        summary="List variants",
        parameters=query_of(
            VariantQuery,
            OpenApiParameter("product_id", OpenApiTypes.UUID),
            OpenApiParameter("sku", str, description="exactly this sku"),
        ),
        responses={200: ItemPage(VariantOut), **problems(401, 403, 422)},
    )
    def list(self, request: Request) -> HttpResponse:
        """List variants by their skus."""
        given = VariantQuery.read(request)
        cursor, limit = given.pop("cursor", None), given.pop("limit")
        found = queries.variants(**given, after=decode_text(cursor) if cursor else None, limit=limit + 1)
        return page_of_items(page_of(found, limit=limit, key=lambda variant: (variant.sku,)))

    @extend_schema(
        operation_id="get_variant",
        summary="Get a variant",
        parameters=[ID],
        responses={200: VariantOut, **problems(401, 403, 404)},
    )
    def retrieve(self, request: Request, pk: UUID) -> HttpResponse:  # noqa: ARG002 - DRF's signature
        """Get a variant, with its product's version as ETag."""
        return at_its_version(queries.variant(pk))

    @extend_schema(
        operation_id="add_variant",
        summary="Add a variant",
        parameters=[IDEMPOTENCY_KEY, IF_MATCH_REQUIRED],
        request=AddVariantIn,
        responses={201: VariantOut, **problems(400, 401, 403, 404, 409, 412, 422, 428)},
        examples=[
            OpenApiExample(
                "Another colour",
                value={
                    "product_id": "0197a3c4-5d6e-7f80-91a2-b3c4d5e6f708",
                    "sku": "MUG-MOSS",
                    "options": {"colour": "moss"},
                    "prices": [{"amount": "18.00", "currency": "EUR"}],
                },
                request_only=True,
            )
        ],
    )
    def create(self, request: Request) -> HttpResponse:
        """Sell a product in one more variant, at the product's version that was seen; stock items for it follow."""
        payload = AddVariantIn.read(request)
        version = version_required(http_request_of(request))
        product_id = ProductId(payload.pop("product_id"))
        new = VariantIn.to_variant(payload)

        def run() -> HttpResponse:
            added = add_variant(product_id=product_id, variant=new, expected_version=version)
            location = f"/api/ops/v1/variants/{added.id}"
            return at_its_version(queries.variant(added.id), status=201, location=location)

        return once(request, run)

    @extend_schema(
        operation_id="change_variant",
        summary="Change a variant",
        parameters=[ID, IF_MATCH_REQUIRED],
        request=ChangeVariantIn,
        responses={200: VariantOut, **problems(400, 401, 403, 404, 412, 422, 428)},
        examples=[OpenApiExample("On backorder", value={"backorderable": True}, request_only=True)],
    )
    def partial_update(self, request: Request, pk: UUID) -> HttpResponse:
        """Call or describe the variant otherwise; what is left out stays, and its sku does."""
        payload = ChangeVariantIn.read(request)
        version = version_required(http_request_of(request))
        change_variant(sku=queries.variant(pk).sku, expected_version=version, **payload)
        return at_its_version(queries.variant(pk))

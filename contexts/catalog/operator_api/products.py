"""Products, for sale or withdrawn: find, add, describe, withdraw."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.viewsets import ViewSet

from contexts.catalog import queries
from contexts.catalog.domain import MAX_NAME, MAX_SLUG, NewProduct, ProductId
from contexts.catalog.operator_api.schemas import (
    ID,
    MOST_VARIANTS,
    VariantIn,
    VariantOut,
    at_its_version,
    once,
    reading_or_writing,
)
from contexts.catalog.wiring import add_product, describe_product, withdraw_product
from shared.http.drf import http_request_of
from shared.http.drf_schemas import (
    IDEMPOTENCY_KEY,
    IF_MATCH_REQUIRED,
    ItemPage,
    MoneyOut,
    PageQuery,
    StrictSerializer,
    page_of_items,
    problems,
    query_of,
)
from shared.http.etags import version_required
from shared.http.pagination import decode_id, page_of

MAX_DESCRIPTION = 20_000  # characters
EXAMPLE = {
    "name": "Stoneware Mug",
    "category": "kitchen",
    "variants": [
        {"sku": "MUG-SAND", "options": {"colour": "sand"}, "prices": [{"amount": "18.00", "currency": "EUR"}]}
    ],
}


class ProductOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    version = serializers.IntegerField()
    name = serializers.CharField()
    description = serializers.CharField()
    category = serializers.CharField(help_text="slug")
    is_active = serializers.BooleanField(help_text="whether it is for sale")
    price_from = MoneyOut(help_text="the lowest price, in the currency that the product is listed in")
    created_at = serializers.DateTimeField()
    variants = VariantOut(many=True)

    class Meta:
        ref_name = "OperatorProductOut"


class AddProductIn(StrictSerializer):
    name = serializers.CharField(max_length=MAX_NAME)
    description = serializers.CharField(required=False, default="", allow_blank=True, max_length=MAX_DESCRIPTION)
    category = serializers.CharField(max_length=MAX_SLUG, help_text="slug")
    variants = VariantIn(many=True, allow_empty=False, max_length=MOST_VARIANTS)  # type: ignore[call-arg]  # the list's


class DescribeProductIn(StrictSerializer):
    name = serializers.CharField(required=False, max_length=MAX_NAME)
    description = serializers.CharField(required=False, allow_blank=True, max_length=MAX_DESCRIPTION)
    category = serializers.CharField(required=False, max_length=MAX_SLUG, help_text="slug")


class ProductQuery(PageQuery):
    q = serializers.CharField(required=False, max_length=200)
    category = serializers.CharField(required=False, max_length=MAX_SLUG)
    sku = serializers.CharField(required=False, max_length=64)
    is_active = serializers.BooleanField(required=False, allow_null=True, default=None)


class ProductViewSet(ViewSet):
    """Products, for sale or withdrawn."""

    lookup_value_converter = "uuid"

    def get_permissions(self) -> list[Any]:
        """Reading and writing need different scopes."""
        return reading_or_writing("products", self.action)

    @extend_schema(
        operation_id="list_all_products",
        summary="List products",
        parameters=query_of(
            ProductQuery,
            OpenApiParameter("q", str, description="words of the name or the description"),
            OpenApiParameter("category", str, description="in exactly this category, by its slug"),
            OpenApiParameter("sku", str, description="with a variant of exactly this sku"),
            OpenApiParameter("is_active", bool, description="whether it is for sale"),
        ),
        responses={200: ItemPage(ProductOut), **problems(401, 403, 422)},
    )
    def list(self, request: Request) -> HttpResponse:
        """List products with their variants, the newest first."""
        given = ProductQuery.read(request)
        cursor, limit = given.pop("cursor", None), given.pop("limit")
        wanted = queries.AnyProductFilter(text=given.pop("q", None), **given)
        found = queries.any_products(wanted, before=decode_id(cursor) if cursor else None, limit=limit + 1)
        return page_of_items(page_of(found, limit=limit, key=lambda product: (str(product.id),)))

    @extend_schema(
        operation_id="get_any_product",
        summary="Get a product",
        parameters=[ID],
        responses={200: ProductOut, **problems(401, 403, 404)},
    )
    def retrieve(self, request: Request, pk: UUID) -> HttpResponse:  # noqa: ARG002 - DRF's signature
        """Get a product, for sale or not, with its version as ETag."""
        return at_its_version(queries.any_product(pk))

    @extend_schema(
        operation_id="add_product",
        summary="Add a product",
        parameters=[IDEMPOTENCY_KEY],
        request=AddProductIn,
        responses={201: ProductOut, **problems(400, 401, 403, 404, 409, 422)},
        examples=[OpenApiExample("A mug", value=EXAMPLE, request_only=True)],
    )
    def create(self, request: Request) -> HttpResponse:
        """Offer a new product in one or more variants; stock items for them follow."""
        payload = AddProductIn.read(request)
        variants = tuple(VariantIn.to_variant(each) for each in payload.pop("variants"))

        def run() -> HttpResponse:
            product_id = add_product(product=NewProduct(variants=variants, **payload))
            location = f"/api/ops/v1/products/{product_id}"
            return at_its_version(queries.any_product(product_id), status=201, location=location)

        return once(request, run)

    @extend_schema(
        operation_id="change_product",
        summary="Change a product",
        parameters=[ID, IF_MATCH_REQUIRED],
        request=DescribeProductIn,
        responses={200: ProductOut, **problems(400, 401, 403, 404, 412, 422, 428)},
        examples=[OpenApiExample("Another name", value={"name": "Stoneware Cup"}, request_only=True)],
    )
    def partial_update(self, request: Request, pk: UUID) -> HttpResponse:
        """Call, describe or arrange the product otherwise; what is left out stays."""
        payload = DescribeProductIn.read(request)
        version = version_required(http_request_of(request))
        describe_product(product_id=ProductId(pk), expected_version=version, **payload)
        return at_its_version(queries.any_product(pk))

    @extend_schema(
        operation_id="withdraw_product",
        summary="Withdraw a product",
        parameters=[ID, IDEMPOTENCY_KEY, IF_MATCH_REQUIRED],
        request=None,
        responses={200: ProductOut, **problems(400, 401, 403, 404, 409, 412, 422, 428)},
    )
    @action(detail=True, methods=["post"])
    def withdraw(self, request: Request, pk: UUID) -> HttpResponse:
        """Stop selling the product; orders that were placed are not affected. Withdrawing twice is harmless."""
        version = version_required(http_request_of(request))

        def run() -> HttpResponse:
            withdraw_product(product_id=ProductId(pk), expected_version=version)
            return at_its_version(queries.any_product(pk))

        return once(request, run)

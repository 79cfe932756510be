"""Categories: find, add, rename."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.viewsets import ViewSet

from contexts.catalog import queries
from contexts.catalog.domain import MAX_NAME, MAX_SLUG, CategoryId
from contexts.catalog.operator_api.schemas import ID, at_its_version, once, reading_or_writing
from contexts.catalog.wiring import add_category, rename_category
from shared.http.drf import http_request_of
from shared.http.drf_schemas import (
    IDEMPOTENCY_KEY,
    IF_MATCH_REQUIRED,
    PAGE_PARAMETERS,
    ItemPage,
    PageQuery,
    StrictSerializer,
    page_of_items,
    problems,
)
from shared.http.etags import version_required
from shared.http.pagination import decode_text, page_of


class CategoryOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    version = serializers.IntegerField()
    slug = serializers.CharField(help_text="what links and filters refer to; it stays")
    name = serializers.CharField()
    parent: Any = serializers.CharField(allow_null=True, help_text="slug")

    class Meta:
        ref_name = "OperatorCategoryOut"


class AddCategoryIn(StrictSerializer):
    slug = serializers.CharField(max_length=MAX_SLUG)
    name = serializers.CharField(max_length=MAX_NAME)
    parent: Any = serializers.CharField(
        required=False, allow_null=True, default=None, max_length=MAX_SLUG, help_text="slug"
    )


class RenameCategoryIn(StrictSerializer):
    name = serializers.CharField(max_length=MAX_NAME)


class CategoryViewSet(ViewSet):
    """Categories, a tree of slugs."""

    lookup_value_converter = "uuid"

    def get_permissions(self) -> list[Any]:
        """Reading and writing need different scopes."""
        return reading_or_writing("categories", self.action)

    @extend_schema(
        operation_id="list_all_categories",
        summary="List categories",
        parameters=PAGE_PARAMETERS,
        responses={200: ItemPage(CategoryOut), **problems(401, 403, 422)},
    )
    def list(self, request: Request) -> HttpResponse:
        """List categories by their slugs."""
        query = PageQuery.read(request)
        after, limit = decode_text(query["cursor"]) if query.get("cursor") else None, query["limit"]
        found = queries.all_categories(after=after, limit=limit + 1)
        return page_of_items(page_of(found, limit=limit, key=lambda category: (category.slug,)))

    @extend_schema(
        operation_id="get_category",
        summary="Get a category",
        parameters=[ID],
        responses={200: CategoryOut, **problems(401, 403, 404)},
    )
    def retrieve(self, request: Request, pk: UUID) -> HttpResponse:  # noqa: ARG002 - DRF's signature
        """Get a category, with its version as ETag."""
        return at_its_version(queries.category(pk))

    @extend_schema(
        operation_id="add_category",
        summary="Add a category",
        parameters=[IDEMPOTENCY_KEY],
        request=AddCategoryIn,
        responses={201: CategoryOut, **problems(400, 401, 403, 404, 409, 422)},
        examples=[
            OpenApiExample("Below", value={"slug": "mugs", "name": "Mugs", "parent": "kitchen"}, request_only=True)
        ],
    )
    def create(self, request: Request) -> HttpResponse:
        """Add a category, below another one if that is named; adding the same again is harmless."""
        payload = AddCategoryIn.read(request)

        def run() -> HttpResponse:
            category_id = add_category(**payload)
            location = f"/api/ops/v1/categories/{category_id}"
            return at_its_version(queries.category(category_id), status=201, location=location)

        return once(request, run)

    @extend_schema(
        operation_id="rename_category",
        summary="Rename a category",
        parameters=[ID, IF_MATCH_REQUIRED],
        request=RenameCategoryIn,
        responses={200: CategoryOut, **problems(400, 401, 403, 404, 412, 422, 428)},
        examples=[OpenApiExample("Another name", value={"name": "Cups and mugs"}, request_only=True)],
    )
    def partial_update(self, request: Request, pk: UUID) -> HttpResponse:
        """Call the category otherwise; links refer to its slug, so that stays."""
        payload = RenameCategoryIn.read(request)
        version = version_required(http_request_of(request))
        rename_category(category_id=CategoryId(pk), expected_version=version, **payload)
        return at_its_version(queries.category(pk))

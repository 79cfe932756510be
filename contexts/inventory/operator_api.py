"""Stock for operators: list, adjust, and see why the numbers are what they are."""

from dataclasses import asdict
from typing import Any, ClassVar
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.routers import SimpleRouter
from rest_framework.viewsets import ViewSet

from contexts.inventory import queries
from contexts.inventory.domain import HoldStatus, StockItemId, StockItemNotFound
from contexts.inventory.wiring import adjust_stock
from shared.http.auth import caller_of
from shared.http.drf import has_scope, http_request_of
from shared.http.drf_schemas import (
    IDEMPOTENCY_KEY,
    IF_MATCH_REQUIRED,
    PAGE_PARAMETERS,
    ItemPage,
    PageQuery,
    StrictSerializer,
    choice_of,
    page_of_items,
    problems,
    query_of,
)
from shared.http.etags import etag_of, version_required
from shared.http.idempotency import answer_once
from shared.http.json import json_response
from shared.http.pagination import decode_cursor, decode_number, decode_place, page_of

ID = OpenApiParameter("id", OpenApiTypes.UUID, OpenApiParameter.PATH)


class StockItemOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    sku = serializers.CharField()
    location = serializers.CharField(help_text="code of the location")
    on_hand = serializers.IntegerField()
    held = serializers.IntegerField(help_text="units promised to orders that have not shipped")
    available = serializers.IntegerField(help_text="units that can still be promised")
    backorder_limit = serializers.IntegerField()
    version = serializers.IntegerField()


class MovementOut(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    delta = serializers.IntegerField()
    on_hand = serializers.IntegerField(help_text="units on hand after it")
    reason = serializers.CharField()
    actor = serializers.CharField()
    at = serializers.DateTimeField()


class HoldOut(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    order_id = serializers.UUIDField()
    quantity = serializers.IntegerField()
    status = choice_of(HoldStatus)
    expires_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class AdjustStockIn(StrictSerializer):
    delta = serializers.IntegerField(required=False, min_value=-(10**12), max_value=10**12)
    counted = serializers.IntegerField(required=False, min_value=0, max_value=10**12)
    reason = serializers.CharField(max_length=200)


class StockItemQuery(PageQuery):
    sku = serializers.CharField(required=False, max_length=64)
    location = serializers.CharField(required=False, max_length=40)
    available_below = serializers.IntegerField(required=False, min_value=-(10**12), max_value=10**12)


class StockItemViewSet(ViewSet):
    """Stock items: the units of one sku at one location."""

    lookup_value_converter = "uuid"
    permission_scopes: ClassVar[dict[str, str]] = {"adjustments": "ops:stock:write"}

    def get_permissions(self) -> list[Any]:
        """Reading and writing need different scopes."""
        return [has_scope(self.permission_scopes.get(self.action or "", "ops:stock:read"))()]

    @extend_schema(
        operation_id="list_stock_items",
        summary="List stock items",
        parameters=query_of(
            StockItemQuery,
            OpenApiParameter("sku", str, description="exactly this sku"),
            OpenApiParameter("location", str, description="code of the location"),
            OpenApiParameter(
                "available_below",
                {"type": "integer", "minimum": -(10**12), "maximum": 10**12},
                description="low stock: fewer units can be promised than this",
            ),
        ),
        responses={200: ItemPage(StockItemOut), **problems(401, 403, 422)},
    )
    def list(self, request: Request) -> HttpResponse:
        """List stock items by sku and location."""
        query = StockItemQuery.read(request)
        cursor, limit = query.pop("cursor", None), query.pop("limit")
        after = decode_place(*decode_cursor(cursor, length=2)) if cursor else None
        found = queries.stock_items(**query, after=after, limit=limit + 1)
        return page_of_items(page_of(found, limit=limit, key=lambda item: (item.sku, str(item.id))))

    @extend_schema(
        operation_id="get_stock_item",
        summary="Get a stock item",
        parameters=[ID],
        responses={200: StockItemOut, **problems(401, 403, 404)},
    )
    def retrieve(self, request: Request, pk: UUID) -> HttpResponse:  # noqa: ARG002 - DRF's signature
        """Get a stock item, with its version as ETag."""
        item = queries.stock_item(pk)
        if item is None:
            raise StockItemNotFound
        return json_response(_shown(item), headers={"ETag": etag_of(item.version)})

    @extend_schema(
        operation_id="adjust_stock_item",
        summary="Adjust a stock item",
        parameters=[ID, IDEMPOTENCY_KEY, IF_MATCH_REQUIRED],
        request=AdjustStockIn,
        responses={201: StockItemOut, **problems(400, 401, 403, 404, 409, 412, 422, 428)},
    )
    @action(detail=True, methods=["post"], url_path="adjustments")
    def adjustments(self, request: Request, pk: UUID) -> HttpResponse:
        """Correct the units on hand by a delta, or to what was counted, with a reason."""
        payload = AdjustStockIn.read(request)
        expected_version = version_required(http_request_of(request))

        def run() -> HttpResponse:
            adjust_stock(stock_item_id=StockItemId(pk), expected_version=expected_version, **payload)
            item = queries.stock_item(pk)
            assert item is not None  # noqa: S101 - it was adjusted a moment ago, and is locked
            return json_response(_shown(item), status=201, headers={"ETag": etag_of(item.version)})

        return answer_once(http_request_of(request), caller=caller_of(request).actor, run=run, required=False)

    @extend_schema(
        operation_id="list_stock_item_movements",
        summary="List the movements of a stock item",
        parameters=[ID, *PAGE_PARAMETERS],
        responses={200: ItemPage(MovementOut), **problems(401, 403, 404, 422)},
    )
    @action(detail=True, methods=["get"])
    def movements(self, request: Request, pk: UUID) -> HttpResponse:
        """List what changed the units on hand, the newest first."""
        limit, before = _newest_first(request, pk)
        found = queries.movements_of(pk, before=before, limit=limit + 1)
        return page_of_items(page_of(found, limit=limit, key=lambda movement: (movement.id,)))

    @extend_schema(
        operation_id="list_stock_item_holds",
        summary="List the holds on a stock item",
        parameters=[ID, *PAGE_PARAMETERS],
        responses={200: ItemPage(HoldOut), **problems(401, 403, 404, 422)},
    )
    @action(detail=True, methods=["get"])
    def holds(self, request: Request, pk: UUID) -> HttpResponse:
        """List to which orders units were promised, the newest first."""
        limit, before = _newest_first(request, pk)
        found = queries.holds_on(pk, before=before, limit=limit + 1)
        return page_of_items(page_of(found, limit=limit, key=lambda hold: (hold.id,)))


def _newest_first(request: Request, stock_item_id: UUID) -> tuple[int, int | None]:
    query = PageQuery.read(request)
    if queries.stock_item(stock_item_id) is None:
        raise StockItemNotFound
    before = decode_number(query["cursor"]) if query.get("cursor") else None
    return query["limit"], before


def _shown(item: queries.StockItemView) -> dict[str, Any]:
    return asdict(item)


def register(router: SimpleRouter) -> None:
    """Add inventory's resources to the operator API."""
    router.register("stock-items", StockItemViewSet, basename="stock-item")

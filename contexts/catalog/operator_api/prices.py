"""Prices: find, and change."""

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.viewsets import ViewSet

from contexts.catalog import queries
from contexts.catalog.domain import MAX_SKU
from contexts.catalog.operator_api.schemas import PriceIn, at_its_version, once, reading_or_writing
from contexts.catalog.wiring import change_price
from shared.domain.money import Money
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
from shared.http.pagination import decode_cursor, decode_place, page_of


class PriceOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    product_id = serializers.UUIDField()
    version = serializers.IntegerField(help_text="its product's")
    sku = serializers.CharField()
    price = MoneyOut()


class ChangePriceIn(StrictSerializer):
    sku = serializers.CharField(max_length=MAX_SKU)
    price = PriceIn()


class PriceQuery(PageQuery):
    sku = serializers.CharField(required=False, max_length=MAX_SKU)
    currency = serializers.RegexField(r"^[A-Z]{3}$", required=False)


class PriceViewSet(ViewSet):
    """Prices of variants, one per currency; they are changed at the version of their product."""

    def get_permissions(self) -> list[Any]:
        """Reading and writing need different scopes."""
        return reading_or_writing("prices", self.action)

    @extend_schema(
        operation_id="list_prices",
        summary="List prices",
        parameters=query_of(
            PriceQuery,
            OpenApiParameter("sku", str, description="of exactly this sku"),
            OpenApiParameter("currency", str, description="ISO 4217 code"),
        ),
        responses={200: ItemPage(PriceOut), **problems(401, 403, 422)},
    )
    def list(self, request: Request) -> HttpResponse:
        """List prices by sku."""
        given = PriceQuery.read(request)
        cursor, limit = given.pop("cursor", None), given.pop("limit")
        after = decode_place(*decode_cursor(cursor, length=2)) if cursor else None
        found = queries.prices(**given, after=after, limit=limit + 1)
        return page_of_items(page_of(found, limit=limit, key=lambda each: (each.sku, str(each.id))))

    @extend_schema(
        operation_id="change_price",
        summary="Change a price",
        parameters=[IDEMPOTENCY_KEY, IF_MATCH_REQUIRED],
        request=ChangePriceIn,
        responses={201: PriceOut, **problems(400, 401, 403, 404, 409, 412, 422, 428)},
        examples=[
            OpenApiExample(
                "Dearer", value={"sku": "MUG-SAND", "price": {"amount": "19.50", "currency": "EUR"}}, request_only=True
            )
        ],
    )
    def create(self, request: Request) -> HttpResponse:
        """Sell a variant at this price from now on, at the product's version that was seen.

        The prices in other currencies stay, and so do those of orders that were placed.
        """
        payload = ChangePriceIn.read(request)
        version = version_required(http_request_of(request))
        sku, price = payload["sku"], Money.parse(payload["price"]["amount"], payload["price"]["currency"])

        def run() -> HttpResponse:
            change_price(sku=sku, price=price, expected_version=version)
            return at_its_version(queries.price_of(sku=sku, currency=price.currency), status=201)

        return once(request, run)

"""What several of catalog's resources show and take."""

from collections.abc import Callable
from typing import Any

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request

from contexts.catalog.domain import MAX_NAME, MAX_OPTION, MAX_SKU, NewVariant
from shared.domain.money import Money
from shared.http.auth import caller_of
from shared.http.documented import AMOUNT
from shared.http.drf import has_scope, http_request_of
from shared.http.drf_schemas import MoneyOut, StrictSerializer
from shared.http.etags import etag_of
from shared.http.idempotency import answer_once
from shared.http.json import json_response

ID = OpenApiParameter("id", OpenApiTypes.UUID, OpenApiParameter.PATH)
MOST_VARIANTS = 200
MOST_PRICES = 200  # ISO 4217 has fewer currencies
WRITING = frozenset({"create", "partial_update", "withdraw"})


class PriceIn(StrictSerializer):
    amount = serializers.RegexField(AMOUNT, help_text="decimal string, such as 12.34")
    currency = serializers.RegexField(r"^[A-Z]{3}$", help_text="ISO 4217 code")


class VariantIn(StrictSerializer):
    sku = serializers.CharField(max_length=MAX_SKU, help_text="names this variant for ever")
    name = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=MAX_NAME, help_text="else the values of its options"
    )
    options = serializers.DictField(required=False, default=dict, child=serializers.CharField(max_length=MAX_OPTION))
    backorderable = serializers.BooleanField(required=False, default=False)
    prices = PriceIn(
        many=True,
        allow_empty=False,
        max_length=MOST_PRICES,  # type: ignore[call-arg]  # the list's
        help_text="one per currency",
    )

    @classmethod
    def to_variant(cls, given: dict[str, Any]) -> NewVariant:
        """Return the variant as the domain knows it, or raise MalformedAmount."""
        prices = tuple(Money.parse(price["amount"], price["currency"]) for price in given.pop("prices"))
        return NewVariant(prices=prices, **given)


class VariantOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    product_id = serializers.UUIDField()
    version = serializers.IntegerField(help_text="its product's")
    sku = serializers.CharField()
    name = serializers.CharField()
    options = serializers.DictField(child=serializers.CharField())
    backorderable = serializers.BooleanField()
    prices = MoneyOut(many=True, help_text="one per currency")

    class Meta:
        ref_name = "OperatorVariantOut"


def reading_or_writing(resource: str, action: str | None) -> list[Any]:
    """Return the permission that the action on the resource needs."""
    return [has_scope(f"ops:{resource}:{'write' if action in WRITING else 'read'}")()]


def at_its_version(found: Any, *, status: int = 200, location: str | None = None) -> HttpResponse:
    """Return something that has a version, with that as its ETag."""
    headers = {"ETag": etag_of(found.version)} | ({"Location": location} if location else {})
    return json_response(found, status=status, headers=headers)


def once(request: Request, run: Callable[[], HttpResponse]) -> HttpResponse:
    """Answer in one transaction, and the same again under the same Idempotency-Key, if there is one."""
    return answer_once(http_request_of(request), caller=caller_of(request).actor, run=run, required=False)

"""Building blocks of the operator API: strict input, pages and documented problems."""

from dataclasses import fields
from enum import StrEnum
from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request

from shared.http.drf import refused_values
from shared.http.json import json_response
from shared.http.pagination import DEFAULT_LIMIT, MAX_LIMIT, Page
from shared.http.problems import TITLES

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="new for each intent, the same for each retry: the effect happens once",
)
IF_MATCH = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    description="the ETag that you last saw: 412 if it changed since",
)
IDEMPOTENCY_KEY_REQUIRED = OpenApiParameter(
    "Idempotency-Key", str, OpenApiParameter.HEADER, required=True, description=IDEMPOTENCY_KEY.description
)
IF_MATCH_REQUIRED = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    required=True,
    description='the ETag that you saw last, such as "v3": 412 if it changed since, 428 if it is missing; * for any',
)
PAGE_PARAMETERS = [
    OpenApiParameter("limit", int, description=f"how many items, 1 to {MAX_LIMIT} (default {DEFAULT_LIMIT})"),
    OpenApiParameter("cursor", str, description="`next_cursor` of the page before"),
]


#: What a field of a body has to be in JSON; DRF itself would also take the text of a number, or 1 for true.
JSON_TYPES: tuple[tuple[Any, Any, str], ...] = (
    (serializers.BooleanField, bool, "A truth value is needed."),
    (serializers.IntegerField, int, "An integer is needed."),
    (serializers.FloatField, int | float, "A number is needed."),
    (serializers.CharField, str, "A string is needed."),
    (serializers.DecimalField, str, "A decimal number as a string is needed."),
    (serializers.UUIDField, str, "A string is needed."),
)


class StrictSerializer(serializers.Serializer[Any]):
    """A request body or query: fields that are not known are refused, and in a body those of another JSON type."""

    def to_internal_value(self, data: Any) -> Any:
        """Read the data, or raise ValidationError that names each field that is unknown or of the wrong type."""
        if isinstance(data, dict):
            wrong = {name: ["Unknown field."] for name in sorted(set(data) - set(self.fields))}
            if self.context.get("json"):
                wrong |= {
                    name: [why]
                    for name, field in self.fields.items()
                    if data.get(name) is not None and (why := _wrong_type(field, data[name]))
                }
            if wrong:
                raise serializers.ValidationError(wrong)
        return super().to_internal_value(data)

    @classmethod
    def read(cls, request: Request) -> dict[str, Any]:
        """Return the valid body of the request, or raise InvalidValues."""
        return _valid(cls(data=request.data, context={"json": True}), source="body")


class PageQuery(StrictSerializer):
    """The query of a list."""

    limit = serializers.IntegerField(required=False, default=DEFAULT_LIMIT, min_value=1, max_value=MAX_LIMIT)
    cursor = serializers.CharField(required=False, max_length=500)

    @classmethod
    def read(cls, request: Request) -> dict[str, Any]:
        """Return the valid query of the request, or raise InvalidValues."""
        return _valid(cls(data=request.query_params.dict()), source="query")


def choice_of(kind: type[StrEnum], **options: Any) -> serializers.ChoiceField:
    """Return a field whose value is one of the kind; ENUM_NAME_OVERRIDES in the settings names it in the document."""
    return serializers.ChoiceField(choices=[(each.value, each.name) for each in kind], **options)


def time_field(**options: Any) -> serializers.DateTimeField:
    """Return a field whose value is a time (RFC 3339), or a day, which stands for its first moment in UTC."""
    return serializers.DateTimeField(input_formats=["iso-8601", "%Y-%m-%d"], **options)


class MoneyOut(serializers.Serializer[Any]):
    """An amount of money."""

    amount = serializers.CharField(help_text="decimal string, such as 12.34")
    currency = serializers.CharField(help_text="ISO 4217 code")


class ProblemSerializer(serializers.Serializer[Any]):
    """An error as RFC 9457 describes it."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    instance = serializers.CharField()
    code = serializers.CharField(help_text="stable; made for programs")
    request_id = serializers.CharField()
    errors: Any = serializers.ListField(child=serializers.DictField(), required=False)

    class Meta:
        ref_name = "Problem"


@cache
def ItemPage(item: type[serializers.Serializer[Any]]) -> serializers.Serializer[Any]:  # noqa: N802 - reads as a type
    """Describe a page of such items."""
    return inline_serializer(
        name=f"{item.__name__.removesuffix('Out')}Page",
        fields={"items": item(many=True), "next_cursor": serializers.CharField(allow_null=True)},
    )


def page_of_items(page: Page[Any]) -> HttpResponse:
    """Return a page of frozen values as the response."""
    items = [{field.name: getattr(item, field.name) for field in fields(item)} for item in page.items]
    return json_response({"items": items, "next_cursor": page.next_cursor})


def problems(*statuses: int) -> dict[tuple[int, str], OpenApiResponse]:
    """Describe the errors that an operation may answer with."""
    return {
        (status, "application/problem+json"): OpenApiResponse(ProblemSerializer, description=TITLES[status])
        for status in statuses
    }


def _valid(serializer: StrictSerializer, *, source: str) -> dict[str, Any]:
    try:
        serializer.is_valid(raise_exception=True)
    except serializers.ValidationError as error:
        raise refused_values(error.detail, source=source) from None
    return dict(serializer.validated_data)


def _wrong_type(field: serializers.Field[Any, Any, Any, Any], value: Any) -> str | None:
    if isinstance(field, serializers.ListField) and isinstance(value, list):
        return next((why for each in value if (why := _wrong_type(field.child, each))), None)
    for kind, wanted, why in JSON_TYPES:
        if isinstance(field, kind):
            fits = isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool))
            return None if fits else why
    return None


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Describes access tokens and API keys."""

    target_class = "shared.http.drf.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:  # noqa: ARG002 - its signature
        """Return the security scheme."""
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "A staff access token, or an API key (ok_…) with ops: scopes.",
        }


class StaffSessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Describes the session of the admin."""

    target_class = "shared.http.drf.StaffSessionAuthentication"
    name = "staff_session"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:  # noqa: ARG002 - its signature
        """Return the security scheme."""
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.SESSION_COOKIE_NAME,
            "description": "The session of a member of staff; changes also need the X-CSRFToken header.",
        }

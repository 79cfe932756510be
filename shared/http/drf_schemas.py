"""Building blocks of the operator API: strict input, pages and documented problems."""

import re
from dataclasses import fields
from enum import StrEnum
from functools import cache
from typing import Any

from django.conf import settings
from django.core.validators import MaxLengthValidator, RegexValidator
from django.http import HttpResponse
from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiSerializerExtension
from drf_spectacular.plumbing import force_instance
from drf_spectacular.utils import (
    OpenApiParameter,
    OpenApiResponse,
    extend_schema_serializer,
    inline_serializer,
)
from rest_framework import serializers
from rest_framework.request import Request

from shared.http.documented import IDEMPOTENCY_KEY as KEY
from shared.http.documented import IF_MATCH as MATCH
from shared.http.documented import NOT_BLANK, SECURITY_SCHEMES
from shared.http.drf import http_request_of, refused_values
from shared.http.json import json_response
from shared.http.pagination import DEFAULT_LIMIT, MAX_LIMIT, Page
from shared.http.problems import TITLES

IDEMPOTENCY_KEY = OpenApiParameter(KEY["name"], KEY["schema"], OpenApiParameter.HEADER, description=KEY["description"])
IF_MATCH = OpenApiParameter(MATCH["name"], MATCH["schema"], OpenApiParameter.HEADER, description=MATCH["description"])
IDEMPOTENCY_KEY_REQUIRED = OpenApiParameter(
    KEY["name"], KEY["schema"], OpenApiParameter.HEADER, required=True, description=KEY["description"]
)
IF_MATCH_REQUIRED = OpenApiParameter(
    MATCH["name"],
    MATCH["schema"],
    OpenApiParameter.HEADER,
    required=True,
    description='The ETag that you saw last: 412 if it changed since, 428 if it is missing; "*" stands for any.',
)
PAGE_PARAMETERS = [
    OpenApiParameter(
        "limit",
        {"type": "integer", "format": "int32", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
        description="how many items, at most",
    ),
    OpenApiParameter(
        "cursor",
        {"type": "string", "minLength": 1, "maxLength": 500},
        description="`next_cursor` of the page before",
    ),
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
#: DRF itself would take no body for an empty object.
NO_BODY = "Send a JSON object; {} where you have nothing to say."


class StrictSerializer(serializers.Serializer[Any]):
    """A request body or query: fields that are not known are refused, and in a body those of another JSON type."""

    def to_internal_value(self, data: Any) -> Any:
        """Read the data, or raise ValidationError that names each field that is unknown or of the wrong type."""
        if isinstance(data, dict):
            wrong = {name: ["Unknown field."] for name in sorted(set(data) - set(self.fields))}
            check = _wrong_type if self.context.get("json") else _wrong_text
            wrong |= {
                name: [why]
                for name, field in self.fields.items()
                if data.get(name) is not None and (why := check(field, data[name]))
            }
            if wrong:
                raise serializers.ValidationError(wrong)
        return super().to_internal_value(data)

    @classmethod
    def read(cls, request: Request) -> dict[str, Any]:
        """Return the valid body of the request, or raise InvalidValues."""
        if not http_request_of(request).body:
            raise refused_values(NO_BODY, source="body")
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


def query_of(query: type[PageQuery], *parameters: OpenApiParameter) -> list[OpenApiParameter]:
    """Describe the parameters of a list, texts with the bounds that the query has for them."""
    fields = query().fields
    return [*PAGE_PARAMETERS, *(_bounded(each, fields[each.name]) for each in parameters)]


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
def ItemPage(item: type[serializers.Serializer[Any]]) -> Any:  # noqa: N802 - reads as a type
    """Describe a page of such items."""
    page = inline_serializer(
        name=f"{item.__name__.removesuffix('Out')}Page",
        fields={
            "items": serializers.ListField(child=item(), max_length=MAX_LIMIT),
            "next_cursor": serializers.CharField(allow_null=True, max_length=500),
        },
    )
    return extend_schema_serializer(many=False)(type(page))()


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
            if wanted is int and isinstance(value, float) and value.is_integer():
                return None  # 2.0 is an integer to JSON Schema
            fits = isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool))
            return None if fits else why
    return None


def _wrong_text(field: serializers.Field[Any, Any, Any, Any], value: str) -> str | None:
    is_wrong = isinstance(field, serializers.BooleanField) and value.lower() not in ("true", "false")
    return "Either true or false." if is_wrong else None


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Describes access tokens and API keys, and the scope that a key needs."""

    target_class = "shared.http.drf.BearerAuthentication"
    name = list(SECURITY_SCHEMES)

    def get_security_definition(self, auto_schema: object) -> list[dict[str, Any]]:  # noqa: ARG002 - its signature
        """Return the security schemes."""
        return list(SECURITY_SCHEMES.values())

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, Any]]:
        """Return who may call the operation."""
        permissions = auto_schema.view.get_permissions()
        scopes = [permission.scope for permission in permissions if hasattr(permission, "scope")]
        return [{"access_token": []}, {"api_key": scopes}]


class StrictSerializerSchema(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """Says of a request that unknown fields are refused, and of its fields what they refuse and DRF keeps to itself."""

    target_class = "shared.http.drf_schemas.StrictSerializer"
    match_subclasses = True

    def map_serializer(self, auto_schema: Any, direction: str) -> dict[str, Any]:
        """Return the schema."""
        schema: dict[str, Any] = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)  # noqa: SLF001
        serializer = force_instance(self.target)  # type: ignore[no-untyped-call]
        for name, field in serializer.fields.items():
            if name in schema["properties"]:
                _bound(schema["properties"][name], field)
        return schema | {"additionalProperties": False}


def _bounded(parameter: OpenApiParameter, field: Any) -> OpenApiParameter:
    if parameter.type is not str or parameter.enum:
        return parameter
    schema: dict[str, Any] = {"type": "string"}
    for validator in field.validators:
        match validator:
            case RegexValidator():
                schema["pattern"] = re.compile(validator.regex).pattern
            case MaxLengthValidator():
                schema["maxLength"] = validator.limit_value
    _bound(schema, field)
    return OpenApiParameter(parameter.name, schema, description=parameter.description)


def _bound(schema: dict[str, Any], field: Any) -> None:
    match field:
        case serializers.ListSerializer(allow_empty=allow_empty, max_length=max_length):  # type: ignore[misc]
            schema |= {"minItems": 0 if allow_empty else 1, "maxItems": max_length}
        case serializers.ListField():
            _bound(schema["items"], field.child)
        case serializers.DictField(child=child) if isinstance(schema.get("additionalProperties"), dict):
            _bound(schema["additionalProperties"], child)
        case serializers.CharField(allow_blank=False):
            schema["minLength"] = 1
            schema.setdefault("pattern", NOT_BLANK)


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

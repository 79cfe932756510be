"""Building blocks of the operator API: strict input, pages and documented problems."""

from dataclasses import fields
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request

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
PAGE_PARAMETERS = [
    OpenApiParameter("limit", int, description=f"how many items, 1 to {MAX_LIMIT} (default {DEFAULT_LIMIT})"),
    OpenApiParameter("cursor", str, description="`next_cursor` of the page before"),
]


class StrictSerializer(serializers.Serializer[Any]):
    """A request body or query: fields that are not known are refused."""

    def to_internal_value(self, data: Any) -> Any:
        """Read the data, or raise ValidationError that names each unknown field."""
        if isinstance(data, dict) and (unknown := set(data) - set(self.fields)):
            raise serializers.ValidationError({name: ["Unknown field."] for name in sorted(unknown)})
        return super().to_internal_value(data)

    @classmethod
    def read(cls, request: Request) -> dict[str, Any]:
        """Return the valid body of the request, or raise ValidationError."""
        return _valid(cls(data=request.data))


class PageQuery(StrictSerializer):
    """The query of a list."""

    limit = serializers.IntegerField(required=False, default=DEFAULT_LIMIT, min_value=1, max_value=MAX_LIMIT)
    cursor = serializers.CharField(required=False, max_length=500)

    @classmethod
    def read(cls, request: Request) -> dict[str, Any]:
        """Return the valid query of the request, or raise ValidationError."""
        return _valid(cls(data=request.query_params.dict()))


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


def _valid(serializer: StrictSerializer) -> dict[str, Any]:
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


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

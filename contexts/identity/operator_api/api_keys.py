"""API keys for operators: list them, make one, exchange one, end one."""

from dataclasses import asdict
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

import orjson
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.viewsets import ViewSet

from contexts.identity import queries
from contexts.identity.domain import (
    LONGEST_OVERLAP,
    MAX_NAME,
    MAX_SCOPE,
    USUAL_OVERLAP,
    ApiKeyNotFound,
    ApiKeyStatus,
    CreatedApiKey,
)
from contexts.identity.wiring import create_api_key, revoke_api_key, rotate_api_key
from shared.http.auth import InsufficientScope, caller_of
from shared.http.drf import has_scope, http_request_of
from shared.http.drf_schemas import (
    IDEMPOTENCY_KEY,
    PAGE_PARAMETERS,
    ItemPage,
    PageQuery,
    StrictSerializer,
    page_of_items,
    problems,
)
from shared.http.idempotency import answer_once
from shared.http.json import json_response, to_json
from shared.http.pagination import decode_cursor, decode_moment, page_of

ID = OpenApiParameter("id", OpenApiTypes.UUID, OpenApiParameter.PATH)
HOUR = timedelta(hours=1)


class ApiKeyOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    key_id = serializers.CharField(help_text="the public part, which stands in the key")
    name = serializers.CharField()
    scopes: Any = serializers.ListField(child=serializers.CharField())
    status = serializers.ChoiceField(choices=[(each.value, each.name) for each in ApiKeyStatus])
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True, help_text="noted once a minute at most")
    revoked_at = serializers.DateTimeField(allow_null=True)


class NewApiKeyOut(ApiKeyOut):
    token = serializers.CharField(
        allow_null=True, help_text="the key itself: shown once, and null when the answer is a replay"
    )


class CreateApiKeyIn(StrictSerializer):
    name = serializers.CharField(max_length=MAX_NAME)
    scopes: Any = serializers.ListField(child=serializers.CharField(max_length=MAX_SCOPE), min_length=1, max_length=50)
    expires_at = serializers.DateTimeField()


class RotateApiKeyIn(StrictSerializer):
    overlap_hours = serializers.IntegerField(
        required=False,
        default=USUAL_OVERLAP // HOUR,
        min_value=0,
        max_value=LONGEST_OVERLAP // HOUR,
        help_text="for how long the old key stays good",
    )
    expires_at = serializers.DateTimeField(required=False, help_text="of the new key; as long as the old one had")


class ApiKeyViewSet(ViewSet):
    """Keys of other servers."""

    lookup_value_converter = "uuid"
    permission_scopes: ClassVar[dict[str, str]] = {"list": "ops:api-keys:read", "retrieve": "ops:api-keys:read"}

    def get_permissions(self) -> list[Any]:
        """Reading and writing need different scopes."""
        return [has_scope(self.permission_scopes.get(self.action or "", "ops:api-keys:write"))()]

    @extend_schema(
        operation_id="list_api_keys",
        summary="List API keys",
        parameters=PAGE_PARAMETERS,
        responses={200: ItemPage(ApiKeyOut), **problems(401, 403, 422)},
    )
    def list(self, request: Request) -> HttpResponse:
        """List keys, the newest first."""
        query = PageQuery.read(request)
        cursor, limit = query.pop("cursor", None), query.pop("limit")
        before = decode_moment(*decode_cursor(cursor, length=2)) if cursor else None
        found = queries.api_keys(before=before, limit=limit + 1)
        return page_of_items(page_of(found, limit=limit, key=lambda one: (one.created_at.isoformat(), str(one.id))))

    @extend_schema(
        operation_id="get_api_key",
        summary="Get an API key",
        parameters=[ID],
        responses={200: ApiKeyOut, **problems(401, 403, 404)},
    )
    def retrieve(self, request: Request, pk: UUID) -> HttpResponse:  # noqa: ARG002 - DRF's signature
        """Get a key; the text that opens it is not kept."""
        return json_response(_shown(pk))

    @extend_schema(
        operation_id="create_api_key",
        summary="Create an API key",
        parameters=[IDEMPOTENCY_KEY],
        request=CreateApiKeyIn,
        responses={201: NewApiKeyOut, **problems(400, 401, 403, 409, 422)},
    )
    def create(self, request: Request) -> HttpResponse:
        """Make a key, and show it for the only time. Nobody can give away what they may not do themselves."""
        payload = CreateApiKeyIn.read(request)
        _refuse_to_give_more(request, payload["scopes"])
        return _show_once(request, lambda: create_api_key(**payload))

    @extend_schema(
        operation_id="rotate_api_key",
        summary="Exchange an API key",
        parameters=[ID, IDEMPOTENCY_KEY],
        request=RotateApiKeyIn,
        responses={201: NewApiKeyOut, **problems(400, 401, 403, 404, 409, 422)},
    )
    @action(detail=True, methods=["post"])
    def rotation(self, request: Request, pk: UUID) -> HttpResponse:
        """Make a key with the same rights, and let the old one run out after the overlap."""
        payload = RotateApiKeyIn.read(request)
        overlap = payload["overlap_hours"] * HOUR

        def make() -> CreatedApiKey:
            _refuse_to_give_more(request, _shown(pk)["scopes"])
            return rotate_api_key(api_key_id=pk, overlap=overlap, expires_at=payload.get("expires_at"))

        return _show_once(request, make)

    @extend_schema(
        operation_id="revoke_api_key",
        summary="Revoke an API key",
        parameters=[ID, IDEMPOTENCY_KEY],
        request=None,
        responses={200: ApiKeyOut, **problems(400, 401, 403, 404, 409, 422)},
    )
    @action(detail=True, methods=["post"])
    def revocation(self, request: Request, pk: UUID) -> HttpResponse:
        """End a key at once and for good."""

        def run() -> HttpResponse:
            revoke_api_key(api_key_id=pk)
            return json_response(_shown(pk))

        return answer_once(http_request_of(request), caller=caller_of(request).actor, run=run, required=False)


def _show_once(request: Request, make: Any) -> HttpResponse:
    """Answer with the new key; what is kept for a replay has no token, for that would store the secret."""
    made: list[CreatedApiKey] = []

    def run() -> HttpResponse:
        created = make()
        made[:] = [created]
        return json_response(_shown(created.key.id) | {"token": None}, status=201)

    response = answer_once(http_request_of(request), caller=caller_of(request).actor, run=run, required=False)
    if made and response.status_code == 201:
        response.content = to_json(orjson.loads(response.content) | {"token": made[0].token})
    response["Cache-Control"] = "no-store"
    return response


def _refuse_to_give_more(request: Request, scopes: list[str]) -> None:
    """Raise InsufficientScope for a scope of operators that the caller does not have."""
    caller = caller_of(request)
    for scope in scopes:
        if scope.startswith("ops:") and not caller.may(scope):
            raise InsufficientScope(needed=scope)


def _shown(api_key_id: UUID) -> dict[str, Any]:
    key = queries.api_key(api_key_id)
    if key is None:
        raise ApiKeyNotFound
    return asdict(key)

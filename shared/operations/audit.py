"""The audit trail for operators: who changed what, when and why; to read only."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.routers import SimpleRouter
from rest_framework.viewsets import ViewSet

from shared.audit.queries import AuditFilter, audit_entries, audit_entry
from shared.domain.errors import EntityNotFoundError
from shared.http.drf import has_scope
from shared.http.drf_schemas import ItemPage, PageQuery, page_of_items, problems, query_of, time_field
from shared.http.json import json_response
from shared.http.pagination import decode_id, page_of

ID = OpenApiParameter("id", OpenApiTypes.UUID, OpenApiParameter.PATH)


class AuditEntryNotFound(EntityNotFoundError):
    """There is no such entry in the audit trail."""


class AuditEntryOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    at = serializers.DateTimeField()
    actor = serializers.CharField(help_text="who did it: a kind and an id, such as staff:0197…")
    action = serializers.CharField(help_text="what was done, such as inventory.adjust_stock")
    subject_kind = serializers.CharField()
    subject_id = serializers.CharField()
    before: Any = serializers.DictField(allow_null=True)
    after: Any = serializers.DictField(allow_null=True)
    reason = serializers.CharField()
    correlation_id = serializers.CharField(help_text="request id of what set it in motion")
    stream = serializers.IntegerField(help_text="the chain that it is a link of")
    position = serializers.IntegerField(help_text="its place in that chain")
    digest = serializers.CharField(help_text="over the link before and this entry, in hexadecimal digits")


class AuditQuery(PageQuery):
    actor = serializers.CharField(required=False, max_length=80)
    action = serializers.CharField(required=False, max_length=120)
    subject_kind = serializers.CharField(required=False, max_length=80)
    subject_id = serializers.CharField(required=False, max_length=80)
    at_from = time_field(required=False)
    at_before = time_field(required=False)


class AuditEntryViewSet(ViewSet):
    """Entries of the audit trail."""

    lookup_value_converter = "uuid"
    permission_classes = [has_scope("ops:audit:read")]

    @extend_schema(
        operation_id="list_audit_entries",
        summary="List changes",
        parameters=query_of(
            AuditQuery,
            OpenApiParameter("actor", str, description="exactly this actor, such as key:0197…"),
            OpenApiParameter("action", str, description="exactly this action, such as saga.skip"),
            OpenApiParameter("subject_kind", str, description="changes of this kind of thing, such as order"),
            OpenApiParameter("subject_id", str, description="changes of this thing"),
            OpenApiParameter("at_from", OpenApiTypes.DATETIME, description="at or after this time, or day (UTC)"),
            OpenApiParameter("at_before", OpenApiTypes.DATETIME, description="before this time, or day (UTC)"),
        ),
        responses={200: ItemPage(AuditEntryOut), **problems(401, 403, 422)},
    )
    def list(self, request: Request) -> HttpResponse:
        """List who changed what, when and why, the newest first."""
        given = AuditQuery.read(request)
        cursor, limit = given.pop("cursor", None), given.pop("limit")
        before = decode_id(cursor) if cursor else None
        found = audit_entries(AuditFilter(**given), before=before, limit=limit + 1)
        return page_of_items(page_of(found, limit=limit, key=lambda entry: (str(entry.id),)))

    @extend_schema(
        operation_id="get_audit_entry",
        summary="Get a change",
        parameters=[ID],
        responses={200: AuditEntryOut, **problems(401, 403, 404)},
    )
    def retrieve(self, request: Request, pk: UUID) -> HttpResponse:  # noqa: ARG002 - DRF's signature
        """Get one change."""
        entry = audit_entry(pk)
        if entry is None:
            raise AuditEntryNotFound
        return json_response(entry)


def register(router: SimpleRouter) -> None:
    """Add the audit trail to the operator API."""
    router.register("audit", AuditEntryViewSet, basename="audit-entry")

"""Orders for operators: found among millions, read with their story, cancelled and written about."""

from dataclasses import fields
from typing import Any, ClassVar
from uuid import UUID

from django.conf import settings
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.routers import SimpleRouter
from rest_framework.viewsets import ViewSet

from contexts.ordering import queries
from contexts.ordering.domain import ANYONE, MAX_NOTE, FulfillmentStatus, OrderId, OrderStatus, PaymentStatus
from contexts.ordering.wiring import add_note, cancel_order
from shared.domain.money import Money
from shared.http.auth import caller_of
from shared.http.documented import AMOUNT, NO_ETAG
from shared.http.drf import has_scope, http_request_of
from shared.http.drf_schemas import (
    IDEMPOTENCY_KEY_REQUIRED,
    IF_MATCH_REQUIRED,
    PAGE_PARAMETERS,
    ItemPage,
    MoneyOut,
    PageQuery,
    StrictSerializer,
    choice_of,
    page_of_items,
    problems,
    query_of,
    time_field,
)
from shared.http.etags import etag_of, is_unchanged, version_required
from shared.http.idempotency import answer_once
from shared.http.json import json_response
from shared.http.pagination import decode_cursor, decode_id, decode_moment, page_of
from shared.operations.sagas import SagaOut
from shared.outbox.messages import HistoryEntry
from shared.saga.queries import processes_of

ID = OpenApiParameter("id", OpenApiTypes.UUID, OpenApiParameter.PATH)


class LineOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    sku = serializers.CharField()
    name = serializers.CharField()
    quantity = serializers.IntegerField()
    unit_price = MoneyOut()
    discount = MoneyOut()
    tax = MoneyOut()
    total = MoneyOut()
    shipped = serializers.IntegerField()
    returned = serializers.IntegerField()

    class Meta:
        ref_name = "OrderLineOut"


class OrderPaymentOut(serializers.Serializer[Any]):
    id = serializers.UUIDField(allow_null=True)
    status = choice_of(PaymentStatus)
    authorized = MoneyOut()
    captured = MoneyOut()
    refunded = MoneyOut()
    failure_code = serializers.CharField(allow_null=True)


class AddressOut(serializers.Serializer[Any]):
    name = serializers.CharField()
    line1 = serializers.CharField()
    line2 = serializers.CharField()
    city = serializers.CharField()
    postal_code = serializers.CharField()
    region = serializers.CharField()
    country = serializers.CharField(help_text="ISO 3166-1 alpha-2")
    phone = serializers.CharField()


class OrderOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    number = serializers.CharField(help_text="the name for people, such as 7Q2M-01ZD-X9FK")
    version = serializers.IntegerField()
    customer_id = serializers.UUIDField(allow_null=True, help_text="null: a guest's order")
    status = choice_of(OrderStatus)
    payment_status = choice_of(PaymentStatus)
    fulfillment_status = choice_of(FulfillmentStatus)
    email = serializers.CharField()
    currency = serializers.CharField()
    lines = LineOut(many=True)
    shipping_address = AddressOut()
    billing_address = AddressOut()
    shipping_method = serializers.CharField()
    subtotal = MoneyOut()
    discount = MoneyOut()
    shipping = MoneyOut()
    tax = MoneyOut()
    total = MoneyOut()
    placed_at = serializers.DateTimeField()
    cancelled_at = serializers.DateTimeField(allow_null=True)
    cancel_reason = serializers.CharField(allow_null=True)
    payment = OrderPaymentOut()
    shipments = serializers.ListField(child=serializers.DictField())


class OrderEventOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    type = serializers.CharField(help_text="topic, such as payments.payment_authorized.v1")
    occurred_at = serializers.DateTimeField()
    actor = serializers.CharField(help_text="who did it: a kind and an id")
    data: Any = serializers.DictField()  # a serializer has an attribute of that name


class NoteOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    text = serializers.CharField()
    author = serializers.CharField(help_text="who wrote it: a kind and an id")
    written_at = serializers.DateTimeField()


class CancelIn(StrictSerializer):
    reason = serializers.CharField(max_length=200, help_text="the customer and the history get to read it")


class AddNoteIn(StrictSerializer):
    text = serializers.CharField(max_length=MAX_NOTE, help_text="for operators only")


class OrderQuery(PageQuery):
    status = choice_of(OrderStatus, required=False)
    payment_status = choice_of(PaymentStatus, required=False)
    fulfillment_status = choice_of(FulfillmentStatus, required=False)
    placed_from = time_field(required=False)
    placed_before = time_field(required=False)
    customer_id = serializers.UUIDField(required=False)
    email = serializers.CharField(required=False, max_length=254)
    sku = serializers.CharField(required=False, max_length=64)
    currency = serializers.RegexField(r"^[A-Z]{3}$", required=False)
    total_min = serializers.RegexField(AMOUNT, required=False)
    total_max = serializers.RegexField(AMOUNT, required=False)
    q = serializers.CharField(required=False, max_length=100)

    @classmethod
    def wanted(cls, given: dict[str, Any]) -> queries.OrderFilter:
        """Return the filter that the query names; totals are in the shop's currency unless it says otherwise."""
        if "total_min" in given or "total_max" in given:
            given.setdefault("currency", settings.DEFAULT_CURRENCY)
        for name in ("total_min", "total_max"):
            if name in given:
                given[name] = Money.parse(given[name], given["currency"])
        return queries.OrderFilter(text=given.pop("q", None), **given)


FILTERS = [
    OpenApiParameter("status", str, enum=list(OrderStatus)),
    OpenApiParameter("payment_status", str, enum=list(PaymentStatus)),
    OpenApiParameter("fulfillment_status", str, enum=list(FulfillmentStatus)),
    OpenApiParameter("placed_from", OpenApiTypes.DATETIME, description="at or after this time, or day (UTC)"),
    OpenApiParameter("placed_before", OpenApiTypes.DATETIME, description="before this time, or day (UTC)"),
    OpenApiParameter("customer_id", OpenApiTypes.UUID),
    OpenApiParameter("email", str, description="exactly this address, in upper or lower case"),
    OpenApiParameter("sku", str, description="with a line of exactly this sku"),
    OpenApiParameter("currency", str, description="ISO 4217 code"),
    OpenApiParameter("total_min", str, description="at least so much: a decimal string"),
    OpenApiParameter("total_max", str, description="at most so much: a decimal string"),
    OpenApiParameter(
        "q",
        str,
        description="free text: the beginning of a number, or beginnings of words of the e-mail address and the name",
    ),
]


class OrderViewSet(ViewSet):
    """Orders of all customers."""

    lookup_value_converter = "uuid"
    permission_scopes: ClassVar[dict[str, str]] = {"cancel": "ops:orders:write", "add_note": "ops:notes:write"}

    def get_permissions(self) -> list[Any]:
        """Reading and writing need different scopes."""
        return [has_scope(self.permission_scopes.get(self.action or "", "ops:orders:read"))()]

    @extend_schema(
        operation_id="list_all_orders",
        summary="List orders",
        parameters=query_of(OrderQuery, *FILTERS),
        responses={200: ItemPage(OrderOut), **problems(401, 403, 422)},
    )
    def list(self, request: Request) -> HttpResponse:
        """List orders, the newest first; filters narrow each other."""
        return _page(OrderQuery.read(request))

    @extend_schema(
        operation_id="get_any_order",
        summary="Get an order",
        parameters=[ID],
        responses={200: OrderOut, 304: None, **problems(401, 403, 404)},
    )
    def retrieve(self, request: Request, pk: UUID) -> HttpResponse:
        """Get an order with its lines and its payment, and with its version as ETag."""
        order = queries.order_of(OrderId(pk), of_customer=ANYONE)
        if is_unchanged(http_request_of(request), etag_of(order.version)):
            return HttpResponse(status=304, headers={"ETag": etag_of(order.version)})
        return _order_response(order)

    @extend_schema(
        operation_id="cancel_any_order",
        summary="Cancel an order",
        parameters=[ID, IDEMPOTENCY_KEY_REQUIRED, IF_MATCH_REQUIRED],
        request=CancelIn,
        responses={200: OrderOut, **problems(400, 401, 403, 404, 409, 412, 422, 428)},
        examples=[OpenApiExample("Ordered twice", value={"reason": "ordered twice"}, request_only=True)],
    )
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: UUID) -> HttpResponse:
        """Give up an order that has not shipped yet; its units and its money are given back."""
        payload = CancelIn.read(request)
        version = version_required(http_request_of(request))

        def run() -> HttpResponse:
            cancel_order(order_id=OrderId(pk), of_customer=ANYONE, expected_version=version, **payload)
            return _order_response(queries.order_of(OrderId(pk), of_customer=ANYONE))

        return answer_once(http_request_of(request), caller=caller_of(request).actor, run=run)

    @extend_schema(
        operation_id="list_any_order_timeline",
        summary="List what happened to an order",
        parameters=[ID, *PAGE_PARAMETERS],
        responses={200: ItemPage(OrderEventOut), **problems(401, 403, 404, 422)},
    )
    @action(detail=True, methods=["get"])
    def timeline(self, request: Request, pk: UUID) -> HttpResponse:
        """List what happened to the order and to its payment, when and by whom, the oldest first."""
        query = PageQuery.read(request)
        after, limit = decode_id(query["cursor"]) if query.get("cursor") else None, query["limit"]
        found = queries.story_of(OrderId(pk), after=after, limit=limit + 1)
        page = page_of(found, limit=limit, key=lambda entry: (str(entry.id),))
        return json_response({"items": [_told(entry) for entry in page.items], "next_cursor": page.next_cursor})

    @extend_schema(
        operation_id="list_order_sagas",
        summary="List the processes of an order",
        parameters=[ID],
        responses={200: ItemPage(SagaOut), **problems(401, 403, 404)},
    )
    @action(detail=True, methods=["get"])
    def sagas(self, request: Request, pk: UUID) -> HttpResponse:  # noqa: ARG002 - DRF's signature
        """List the processes that see to the order, with their steps, the oldest first: its checkout, for one."""
        found = processes_of(queries.order_of(OrderId(pk), of_customer=ANYONE).id)
        return json_response({"items": found, "next_cursor": None})

    @extend_schema(
        operation_id="list_order_notes",
        summary="List the notes on an order",
        parameters=[ID, *PAGE_PARAMETERS],
        responses={200: ItemPage(NoteOut), **problems(401, 403, 404, 422)},
    )
    @action(detail=True, methods=["get"])
    def notes(self, request: Request, pk: UUID) -> HttpResponse:
        """List what operators wrote about the order, the newest first."""
        query = PageQuery.read(request)
        before, limit = decode_id(query["cursor"]) if query.get("cursor") else None, query["limit"]
        found = queries.notes_on(OrderId(pk), before=before, limit=limit + 1)
        return page_of_items(page_of(found, limit=limit, key=lambda note: (str(note.id),)))

    @extend_schema(
        operation_id="add_order_note",
        summary="Add a note to an order",
        parameters=[ID, IDEMPOTENCY_KEY_REQUIRED, IF_MATCH_REQUIRED],
        request=AddNoteIn,
        extensions=NO_ETAG,
        responses={201: NoteOut, **problems(400, 401, 403, 404, 409, 412, 422, 428)},
        examples=[OpenApiExample("A call", value={"text": "Called: leave it with the neighbour."}, request_only=True)],
    )
    @notes.mapping.post
    def add_note(self, request: Request, pk: UUID) -> HttpResponse:
        """Write something about the order that operators get to see, and customers do not."""
        payload = AddNoteIn.read(request)
        version = version_required(http_request_of(request))
        author = caller_of(request).actor

        def run() -> HttpResponse:
            note = add_note(order_id=OrderId(pk), author=author, expected_version=version, **payload)
            return json_response(note, status=201)

        return answer_once(http_request_of(request), caller=author, run=run)


class CustomerOrderViewSet(ViewSet):
    """Orders of one customer."""

    permission_classes = [has_scope("ops:orders:read")]

    @extend_schema(
        operation_id="list_customer_orders",
        summary="List the orders of a customer",
        parameters=[OpenApiParameter("customer_id", OpenApiTypes.UUID, OpenApiParameter.PATH), *PAGE_PARAMETERS],
        responses={200: ItemPage(OrderOut), **problems(401, 403, 422)},
    )
    def list(self, request: Request, customer_id: UUID) -> HttpResponse:
        """List the orders that a customer placed while logged in, the newest first."""
        return _page(PageQuery.read(request) | {"customer_id": customer_id})


def _page(given: dict[str, Any]) -> HttpResponse:
    cursor, limit = given.pop("cursor", None), given.pop("limit")
    before = decode_moment(*decode_cursor(cursor, length=2)) if cursor else None
    found = queries.matching_orders(OrderQuery.wanted(given), before=before, limit=limit + 1)
    page = page_of(found, limit=limit, key=lambda order: (order.placed_at.isoformat(), str(order.id)))
    return json_response({"items": [_shown(order) for order in page.items], "next_cursor": page.next_cursor})


def _order_response(order: queries.OrderView) -> HttpResponse:
    return json_response(_shown(order), headers={"ETag": etag_of(order.version)})


def _shown(order: queries.OrderView) -> dict[str, Any]:
    """Return the order in the form of OrderOut."""
    return {field.name: getattr(order, field.name) for field in fields(order)} | {"shipments": []}


def _told(entry: HistoryEntry) -> dict[str, Any]:
    """Return the event in the form of OrderEventOut."""
    told = {"id": entry.id, "type": entry.topic, "occurred_at": entry.occurred_at, "actor": entry.actor}
    return told | {"data": entry.payload}


def register(router: SimpleRouter) -> None:
    """Add ordering's resources to the operator API."""
    router.register("orders", OrderViewSet, basename="order")
    router.register("customers/<uuid:customer_id>/orders", CustomerOrderViewSet, basename="customer-order")

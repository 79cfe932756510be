"""Orders for clients."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Schema
from pydantic import EmailStr, Field, StrictInt

from contexts.ordering import queries
from contexts.ordering.client_api.live import STREAM, order_news, shown_change, waits_until_settled
from contexts.ordering.domain import (
    ANYONE,
    Address,
    Anyone,
    CustomerId,
    FulfillmentStatus,
    Order,
    OrderId,
    OrderRequest,
    OrderStatus,
    PaymentMeans,
    PaymentStatus,
    RequestedLine,
)
from contexts.ordering.wiring import cancel_order, place_order
from shared.domain.money import Money
from shared.http.auth import Bearer, Caller, caller_of
from shared.http.etags import etag_of, is_unchanged
from shared.http.idempotency import idempotent
from shared.http.json import json_response
from shared.http.pagination import decode_cursor, decode_moment, decode_number, page_of
from shared.http.schemas import (
    Currency,
    In,
    ListIn,
    MoneyIn,
    MoneyOut,
    PageOut,
    problems,
    refuse_unknown_parameters,
    whole,
)
from shared.http.throttling import Throttled
from shared.live.views import described_stream, event_stream

MOST_LINES = 200
MOST_UNITS = 100_000  # of one sku in one line

router = Router(tags=["orders"])

can_read = Bearer(scope="orders:read")
can_write = Bearer(scope="orders:write")

OptionalText = Annotated[str, Field(max_length=120)]


class AddressIn(In):
    name: Annotated[str, Field(min_length=1, max_length=120, examples=["Ada Lovelace"])]
    line1: Annotated[str, Field(min_length=1, max_length=120, examples=["Lindenstraße 12"])]
    line2: OptionalText = ""
    city: Annotated[str, Field(min_length=1, max_length=120, examples=["Berlin"])]
    postal_code: Annotated[str, Field(min_length=1, max_length=20, examples=["10969"])]
    region: OptionalText = ""
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$", examples=["DE"], description="ISO 3166-1 alpha-2")]
    phone: Annotated[str, Field(max_length=40)] = ""

    def to_address(self) -> Address:
        """Read it as an address."""
        return Address(**self.model_dump())


class LineIn(In):
    sku: Annotated[str, Field(min_length=1, max_length=64, examples=["COFFEE-ETH-250-BEANS"])]
    quantity: Annotated[StrictInt, Field(ge=1, le=MOST_UNITS, examples=[2]), whole]


class PaymentIn(In):
    method: Annotated[str, Field(min_length=1, max_length=40, examples=["simulator"])]
    token: Annotated[str, Field(min_length=1, max_length=200, examples=["tok_approved"])]


class PlaceOrderIn(In):
    currency: Currency | None = None
    lines: Annotated[list[LineIn], Field(min_length=1, max_length=MOST_LINES)]
    email: Annotated[EmailStr, Field(max_length=254)] | None = None
    shipping_address: AddressIn
    billing_address: AddressIn | None = None
    shipping_method: Annotated[str, Field(min_length=1, max_length=40, examples=["standard"])]
    payment: PaymentIn
    expected_total: MoneyIn | None = None

    def to_request(self) -> OrderRequest:
        """Read it as a request for an order."""
        return OrderRequest(
            currency=self.currency or settings.DEFAULT_CURRENCY,
            lines=tuple(RequestedLine(sku=line.sku, quantity=line.quantity) for line in self.lines),
            email=self.email,
            shipping_address=self.shipping_address.to_address(),
            billing_address=self.billing_address.to_address() if self.billing_address else None,
            shipping_method=self.shipping_method,
            payment=PaymentMeans(method=self.payment.method, token=self.payment.token),
            expected_total=self.expected_total.to_money() if self.expected_total else None,
        )


class CancelOrderIn(In):
    reason: Annotated[str, Field(min_length=1, max_length=200, examples=["ordered twice"])]


class LineOut(Schema):
    id: UUID
    sku: str
    name: str
    quantity: int
    unit_price: MoneyOut
    discount: MoneyOut
    tax: MoneyOut
    total: MoneyOut
    shipped: int
    returned: int


class AddressOut(Schema):
    name: str
    line1: str
    line2: str
    city: str
    postal_code: str
    region: str
    country: str
    phone: str


class PaymentOut(Schema):
    id: UUID | None
    status: PaymentStatus
    authorized: MoneyOut
    captured: MoneyOut
    refunded: MoneyOut
    failure_code: str | None


class OrderOut(Schema):
    id: UUID
    number: Annotated[str, Field(examples=["7Q2M-01ZD-X9FK"])]
    version: int
    status: OrderStatus
    payment_status: PaymentStatus
    fulfillment_status: FulfillmentStatus
    email: str
    currency: Currency
    lines: list[LineOut]
    shipping_address: AddressOut
    billing_address: AddressOut
    shipping_method: str
    subtotal: MoneyOut
    discount: MoneyOut
    shipping: MoneyOut
    tax: MoneyOut
    total: MoneyOut
    placed_at: datetime
    cancelled_at: datetime | None
    cancel_reason: str | None
    payment: PaymentOut
    shipments: list[dict[str, Any]]


class TimelineEntryOut(Schema):
    id: UUID
    type: Annotated[str, Field(examples=["ordering.order_placed.v1"])]
    occurred_at: datetime
    actor: Annotated[str, Field(examples=["customer:0197…"])]
    data: dict[str, Any]


@router.post(
    "/orders",
    auth=can_write,
    throttle=Throttled("checkout"),
    response={201: OrderOut, **problems(400, 401, 403, 409, 413, 422, 503)},
    operation_id="place_order",
    summary="Place an order",
)
@waits_until_settled(lambda order_id: _placed(queries.order_of(OrderId(order_id), of_customer=ANYONE)))
@idempotent
def place(request: HttpRequest, payload: PlaceOrderIn) -> HttpResponse:
    """Place an order in one call: its units are promised at once, its payment follows. Needs Idempotency-Key.

    `Prefer: wait=N` (ten at most) holds the answer until the order has left `pending`, or N seconds have passed.
    """
    customer = caller_of(request).customer_id
    order = place_order(request=payload.to_request(), customer_id=CustomerId(customer) if customer else None)
    return _placed(order)


@router.get(
    "/orders",
    auth=can_read,
    response={200: PageOut[OrderOut], **problems(401, 403, 422)},
    operation_id="list_orders",
    summary="List orders",
)
def list_orders(request: HttpRequest, query: Query[ListIn]) -> HttpResponse:
    """List own orders, the newest first; a key with orders:read sees all."""
    refuse_unknown_parameters(request, known=ListIn)
    before = None
    if query.cursor:
        placed_at, order_id = decode_cursor(query.cursor, length=2)
        before = decode_moment(placed_at, order_id)
    found = queries.orders_of(of_customer=_whose(caller_of(request)), before=before, limit=query.limit + 1)
    page = page_of(found, limit=query.limit, key=lambda order: (order.placed_at.isoformat(), str(order.id)))
    return json_response({"items": [shown(order) for order in page.items], "next_cursor": page.next_cursor})


@router.get(
    "/orders/{uuid:order_id}",
    auth=can_read,
    response={200: OrderOut, 304: None, **problems(401, 403, 404)},
    operation_id="get_order",
    summary="Get an order",
)
def get(request: HttpRequest, order_id: UUID) -> HttpResponse:
    """Get one order, with its version as ETag."""
    order = queries.order_of(OrderId(order_id), of_customer=_whose(caller_of(request)))
    if is_unchanged(request, etag_of(order.version)):
        return HttpResponse(status=304, headers={"ETag": etag_of(order.version)})
    return _order_response(order, status=200)


@router.post(
    "/orders/{uuid:order_id}/cancellation",
    auth=can_write,
    response={200: OrderOut, **problems(400, 401, 403, 404, 409, 413, 422, 503)},
    operation_id="cancel_order",
    summary="Cancel an order",
)
@idempotent
def cancel(request: HttpRequest, order_id: UUID, payload: CancelOrderIn) -> HttpResponse:
    """Cancel an order that has not shipped yet; its units and its money are given back. Needs Idempotency-Key."""
    order = cancel_order(order_id=OrderId(order_id), of_customer=_whose(caller_of(request)), reason=payload.reason)
    return _order_response(order, status=200)


@router.get(
    "/orders/{uuid:order_id}/timeline",
    auth=can_read,
    response={200: PageOut[TimelineEntryOut], **problems(401, 403, 404, 422)},
    operation_id="list_order_timeline",
    summary="List what happened to an order",
)
def timeline(request: HttpRequest, order_id: UUID, query: Query[ListIn]) -> HttpResponse:
    """List what happened to the order, when and by whom, the oldest first."""
    refuse_unknown_parameters(request, known=ListIn)
    found = queries.timeline_of(
        OrderId(order_id),
        of_customer=_whose(caller_of(request)),
        after=decode_number(query.cursor) if query.cursor else 0,
        limit=query.limit + 1,
    )
    page = page_of(found, limit=query.limit, key=lambda entry: (entry.sequence,))
    return json_response({"items": list(map(shown_change, page.items)), "next_cursor": page.next_cursor})


@router.get(
    "/orders/{uuid:order_id}/stream",
    auth=can_read,
    response={200: None, 204: None, **problems(401, 403, 404, 422, 429)},
    operation_id="follow_order",
    summary="Follow an order",
    openapi_extra=described_stream(STREAM),
)
def follow(request: HttpRequest, order_id: UUID) -> HttpResponse:
    """Follow an order: server-sent events tell of each change."""
    return event_stream(request, feed=order_news, key=order_id, require_visible=_require_visible)


def _placed(order: Order | queries.OrderView) -> HttpResponse:
    return _order_response(order, status=201, location=f"/api/v1/orders/{order.id}")


def _require_visible(caller: Caller, order_id: UUID) -> None:
    queries.require_visible(OrderId(order_id), of_customer=_whose(caller))


def _whose(caller: Caller) -> CustomerId | Anyone:
    """Return whose orders the caller may see: people their own, keys with the scope all."""
    return ANYONE if caller.customer_id is None else CustomerId(caller.customer_id)


def _order_response(order: Order | queries.OrderView, *, status: int, location: str | None = None) -> HttpResponse:
    headers = {"ETag": etag_of(order.version)} | ({"Location": location} if location else {})
    return json_response(shown(order), status=status, headers=headers)


def shown(order: Order | queries.OrderView) -> dict[str, Any]:
    """Return the order in the form of OrderOut; built by hand, since validating our own output costs a millisecond."""
    return {
        "id": order.id,
        "number": order.number,
        "version": order.version,
        "status": order.status,
        "payment_status": order.payment.status,
        "fulfillment_status": order.fulfillment_status,
        "email": order.email,
        "currency": order.currency,
        "lines": [
            {
                "id": line.id,
                "sku": line.sku,
                "name": line.name,
                "quantity": line.quantity,
                "unit_price": _money(line.unit_price),
                "discount": _money(line.discount),
                "tax": _money(line.tax),
                "total": _money(line.total),
                "shipped": line.shipped,
                "returned": line.returned,
            }
            for line in order.lines
        ],
        "shipping_address": _address(order.shipping_address),
        "billing_address": _address(order.billing_address),
        "shipping_method": order.shipping_method,
        "subtotal": _money(order.subtotal),
        "discount": _money(order.discount),
        "shipping": _money(order.shipping),
        "tax": _money(order.tax),
        "total": _money(order.total),
        "placed_at": order.placed_at,
        "cancelled_at": order.cancelled_at,
        "cancel_reason": order.cancel_reason,
        "payment": {
            "id": order.payment.id,
            "status": order.payment.status,
            "authorized": _money(order.payment.authorized),
            "captured": _money(order.payment.captured),
            "refunded": _money(order.payment.refunded),
            "failure_code": order.payment.failure_code,
        },
        "shipments": [],
    }


def _money(money: Money) -> dict[str, str]:
    return {"amount": money.amount, "currency": money.currency}


def _address(address: Address | Mapping[str, Any]) -> Mapping[str, Any]:
    return address.parts if isinstance(address, Address) else address

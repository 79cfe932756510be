"""What shops send, and what they wait for."""

from typing import Any
from uuid import uuid4

import httpx2

from tests.journeys.system import eventually


def an_order(sku: str, *, quantity: int = 1, token: str = "tok_approved", **others: Any) -> dict[str, Any]:
    """Return the body of a request for one line."""
    return {
        "lines": [{"sku": sku, "quantity": quantity}],
        "email": "ada@example.com",
        "shipping_address": {
            "name": "Ada Lovelace",
            "line1": "Lindenstraße 12",
            "city": "Berlin",
            "postal_code": "10969",
            "country": "DE",
        },
        "shipping_method": "standard",
        "payment": {"method": "simulator", "token": token},
        **others,
    }


def place(client: httpx2.Client, body: dict[str, Any], *, key: str | None = None) -> httpx2.Response:
    """Place an order under a key of its own."""
    return client.post("/api/v1/orders", json=body, headers={"Idempotency-Key": key or uuid4().hex})


def cancel(client: httpx2.Client, order_id: str, *, reason: str = "changed my mind") -> httpx2.Response:
    """Cancel an order under a key of its own."""
    return client.post(
        f"/api/v1/orders/{order_id}/cancellation",
        json={"reason": reason},
        headers={"Idempotency-Key": uuid4().hex},
    )


def settled(client: httpx2.Client, order_id: str, *, within: float = 20.0) -> dict[str, Any]:
    """Return the order once it has left ``pending``."""

    def probe() -> dict[str, Any] | None:
        order: dict[str, Any] = client.get(f"/api/v1/orders/{order_id}").json()
        return order if order["status"] != "pending" else None

    return eventually(probe, within=within, what=f"the end of the checkout of {order_id}")


def payment_status(client: httpx2.Client, order_id: str, wanted: str, *, within: float = 20.0) -> None:
    """Wait until the order's payment has the status."""
    eventually(
        lambda: client.get(f"/api/v1/orders/{order_id}").json()["payment_status"] == wanted,
        within=within,
        what=f"payment status {wanted} of {order_id}",
    )

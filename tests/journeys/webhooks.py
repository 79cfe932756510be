"""What another server does in order to be told."""

from uuid import uuid4

from tests.journeys.system import System

TOPICS = [f"ordering.order_{what}.v1" for what in ("placed", "confirmed", "cancelled")]


def add_endpoint(system: System, url: str) -> str:
    """Have the URL told of orders, and return the endpoint's id."""
    with system.client() as client:
        added = client.post(
            "/api/v1/webhook-endpoints",
            json={"url": url, "topics": TOPICS},
            headers={"Idempotency-Key": uuid4().hex},
        )
    assert added.status_code == 201, added.text
    system.hide(added.json()["secret"])
    return str(added.json()["id"])

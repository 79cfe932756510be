"""Clients that follow an order, over real sockets and real processes."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests.journeys.orders import an_order, cancel, place, settled
from tests.journeys.system import System, eventually

pytestmark = pytest.mark.journey

SKU = "COFFEE-ETH-250-BEANS"


class Events:
    """The events of a stream, as a browser would read them (HTML standard, section 9.2.6)."""

    def __init__(self, answer: httpx2.Response) -> None:
        self.answer = answer
        self.lines = answer.iter_lines()
        self.retry = 0
        self.comments = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        fields: dict[str, str] = {}
        for line in self.lines:
            name, _, value = line.partition(": ")
            if not line and "data" in fields:
                yield {"id": fields["id"], "event": fields["event"], **json.loads(fields["data"])}
            if not line:
                fields = {}
            elif not name:
                self.comments += 1
            elif name == "retry":
                self.retry = int(value)
            else:
                fields[name] = value


@contextmanager
def following(client: httpx2.Client, order_id: str, *, after: str | None = None) -> Iterator[Events]:
    """Open the stream of an order."""
    headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": after} if after else {})
    with client.stream("GET", f"/api/v1/orders/{order_id}/stream", headers=headers) as answer:
        assert answer.status_code == 200, answer.read()
        yield Events(answer)


def changes_of(events: list[dict[str, Any]]) -> list[str]:
    """Return the topics of the events that tell of more than a new status."""
    return [each["event"] for each in events if each["change"] is not None]


class TestFollowing:
    def test_tells_of_each_change_until_the_order_is_over(self, system: System) -> None:
        with system.client() as client:
            order = place(client, an_order(SKU, token="tok_declined")).json()
            with following(client, order["id"]) as events:
                told = list(events)

        assert events.answer.headers["Content-Type"] == "text/event-stream"
        assert events.answer.headers["Cache-Control"] == "no-store"
        assert events.retry > 0
        assert [each["event"] for each in told] == ["ordering.order_placed.v1", "ordering.order_cancelled.v1"]
        assert (told[-1]["status"], told[-1]["payment_status"], told[-1]["is_over"]) == ("cancelled", "failed", True)
        assert told[-1]["cancel_reason"] == "payment_declined"

    def test_goes_on_where_it_stopped_without_loss_or_repetition(self, system: System) -> None:
        with system.client() as client:
            order = place(client, an_order(SKU)).json()
            settled(client, order["id"])
            with following(client, order["id"]) as events:
                placed, confirmed = next(iter(events)), next(iter(events))
            cancel(client, order["id"])
            with following(client, order["id"], after=placed["id"]) as events:
                after_first = list(events)
            with following(client, order["id"], after=confirmed["id"]) as events:
                after_second = list(events)
            nothing_more = client.get(
                f"/api/v1/orders/{order['id']}/stream",
                headers={"Accept": "text/event-stream", "Last-Event-ID": after_second[-1]["id"]},
            )

        topics = ["ordering.order_placed.v1", "ordering.order_confirmed.v1", "ordering.order_cancelled.v1"]
        assert [placed["event"], *changes_of(after_first)] == topics
        assert [placed["event"], confirmed["event"], *changes_of(after_second)] == topics
        assert after_second[-1]["is_over"]
        assert len({each["id"] for each in after_first}) == len(after_first)
        assert (nothing_more.status_code, nothing_more.content) == (204, b"")

    def test_tells_of_what_others_do(self, system: System) -> None:
        with system.client() as client, system.client() as other:
            order = place(client, an_order(SKU)).json()
            settled(client, order["id"])
            with following(client, order["id"]) as events:
                received = iter(events)
                next(received), next(received)
                cancel(other, order["id"], reason="found it cheaper")
                cancelled = next(received)

        assert cancelled["event"] == "ordering.order_cancelled.v1"
        assert (cancelled["status"], cancelled["cancel_reason"]) == ("cancelled", "found it cheaper")
        assert cancelled["change"]["actor"].startswith("key:")

    def test_is_for_those_who_may_see_the_order(self, system: System) -> None:
        with system.client() as client:
            order = place(client, an_order(SKU)).json()
            settled(client, order["id"])
        path = f"{system.url}/api/v1/orders/{order['id']}/stream"

        assert httpx2.get(path).status_code == 401
        stranger = a_customer(system)
        refused = httpx2.get(path, headers=stranger)
        assert (refused.status_code, refused.json()["code"]) == (404, "order_not_found")
        assert refused.headers["Content-Type"] == "application/problem+json"

    def test_has_a_bound_for_each_caller_in_all_processes_together(self, system: System) -> None:
        with httpx2.Client(base_url=system.url, headers=a_customer(system), timeout=10) as client:
            order = place(client, an_order(SKU)).json()
            settled(client, order["id"])
            with ExitStack() as stack:
                streams = [stack.enter_context(following(client, order["id"])) for _ in range(10)]
                assert [next(iter(stream))["event"] for stream in streams] == ["ordering.order_placed.v1"] * 10
                refused = client.get(f"/api/v1/orders/{order['id']}/stream")

            assert (refused.status_code, refused.json()["code"]) == (429, "too_many_streams")
            assert refused.headers["Retry-After"]

            def is_let_in() -> bool:
                with client.stream("GET", f"/api/v1/orders/{order['id']}/stream") as answer:
                    return answer.status_code == 200

            eventually(is_let_in, what="a free place")


class TestWaiting:
    def test_answers_with_the_order_as_it_was_decided(self, system: System) -> None:
        with system.client(Prefer="wait=10") as client:
            answer = place(client, an_order(SKU))
            key = uuid4().hex
            declined = place(client, an_order(SKU, token="tok_declined"), key=key)
            replayed = place(client, an_order(SKU, token="tok_declined"), key=key)

        assert (answer.status_code, answer.json()["status"]) == (201, "confirmed")
        assert answer.headers["Preference-Applied"] == "wait=10"
        assert answer.headers["ETag"] == f'"v{answer.json()["version"]}"'
        assert answer.headers["Location"] == f"/api/v1/orders/{answer.json()['id']}"
        assert (declined.status_code, declined.json()["status"]) == (201, "cancelled")
        assert (replayed.headers["Idempotency-Replayed"], replayed.json()) == ("true", declined.json())

    def test_ends_when_the_client_has_waited_for_as_long_as_it_wanted(self, system: System) -> None:
        with system.client(Prefer="respond-async, wait=1") as client:
            answer = place(client, an_order(SKU, token="tok_requires_action"))

        assert (answer.status_code, answer.json()["status"]) == (201, "pending")
        assert answer.headers["Preference-Applied"] == "wait=1"


def a_customer(system: System) -> dict[str, str]:
    """Register somebody and return what they send to be known."""
    email = f"{uuid4().hex}@example.com"
    person = {"email": email, "password": "correct horse battery", "name": "Ada"}
    assert httpx2.post(f"{system.url}/api/v1/customers", json=person).status_code == 201
    tokens = httpx2.post(
        f"{system.url}/api/v1/auth/tokens", json={"email": email, "password": person["password"]}
    ).json()
    return {"Authorization": f"Bearer {tokens['access_token']}"}

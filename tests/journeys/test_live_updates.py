"""Clients that follow an order, over real sockets and real processes."""

import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from shared.embedded.files import free_port
from tests.journeys.orders import an_order, cancel, place, settled
from tests.journeys.system import System, eventually

pytestmark = pytest.mark.journey

SKU = "COFFEE-ETH-250-BEANS"
KEYS = "/api/ops/v1/api-keys"


class Events:
    """The events of a stream, as a browser would read them (HTML standard, section 9.2.6)."""

    def __init__(self, answer: httpx2.Response) -> None:
        self.answer = answer
        self.lines = answer.iter_lines()
        self.retries: list[int] = []
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
                self.retries.append(int(value))
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
        assert events.retries == [2000]
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


class TestRights:
    def test_end_with_the_key(self, system: System) -> None:
        with a_key(system, lasts=timedelta(hours=1)) as (key_id, other), system.client() as client:
            order = place(client, an_order(SKU)).json()
            settled(client, order["id"])
            with following(other, order["id"]) as events:
                received = iter(events)
                known = [next(received)["event"], next(received)["event"]]
                assert client.post(f"{KEYS}/{key_id}/revocation").status_code == 200
                cancel(client, order["id"])
                more = list(received)  # raises if the stream broke off instead of ending
            again = other.get(f"/api/v1/orders/{order['id']}/stream")

        assert known == ["ordering.order_placed.v1", "ordering.order_confirmed.v1"]
        assert more == []
        assert (again.status_code, again.json()["code"]) == (401, "invalid_token")

    def test_end_when_the_token_runs_out(self, system: System) -> None:
        with a_key(system, lasts=timedelta(seconds=4)) as (_, other), system.client() as client:
            order = place(client, an_order(SKU)).json()
            settled(client, order["id"])
            with following(other, order["id"]) as events:
                told = list(events)  # ends although the order does not
            again = other.get(f"/api/v1/orders/{order['id']}/stream")

        assert [each["is_over"] for each in told] == [False, False]
        assert (again.status_code, again.json()["code"]) == (401, "invalid_token")

    def test_of_a_customer_last_until_the_order_is_over_for_nobody_is_erased_before(self, system: System) -> None:
        whose = {"base_url": system.url, "headers": a_customer(system), "timeout": 10}
        with httpx2.Client(**whose) as customer, system.client() as shop:  # type: ignore[arg-type]
            order = place(customer, an_order(SKU)).json()
            settled(customer, order["id"])
            with following(customer, order["id"]) as events:
                received = iter(events)
                next(received), next(received)
                refused = customer.delete("/api/v1/me")
                cancel(shop, order["id"])
                told = changes_of(list(received))
            eventually(lambda: customer.delete("/api/v1/me").status_code == 204, what="the erasure")

        assert (refused.status_code, refused.json()["code"]) == (409, "orders_in_progress")
        assert told == ["ordering.order_cancelled.v1"]


class TestResources:
    """Eight clients wait and ten follow, on two processes with two threads and two connections to the database each."""

    def test_are_not_taken_by_those_who_wait(self, system: System) -> None:
        with a_server(system, WEB_THREADS="2", DATABASE_POOL_SIZE="2") as server, ExitStack() as stack:
            client = stack.enter_context(server.client())
            order = place(client, an_order(SKU)).json()
            settled(client, order["id"])
            streams = [
                stack.enter_context(following(stack.enter_context(server.client()), order["id"])) for _ in "0123456789"
            ]
            pool = stack.enter_context(ThreadPoolExecutor(8))
            emails = [f"{uuid4().hex}@example.com" for _ in range(8)]
            waiting = [pool.submit(_place_and_wait, server, email) for email in emails]
            orders = eventually(lambda: _placed_by(server, emails), what="all orders")

            for order_id in orders:  # would take ten seconds each if a thread or a connection were missing
                assert client.get(f"/api/v1/orders/{order_id}").json()["status"] == "pending"
            held = [each for each in waiting if not each.done()]
            for order_id in orders:
                assert cancel(client, order_id).is_success
            answers = [each.result(timeout=30) for each in waiting]
            cancel(client, order["id"])
            told = [changes_of(list(stream))[-1] for stream in streams]

        assert len(held) == len(orders) == 8
        assert [each["status"] for each in answers] == ["cancelled"] * 8
        assert told == ["ordering.order_cancelled.v1"] * 10


class TestStopping:
    def test_ends_streams_and_answers_those_who_wait(self, system: System) -> None:
        with (
            a_server(system, WEB_NOTICE_SECONDS="1") as server,
            server.client() as client,
            ThreadPoolExecutor(1) as pool,
        ):
            order = place(client, an_order(SKU)).json()
            settled(client, order["id"])
            email = f"{uuid4().hex}@example.com"
            waiting = pool.submit(_place_and_wait, server, email)
            (held,) = eventually(lambda: _placed_by(server, [email]), what="the order")
            with following(client, order["id"]) as events:
                received = iter(events)
                known = [next(received), next(received)]
                process = server.processes.pop(f"web-{server.port}")
                process.terminate()
                rest = list(received)  # raises unless the last chunk came (RFC 9112, section 7.1)
            answer = waiting.result(timeout=30)
            status = process.wait(timeout=30)
        with system.client() as client:
            with following(client, order["id"], after=known[0]["id"]) as gone_on:
                after_first = next(iter(gone_on))
            cancel(client, order["id"])
            cancel(client, held)

        assert rest == []
        assert len(events.retries) == 2  # one when it begins, one when it ends
        assert after_first == known[1]
        assert answer["status"] == "pending"
        assert status == 0

    def test_ends_a_server_whose_workers_still_start(self, system: System) -> None:
        server = replace(system, port=free_port())
        name = f"starting-{server.port}"
        log = server.directory / f"{name}.log"
        server.start_as(name, kind="web")
        process = server.processes[name]
        try:
            eventually(lambda: "Spawning worker-2" in log.read_text(), within=30, what="the workers")
            process.terminate()
            status = process.wait(timeout=30)
        except (AssertionError, subprocess.TimeoutExpired):
            server.kill(name)
            raise
        del server.processes[name]

        assert status == 0
        assert "Started worker" not in log.read_text()


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


@contextmanager
def a_key(system: System, *, lasts: timedelta) -> Iterator[tuple[str, httpx2.Client]]:
    """Make an API key that may read orders; give its id and a client that acts with it."""
    expires_at = (datetime.now(UTC) + lasts).isoformat()
    with system.client() as client:
        made = client.post(KEYS, json={"name": uuid4().hex, "scopes": ["orders:read"], "expires_at": expires_at})
    assert made.status_code == 201, made.text
    system.hide(made.json()["token"])
    headers = {"Authorization": f"Bearer {made.json()['token']}"}
    with httpx2.Client(base_url=system.url, headers=headers, timeout=60) as other:
        yield made.json()["id"], other


@contextmanager
def a_server(system: System, **told: str) -> Iterator[System]:
    """Run one more web server beside the system's own, told something besides."""
    server = replace(system, port=free_port(), told={**system.told, **told})
    name = f"web-{server.port}"
    server.start_as(name, kind="web")
    try:
        eventually(server.is_ready, within=60, what="readiness")
        yield server
    finally:
        if process := server.processes.pop(name, None):
            process.terminate()
            process.wait(timeout=30)


def _place_and_wait(server: System, email: str) -> dict[str, Any]:
    """Place an order that nobody decides on, and prefer to wait."""
    with server.client(Prefer="wait=10") as client:
        answer: dict[str, Any] = place(client, an_order(SKU, token="tok_requires_action", email=email)).json()
        return answer


def _placed_by(server: System, emails: list[str]) -> list[str]:
    """Return the orders of these people, once there is one of each."""
    rows = server.query("SELECT id::text FROM ordering_order WHERE email = ANY(%s)", emails)
    return [order_id for (order_id,) in rows] if len(rows) == len(emails) else []


def a_customer(system: System) -> dict[str, str]:
    """Register somebody and return what they send to be known."""
    email = f"{uuid4().hex}@example.com"
    person = {"email": email, "password": "correct horse battery", "name": "Ada"}
    assert httpx2.post(f"{system.url}/api/v1/customers", json=person).status_code == 201
    tokens = httpx2.post(
        f"{system.url}/api/v1/auth/tokens", json={"email": email, "password": person["password"]}
    ).json()
    return {"Authorization": f"Bearer {tokens['access_token']}"}

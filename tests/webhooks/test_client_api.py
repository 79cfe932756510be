"""Webhook endpoints and events as the program of another server sees them."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from contexts.webhooks import wiring
from contexts.webhooks.models import AttemptRow, DeliveryRow, EndpointRow, ReplayRow
from shared.idempotency.models import IdempotencyKeyRow
from tests.shop import a_customer, a_key
from tests.webhooks.builders import CANCELLED, PLACED, fan_out, happened, order_cancelled, order_placed

pytestmark = pytest.mark.django_db

LIST = "/api/v1/webhook-endpoints"
URL = "http://127.0.0.1:9/hooks"
GOOD = {"url": URL, "topics": [PLACED]}


class Server:
    """Another server with a key of its own."""

    def __init__(self, *scopes: str) -> None:
        self.client = Client()
        self.token = a_key(*(scopes or ("webhooks:write", "events:read")))

    def send(self, method: str, path: str, body: Any = None, *, key: str | None = None, **headers: str) -> Any:
        """Send a request under an Idempotency-Key of its own, unless one is given."""
        sent = {"Authorization": f"Bearer {self.token}", "Idempotency-Key": uuid4().hex if key is None else key}
        content = {"data": body, "content_type": "application/json"} if body is not None else {}
        return getattr(self.client, method)(path, headers=sent | headers, **content)

    def add(self, **changes: Any) -> dict[str, Any]:
        """Add an endpoint and return it."""
        answer = self.send("post", LIST, GOOD | changes)
        assert answer.status_code == 201, answer.content
        added: dict[str, Any] = answer.json()
        return added


@pytest.fixture
def server() -> Server:
    return Server()


def code_of(answer: Any) -> tuple[int, str]:
    """Return status and code of a problem."""
    assert answer["Content-Type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


class TestAdd:
    def test_shows_the_secret_this_once(self, server: Server) -> None:
        answer = server.send("post", LIST, GOOD)

        assert answer.status_code == 201
        added = answer.json()
        assert added["secret"].startswith("whsec_")
        assert answer["Location"] == f"{LIST}/{added['id']}"
        shown = server.send("get", f"{LIST}/{added['id']}").json()
        assert shown == {name: value for name, value in added.items() if name != "secret"}
        assert (shown["url"], shown["topics"], shown["enabled"]) == (GOOD["url"], [PLACED], True)

    def test_stores_the_secret_encrypted_also_in_the_answer_to_a_repetition(self, server: Server) -> None:
        first = server.send("post", LIST, GOOD, key="k")
        second = server.send("post", LIST, GOOD, key="k")

        assert second.content == first.content
        assert second["Idempotency-Replayed"] == "true"
        secret = first.json()["secret"].removeprefix("whsec_").encode()
        assert secret not in bytes(EndpointRow.objects.get().secret)
        assert secret not in bytes(IdempotencyKeyRow.objects.get().body or b"")

    @pytest.mark.parametrize(
        ("changes", "code", "pointer"),
        [
            ({"url": "http://10.0.0.1/hooks"}, "url_not_allowed", "/url"),
            ({"url": "https://user@shop.example/"}, "url_not_allowed", "/url"),
            ({"url": "ftp://127.0.0.1/"}, "url_not_allowed", "/url"),
            ({"topics": ["ordering.order_plased.v1"]}, "unknown_topic", "/topics"),
            ({"topics": []}, "validation_error", "/topics"),
            ({"url": ""}, "validation_error", "/url"),
            ({"email": "nobody"}, "validation_error", "/email"),
            ({"colour": "red"}, "validation_error", "/colour"),
        ],
    )
    def test_refuses(self, server: Server, changes: dict[str, Any], code: str, pointer: str) -> None:
        answer = server.send("post", LIST, GOOD | changes)

        assert code_of(answer) == (422, code)
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]

    def test_refuses_loopback_outside_development(self, server: Server, settings: Settings) -> None:
        settings.OUTBOUND_TO_LOOPBACK = False

        assert code_of(server.send("post", LIST, GOOD)) == (422, "url_not_allowed")

    def test_needs_a_key_with_the_scope_and_an_idempotency_key(self, server: Server) -> None:
        assert code_of(Client().get(LIST)) == (401, "missing_token")
        assert code_of(Server("events:read").send("get", LIST)) == (403, "insufficient_scope")
        assert code_of(server.send("post", LIST, GOOD, key="")) == (400, "idempotency_key_required")

    def test_is_nothing_for_people(self) -> None:
        _, token = a_customer()

        assert code_of(Client().get(LIST, headers={"Authorization": f"Bearer {token}"})) == (403, "insufficient_scope")

    def test_ends_at_fifty(self, server: Server) -> None:
        for _ in range(50):
            server.add()

        assert code_of(server.send("post", LIST, GOOD)) == (409, "too_many_endpoints")


class TestOwner:
    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("get", "", None),
            ("patch", "", {"enabled": False}),
            ("delete", "", None),
            ("post", "/secret-rotation", None),
            ("post", "/test", None),
            ("get", "/deliveries", None),
            ("post", "/replay", {"from": "2026-03-01T00:00:00Z", "to": "2026-03-02T00:00:00Z"}),
        ],
    )
    def test_alone_finds_the_endpoint(self, server: Server, method: str, path: str, body: Any) -> None:
        endpoint = server.add()

        assert code_of(Server().send(method, f"{LIST}/{endpoint['id']}{path}", body)) == (404, "endpoint_not_found")
        assert server.send(method, f"{LIST}/{endpoint['id']}{path}", body).status_code in {200, 202, 204}

    def test_lists_own_ones_by_pages(self, server: Server) -> None:
        Server().add()
        ids = [server.add()["id"] for _ in range(3)]
        first = server.send("get", f"{LIST}?limit=2").json()
        second = server.send("get", f"{LIST}?limit=2&cursor={first['next_cursor']}").json()

        assert [each["id"] for each in first["items"] + second["items"]] == ids
        assert second["next_cursor"] is None


class TestChange:
    def test_changes_what_is_given_and_nothing_else(self, server: Server) -> None:
        endpoint = server.add(email="ops@shop.example")
        path = f"{LIST}/{endpoint['id']}"
        changed = server.send("patch", path, {"topics": [CANCELLED, PLACED]})

        assert changed.status_code == 200
        assert changed.json() == server.send("get", path).json()
        assert (changed.json()["topics"], changed.json()["email"]) == ([CANCELLED, PLACED], "ops@shop.example")
        assert changed["ETag"] == '"v1"'
        assert server.send("get", path, **{"If-None-Match": '"v1"'}).status_code == 304

    def test_of_a_version_that_is_gone_is_refused(self, server: Server) -> None:
        path = f"{LIST}/{server.add()['id']}"
        server.send("patch", path, {"topics": [CANCELLED]}, **{"If-Match": '"v0"'})

        answer = server.send("patch", path, {"topics": [PLACED]}, **{"If-Match": '"v0"'})
        assert code_of(answer) == (412, "version_mismatch")

    def test_disables_and_enables(self, server: Server) -> None:
        path = f"{LIST}/{server.add()['id']}"
        happened()
        fan_out()

        disabled = server.send("patch", path, {"enabled": False}).json()
        assert (disabled["enabled"], disabled["disabled_because"]) == (False, "by_owner")
        assert DeliveryRow.objects.get().status == "dead"
        assert code_of(server.send("post", f"{path}/test")) == (409, "endpoint_is_disabled")
        happened()
        fan_out()
        enabled = server.send("patch", path, {"enabled": True}).json()
        assert (enabled["enabled"], enabled["disabled_because"]) == (True, None)
        fan_out()
        assert DeliveryRow.objects.count() == 1

    def test_refuses_another_url_that_is_not_allowed(self, server: Server) -> None:
        path = f"{LIST}/{server.add()['id']}"

        assert code_of(server.send("patch", path, {"url": "http://10.0.0.1/"})) == (422, "url_not_allowed")


class TestRotation:
    def test_shows_a_new_secret_and_until_when_the_old_one_signs(self, server: Server) -> None:
        endpoint = server.add()
        rotated = server.send("post", f"{LIST}/{endpoint['id']}/secret-rotation").json()

        assert rotated["secret"] != endpoint["secret"]
        assert rotated["secret_rotation_ends_at"] is not None


class TestRemove:
    def test_leaves_nothing(self, server: Server) -> None:
        path = f"{LIST}/{server.add()['id']}"
        happened()
        fan_out()

        assert server.send("delete", path).status_code == 204
        assert code_of(server.send("get", path)) == (404, "endpoint_not_found")
        assert code_of(server.send("delete", path)) == (404, "endpoint_not_found")
        assert code_of(server.send("get", f"{path}/deliveries")) == (404, "endpoint_not_found")
        assert server.send("get", LIST).json()["items"] == []
        assert wiring.forget_removed() == 1
        assert DeliveryRow.objects.count() == 0


class TestLog:
    def test_tells_of_requests_and_answers_the_newest_first(self, server: Server) -> None:
        path = f"{LIST}/{server.add()['id']}/deliveries"
        happened()
        happened()
        fan_out()
        row = DeliveryRow.objects.order_by("id").first()
        assert row is not None
        AttemptRow.objects.create(
            delivery=row, number=1, at=timezone.now(), milliseconds=12, url=URL, status=500,
            headers={"server": "nginx"}, body="oops",
            request_headers={"webhook-id": "1"}, request_body="{}",
        )  # fmt: skip
        newest, oldest = server.send("get", path).json()["items"]

        assert (newest["status"], newest["log"]) == ("pending", [])
        assert oldest["id"] == str(row.id)
        (attempt,) = oldest["log"]
        assert (attempt["number"], attempt["duration_ms"], attempt["error"]) == (1, 12, None)
        assert attempt["request"] == {"headers": {"webhook-id": "1"}, "body": "{}"}
        assert attempt["response"] == {"status": 500, "headers": {"server": "nginx"}, "body": "oops"}

    def test_is_read_by_pages_status_and_topic(self, server: Server) -> None:
        path = f"{LIST}/{server.add(topics=[PLACED, CANCELLED])['id']}/deliveries"
        happened(order_placed, order_cancelled)
        fan_out()

        def found(**query: str) -> list[str]:
            return [each["topic"] for each in server.send("get", path + query_of(query)).json()["items"]]

        first = server.send("get", f"{path}?limit=1").json()
        second = server.send("get", f"{path}?limit=1&cursor={first['next_cursor']}").json()
        assert [each["topic"] for each in first["items"] + second["items"]] == [CANCELLED, PLACED]
        assert found(topic=PLACED) == [PLACED]
        assert found(status="dead") == []
        assert server.send("get", f"{path}?colour=red").status_code == 422


class TestTest:
    def test_makes_a_delivery(self, server: Server) -> None:
        endpoint = server.add()
        answer = server.send("post", f"{LIST}/{endpoint['id']}/test")

        assert answer.status_code == 202
        row = DeliveryRow.objects.get()
        assert answer.json() == {"delivery_id": str(row.id), "event_id": str(row.event_id)}
        assert (row.topic, row.payload) == ("webhooks.test.v1", {"endpoint_id": endpoint["id"]})


class TestReplay:
    def test_is_accepted_and_tells_how_far_it_is(self, server: Server) -> None:
        path = f"{LIST}/{server.add()['id']}"
        now = timezone.now()
        span = {"from": (now - timedelta(hours=1)).isoformat(), "to": (now + timedelta(hours=1)).isoformat()}
        happened()
        asked = server.send("post", f"{path}/replay", span, key="r")
        again = server.send("post", f"{path}/replay", span, key="r")

        assert (asked.status_code, asked.json()["status"], asked.json()["topics"]) == (202, "pending", [PLACED])
        assert again.content == asked.content
        assert ReplayRow.objects.count() == 1
        fan_out()
        done = server.send("get", f"{path}/replays/{asked.json()['id']}").json()
        assert (done["status"], done["events"]) == ("done", 1)

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            ({"from": "2026-03-02T00:00:00Z", "to": "2026-03-01T00:00:00Z"}, "impossible_span"),
            ({"from": "2026-01-01T00:00:00Z", "to": "2026-06-01T00:00:00Z"}, "impossible_span"),
            ({"from": "2026-03-02T00:00:00", "to": "2026-03-03T00:00:00Z"}, "validation_error"),
            ({"from": "2026-03-02T00:00:00Z", "to": "2026-03-03T00:00:00Z", "topics": ["a.b.v1"]}, "unknown_topic"),
        ],
    )
    def test_refuses(self, server: Server, body: dict[str, Any], code: str) -> None:
        assert code_of(server.send("post", f"{LIST}/{server.add()['id']}/replay", body)) == (422, code)


class TestEvents:
    def test_are_listed_in_their_order_without_end(self, server: Server) -> None:
        orders = [happened(order_placed, order_cancelled) for _ in range(2)]
        key_created = server.send("get", "/api/v1/events?limit=1").json()
        first = server.send("get", f"/api/v1/events?limit=3&after={key_created['next_cursor']}").json()
        second = server.send("get", f"/api/v1/events?limit=3&after={first['next_cursor']}").json()
        items = first["items"] + second["items"]

        assert [(item["aggregate_id"], item["sequence"], item["type"]) for item in items] == [
            (str(order.id), number, topic) for order in orders for number, topic in ((1, PLACED), (2, CANCELLED))
        ]
        assert second["next_cursor"] is None
        assert items[0]["data"]["order_id"] == str(orders[0].id)
        last = items[-1]["id"]
        assert server.send("get", f"/api/v1/events?after={last}").json() == {"items": [], "next_cursor": None}
        happened()
        assert len(server.send("get", f"/api/v1/events?after={last}").json()["items"]) == 1

    def test_are_found_by_topic(self, server: Server) -> None:
        happened(order_placed, order_cancelled)

        def topics(query: str) -> list[str]:
            return [item["type"] for item in server.send("get", f"/api/v1/events?{query}").json()["items"]]

        assert topics(f"topic={CANCELLED}") == [CANCELLED]
        assert topics(f"topic={CANCELLED}&topic={PLACED}") == [PLACED, CANCELLED]
        assert topics("topic=ordering.nothing.v1") == []

    def test_tell_nobodys_own_words(self, server: Server) -> None:
        happened(lambda id_: order_cancelled(id_, reason="my husband Tom is ill"))

        (item,) = server.send("get", f"/api/v1/events?topic={CANCELLED}").json()["items"]
        assert item["data"]["reason"] == "in_own_words"

    @pytest.mark.parametrize(
        ("query", "code"),
        [
            (f"after={UUID(int=1)}", "invalid_cursor"),
            ("after=x", "validation_error"),
            ("topic=x", "validation_error"),
            ("limit=101", "validation_error"),
            ("cursor=x", "validation_error"),
        ],
    )
    def test_refuse(self, server: Server, query: str, code: str) -> None:
        assert code_of(server.send("get", f"/api/v1/events?{query}")) == (422, code)

    def test_are_for_keys_with_the_scope(self) -> None:
        _, token = a_customer()

        assert code_of(Server("webhooks:write").send("get", "/api/v1/events")) == (403, "insufficient_scope")
        answer = Client().get("/api/v1/events", headers={"Authorization": f"Bearer {token}"})
        assert code_of(answer) == (403, "insufficient_scope")


def query_of(query: dict[str, str]) -> str:
    """Return the query as it stands in a URL."""
    return "?" + "&".join(f"{name}={value}" for name, value in query.items())

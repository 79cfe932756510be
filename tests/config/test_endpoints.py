"""What the house as a whole answers: health, metrics, documents."""

import re

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from shared.http.problems import STATUS_OF_KIND, TITLES
from shared.server import draining

pytestmark = pytest.mark.django_db


class TestHealth:
    def test_is_live_without_looking_at_anything(self, client: Client) -> None:
        assert client.get("/healthz").json() == {"status": "ok"}

    def test_is_ready_when_all_checks_are_ok(self, client: Client) -> None:
        answer = client.get("/readyz")

        assert answer.status_code == 200
        assert answer.json()["checks"] == dict.fromkeys(("database", "cache", "broker", "migrations", "staying"), "ok")

    def test_is_not_ready_once_it_drains(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(draining, "_draining", False)
        draining.begin_draining()

        answer = client.get("/readyz")

        assert answer.status_code == 503
        assert answer.json()["checks"]["staying"] == "RuntimeError: this process finishes what it has and stops"

    def test_is_not_ready_without_its_cache(self, client: Client, settings: Settings) -> None:
        settings.CACHES = {
            "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:9"}
        }
        answer = client.get("/readyz")

        assert answer.status_code == 503
        assert answer.json()["checks"]["cache"].startswith("ConnectionError")
        assert answer.json()["checks"]["database"] == "ok"


class TestMetrics:
    def test_tell_of_requests_and_tables(self, client: Client) -> None:
        client.get("/healthz")
        body = client.get("/metrics").content.decode()

        assert 'orderly_http_requests_total{method="GET",route="healthz",status="200"}' in body
        assert "orderly_outbox_pending_messages 0.0" in body
        assert "orderly_deliveries_dead 0.0" in body

    def test_are_not_for_the_public(self, client: Client, settings: Settings) -> None:
        settings.METRICS_TOKEN = "scrape"

        assert client.get("/metrics").status_code == 401
        assert client.get("/metrics", headers={"Authorization": "Bearer scrape"}).status_code == 200


class TestDocuments:
    @pytest.mark.parametrize("path", ["/api/v1/openapi.json", "/api/ops/v1/openapi.json"])
    def test_are_openapi_3_1(self, client: Client, path: str) -> None:
        document = client.get(path).json()

        assert document["openapi"].startswith("3.1")
        assert document["paths"]

    @pytest.mark.parametrize("path", ["/api/v1/docs", "/api/ops/v1/docs"])
    def test_are_shown_without_the_internet(self, client: Client, path: str) -> None:
        page = client.get(path)

        assert page.status_code == 200
        assert not re.findall(r"(?:src|href)=\"(?:https?:)?//", page.content.decode())

    def test_name_every_operation_and_its_errors(self, client: Client) -> None:
        for path in ("/api/v1/openapi.json", "/api/ops/v1/openapi.json"):
            for operations in client.get(path).json()["paths"].values():
                for operation in operations.values():
                    assert operation["operationId"]
                    assert any(status.startswith("4") for status in operation["responses"]), operation["operationId"]


class TestProblems:
    def test_every_status_has_a_title(self) -> None:
        assert {status for _, status in STATUS_OF_KIND} <= TITLES.keys()

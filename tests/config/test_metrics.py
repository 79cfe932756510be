"""What Prometheus is told: names that it accepts, few values per label, and the same sums whichever process it asks."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest
from django.db import OperationalError, connection
from django.test import Client
from prometheus_client import REGISTRY
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from pytest_django.fixtures import Settings

from config.metrics import count_cancelled, count_confirmed
from contexts.ordering.events import OrderCancelled, OrderConfirmed
from shared.embedded.files import free_port
from shared.outbox.messages import publish_events_of
from shared.persistence.unit_of_work import atomic
from shared.telemetry.metrics import COLLECTORS, TableCollector, processes
from shared.telemetry.pool import PoolWatch
from tests.ordering.builders import a_placed_order

NOW = datetime(2026, 11, 23, tzinfo=UTC)

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parent.parent.parent
PROMTOOL = shutil.which("promtool")


def own_metrics(client: Client) -> dict[str, Metric]:
    """Return what the page shows of our own, by the name of the family."""
    families = text_string_to_metric_families(client.get("/metrics").content.decode())
    return {family.name: family for family in families if family.name.startswith("orderly_")}


def value(name: str, **labels: str) -> float:
    """Return what this process has counted so far."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


class TestNames:
    """The rules of "Metric and label naming" (prometheus.io/docs/practices/naming), as promtool applies them."""

    def test_are_those_of_prometheus(self, client: Client) -> None:
        client.get("/healthz")
        for family in own_metrics(client).values():
            assert re.fullmatch(r"orderly(_[a-z0-9]+)+", family.name), family.name
            assert not re.search(
                r"_(gauge|counter|histogram|summary|ms|milliseconds|minutes|percent)(_|$)", family.name
            )
            assert re.fullmatch(r"\S.{10,}\.", family.documentation), f"{family.name} tells: {family.documentation}"
            if family.type == "histogram":
                assert family.name.endswith("_seconds"), family.name
            ends = {sample.name.endswith("_total") for sample in family.samples}
            assert ends <= ({True} if family.type == "counter" else {False}), family.name
            for sample in family.samples:
                assert all(re.fullmatch(r"[a-z][a-z_]*", label) for label in sample.labels)

    @pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (Debian: apt install prometheus)")
    def test_pass_promtool(self, client: Client) -> None:
        client.get("/healthz")
        page = client.get("/metrics").content

        checked = subprocess.run([str(PROMTOOL), "check", "metrics"], input=page, capture_output=True, check=False)

        assert checked.returncode == 0, (checked.stdout + checked.stderr).decode()


class TestRequests:
    def test_are_counted_by_route_and_not_by_path(self, client: Client) -> None:
        labels = {"method": "GET", "route": "api/v1/products/<uuidstr:product_id>", "status": "404"}
        before = value("orderly_http_requests_total", **labels)
        for _ in range(3):
            client.get(f"/api/v1/products/{uuid4()}")

        assert value("orderly_http_requests_total", **labels) - before == 3

    def test_are_timed_by_class_of_status(self, client: Client) -> None:
        labels = {"method": "GET", "route": "api/v1/products/<uuidstr:product_id>", "status_class": "4xx"}
        before = value("orderly_http_request_duration_seconds_count", **labels)
        client.get(f"/api/v1/products/{uuid4()}")

        assert value("orderly_http_request_duration_seconds_count", **labels) - before == 1

    def test_that_are_refused_are_counted_by_code(self, client: Client) -> None:
        labels = {"route": "api/v1/products/<uuidstr:product_id>", "code": "product_not_found"}
        before = value("orderly_http_refusals_total", **labels)
        client.get(f"/api/v1/products/{uuid4()}")

        assert value("orderly_http_refusals_total", **labels) - before == 1

    def test_have_no_label_that_a_stranger_can_make_up(self, client: Client) -> None:
        client.generic("BREW", f"/{uuid4().hex}")
        samples = own_metrics(client)["orderly_http_requests"].samples

        assert {"method": "other", "route": "unknown", "status": "404"} in [sample.labels for sample in samples]


def a_confirmation(*, currency: str, total_minor: int) -> OrderConfirmed:
    """Return the news that an order of this total is confirmed."""
    return OrderConfirmed(
        order_id=uuid4(),
        number="1",
        payment_id=uuid4(),
        currency=currency,
        total_minor=total_minor,
        lines=(),
        occurred_at=NOW,
    )


def publish_and(go_on: Callable[[], object]) -> None:
    """Publish that an order was placed, and go on in the same transaction."""
    with atomic():
        publish_events_of(a_placed_order())
        go_on()


class TestOrders:
    @pytest.mark.django_db(transaction=True)
    def test_are_counted_once_they_are_committed(self) -> None:
        before = value("orderly_orders_placed_total", currency="EUR")
        with pytest.raises(ZeroDivisionError):
            publish_and(lambda: 1 / 0)
        assert value("orderly_orders_placed_total", currency="EUR") == before

        publish_and(lambda: None)
        assert value("orderly_orders_placed_total", currency="EUR") == before + 1

    def test_bring_revenue_in_units_of_their_currency(self) -> None:
        before = value("orderly_revenue_total", currency="JPY"), value("orderly_revenue_total", currency="EUR")
        for currency in ("JPY", "EUR"):
            count_confirmed(a_confirmation(currency=currency, total_minor=1250))

        after = value("orderly_revenue_total", currency="JPY"), value("orderly_revenue_total", currency="EUR")
        assert (after[0] - before[0], after[1] - before[1]) == (1250, 12.5)

    def test_are_cancelled_for_few_reasons_whatever_customers_write(self) -> None:
        before = value("orderly_orders_cancelled_total", reason="on_request")
        for reason in ("changed my mind", "zu teuer"):
            count_cancelled(OrderCancelled(order_id=uuid4(), number="1", reason=reason, lines=(), occurred_at=NOW))

        assert value("orderly_orders_cancelled_total", reason="on_request") - before == 2


class TestTables:
    def test_are_left_out_when_the_database_does_not_answer(self, client: Client, settings: Settings) -> None:
        assert {family.name: family.samples[0].value for family in TableCollector().collect() if family.samples}[
            "orderly_database_up"
        ] == 1
        with connection.execute_wrapper(_broken):
            (up,) = TableCollector().collect()

        assert (up.name, up.samples[0].value) == ("orderly_database_up", 0)

    def test_are_not_asked_by_any_label_twice(self) -> None:
        names = [family.name for collector in COLLECTORS for family in collector.collect()]

        assert len(names) == len(set(names))


def _broken(*_: object) -> None:
    raise OperationalError("the connection is lost")


class TestPool:
    def test_tells_how_many_connections_are_in_use(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            PoolWatch().look()

        assert value("orderly_database_pool_connections", state="in_use") >= 1
        assert value("orderly_database_pool_size_limit") >= value("orderly_database_pool_connections", state="in_use")


COUNT = """
from prometheus_client import Counter, Gauge
Counter("c_total", "c.").inc({n})
Gauge("g", "g.", multiprocess_mode="livesum").set({n})
print("counted", flush=True)
{wait}
"""


class TestProcesses:
    def test_add_up_their_counts_and_take_their_gauges_with_them(self, tmp_path: Path, settings: Settings) -> None:
        settings.PROMETHEUS_MULTIPROC_DIR = str(tmp_path)
        environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
        subprocess.run([sys.executable, "-c", COUNT.format(n=2, wait="")], env=environment, check=True)
        waiting = [sys.executable, "-c", COUNT.format(n=3, wait="input()")]
        with subprocess.Popen(waiting, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as alive:
            assert alive.stdout is not None
            assert alive.stdout.readline() == b"counted\n"
            registry = processes()
            found = registry.get_sample_value("c_total"), registry.get_sample_value("g")
            alive.communicate(b"\n")

        assert found == (5, 3)


SERVE = """
import django
django.setup()
from django.conf import settings
from shared.telemetry.exposition import expose_this_process
settings.METRICS_TOKEN = "scrape"
expose_this_process()
print("exposed", flush=True)
input()
"""


class TestProcessWithoutWebServer:
    def test_shows_its_metrics_to_who_has_the_token(self) -> None:
        port = free_port()
        environment = os.environ | {"METRICS_PORT": str(port), "DJANGO_SETTINGS_MODULE": "config.settings.dev"}
        command = [sys.executable, "-c", SERVE]
        with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"exposed\n"
            refused = httpx2.get(f"http://127.0.0.1:{port}/metrics")
            shown = httpx2.get(f"http://127.0.0.1:{port}/metrics", headers={"Authorization": "Bearer scrape"})
            process.communicate(b"\n")

        assert (refused.status_code, shown.status_code) == (401, 200)
        assert "# TYPE orderly_relayed_events_total counter" in shown.text

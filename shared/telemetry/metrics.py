"""Prometheus metrics: counted per process, computed from the tables where they tell of the tables."""

import time
from collections.abc import Callable, Iterable
from hmac import compare_digest

from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

REQUESTS = Counter("orderly_http_requests_total", "HTTP requests answered.", ("method", "route", "status"))
DURATION = Histogram(
    "orderly_http_request_duration_seconds",
    "Time from request to response.",
    ("method", "route"),
    buckets=(0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12),
)

#: name, help, SQL that returns one number or pairs of label and number, label
GAUGES: tuple[tuple[str, str, str, str], ...] = (
    ("orderly_outbox_pending_messages", "Events that no relay has taken yet.",
     "SELECT count(*) FROM outbox_message WHERE pending", ""),
    ("orderly_outbox_lag_seconds", "Age of the oldest event that no relay has taken yet.",
     "SELECT coalesce(extract(epoch FROM now() - min(recorded_at)), 0) FROM outbox_message WHERE pending", ""),
    ("orderly_deliveries_pending", "Deliveries that wait for their handler.",
     "SELECT count(*) FROM outbox_delivery WHERE status = 'pending'", ""),
    ("orderly_deliveries_overdue", "Deliveries that are due and that no worker has finished.",
     "SELECT count(*) FROM outbox_delivery WHERE status = 'pending' AND due_at < now()", ""),
    ("orderly_deliveries_overdue_seconds", "How long the delivery that is overdue the longest has been due.",
     "SELECT greatest(coalesce(extract(epoch FROM now() - min(due_at)), 0), 0) FROM outbox_delivery "
     "WHERE status = 'pending'", ""),
    ("orderly_deliveries_oldest_pending_seconds", "Age of the oldest event among the thousand deliveries due first.",
     "SELECT coalesce(extract(epoch FROM now() - min(recorded_at)), 0) FROM outbox_message WHERE id IN "
     "(SELECT message_id FROM outbox_delivery WHERE status = 'pending' ORDER BY due_at LIMIT 1000)", ""),
    ("orderly_deliveries_dead", "Deliveries given up: dead letters.",
     "SELECT count(*) FROM outbox_delivery WHERE status = 'dead'", ""),
    ("orderly_sagas_open", "Processes that are not finished.",
     "SELECT name, count(*) FROM saga WHERE status IN ('running', 'undoing') GROUP BY name", "saga"),
    ("orderly_sagas_overdue", "Open processes past their deadline.",
     "SELECT name, count(*) FROM saga WHERE status IN ('running', 'undoing') AND deadline_at < now() GROUP BY name",
     "saga"),
    ("orderly_audit_unsealed_entries", "Audit entries that no seal covers yet.",
     "SELECT coalesce(sum(entries - coalesce((SELECT max(position) FROM audit_seal WHERE stream = s.id), 0)), 0) "
     "FROM audit_stream AS s WHERE id > 0", ""),
    ("orderly_audit_unsealed_age_seconds", "Age of the oldest audit entry that no seal covers yet.",
     "SELECT coalesce(extract(epoch FROM now() - min(e.recorded_at)), 0) "
     "FROM audit_stream AS s JOIN audit_entry AS e ON e.stream = s.id AND e.position = "
     "1 + coalesce((SELECT max(position) FROM audit_seal WHERE stream = s.id), 0) WHERE s.id > 0", ""),
    ("orderly_audit_laws_broken_by", "How many things break the law, by the last check that came to its end.",
     "SELECT (found->>'law') || ' ' || (found->>'title'), (found->>'broken_by')::bigint "
     "FROM audit_run, jsonb_array_elements(findings) AS found "
     "WHERE id = (SELECT max(id) FROM audit_run WHERE finished_at IS NOT NULL)", "law"),
    ("orderly_audit_last_check_timestamp_seconds", "When the last check of the laws came to its end; 0 if none did.",
     "SELECT coalesce(extract(epoch FROM max(finished_at)), 0) FROM audit_run", ""),
    ("orderly_audit_last_check_seconds", "How long the last check of the laws took.",
     "SELECT coalesce(extract(epoch FROM max(finished_at - started_at)), 0) FROM audit_run "
     "WHERE id = (SELECT max(id) FROM audit_run WHERE finished_at IS NOT NULL)", ""),
)  # fmt: skip


METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class CountRequests:
    """Middleware: count each request by route, and how long it took."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        started = time.perf_counter()
        response = self.get_response(request)
        route = request.resolver_match.route if request.resolver_match else "unknown"
        method = request.method if request.method in METHODS else "other"
        REQUESTS.labels(method, route, str(response.status_code)).inc()
        DURATION.labels(method, route).observe(time.perf_counter() - started)
        return response


class TableCollector(Collector):
    """Computes the gauges of the tables when they are asked for."""

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Yield one family per gauge."""
        with connection.cursor() as cursor:
            for name, text, sql, label in GAUGES:
                family = GaugeMetricFamily(name, text, labels=[label] if label else [])
                cursor.execute(sql)
                for *labels, value in cursor.fetchall():
                    family.add_metric([str(each) for each in labels], float(value))
                yield family


#: What is computed when the metrics are asked for; the house may add to it while it starts.
COLLECTORS: list[Collector] = [TableCollector()]


def metrics(request: HttpRequest) -> HttpResponse:
    """Show the metrics of all processes of this server in the Prometheus text format, to who has the token."""
    if not _may_look(request):
        return HttpResponse("Send the METRICS_TOKEN as bearer token.\n", status=401, content_type="text/plain")
    tables = CollectorRegistry()
    for collector in COLLECTORS:
        tables.register(collector)
    body = generate_latest(_processes()) + generate_latest(tables)
    return HttpResponse(body, content_type=CONTENT_TYPE_LATEST)


def _may_look(request: HttpRequest) -> bool:
    token = settings.METRICS_TOKEN
    return not token or compare_digest(request.headers.get("Authorization", ""), f"Bearer {token}")


def _processes() -> CollectorRegistry:
    if not settings.PROMETHEUS_MULTIPROC_DIR:
        return REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry

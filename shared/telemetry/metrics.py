"""Prometheus metrics: counted per process, computed from the tables where they tell of the tables."""

import time
from collections.abc import Callable, Iterable
from hmac import compare_digest
from pathlib import Path

import orjson
from django.conf import settings
from django.db import DatabaseError, connection
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
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

REQUESTS = Counter("orderly_http_requests_total", "HTTP requests answered.", ("method", "route", "status"))
DURATION = Histogram(
    "orderly_http_request_duration_seconds",
    "Time from request to response.",
    ("method", "route", "status_class"),
    buckets=(0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12),
)
REFUSALS = Counter(
    "orderly_http_refusals_total", "Requests answered with a problem, by the code that clients see.", ("route", "code")
)

#: name, help, SQL that returns one number or pairs of label and number, label
GAUGES: list[tuple[str, str, str, str]] = [
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
]  # fmt: skip


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
        status = response.status_code
        REQUESTS.labels(method, route, str(status)).inc()
        DURATION.labels(method, route, f"{status // 100}xx").observe(time.perf_counter() - started)
        if status >= 400:
            REFUSALS.labels(route, _code_of(response)).inc()
        return response


def _code_of(response: HttpResponseBase) -> str:
    """Return the code of a problem; codes are named in the source, so they are few."""
    if isinstance(response, HttpResponse) and response.headers.get("Content-Type") == "application/problem+json":
        return str(orjson.loads(response.content)["code"])
    return "none"


class TableCollector(Collector):
    """Computes the gauges of the tables when they are asked for, and tells whether there is a database to ask."""

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Yield one family per gauge; of a database that does not answer, only that it does not."""
        try:
            families = list(self._families())
        except DatabaseError:
            families = []
        yield GaugeMetricFamily("orderly_database_up", "1 when the database answers, else 0.", float(bool(families)))
        yield from families

    def _families(self) -> Iterable[GaugeMetricFamily]:
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
    if not may_look(request.headers.get("Authorization", "")):
        return HttpResponse(REFUSED, status=401, content_type="text/plain")
    tables = CollectorRegistry()
    for collector in COLLECTORS:
        tables.register(collector)
    body = generate_latest(processes()) + generate_latest(tables)
    return HttpResponse(body, content_type=CONTENT_TYPE_LATEST)


REFUSED = "Send the METRICS_TOKEN as bearer token.\n"


def may_look(authorization: str) -> bool:
    """Tell whether the header carries the token that the settings ask for, if they ask for one."""
    token = settings.METRICS_TOKEN
    return not token or compare_digest(authorization, f"Bearer {token}")


def processes() -> CollectorRegistry:
    """Return what the processes of this machine have counted: those that share the directory, or this one alone."""
    directory = settings.PROMETHEUS_MULTIPROC_DIR
    if not directory:
        return REGISTRY
    _forget_gauges_of_the_dead(Path(directory))
    registry = CollectorRegistry()
    MultiProcessCollector(registry, directory)  # type: ignore[no-untyped-call]
    return registry


def _forget_gauges_of_the_dead(directory: Path) -> None:
    """Take gauges of ended processes out of the sums; what they counted stays, for counters never go back."""
    for file in directory.glob("gauge_live*_*.db"):
        pid = int(file.stem.rpartition("_")[2])
        if not Path(f"/proc/{pid}").exists():
            mark_process_dead(pid, str(directory))  # type: ignore[no-untyped-call]

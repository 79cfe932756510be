"""Is the process alive, and is it ready to serve? (Kubernetes' terms: liveness and readiness.)"""

import time
from collections.abc import Callable
from typing import Final

from celery import current_app
from django.core.cache import cache
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse

from shared.http.json import json_response
from shared.server.draining import is_draining

MIGRATIONS_REMEMBERED_FOR: Final = 5.0  # seconds
_migrations_applied_until = 0.0


def healthz(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - Django's signature
    """Answer while the process runs; touches nothing else."""
    return json_response({"status": "ok"})


def readyz(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - Django's signature
    """Answer 200 when everything that a request needs is there, else 503, with the result of each check."""
    checks = {name: _result_of(check) for name, check in CHECKS.items()}
    is_ready = all(result == "ok" for result in checks.values())
    return json_response(
        {"status": "ready" if is_ready else "not ready", "checks": checks}, status=200 if is_ready else 503
    )


def _database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _cache() -> None:
    cache.get("readyz")


def _broker() -> None:
    with current_app.connection_for_write() as broker:
        broker.ensure_connection(max_retries=1, timeout=2)


def _migrations() -> None:
    global _migrations_applied_until
    if time.monotonic() < _migrations_applied_until:
        return
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise RuntimeError("migrations are not applied; run: python manage.py migrate")
    _migrations_applied_until = time.monotonic() + MIGRATIONS_REMEMBERED_FOR


def _staying() -> None:
    if is_draining():
        raise RuntimeError("this process finishes what it has and stops")


CHECKS: Final[dict[str, Callable[[], None]]] = {
    "database": _database,
    "cache": _cache,
    "broker": _broker,
    "migrations": _migrations,
    "staying": _staying,
}


def _result_of(check: Callable[[], None]) -> str:
    try:
        check()
    except Exception as error:  # noqa: BLE001 - whatever is wrong is the answer
        return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'failed'}"
    return "ok"

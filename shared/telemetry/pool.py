"""How busy the database connections of this process are."""

import threading
from collections.abc import Mapping
from typing import Final

from django.db import DEFAULT_DB_ALIAS, connections
from prometheus_client import Counter, Gauge

EVERY: Final = 5.0  # seconds

CONNECTIONS = Gauge(
    "orderly_database_pool_connections",
    "Connections of the pools, by what they do.",
    ("state",),
    multiprocess_mode="livesum",
)
ALLOWED = Gauge("orderly_database_pool_size_limit", "Connections that the pools may have.", multiprocess_mode="livesum")
WAITING = Gauge("orderly_database_pool_waiting", "Threads that wait for a connection.", multiprocess_mode="livesum")
WAITED = Counter("orderly_database_pool_waits_total", "Times that a thread had to wait for a connection.")
REFUSED = Counter("orderly_database_pool_timeouts_total", "Times that a thread got no connection in time.")


class PoolWatch:
    """Copies the figures of this process's pool into its metrics, so that requests do not have to."""

    def __init__(self) -> None:
        self._seen = {"requests_queued": 0, "requests_errors": 0}

    def look(self) -> None:
        """Copy the figures as they are now; a process that has not asked for a connection yet has none."""
        pool = connections[DEFAULT_DB_ALIAS]._connection_pools.get(DEFAULT_DB_ALIAS)  # type: ignore[attr-defined]  # noqa: SLF001
        if pool is not None:  # the property `pool` would make one
            self._copy(pool.get_stats())

    def run(self) -> None:
        """Look again and again, for as long as the process lives."""
        while not threading.Event().wait(EVERY):
            self.look()

    def _copy(self, stats: Mapping[str, int]) -> None:
        """Set the gauges; psycopg leaves out what is zero (psycopg_pool, "Pool stats")."""
        idle = stats.get("pool_available", 0)
        CONNECTIONS.labels("idle").set(idle)
        CONNECTIONS.labels("in_use").set(stats.get("pool_size", 0) - idle)
        ALLOWED.set(stats.get("pool_max", 0))
        WAITING.set(stats.get("requests_waiting", 0))
        for counter, name in ((WAITED, "requests_queued"), (REFUSED, "requests_errors")):
            now = stats.get(name, 0)
            counter.inc(max(0, now - self._seen[name]))
            self._seen[name] = now

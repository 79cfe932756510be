import signal
import time
from typing import Any

import psycopg
import structlog
from django.core.management.base import BaseCommand
from django.db import OperationalError, close_old_connections, connection

from shared.outbox.relay import MESSAGES_AT_ONCE, dispatch_overdue_deliveries, relay_pending_messages
from shared.persistence.wakeup import CHANNEL
from shared.saga.dispatch import dispatch_due_sagas
from shared.telemetry.exposition import expose_this_process

#: Seconds that a turn takes at least for each thing that it found, so that what comes next is carried together.
BREATH = 0.02
LONGEST_BREATH = 0.1  # seconds
POLL = 0.1  # seconds without a notification after which the tables are looked at anyway
SWEEP = 1.0  # seconds between two searches for overdue deliveries
PAUSE_AFTER_FAILURE = 1.0  # seconds

_log = structlog.get_logger(__name__)


class Command(BaseCommand):
    """Carry events and due sagas from the tables to the workers until told to stop."""

    help = "Relay events and due sagas to the workers. Any number of relays may run."

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        self._stopping = False
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        expose_this_process()
        _log.info("relay_started")
        while not self._stopping:
            try:
                self._listen()
            except (psycopg.OperationalError, OperationalError) as error:
                _log.warning("relay_lost_the_database", error=str(error))
                close_old_connections()
                time.sleep(PAUSE_AFTER_FAILURE)
        _log.info("relay_stopped")

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _listen(self) -> None:
        parameters = connection.get_connection_params()
        with psycopg.Connection.connect(**listening_parameters(parameters)) as listener:
            listener.execute(f"LISTEN {CHANNEL}")
            swept_at = 0.0
            while not self._stopping:
                begun = time.monotonic()
                if time.monotonic() - swept_at > SWEEP:
                    dispatch_overdue_deliveries()
                    swept_at = time.monotonic()
                if found := relay_pending_messages() + dispatch_due_sagas():
                    if found < MESSAGES_AT_ONCE:  # else more is there already
                        time.sleep(max(0.0, begun + min(found * BREATH, LONGEST_BREATH) - time.monotonic()))
                    continue
                for _ in listener.notifies(timeout=POLL, stop_after=1):
                    pass


def listening_parameters(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return what psycopg needs for a connection of its own, without Django's additions."""
    kept = {"host", "port", "user", "password", "dbname", "sslmode", "options", "connect_timeout"}
    return {name: value for name, value in parameters.items() if name in kept} | {"autocommit": True}

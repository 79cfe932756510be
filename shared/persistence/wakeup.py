"""Tells sleeping processes that the tables hold work for them; every lost call is made good by a sweeper.

The relay is woken by PostgreSQL's LISTEN/NOTIFY. A NOTIFY inside the business transaction would make all
committing transactions queue behind one lock (PostgreSQL source, ``PreCommit_Notify``), so it is sent after
the commit, by itself, and not more often than the relay can use. Workers are woken by a Celery task that
carries ids and nothing else.
"""

import threading
import time
from collections.abc import Sequence

import structlog
from celery import current_app
from django.db import DatabaseError, connection, transaction
from kombu.exceptions import OperationalError as BrokerError

from shared.persistence.crash_points import crash_point

CHANNEL = "orderly_work"
SHORTEST_PAUSE = 0.005  # seconds between two notifications of one process

_log = structlog.get_logger(__name__)
_lock = threading.Lock()
_last_sent = 0.0


def wake_relay_after_commit() -> None:
    """Have the relay woken once the current transaction is committed."""
    transaction.on_commit(_wake_relay)


def wake_worker(task: str, *, queue: str, ids: Sequence[object]) -> None:
    """Send the task with the ids; a broker that does not answer is logged, for the sweeper sends it again."""
    crash_point("broker.before_publish")
    try:
        current_app.send_task(task, args=[[str(one) for one in ids]], queue=queue)
    except BrokerError as error:
        _log.warning("worker_not_woken", task=task, count=len(ids), error=str(error))
    crash_point("broker.after_publish")


def _wake_relay() -> None:
    global _last_sent
    now = time.monotonic()
    with _lock:
        if now - _last_sent < SHORTEST_PAUSE:
            return
        _last_sent = now
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"NOTIFY {CHANNEL}")
    except DatabaseError as error:
        _log.warning("relay_not_notified", error=str(error))

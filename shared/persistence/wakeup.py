"""Tells sleeping processes that the tables hold work for them; every lost call is made good by a sweeper.

The relay is woken by PostgreSQL's LISTEN/NOTIFY. A NOTIFY inside the business transaction would make all
committing transactions queue behind one lock (PostgreSQL source, ``PreCommit_Notify``), so it is sent right after
the commit, as a transaction of its own, and not more often than the relay can use. Workers are woken by a Celery
task that carries ids and nothing else.
"""

import threading
import time
from collections.abc import Sequence

import structlog
from celery import current_app
from kombu.exceptions import OperationalError as BrokerError

from shared.persistence.crash_points import crash_point
from shared.persistence.unit_of_work import Statement, send_after_commit

CHANNEL = "orderly_work"
NOTIFY = Statement(f"NOTIFY {CHANNEL}")
SHORTEST_PAUSE = 0.005  # seconds between two notifications of one process

_log = structlog.get_logger(__name__)
_lock = threading.Lock()
_last_sent = 0.0


def wake_relay_after_commit() -> None:
    """Have the relay woken once the current transaction is committed."""
    send_after_commit(_wake_relay)


def wake_worker(task: str, *, queue: str, ids: Sequence[object]) -> None:
    """Send the task with the ids; a broker that does not answer is logged, for the sweeper sends it again."""
    crash_point("broker.before_publish")
    try:
        current_app.send_task(task, args=[[str(one) for one in ids]], queue=queue)
    except BrokerError as error:
        _log.warning("worker_not_woken", task=task, count=len(ids), error=str(error))
    crash_point("broker.after_publish")


def _wake_relay() -> Statement | None:
    """Return the notification, unless one was sent a moment ago."""
    global _last_sent
    now = time.monotonic()
    with _lock:
        if now - _last_sent < SHORTEST_PAUSE:
            return None
        _last_sent = now
    return NOTIFY

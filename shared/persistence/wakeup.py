"""Tells sleeping processes that the tables hold work for them; every lost call is made good by a sweeper.

The relay is woken by PostgreSQL's LISTEN/NOTIFY. A NOTIFY inside the business transaction would make all
committing transactions queue behind one lock (PostgreSQL source, ``PreCommit_Notify``), so it is sent right after
the commit, as a transaction of its own, and not more often than the relay can use. Workers are woken by a Celery
task that carries ids and nothing else. Web processes whose clients follow something are told by a
message on Valkey, on a channel of its own for each thing, so that only those hear of it who asked.
"""

import threading
import time
from collections.abc import Sequence
from functools import cache, partial
from uuid import UUID

import structlog
from celery import current_app
from django.conf import settings
from django.db import transaction
from kombu.exceptions import OperationalError as BrokerError
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from shared.persistence.crash_points import crash_point
from shared.persistence.unit_of_work import Statement, send_after_commit

CHANNEL = "orderly_work"
NOTIFY = Statement(f"NOTIFY {CHANNEL}")
SHORTEST_PAUSE = 0.005  # seconds between two notifications of one process
CHANGED = "orderly:changed:"  # and the id of what has changed: the channel of its followers
ANSWER_TIMEOUT = 0.2  # seconds
DOWN_FOR = 5.0  # seconds in which a Valkey that did not answer is not told of changes; followers look by themselves

_log = structlog.get_logger(__name__)
_lock = threading.Lock()
_last_sent = 0.0
_silent_until = 0.0


def wake_relay_after_commit() -> None:
    """Have the relay woken once the current transaction is committed."""
    send_after_commit(_wake_relay)


def tell_followers_after_commit(key: UUID) -> None:
    """Have those who follow this told, once the current transaction is committed, that it has changed."""
    transaction.on_commit(partial(_tell_followers, key))


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


def _tell_followers(key: UUID) -> None:
    global _silent_until
    if time.monotonic() < _silent_until:
        return
    try:
        _valkey_at(settings.REDIS_URL).publish(f"{CHANGED}{key}", b"")
    except RedisError as error:
        _silent_until = time.monotonic() + DOWN_FOR
        _log.warning("followers_not_told", error=str(error))


@cache
def _valkey_at(url: str) -> "Redis":
    return Redis.from_url(
        url, socket_timeout=ANSWER_TIMEOUT, socket_connect_timeout=ANSWER_TIMEOUT, retry=Retry(NoBackoff(), 0)
    )

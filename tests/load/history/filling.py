"""Writes the history batch by batch."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from tests.load.history.orders import AUDIT, EVENTS, ORDERS, PAYMENTS, PLACED, PROCESSES
from tests.load.history.shop import CUSTOMERS, FUNCTIONS, GOODS, STOCK

BATCH = 25_000  # orders
TOPICS = (
    "ordering.order_placed.v1",
    "ordering.order_confirmed.v1",
    "ordering.order_cancelled.v1",
    "payments.payment_authorized.v1",
    "payments.payment_declined.v1",
    "payments.payment_voided.v1",
)
Values = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How long a history: ``days`` is the age of its first order, ``live_days`` that of its oldest event at large."""

    orders: int
    customers: int
    skus: int = 10_000
    days: int = 730
    live_days: int = 30


def fill(database_url: str, size: Size, *, seed: float = 0.42, say: Callable[[str], object] = lambda _: None) -> None:
    """Write the history into a migrated database; what is there stays. The newest order is a day old."""
    started = time.monotonic()
    last = datetime.now(tz=UTC) - timedelta(days=1)
    values: Values = {
        **asdict(size),
        "first": last - timedelta(days=size.days),
        "last": last,
        **_subscriptions(),
    }
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off")
        connection.execute("SET statement_timeout = 0")
        connection.execute("SELECT setseed(%s)", [seed])
        connection.execute(FUNCTIONS)
        # Foreign keys are checked by triggers, row by row; what is written here has them right.
        connection.execute("SET session_replication_role = replica")
        _run(connection, GOODS, values)
        _run(connection, CUSTOMERS, values)
        for begin in range(1, size.orders + 1, BATCH):
            end = min(begin + BATCH - 1, size.orders)
            with connection.transaction():
                for sql in (PLACED, ORDERS, PAYMENTS, PROCESSES, EVENTS):
                    _run(connection, sql, values | {"from": begin, "to": end})
            say(f"{end} orders after {time.monotonic() - started:.0f} s\n")
        with connection.transaction():
            _run(connection, STOCK, values)
        connection.execute("SET session_replication_role = origin")
        _run(connection, AUDIT, values)
        _seal()
        connection.execute("VACUUM (ANALYZE)")
    say(f"done after {time.monotonic() - started:.0f} s\n")


def _run(connection: psycopg.Connection[Any], sql: str, values: Values) -> None:
    """Run statements with values, which the server takes one statement at a time; bind them on this side."""
    with psycopg.ClientCursor(connection) as cursor:
        cursor.execute(sql, values)


def _subscriptions() -> Values:
    """Return who is told of the events, as the running code has it."""
    from shared.outbox.registry import subscriptions_of

    told = [(topic, each.name, each.in_order) for topic in TOPICS for each in subscriptions_of(topic)]
    return {
        "topics": [topic for topic, _, _ in told],
        "subscriptions": [name for _, name, _ in told],
        "in_order": [in_order for _, _, in_order in told],
    }


def _seal() -> None:
    from shared.audit.sealing import advance_checkpoint, seal_new_entries

    seal_new_entries()
    advance_checkpoint()

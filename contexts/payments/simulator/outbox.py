"""Keep the webhooks still to be delivered as rows, so that a restart goes on with them."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

# Milliseconds before the second, third, … try; after the last one the webhook is given up.
PAUSES_MS = (250, 500, 1_000, 2_000, 5_000, 10_000, 30_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """One event on its way to the client."""

    sequence: int
    event_id: str
    body: bytes
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where webhooks go and what signs them."""

    url: str
    secret: str


class Outbox:
    """Read and write the webhook side of the store."""

    def __init__(self, *, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def target(self) -> Target | None:
        """Return where webhooks go, or None while nobody listens."""
        row = self._connection.execute("SELECT url, secret FROM webhook_target").fetchone()
        return Target(url=row["url"], secret=row["secret"]) if row else None

    def set_target(self, *, target: Target) -> None:
        """Send webhooks there from now on, also the pending ones."""
        self._connection.execute(
            "INSERT INTO webhook_target VALUES (1, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET url = excluded.url, secret = excluded.secret",
            (target.url, target.secret),
        )

    def add(self, *, event_id: str, body: bytes, due_at: int) -> int:
        """Store a webhook to be sent and return its sequence number."""
        row = self._connection.execute(
            "INSERT INTO webhooks (event_id, body, due_at) VALUES (?, ?, ?) RETURNING sequence",
            (event_id, body, due_at),
        ).fetchone()
        sequence: int = row["sequence"]
        return sequence

    def due(self, *, at: int, limit: int) -> Sequence[Webhook]:
        """Return the webhooks to be sent by now, the longest due first."""
        rows = self._connection.execute(
            "SELECT sequence, event_id, body, attempts FROM webhooks"
            " WHERE state = 'pending' AND due_at <= ? ORDER BY due_at, sequence LIMIT ?",
            (at, limit),
        ).fetchall()
        return [Webhook(**row) for row in rows]

    def next_due(self, *, after: int) -> int | None:
        """Return when the next webhook past this moment is to be sent, or None."""
        row = self._connection.execute(
            "SELECT MIN(due_at) AS due_at FROM webhooks WHERE state = 'pending' AND due_at > ?", (after,)
        ).fetchone()
        due_at: int | None = row["due_at"]
        return due_at

    def delivered(self, *, webhook: Webhook) -> None:
        """Record that the client has acknowledged."""
        self._connection.execute(
            "UPDATE webhooks SET state = 'delivered', attempts = attempts + 1 WHERE sequence = ?",
            (webhook.sequence,),
        )

    def not_delivered(self, *, webhook: Webhook, at: int) -> None:
        """Put the webhook off, longer each time, or give it up after the last try."""
        if webhook.attempts < len(PAUSES_MS):
            state, due_at = "pending", at + PAUSES_MS[webhook.attempts]
        else:
            state, due_at = "exhausted", at
        self._connection.execute(
            "UPDATE webhooks SET state = ?, due_at = ?, attempts = attempts + 1 WHERE sequence = ?",
            (state, due_at, webhook.sequence),
        )

    def totals(self) -> dict[str, int]:
        """Return how many webhooks are in each state."""
        rows = self._connection.execute("SELECT state, COUNT(*) AS count FROM webhooks GROUP BY state")
        return {"pending": 0, "delivered": 0, "exhausted": 0} | {row["state"]: row["count"] for row in rows}

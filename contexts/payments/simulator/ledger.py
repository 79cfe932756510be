"""Keep authorizations, the answers given for each key, and the append-only entries."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contexts.payments.simulator.domain import Authorization, AuthorizationStatus, Entry, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What was answered for an idempotency key, once and for all."""

    key: str
    fingerprint: bytes
    kind: Kind
    authorization_id: str
    resource_id: str
    status_code: int
    answer: bytes

    @property
    def refused(self) -> bool:
        """Tell whether the operation changed nothing because the state did not allow it."""
        return self.status_code >= 400


class Ledger:
    """Read and write the money side of the store; the caller holds the transaction."""

    def __init__(self, *, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def authorization(self, *, authorization_id: str) -> Authorization | None:
        """Return the authorization, or None."""
        row = self._connection.execute("SELECT * FROM authorizations WHERE id = ?", (authorization_id,)).fetchone()
        return _authorization(row) if row else None

    def save(self, *, authorization: Authorization) -> None:
        """Write the authorization as it now is."""
        self._connection.execute(
            "INSERT INTO authorizations VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET status = excluded.status, captured = excluded.captured,"
            " refunded = excluded.refunded, failure_code = excluded.failure_code, due_at = excluded.due_at",
            (
                authorization.id,
                authorization.key,
                authorization.token,
                authorization.amount,
                authorization.currency,
                authorization.reference,
                authorization.status.value,
                authorization.captured,
                authorization.refunded,
                authorization.failure_code,
                authorization.due_at,
                authorization.created_at,
            ),
        )

    def due_authorizations(self, *, at: int) -> list[Authorization]:
        """Return those whose payer has confirmed by now."""
        rows = self._connection.execute(
            "SELECT * FROM authorizations WHERE due_at <= ? ORDER BY due_at", (at,)
        ).fetchall()
        return [_authorization(row) for row in rows]

    def next_due(self) -> int | None:
        """Return when the next payer will confirm, or None."""
        row = self._connection.execute(
            "SELECT MIN(due_at) AS due_at FROM authorizations WHERE due_at IS NOT NULL"
        ).fetchone()
        due_at: int | None = row["due_at"]
        return due_at

    def operation(self, *, key: str) -> Operation | None:
        """Return what was answered for the key, or None."""
        row = self._connection.execute("SELECT * FROM operations WHERE key = ?", (key,)).fetchone()
        return Operation(**{**row, "kind": Kind(row["kind"])}) if row else None

    def record(self, *, operation: Operation) -> None:
        """Remember what is answered for the key."""
        self._connection.execute(
            "INSERT INTO operations VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                operation.key,
                operation.fingerprint,
                operation.kind.value,
                operation.authorization_id,
                operation.resource_id,
                operation.status_code,
                operation.answer,
            ),
        )

    def is_first_failure(self, *, key: str) -> bool:
        """Tell whether the key has not failed before, and remember that it now has."""
        written = self._connection.execute("INSERT OR IGNORE INTO failed_first VALUES (?)", (key,))
        return written.rowcount == 1

    def append(self, *, entry: Entry) -> None:
        """Add a line to the ledger."""
        self._connection.execute(
            "INSERT INTO entries (kind, resource_id, authorization_id, capture_id, amount, currency,"
            " reference, key, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                entry.kind.value,
                entry.resource_id,
                entry.authorization_id,
                entry.capture_id,
                entry.amount,
                entry.currency,
                entry.reference,
                entry.key,
                entry.created_at,
            ),
        )

    def entry_of(self, *, authorization_id: str, resource_id: str) -> Entry | None:
        """Return the entry that made the resource, or None."""
        row = self._connection.execute(
            "SELECT * FROM entries WHERE authorization_id = ? AND resource_id = ?",
            (authorization_id, resource_id),
        ).fetchone()
        return _entry(row) if row else None

    def refunded_of(self, *, authorization_id: str, capture_id: str) -> int:
        """Return how much of one capture was given back by refunds that name it."""
        row = self._connection.execute(
            "SELECT COALESCE(SUM(amount), 0) AS amount FROM entries"
            " WHERE authorization_id = ? AND capture_id = ? AND kind = 'refund'",
            (authorization_id, capture_id),
        ).fetchone()
        amount: int = row["amount"]
        return amount

    def entries(self, *, after: int, limit: int, reference: str | None) -> list[Entry]:
        """Return entries past a sequence number in order, all or those of one reference."""
        if reference is None:
            rows = self._connection.execute(
                "SELECT * FROM entries WHERE sequence > ? ORDER BY sequence LIMIT ?", (after, limit)
            )
        else:
            rows = self._connection.execute(
                "SELECT * FROM entries WHERE reference = ? AND sequence > ? ORDER BY sequence LIMIT ?",
                (reference, after, limit),
            )
        return [_entry(row) for row in rows]

    def authorization_totals(self) -> list[dict[str, Any]]:
        """Return count and amounts per currency and status."""
        rows = self._connection.execute(
            "SELECT currency, status, COUNT(*) AS count, SUM(amount) AS amount, SUM(captured) AS captured,"
            " SUM(refunded) AS refunded FROM authorizations GROUP BY currency, status"
        )
        return [dict(row) for row in rows]

    def entry_totals(self) -> list[dict[str, Any]]:
        """Return count and amount per currency and kind of entry."""
        rows = self._connection.execute(
            "SELECT currency, kind, COUNT(*) AS count, SUM(amount) AS amount FROM entries GROUP BY currency, kind"
        )
        return [dict(row) for row in rows]


def _authorization(row: Mapping[str, Any]) -> Authorization:
    return Authorization(**{**row, "status": AuthorizationStatus(row["status"])})


def _entry(row: Mapping[str, Any]) -> Entry:
    return Entry(**{**row, "kind": Kind(row["kind"])})

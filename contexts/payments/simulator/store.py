"""Open the SQLite file the simulator lives in: one connection, one thread, one process."""

import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Self

SCHEMA = """
CREATE TABLE IF NOT EXISTS authorizations (
    id TEXT PRIMARY KEY,
    key TEXT NOT NULL,
    token TEXT NOT NULL,
    amount INTEGER NOT NULL CHECK (amount > 0),
    currency TEXT NOT NULL,
    reference TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('authorized', 'declined', 'requires_action', 'voided')),
    captured INTEGER NOT NULL CHECK (captured BETWEEN 0 AND amount),
    refunded INTEGER NOT NULL CHECK (refunded BETWEEN 0 AND captured),
    failure_code TEXT,
    due_at INTEGER,
    created_at INTEGER NOT NULL,
    CHECK (status = 'authorized' OR captured = 0)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS authorizations_due ON authorizations (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE IF NOT EXISTS operations (
    key TEXT PRIMARY KEY,
    fingerprint BLOB NOT NULL,
    kind TEXT NOT NULL,
    authorization_id TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    status_code INTEGER NOT NULL,
    answer BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS entries (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CHECK (kind IN ('authorise', 'capture', 'refund', 'void')),
    resource_id TEXT NOT NULL,
    authorization_id TEXT NOT NULL,
    capture_id TEXT,
    amount INTEGER NOT NULL CHECK (amount > 0),
    currency TEXT NOT NULL,
    reference TEXT NOT NULL,
    key TEXT NOT NULL,
    created_at INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS entries_reference ON entries (reference, sequence);
CREATE INDEX IF NOT EXISTS entries_authorization ON entries (authorization_id);
CREATE TRIGGER IF NOT EXISTS entries_are_not_changed BEFORE UPDATE ON entries
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS entries_are_not_removed BEFORE DELETE ON entries
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;

CREATE TABLE IF NOT EXISTS failed_first (key TEXT PRIMARY KEY) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS webhooks (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id TEXT NOT NULL,
    body BLOB NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'exhausted')),
    attempts INTEGER NOT NULL DEFAULT 0,
    due_at INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS due_webhooks ON webhooks (due_at, sequence) WHERE state = 'pending';

CREATE TABLE IF NOT EXISTS webhook_target (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    url TEXT NOT NULL,
    secret TEXT NOT NULL
);
"""
# The checkpoint runs beside the loop; this is only the bound at which a commit does it itself.
PAGES_BEFORE_INLINE_CHECKPOINT = 4_000


class LedgerInUseError(Exception):
    """Another simulator has this ledger open."""


class Store:
    """Hold the one connection of the process and the lock that keeps a second process out."""

    def __init__(self, *, path: Path, connection: sqlite3.Connection, lock: IO[bytes]) -> None:
        self.connection = connection
        self._path = path
        self._lock = lock
        self._changes_checkpointed = connection.total_changes

    @classmethod
    def open(cls, *, path: Path) -> Self:
        """Open or create the file, or raise LedgerInUseError."""
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_name(f"{path.name}.lock").open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise LedgerInUseError from None
        # Python refuses the use of this connection from any thread but the one that opened it.
        connection = sqlite3.connect(path, isolation_level=None, cached_statements=256)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {PAGES_BEFORE_INLINE_CHECKPOINT}")
        connection.executescript(SCHEMA)
        return cls(path=path, connection=connection, lock=lock)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit all that is written inside, or nothing of it."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.connection.execute("COMMIT")
        finally:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")

    def has_new_changes(self) -> bool:
        """Tell whether anything was written since this was last asked."""
        seen, self._changes_checkpointed = self._changes_checkpointed, self.connection.total_changes
        return seen != self._changes_checkpointed

    def checkpoint(self) -> None:
        """Move the write-ahead log into the file; runs in any thread, beside readers and the writer."""
        beside = sqlite3.connect(self._path, isolation_level=None)
        try:
            beside.execute("PRAGMA wal_checkpoint(PASSIVE)")
        finally:
            beside.close()

    def close(self) -> None:
        """Close the file and let others open it."""
        self.connection.close()
        self._lock.close()

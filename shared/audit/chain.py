"""Reads the tables of the audit trail link by link, in batches, whatever somebody may have put into them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Generic, TypeVar

from django.db import connection

from shared.audit.encoding import GENESIS, Checkpoint, Entry, Link, Seal

L = TypeVar("L", bound=Link, covariant=True)

LINKS_AT_ONCE = 1000
#: Less than any place that an eight-byte number can name.
BEFORE_ALL = -(2**63)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place in a chain and the digest that the chain has there."""

    number: int
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Found(Generic[L]):
    """A link as it stands in its table: what it says, and the digest that stands beside it."""

    number: int
    link: L
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundSeal(Found[Seal]):
    """A seal, and the digest of the entry that it seals; None when that entry is not there."""

    digest_of_entry: bytes | None


START = Place(number=0, digest=GENESIS)


def entries_of(stream: int, *, after: int) -> Iterator[Found[Entry]]:
    """Yield the entries of the stream that stand after the place, in order."""
    sql = """
        SELECT position, id, extract(epoch FROM at)::text, extract(epoch FROM recorded_at)::text, actor, action,
               subject_kind, subject_id, before::text, after::text, reason, correlation_id, digest
        FROM audit_entry WHERE stream = %s AND position > %s ORDER BY position LIMIT %s
    """
    for position, own_id, at, recorded_at, *texts, digest in _in_batches(sql, stream, after=after):
        actor, action, subject_kind, subject_id, before, changed, reason, correlation_id = texts
        link = Entry(
            stream=stream,
            position=position,
            id=own_id,
            at=_microseconds(at),
            recorded_at=_microseconds(recorded_at),
            actor=actor,
            action=action,
            subject_kind=subject_kind,
            subject_id=subject_id,
            before=before,
            after=changed,
            reason=reason,
            correlation_id=correlation_id,
        )
        yield Found(number=position, link=link, digest=_bytes(digest))


def seals(*, after: int) -> Iterator[FoundSeal]:
    """Yield the seals that stand after the place, in order."""
    sql = """
        SELECT s.sequence, s.stream, s.position, s.entry_digest, extract(epoch FROM s.sealed_at)::text, s.digest,
               e.digest
        FROM audit_seal AS s LEFT JOIN audit_entry AS e ON e.stream = s.stream AND e.position = s.position
        WHERE s.sequence > %s ORDER BY s.sequence LIMIT %s
    """
    for sequence, stream, position, entry_digest, sealed_at, digest, digest_of_entry in _in_batches(sql, after=after):
        link = Seal(
            sequence=sequence,
            stream=stream,
            position=position,
            entry_digest=_bytes(entry_digest),
            sealed_at=_microseconds(sealed_at),
        )
        yield FoundSeal(
            number=sequence,
            link=link,
            digest=_bytes(digest),
            digest_of_entry=None if digest_of_entry is None else bytes(digest_of_entry),
        )


def checkpoints(*, after: int) -> Iterator[Found[Checkpoint]]:
    """Yield the checkpoints that stand after the place, in order."""
    sql = """
        SELECT sequence, seal_sequence, seal_digest, extract(epoch FROM verified_at)::text, digest
        FROM audit_checkpoint WHERE sequence > %s ORDER BY sequence LIMIT %s
    """
    for sequence, seal_sequence, seal_digest, verified_at, digest in _in_batches(sql, after=after):
        link = Checkpoint(
            sequence=sequence,
            seal_sequence=seal_sequence,
            seal_digest=_bytes(seal_digest),
            verified_at=_microseconds(verified_at),
        )
        yield Found(number=sequence, link=link, digest=_bytes(digest))


def end_of(stream: int) -> Place | None:
    """Return the end of a chain as the database keeps it: of entries, of the seals (0), of the checkpoints (-1)."""
    return _place("SELECT entries, digest FROM audit_stream WHERE id = %s", stream)


def entry_at(stream: int, position: int) -> Place | None:
    """Return the entry at this place."""
    return _place("SELECT position, digest FROM audit_entry WHERE stream = %s AND position = %s", stream, position)


def seal_at(sequence: int) -> Place | None:
    """Return the seal with this number."""
    return _place("SELECT sequence, digest FROM audit_seal WHERE sequence = %s", sequence)


def last_seal() -> Place | None:
    """Return the newest seal."""
    return _place("SELECT sequence, digest FROM audit_seal ORDER BY sequence DESC LIMIT 1")


def last_checkpoint() -> Found[Checkpoint] | None:
    """Return the newest checkpoint."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT max(sequence) FROM audit_checkpoint")
        (number,) = cursor.fetchone() or (None,)
    return None if number is None else next(checkpoints(after=number - 1), None)


def checkpoint_at(sequence: int) -> Place | None:
    """Return the checkpoint with this number."""
    return _place("SELECT sequence, digest FROM audit_checkpoint WHERE sequence = %s", sequence)


def sealed_place_of(stream: int, *, up_to: int) -> Place | None:
    """Return how far the stream had come by the seal with this number."""
    return _place(
        """
        SELECT position, entry_digest FROM audit_seal
        WHERE stream = %s AND sequence <= %s ORDER BY position DESC LIMIT 1
        """,
        stream,
        up_to,
    )


def streams() -> Sequence[int]:
    """Return all streams of entries that anything is known of; reads one index entry per stream and table."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH RECURSIVE {_each_stream_of("audit_entry")}, {_each_stream_of("audit_seal")}
            SELECT stream FROM audit_entry_streams WHERE stream IS NOT NULL
            UNION SELECT stream FROM audit_seal_streams WHERE stream IS NOT NULL
            UNION SELECT id FROM audit_stream WHERE id > 0
            ORDER BY 1
            """  # noqa: S608 - names of tables, from just here
        )
        return [stream for (stream,) in cursor.fetchall()]


def _each_stream_of(table: str) -> str:
    """Return a loose index scan (PostgreSQL wiki, "Loose indexscan")."""
    return f"""
        {table}_streams AS (
            SELECT (SELECT min(stream) FROM {table}) AS stream
            UNION ALL
            SELECT (SELECT min(stream) FROM {table} AS t WHERE t.stream > known.stream)
            FROM {table}_streams AS known WHERE known.stream IS NOT NULL
        )
    """  # noqa: S608 - names of tables, from just here


def _in_batches(sql: str, *values: int, after: int) -> Iterator[tuple[Any, ...]]:
    while True:
        with connection.cursor() as cursor:
            cursor.execute(sql, [*values, after, LINKS_AT_ONCE])
            rows = cursor.fetchall()
        yield from rows
        if len(rows) < LINKS_AT_ONCE:
            return
        after = rows[-1][0]


def _place(sql: str, *values: int) -> Place | None:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        row = cursor.fetchone()
    return None if row is None else Place(number=row[0], digest=_bytes(row[1]))


def _bytes(value: bytes | None) -> bytes:
    """Return the digest; none at all, which the tables do not allow, is like no other."""
    return b"" if value is None else bytes(value)


def _microseconds(seconds: str | None) -> int | None:
    """Return PostgreSQL's seconds as microseconds, which they are exactly; None for ``infinity``."""
    moment = Decimal(seconds or "NaN")
    return int(moment * 1_000_000) if moment.is_finite() else None

"""The canonical encoding of the audit trail, in Python: independent of the triggers that chain what is written.

A field is its length in bytes (four bytes, big-endian) and its bytes; an absent one is the length ff ff ff ff
alone. Numbers are eight bytes, two's complement, big-endian; moments are numbers of microseconds since
1970-01-01 UTC; texts are UTF-8; JSON is the text of PostgreSQL's jsonb. The first field names kind and version.
As every field tells its own length, no two different records have the same encoding.
"""

from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

#: What the first link of every chain follows: 32 bytes of zero.
GENESIS = bytes(32)
ABSENT = b"\xff\xff\xff\xff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """All columns of an entry but its digest; moments in microseconds since 1970-01-01 UTC, JSON as text."""

    stream: int
    position: int
    id: UUID
    at: int | None
    recorded_at: int | None
    actor: str
    action: str
    subject_kind: str
    subject_id: str
    before: str | None
    after: str | None
    reason: str
    correlation_id: str

    def encode(self) -> bytes:
        """Return the canonical bytes."""
        return b"".join(
            (
                _text("orderly.audit.entry.1"),
                _number(self.stream),
                _number(self.position),
                _field(self.id.bytes),
                _number(self.at),
                _number(self.recorded_at),
                _text(self.actor),
                _text(self.action),
                _text(self.subject_kind),
                _text(self.subject_id),
                _text(self.before),
                _text(self.after),
                _text(self.reason),
                _text(self.correlation_id),
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """All columns of a seal but its digest; the moment in microseconds since 1970-01-01 UTC."""

    sequence: int
    stream: int
    position: int
    entry_digest: bytes
    sealed_at: int | None

    def encode(self) -> bytes:
        """Return the canonical bytes."""
        return b"".join(
            (
                _text("orderly.audit.seal.1"),
                _number(self.sequence),
                _number(self.stream),
                _number(self.position),
                _field(self.entry_digest),
                _number(self.sealed_at),
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """All columns of a checkpoint but its digest; the moment in microseconds since 1970-01-01 UTC."""

    sequence: int
    seal_sequence: int
    seal_digest: bytes
    verified_at: int | None

    def encode(self) -> bytes:
        """Return the canonical bytes."""
        return b"".join(
            (
                _text("orderly.audit.checkpoint.1"),
                _number(self.sequence),
                _number(self.seal_sequence),
                _field(self.seal_digest),
                _number(self.verified_at),
            )
        )


Link = Entry | Seal | Checkpoint


def digest_after(previous: bytes, link: Link) -> bytes:
    """Return the SHA-256 (FIPS 180-4) of the digest before and the link's canonical bytes."""
    return sha256(previous + link.encode()).digest()


def _field(value: bytes | None) -> bytes:
    return ABSENT if value is None else len(value).to_bytes(4, "big") + value


def _text(value: str | None) -> bytes:
    return _field(None if value is None else value.encode())


def _number(value: int | None) -> bytes:
    return _field(None if value is None else value.to_bytes(8, "big", signed=True))

"""Ties the streams together by seals, and notes up to which seal the chain was read and found whole."""

from itertools import islice

import structlog
from django.db import connection

from shared.audit.chain import Place, last_seal
from shared.audit.snapshot import snapshot
from shared.audit.verification import breaks_in_chain
from shared.persistence.unit_of_work import atomic

#: Keys of PostgreSQL's advisory locks: one sealer and one checkpointer at a time.
SEALING, CHECKPOINTING = 0x5EA1_0001, 0x5EA1_0002
SHOWN = 5

_log = structlog.get_logger(__name__)


def seal_new_entries() -> int:
    """Seal each stream that has grown since its last seal; return how many there were.

    One statement reads the ends of all streams as they are committed; it waits for no writer. Nothing is done while
    another process seals.
    """
    with atomic():
        return _alone(SEALING) and _change(
            """
            INSERT INTO audit_seal (stream, position, entry_digest)
            SELECT id, entries, digest FROM audit_stream
            WHERE id > 0
              AND entries > coalesce((SELECT max(position) FROM audit_seal WHERE stream = audit_stream.id), 0)
            ORDER BY id
            """
        )


def advance_checkpoint() -> bool:
    """Verify what came after the last checkpoint and note a new one; tell whether there is one.

    A chain that is broken gets no checkpoint, so every later verification finds the break again. The digest is
    logged: kept elsewhere, it proves that nobody has written the whole chain anew.
    """
    with snapshot():
        broken = list(islice(breaks_in_chain(full=False), SHOWN))
        seal = last_seal()
    if broken:
        _log.error("audit_chain_broken", offenders=[f"{what}: {why}" for what, why in broken])
        return False
    if seal is None or not _note(seal):
        return False
    _log.info("audit_chain_verified", seal=seal.number, digest=seal.digest.hex())
    return True


def _note(seal: Place) -> bool:
    with atomic():
        return _alone(CHECKPOINTING) and bool(
            _change(
                """
                INSERT INTO audit_checkpoint (seal_sequence, seal_digest)
                SELECT %s::bigint, %s::bytea
                WHERE NOT EXISTS (SELECT FROM audit_checkpoint WHERE seal_sequence >= %s)
                """,
                seal.number,
                seal.digest,
                seal.number,
            )
        )


def _alone(work: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [work])
        return bool((cursor.fetchone() or (False,))[0])


def _change(sql: str, *values: int | bytes) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        changed: int = cursor.rowcount
        return changed

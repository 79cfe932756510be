"""Claims a key in the transaction of the effect, so that key, effect and answer are stored together or not at all."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from django.db import connection

from shared.idempotency.models import IdempotencyKeyRow

#: The advisory lock tells a twin in flight at once, where the unique index would make it wait for the commit.
CLAIM = """
WITH free AS (SELECT pg_try_advisory_xact_lock(hashtextextended(%(caller)s || ' ' || %(key)s, 0)) AS it_is)
INSERT INTO idempotency_key (caller, key, fingerprint)
SELECT %(caller)s, %(key)s, %(fingerprint)s FROM free WHERE it_is
ON CONFLICT (caller, key) DO NOTHING
RETURNING id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A response as it was first sent."""

    status: int
    headers: MappingProxyType[str, str] | dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What became of the wish to use a key."""

    state: Literal["mine", "answered", "in_use", "other_request"]
    answer: Answer | None = None


def claim(*, caller: str, key: str, fingerprint: str) -> Claim:
    """Take the key for this request inside the current transaction, or tell who has it.

    The claim is undone with the transaction, so a failed request leaves its key free.
    """
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, {"caller": caller, "key": key, "fingerprint": fingerprint})
        if cursor.fetchone() is not None:
            return Claim(state="mine")
    row = IdempotencyKeyRow.objects.filter(caller=caller, key=key).first()
    if row is None or row.status is None:
        return Claim(state="in_use")
    if row.fingerprint != fingerprint:
        return Claim(state="other_request")
    return Claim(
        state="answered",
        answer=Answer(status=row.status, headers=row.headers or {}, body=bytes(row.body or b"")),
    )


def store_answer(*, caller: str, key: str, answer: Answer) -> None:
    """Keep the answer beside the claimed key, inside the current transaction."""
    IdempotencyKeyRow.objects.filter(caller=caller, key=key).update(
        status=answer.status, headers=dict(answer.headers), body=answer.body
    )

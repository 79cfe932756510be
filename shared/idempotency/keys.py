"""Claims a key in the transaction of the effect, so that key, effect and answer are stored together or not at all."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import orjson
from django.db import connection

from shared.idempotency.models import IdempotencyKeyRow
from shared.persistence.inserts import Insert

#: The advisory lock tells a twin in flight at once, where the unique index would make it wait for the commit.
CLAIM = """
SELECT free.it_is, used.fingerprint, used.status, used.headers, used.body
FROM (SELECT pg_try_advisory_xact_lock(hashtextextended(%(caller)s || ' ' || %(key)s, 0)) AS it_is) AS free
LEFT JOIN idempotency_key AS used ON used.caller = %(caller)s AND used.key = %(key)s
"""

#: A twin that was answered between our look and our lock has inserted the row; then it is our turn to lose.
INSERT_ANSWER = Insert.into(
    IdempotencyKeyRow,
    *("caller", "key", "fingerprint", "status", "headers", "body"),
    contested="idempotency_key_once_per_caller",
)


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
    """Take the key for this request until the end of the current transaction, or tell who has it."""
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, {"caller": caller, "key": key})
        is_free, first_fingerprint, status, headers, body = cursor.fetchone()
    if first_fingerprint is None:
        return Claim(state="mine" if is_free else "in_use")
    if first_fingerprint != fingerprint:
        return Claim(state="other_request")
    return Claim(state="answered", answer=Answer(status=status, headers=orjson.loads(headers), body=bytes(body)))


def store_answer(*, caller: str, key: str, fingerprint: str, answer: Answer) -> None:
    """Keep the answer to the claimed key in the current transaction, or raise LostRace when a twin was faster."""
    INSERT_ANSWER.rows([(caller, key, fingerprint, answer.status, dict(answer.headers), answer.body)])

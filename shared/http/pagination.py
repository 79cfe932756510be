"""Pages by keyset: a cursor holds the sort values of the last item, never an offset.

A cursor is good for the list that handed it out, with the same filters: it carries a tag (keyed BLAKE2b, RFC 7693)
over its values and that list.
"""

import base64
import binascii
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from hmac import compare_digest
from typing import Generic, TypeVar
from urllib.parse import parse_qsl
from uuid import UUID

import orjson
from django.conf import settings

from shared.domain.errors import InvalidInputError

T = TypeVar("T")

DEFAULT_LIMIT = 20
MAX_LIMIT = 100
TAG_SIZE = 9  # bytes
NO_FILTERS = frozenset({"limit", "cursor"})

#: Path and query of the list that is being walked.
_walked: ContextVar[tuple[str, str]] = ContextVar("walked_list", default=("", ""))


class InvalidCursor(InvalidInputError):
    """The cursor is not one that this list handed out; start again without it."""

    pointer = "/cursor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """Some items, and where the next ones begin, if there are more."""

    items: Sequence[T]
    next_cursor: str | None


def page_of(rows: Sequence[T], *, limit: int, key: Callable[[T], Sequence[str | int]]) -> Page[T]:
    """Cut the page out of rows that were read one beyond the limit."""
    items = rows[:limit]
    has_more = len(rows) > limit
    return Page(items=items, next_cursor=encode_cursor(key(items[-1])) if has_more else None)


@contextmanager
def walking(path: str, query: str) -> Iterator[None]:
    """Bind the cursors that are read and written in the block to the list at this address."""
    token = _walked.set((path, query))
    try:
        yield
    finally:
        _walked.reset(token)


def encode_cursor(values: Sequence[str | int]) -> str:
    """Return the sort values as an opaque URL-safe string."""
    data = orjson.dumps(list(values))
    return base64.urlsafe_b64encode(_tag_of(data) + data).rstrip(b"=").decode()


def decode_cursor(cursor: str, *, length: int) -> list[str | int]:
    """Return the sort values, or raise InvalidCursor."""
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        tag, data = raw[:TAG_SIZE], raw[TAG_SIZE:]
        values = orjson.loads(data)
    except (binascii.Error, ValueError):
        raise InvalidCursor from None
    if not compare_digest(tag, _tag_of(data)):
        raise InvalidCursor
    if not isinstance(values, list) or len(values) != length:
        raise InvalidCursor
    if any(isinstance(value, bool) or not isinstance(value, str | int) for value in values):
        raise InvalidCursor
    if any(isinstance(value, str) and "\0" in value for value in values):
        raise InvalidCursor
    return values


def decode_moment(moment: str | int, identifier: str | int) -> tuple[datetime, UUID]:
    """Return the time and id that a cursor of a list by time holds, or raise InvalidCursor."""
    try:
        at, place = datetime.fromisoformat(str(moment)), UUID(str(identifier))
    except ValueError:
        raise InvalidCursor from None
    if at.tzinfo is None:
        raise InvalidCursor
    return at, place


def decode_place(text: str | int, identifier: str | int) -> tuple[str, UUID]:
    """Return the text and id that a cursor of a list by text holds, or raise InvalidCursor."""
    try:
        return str(text), UUID(str(identifier))
    except ValueError:
        raise InvalidCursor from None


def decode_id(cursor: str) -> UUID:
    """Return the id that a cursor of a list by id holds, or raise InvalidCursor."""
    (identifier,) = decode_cursor(cursor, length=1)
    try:
        return UUID(str(identifier))
    except ValueError:
        raise InvalidCursor from None


def decode_text(cursor: str) -> str:
    """Return the text that a cursor of a list by text holds, or raise InvalidCursor."""
    (text,) = decode_cursor(cursor, length=1)
    if not isinstance(text, str):
        raise InvalidCursor
    return text


def decode_number(cursor: str) -> int:
    """Return the number that a cursor of a numbered list holds, or raise InvalidCursor."""
    (number,) = decode_cursor(cursor, length=1)
    if not isinstance(number, int) or not 0 <= number < 2**63:
        raise InvalidCursor
    return number


def _tag_of(data: bytes) -> bytes:
    path, query = _walked.get()
    filters = sorted(pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] not in NO_FILTERS)
    key = blake2b(settings.SECRET_KEY.encode(), digest_size=32).digest()
    return blake2b(orjson.dumps([path, filters]) + data, digest_size=TAG_SIZE, key=key).digest()

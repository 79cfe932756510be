import base64
import contextlib
import re
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.http.pagination import (
    InvalidCursor,
    _tag_of,
    decode_cursor,
    decode_moment,
    encode_cursor,
    page_of,
    walking,
)

values = st.lists(
    st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
    | st.integers(min_value=-(2**63), max_value=2**63 - 1),
    min_size=1,
    max_size=4,
)


def cursor_of(text: str) -> str:
    """Return a cursor that is tagged as it should be, whatever it holds."""
    return base64.urlsafe_b64encode(_tag_of(text.encode()) + text.encode()).rstrip(b"=").decode()


class TestCursor:
    @given(values=values)
    def test_comes_back_as_it_was(self, values: list[str | int]) -> None:
        cursor = encode_cursor(values)

        assert decode_cursor(cursor, length=len(values)) == values

    @given(values=values)
    def test_fits_into_a_url_as_it_is(self, values: list[str | int]) -> None:
        cursor = encode_cursor(values)

        assert re.fullmatch(r"[A-Za-z0-9_-]+", cursor)
        assert cursor.isascii()

    @given(garbage=st.text(max_size=40))
    def test_that_is_garbage_is_refused_and_never_breaks(self, garbage: str) -> None:
        with contextlib.suppress(InvalidCursor):
            assert len(decode_cursor(garbage, length=2)) == 2

    @pytest.mark.parametrize(
        "cursor",
        [
            pytest.param("", id="empty"),
            pytest.param("x", id="impossible length"),
            pytest.param("ü" * 8, id="not ASCII"),
            pytest.param(cursor_of("not json"), id="not JSON"),
            pytest.param(cursor_of('{"a": 1, "b": 2}'), id="an object"),
            pytest.param(cursor_of('"ab"'), id="a string"),
            pytest.param(cursor_of('["2026-03-02"]'), id="too few values"),
            pytest.param(cursor_of("[1, 2, 3]"), id="too many values"),
            pytest.param(cursor_of("[1, null]"), id="null"),
            pytest.param(cursor_of("[1, true]"), id="a truth value"),
            pytest.param(cursor_of("[1, 2.5]"), id="a fraction"),
            pytest.param(cursor_of("[1, [2]]"), id="a list in the list"),
            pytest.param(cursor_of('[1, "a\\u0000b"]'), id="a NUL, which PostgreSQL does not take"),
        ],
    )
    def test_that_no_list_handed_out_is_refused(self, cursor: str) -> None:
        with pytest.raises(InvalidCursor, match="not one that this list handed out; start again without it") as refusal:
            decode_cursor(cursor, length=2)

        assert (refusal.value.code, refusal.value.at) == ("invalid_cursor", "/cursor")


class TestTag:
    @given(values=values, place=st.integers(min_value=0), bit=st.integers(0, 5))
    def test_tells_a_cursor_that_was_tampered_with(self, values: list[str | int], place: int, bit: int) -> None:
        cursor = encode_cursor(values)
        raw = bytearray(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        raw[place % len(raw)] ^= 1 << bit

        with pytest.raises(InvalidCursor):
            decode_cursor(base64.urlsafe_b64encode(raw).decode(), length=len(values))

    @pytest.mark.parametrize(
        ("path", "query"),
        [
            pytest.param("/orders", "q=tea", id="another list"),
            pytest.param("/products", "q=coffee", id="another filter"),
            pytest.param("/products", "", id="no filter"),
            pytest.param("/products", "q=tea&sort=name", id="one filter more"),
        ],
    )
    def test_binds_a_cursor_to_its_list(self, path: str, query: str) -> None:
        with walking("/products", "q=tea"):
            cursor = encode_cursor(["a", 1])
        with walking(path, query), pytest.raises(InvalidCursor):
            decode_cursor(cursor, length=2)

    def test_lets_the_limit_change_from_page_to_page(self) -> None:
        with walking("/products", "q=tea&in_stock=true&limit=2"):
            cursor = encode_cursor(["a", 1])
        with walking("/products", f"cursor={cursor}&in_stock=true&limit=50&q=tea"):
            assert decode_cursor(cursor, length=2) == ["a", 1]


class TestMoment:
    def test_comes_back_as_it_was(self) -> None:
        at, identifier = datetime(2026, 3, 2, 12, 0, 0, 123456, tzinfo=UTC), UUID(int=7)

        assert decode_moment(at.isoformat(), str(identifier)) == (at, identifier)

    @pytest.mark.parametrize(
        ("moment", "identifier"),
        [
            pytest.param("yesterday", str(UUID(int=7)), id="no time"),
            pytest.param(5, str(UUID(int=7)), id="a number for a time"),
            pytest.param("2026-03-02T12:00:00+00:00", "seven", id="no id"),
            pytest.param("2026-03-02T12:00:00+00:00", 7, id="a number for an id"),
            pytest.param("2026-03-02T12:00:00", str(UUID(int=7)), id="a time of no zone"),
        ],
    )
    def test_that_is_none_is_refused(self, moment: str | int, identifier: str | int) -> None:
        with pytest.raises(InvalidCursor):
            decode_moment(moment, identifier)


class TestPage:
    def test_of_rows_read_one_beyond_the_limit_says_where_the_next_begins(self) -> None:
        page = page_of([1, 2, 3], limit=2, key=lambda row: [row])

        assert list(page.items) == [1, 2]
        assert page.next_cursor is not None
        assert decode_cursor(page.next_cursor, length=1) == [2]

    @pytest.mark.parametrize("rows", [[], [1], [1, 2]])
    def test_that_is_the_last_has_no_next(self, rows: list[int]) -> None:
        page = page_of(rows, limit=2, key=lambda row: [row])

        assert (list(page.items), page.next_cursor) == (rows, None)

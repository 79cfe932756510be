import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.http.json import MalformedRequest, read_json

texts = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


class TestBody:
    @given(value=values, spaced=st.booleans(), escaped=st.booleans())
    def test_is_read_as_it_was_meant(self, value: Any, spaced: bool, escaped: bool) -> None:
        text = json.dumps(value, ensure_ascii=escaped, separators=None if spaced else (",", ":"))

        assert read_json(text.encode()) == value

    @given(members=st.dictionaries(texts, values, min_size=1, max_size=4), data=st.data())
    def test_in_which_a_name_stands_twice_is_refused(self, members: dict[str, Any], data: st.DataObject) -> None:
        again = data.draw(st.sampled_from(sorted(members)))
        body = json.dumps(members)[:-1] + f", {json.dumps(again)}: 1}}"

        with pytest.raises(MalformedRequest) as refusal:
            read_json(f'{{"deep": [{body}]}}'.encode())
        assert "stands twice in one object" in str(refusal.value.details["reason"])

    @pytest.mark.parametrize(
        ("body", "why"),
        [
            pytest.param(b"", "not JSON", id="nothing"),
            pytest.param(b"{", "not JSON", id="a beginning"),
            pytest.param(b'{"a": NaN}', "not JSON", id="no number"),
            pytest.param(b'{"a": Infinity}', "not JSON", id="no finite number"),
            pytest.param(b'{"a": 1e999}', "not JSON", id="a number that no double holds"),
            pytest.param(b'{"a": ' + b"9" * 5000 + b"}", "not JSON", id="a number of five thousand digits"),
            pytest.param(b'{"a": "\xff"}', "not JSON", id="no UTF-8"),
            pytest.param(b'{"a": "\\ud800"}', "not JSON", id="half a surrogate pair"),
            pytest.param(b'\xef\xbb\xbf{"a": 1}', "not JSON", id="a byte order mark"),
            pytest.param(b"[" * 100_000 + b"]" * 100_000, "not JSON", id="nested a hundred thousand times"),
            pytest.param(b'{"a":' * 1020 + b"1" + b"}" * 1020, "nested too deeply", id="nested a thousand times"),
            pytest.param(b'{"a": ["b\\u0000"]}', "NUL character", id="a NUL in a value"),
            pytest.param(b'{"a\\u0000": 1}', "NUL character", id="a NUL in a name"),
        ],
    )
    def test_that_is_not_what_it_should_be_is_refused(self, body: bytes, why: str) -> None:
        with pytest.raises(MalformedRequest) as refusal:
            read_json(body)

        assert why in str(refusal.value.details["reason"])

    def test_may_speak_of_a_nul_without_having_one(self) -> None:
        assert read_json(rb'{"a": "\\u0000"}') == {"a": r"\u0000"}

"""The conventions of the API, asked of every operation there is, over HTTP, of a running server."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

from tests.contract.endpoints import JSON, NOBODY, Endpoint, endpoints, lists_in, problem_in

pytestmark = pytest.mark.journey

ADDRESSES = sorted({(each.prefix, each.path): each for each in endpoints()}.values(), key=str)


def each_that(fits: Callable[[Endpoint], object]) -> pytest.MarkDecorator:
    """Run the test for each operation that fits."""
    return pytest.mark.parametrize("endpoint", [each for each in endpoints() if fits(each)], ids=str)


class TestCaller:
    @each_that(lambda endpoint: not endpoint.is_public)
    def test_has_to_say_who_it_is(self, endpoint: Endpoint, anonymous: httpx2.Client) -> None:
        answer = endpoint.call(anonymous)

        problem_in(answer, 401, "missing_token")
        assert answer.headers["WWW-Authenticate"] == "Bearer"

    @each_that(lambda endpoint: not endpoint.is_public)
    @pytest.mark.parametrize("token", ["x", "ok_000000000000_" + "A" * 43, "eyJhbGciOiJub25lIn0.e30."])
    def test_has_to_be_known(self, endpoint: Endpoint, anonymous: httpx2.Client, token: str) -> None:
        answer = endpoint.call(anonymous, headers={"Authorization": f"Bearer {token}"})

        problem_in(answer, 401, "invalid_token")
        assert answer.headers["WWW-Authenticate"] == "Bearer"


class TestAddress:
    @pytest.mark.parametrize("endpoint", ADDRESSES, ids=lambda endpoint: endpoint.path)
    def test_knows_its_methods_and_no_others(self, endpoint: Endpoint, by_key: httpx2.Client) -> None:
        known = {each.method for each in endpoints() if each.path == endpoint.path}
        known |= {"OPTIONS"} | ({"HEAD"} if "GET" in known else set())
        asked = by_key.options(endpoint.url)

        assert (asked.status_code, asked.content) == (204, b"")
        assert set(asked.headers["Allow"].split(", ")) == known
        for method in {"GET", "PUT", "POST", "PATCH", "DELETE", "TRACE", "QUERY"} - known:
            answer = by_key.request(method, endpoint.url)
            problem_in(answer, 405, "method_not_allowed")
            assert set(answer.headers["Allow"].split(", ")) == known

    @pytest.mark.parametrize("prefix", sorted({each.prefix for each in endpoints()}))
    @pytest.mark.parametrize("path", ["", "nothing", "nothing/", f"nothing/{NOBODY}", "%00", "%ff%fe", "%E2%80%AE"])
    @pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
    def test_that_is_unknown_is_a_problem(self, by_key: httpx2.Client, prefix: str, path: str, method: str) -> None:
        answer = by_key.request(method, prefix + path)

        assert answer.status_code in (400, 404, 405)
        problem_in(answer, answer.status_code)

    @each_that(lambda endpoint: endpoint.variables)
    @pytest.mark.parametrize("name", ["0", "-1", "9" * 40, "%00", "%27%20OR%201=1", "..%2f..%2fetc", "a" * 2000])
    def test_with_a_name_that_cannot_be_is_a_problem(
        self, endpoint: Endpoint, allowed: httpx2.Client, name: str
    ) -> None:
        answer = endpoint.call(allowed, url=endpoint.url_with(name))

        assert answer.status_code in (400, 401, 404, 422), answer.text
        problem_in(answer, answer.status_code)


class TestRequestId:
    @pytest.mark.parametrize("endpoint", ADDRESSES, ids=lambda endpoint: endpoint.path)
    def test_comes_back_when_it_is_well_formed(self, endpoint: Endpoint, by_key: httpx2.Client) -> None:
        answer = by_key.get(endpoint.url, headers={"X-Request-ID": "shop-42.a_b"})

        assert answer.headers["X-Request-ID"] == "shop-42.a_b"

    @pytest.mark.parametrize("sent", ["", "two words", "x" * 65, "<script>", "a\tb", "ünïcode".encode()])
    @pytest.mark.parametrize("path", ["/api/v1/products", "/api/ops/v1/stock-items", "/api/v1/nothing"])
    def test_is_replaced_when_it_could_confuse_a_log(self, by_key: httpx2.Client, path: str, sent: str | bytes) -> None:
        raw = sent if isinstance(sent, bytes) else sent.encode()
        answer = by_key.get(path, headers=httpx2.Headers([(b"X-Request-ID", raw)]))

        assert len(answer.headers["X-Request-ID"]) == 32
        assert answer.headers["X-Request-ID"].isalnum()


class TestNegotiation:
    @each_that(lambda endpoint: endpoint.produces)
    @pytest.mark.parametrize("accept", ["text/x-nothing", "image/*", "application/json;q=0, text/x-nothing", "garbage"])
    def test_refuses_to_answer_in_an_unknown_form(
        self, endpoint: Endpoint, allowed: httpx2.Client, accept: str
    ) -> None:
        problem_in(endpoint.call(allowed, headers={"Accept": accept}), 406, "not_acceptable")

    @each_that(lambda endpoint: endpoint.answers_json and not endpoint.variables)
    @pytest.mark.parametrize("accept", [JSON, "application/*", "text/html, */*;q=0.1", "", "application/json;q=0.5"])
    def test_answers_in_json_to_who_takes_it(self, endpoint: Endpoint, allowed: httpx2.Client, accept: str) -> None:
        answer = endpoint.call(allowed, headers={"Accept": accept})

        assert (answer.status_code, answer.headers["Content-Type"]) == (200, JSON)

    @each_that(lambda endpoint: endpoint.takes_json)
    @pytest.mark.parametrize(
        "kind",
        [
            None,
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/merge-patch+json",
            f"{JSON}; charset=latin-1",
        ],
    )
    def test_reads_no_other_form(self, endpoint: Endpoint, allowed: httpx2.Client, kind: str | None) -> None:
        problem_in(endpoint.call(allowed, headers={"Content-Type": kind}), 415, "unsupported_media_type")


MALFORMED = {
    "a beginning": b'{"a": ',
    "no number": b'{"a": NaN}',
    "no finite number": b'{"a": -Infinity}',
    "a huge number": b'{"a": ' + b"9" * 5000 + b"}",
    "no UTF-8": b'{"a": "\xff"}',
    "half a surrogate pair": b'{"a": "\\ud800"}',
    "a raw NUL": b'{"a": "\x00"}',
    "a NUL": b'{"a": "\\u0000"}',
    "a name that stands twice": b'{"a": 1, "a": 2}',
    "nested deeply": b'{"a": ' * 50_000 + b"1" + b"}" * 50_000,
    "a byte order mark": b"\xef\xbb\xbf{}",
}


class TestBody:
    @each_that(lambda endpoint: endpoint.takes_json)
    def test_that_is_no_json_cannot_be_read(self, endpoint: Endpoint, allowed: httpx2.Client) -> None:
        for what, body in MALFORMED.items():
            problem = problem_in(endpoint.call(allowed, content=body), 400, "malformed_request")
            assert problem["reason"], what

    @each_that(lambda endpoint: endpoint.takes_json)
    @pytest.mark.parametrize("body", [b"", b"null", b"[]", b'"text"', b"7", b"true"])
    def test_that_is_no_object_is_invalid(self, endpoint: Endpoint, allowed: httpx2.Client, body: bytes) -> None:
        problem = problem_in(endpoint.call(allowed, content=body), 422, "validation_error")

        assert problem["errors"]

    @each_that(lambda endpoint: endpoint.takes_json)
    def test_with_an_unknown_field_is_invalid(self, endpoint: Endpoint, allowed: httpx2.Client) -> None:
        answer = endpoint.call(allowed, content=None, json=endpoint.body | {"no/such~field": 1})
        errors = problem_in(answer, 422, "validation_error")["errors"]

        assert [(each["pointer"], each["in"]) for each in errors] == [("/no~1such~0field", "body")]

    @each_that(lambda endpoint: endpoint.takes_json)
    def test_has_a_maximum_length(self, endpoint: Endpoint, allowed: httpx2.Client) -> None:
        body = b'{"a": "' + b"x" * 1024 * 1024 + b'"}'
        problem_in(endpoint.call(allowed, content=body), 413, "body_too_large")

    @each_that(lambda endpoint: endpoint.takes_json)
    def test_may_come_in_chunks(self, endpoint: Endpoint, allowed: httpx2.Client) -> None:
        def chunks(*parts: bytes) -> Iterator[bytes]:
            yield from parts

        problem_in(endpoint.call(allowed, content=chunks(b'{"no_such', b'_field": 1}')), 422, "validation_error")
        problem_in(endpoint.call(allowed, content=chunks(*[b"x" * 64 * 1024] * 17)), 413, "body_too_large")

    @each_that(lambda endpoint: any(lists_in(endpoint)))
    def test_has_no_list_without_a_maximum_length(self, endpoint: Endpoint, allowed: httpx2.Client) -> None:
        for pointer, schema in lists_in(endpoint):
            assert schema.get("maxItems"), f"{pointer} takes a list of any length"


class TestParameters:
    @pytest.mark.parametrize("endpoint", endpoints(), ids=str)
    def test_that_are_unknown_are_refused(self, endpoint: Endpoint, allowed: httpx2.Client) -> None:
        answer = endpoint.call(allowed, params={"no_such": "1"})
        errors = problem_in(answer, 422, "validation_error")["errors"]

        assert [(each["pointer"], each["in"]) for each in errors] == [("/no_such", "query")]

    @each_that(lambda endpoint: endpoint.takes("limit"))
    def test_are_given_once(self, endpoint: Endpoint, allowed: httpx2.Client) -> None:
        answer = allowed.get(f"{endpoint.url}?limit=1&limit=2")

        assert problem_in(answer, 422, "validation_error")["errors"][0]["pointer"] == "/limit"

    @pytest.mark.parametrize("query", ["q=%00", "q=%ff%fe", "q=%C0%80"])
    @pytest.mark.parametrize("path", ["/api/v1/products", "/api/ops/v1/stock-items"])
    def test_are_text(self, by_key: httpx2.Client, path: str, query: str) -> None:
        problem_in(by_key.get(f"{path}?{query}"), 400, "malformed_request")


class TestPages:
    @each_that(lambda endpoint: endpoint.takes("limit"))
    @pytest.mark.parametrize("limit", ["0", "101", "-1", "x", "", "1e1", "9" * 30, "1.5"])
    def test_have_a_limit_within_bounds(self, endpoint: Endpoint, allowed: httpx2.Client, limit: str) -> None:
        errors = problem_in(endpoint.call(allowed, params={"limit": limit}), 422, "validation_error")["errors"]

        assert [(each["pointer"], each["in"]) for each in errors] == [("/limit", "query")]

    @each_that(lambda endpoint: endpoint.takes("cursor") and not endpoint.variables)
    @pytest.mark.parametrize("cursor", ["x", "W10", "é", "AAAAAAAAAAAAWzFd", "-" * 500])
    def test_begin_where_this_list_said(self, endpoint: Endpoint, allowed: httpx2.Client, cursor: str) -> None:
        errors = problem_in(endpoint.call(allowed, params={"cursor": cursor}), 422, "invalid_cursor")["errors"]

        assert [each["pointer"] for each in errors] == ["/cursor"]

    @each_that(lambda endpoint: endpoint.takes("cursor") and not endpoint.variables)
    def test_can_be_walked_one_by_one(self, endpoint: Endpoint, allowed: httpx2.Client) -> None:
        everything = endpoint.call(allowed, params={"limit": "5"}).json()["items"]
        seen: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while len(seen) < len(everything):
            page = endpoint.call(allowed, params={"limit": "1"} | cursor).json()
            assert len(page["items"]) == 1
            seen += page["items"]
            cursor = {"cursor": page["next_cursor"]}

        assert [identity(item) for item in seen] == [identity(item) for item in everything]


class TestIdempotencyKey:
    @each_that(lambda endpoint: endpoint.needs("Idempotency-Key"))
    def test_has_to_be_there(self, endpoint: Endpoint, allowed: httpx2.Client) -> None:
        problem_in(endpoint.call(allowed, headers={"Idempotency-Key": None}), 400, "idempotency_key_required")

    @each_that(lambda endpoint: endpoint.takes("Idempotency-Key"))
    @pytest.mark.parametrize("key", ["x" * 256, "a\tb"])
    def test_has_to_be_short_and_plain(self, endpoint: Endpoint, allowed: httpx2.Client, key: str) -> None:
        answer = endpoint.call(allowed, headers={"Idempotency-Key": key})
        problem = problem_in(answer, 422, "idempotency_key_invalid")

        assert problem["errors"][0]["pointer"] == "/headers/idempotency-key"


class TestReading:
    @each_that(lambda endpoint: endpoint.answers_json and endpoint.has_etag and not endpoint.variables)
    def test_can_be_done_by_its_head(self, endpoint: Endpoint, allowed: httpx2.Client) -> None:
        whole, head = endpoint.call(allowed), allowed.head(endpoint.url)

        assert (head.status_code, head.content) == (whole.status_code, b"")
        assert head.headers["Content-Type"] == whole.headers["Content-Type"]
        assert head.headers["ETag"] == whole.headers["ETag"]

    @each_that(lambda endpoint: endpoint.answers_json and endpoint.has_etag and not endpoint.variables)
    def test_is_saved_by_a_copy_that_is_still_good(self, endpoint: Endpoint, allowed: httpx2.Client) -> None:
        etag = endpoint.call(allowed).headers["ETag"]
        for good in (etag, f"W/{etag}", f'"other", {etag}', "*"):
            answer = endpoint.call(allowed, headers={"If-None-Match": good})
            assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", etag), good
            assert "Content-Type" not in answer.headers
        assert endpoint.call(allowed, headers={"If-None-Match": '"other"'}).status_code == 200


def identity(item: dict[str, Any]) -> Any:
    """Return what tells an item from others."""
    return item.get("id", item.get("code", item.get("slug", item)))

"""How often callers may ask, in both APIs: who is counted, on which quota, and what they are told."""

import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured
from django.test import Client, RequestFactory
from prometheus_client import REGISTRY
from pytest_django.fixtures import Settings
from rest_framework.views import APIView

from config.client_api import client_api
from config.env import with_changed_limits
from shared.http import drf, throttling
from shared.http.throttling import address_of, check_limits, quota_of
from shared.resilience.quotas import OwnBuckets, Quota
from tests.shop import PASSWORD, Shop, a_customer, a_key, an_order, open_shop

pytestmark = pytest.mark.django_db

WIDE = "1000/3600"
NOWHERE = "/api/v1/nothing-is-here"


@pytest.fixture
def limits(settings: Settings) -> dict[str, dict[str, str]]:
    """Return limits that a test may narrow, with nothing drawn yet."""
    cache.clear()
    settings.RATE_LIMITS = {
        name: dict.fromkeys(("address", "person", "key"), WIDE) for name in ("read", "write", "checkout", "bulk")
    } | {"auth": {"address": WIDE, "account": WIDE}}
    chosen: dict[str, dict[str, str]] = settings.RATE_LIMITS
    return chosen


def told(answer: Any) -> tuple[str, str]:
    """Return what an answer says of the quota."""
    return answer["RateLimit-Policy"], answer["RateLimit"]


def assert_is_refused(answer: Any) -> None:
    """See that the answer is the problem that the API's conventions ask for."""
    assert (answer.status_code, answer["Content-Type"]) == (429, "application/problem+json")
    assert answer.json()["code"] == "rate_limited"
    assert int(answer["Retry-After"]) >= 1
    assert "r=0;" in answer["RateLimit"]


class TestClientApi:
    def test_tells_what_is_left_and_refuses_what_is_too_much(self, client: Client, limits: Any) -> None:
        limits["read"]["address"] = "2/3600"
        first, second, third = (client.get("/api/v1/products") for _ in range(3))

        assert told(first) == ('"read";q=2;w=3600', '"read";r=1;t=1800')
        assert told(second) == ('"read";q=2;w=3600', '"read";r=0;t=3600')
        assert_is_refused(third)
        assert 1 < int(third["Retry-After"]) <= 1800

    def test_counts_keys_people_and_addresses_apart(self, limits: Any) -> None:
        limits["read"] = {"address": "1/3600", "person": "1/3600", "key": "1/3600"}
        shop = open_shop()
        callers = [a_key("orders:read"), a_key("orders:read"), a_customer()[1], a_customer("grace@example.com")[1]]

        assert [shop.get("/api/v1/orders", as_=each).status_code for each in callers] == [200] * 4
        assert [shop.get("/api/v1/orders", as_=each).status_code for each in callers] == [429] * 4
        assert shop.get("/api/v1/products", as_="").status_code == 200

    def test_counts_classes_apart(self, limits: Any) -> None:
        limits["checkout"]["key"] = "1/3600"
        shop = open_shop()

        assert told(shop.place())[0] == '"checkout";q=1;w=3600'
        assert_is_refused(shop.place())
        assert shop.get("/api/v1/orders").status_code == 200

    def test_an_order_that_is_refused_here_has_no_effect(self, limits: Any) -> None:
        limits["checkout"]["key"] = "1/3600"
        shop = open_shop()
        shop.place()
        assert_is_refused(shop.place(key="again"))
        cache.clear()
        placed = shop.place(key="again")

        assert placed.status_code == 201
        assert "Idempotency-Replayed" not in placed

    @pytest.mark.parametrize("token", ["", "nonsense", "ok_0123456789abcdef_" + "a" * 43])
    def test_counts_callers_who_are_not_who_they_say_by_address(self, limits: Any, token: str) -> None:
        limits["read"]["address"] = "2/3600"
        shop = open_shop()
        answers = [shop.get("/api/v1/orders", as_=token) for _ in range(3)]

        assert [each.status_code for each in answers] == [401, 401, 429]
        assert_is_refused(answers[-1])

    def test_counts_requests_that_lack_the_scope(self, limits: Any) -> None:
        limits["read"]["address"] = "1/3600"
        shop, key = open_shop(), a_key("catalog:read")

        assert [shop.get("/api/v1/orders", as_=key).status_code for _ in range(2)] == [403, 429]

    def test_counts_requests_that_lead_nowhere(self, client: Client, limits: Any) -> None:
        limits["read"]["address"] = limits["write"]["address"] = "1/3600"

        assert [client.get(NOWHERE).status_code for _ in range(2)] == [404, 429]
        assert [client.put("/api/v1/products").status_code for _ in range(2)] == [405, 429]

    def test_is_exact_when_threads_race(self, limits: Any) -> None:
        limits["read"]["address"] = "20/3600"
        with ThreadPoolExecutor(16) as pool:
            statuses = Counter(pool.map(lambda _: Client().get(NOWHERE).status_code, range(80)))

        assert statuses == {404: 20, 429: 60}

    def test_counts_each_request_once(self, limits: Any) -> None:
        shop = open_shop()
        left = [int(re.findall(r"r=(\d+)", shop.get("/api/v1/orders")["RateLimit"])[0]) for _ in range(3)]

        assert left == [999, 998, 997]


class TestOperatorApi:
    STOCK = "/api/ops/v1/stock-items"

    def test_counts_and_refuses_as_well(self, limits: Any) -> None:
        limits["read"]["key"] = "1/3600"
        shop = open_shop()
        first, second = shop.get(self.STOCK), shop.get(self.STOCK)

        assert told(first) == ('"read";q=1;w=3600', '"read";r=0;t=3600')
        assert_is_refused(second)

    def test_counts_a_caller_who_lacks_the_scope_by_who_it_is(self, limits: Any) -> None:
        limits["read"]["key"] = "1/3600"
        shop, key = open_shop(), a_key("orders:read")

        assert [shop.get(self.STOCK, as_=key).status_code for _ in range(2)] == [403, 429]
        assert shop.get(self.STOCK).status_code == 200

    def test_counts_callers_who_are_not_who_they_say_by_address(self, limits: Any) -> None:
        limits["read"]["address"] = "1/3600"
        shop = open_shop()

        assert [shop.get(self.STOCK, as_="nonsense").status_code for _ in range(2)] == [401, 429]


class TestLogIn:
    def log_in(self, client: Client, email: str, **headers: str) -> Any:
        """Try to log in."""
        body = {"email": email, "password": "not " + PASSWORD}
        return client.post("/api/v1/auth/tokens", body, content_type="application/json", headers=headers)

    def test_is_counted_by_address_whoever_is_named(self, client: Client, limits: Any) -> None:
        limits["auth"]["address"] = "2/3600"
        answers = [self.log_in(client, f"{number}@example.com") for number in range(3)]

        assert [each.status_code for each in answers] == [401, 401, 429]
        assert_is_refused(answers[-1])

    def test_is_counted_by_the_account_named_from_wherever(
        self, client: Client, limits: Any, settings: Settings
    ) -> None:
        settings.TRUSTED_PROXIES = 1
        limits["auth"]["account"] = "2/3600"
        spellings = ("ada@example.com", "ADA@example.com", " ada@EXAMPLE.com ")
        answers = [
            self.log_in(client, email, **{"X-Forwarded-For": f"198.51.100.{place}"})
            for place, email in enumerate(spellings)
        ]

        assert [each.status_code for each in answers] == [401, 401, 429]

    def test_is_counted_also_when_the_body_is_nonsense(self, client: Client, limits: Any) -> None:
        limits["auth"]["address"] = "3/3600"
        bodies = ("{", "[1]", '{"email": 7}', "{}")
        statuses = [
            client.post("/api/v1/auth/tokens", body, content_type="application/json").status_code for body in bodies
        ]

        assert statuses[-1] == 429
        assert set(statuses[:-1]) <= {400, 422}

    def test_does_not_become_cheaper_with_a_key(self, limits: Any) -> None:
        limits["auth"]["address"] = "1/3600"
        client, key = Client(), a_key("orders:read")
        answers = [self.log_in(client, "a@example.com", Authorization=f"Bearer {key}") for _ in range(2)]

        assert [each.status_code for each in answers] == [401, 429]


class TestWithoutValkey:
    @pytest.fixture(autouse=True)
    def _gone(self, monkeypatch: pytest.MonkeyPatch, settings: Settings, limits: Any) -> None:
        settings.REDIS_URL = "redis://127.0.0.1:9/0"
        monkeypatch.setattr(throttling, "_own_buckets", OwnBuckets())

    def test_reading_and_writing_go_on_uncounted(self, client: Client, limits: Any) -> None:
        limits["read"]["address"] = "1/3600"
        before = REGISTRY.get_sample_value("orderly_http_unthrottled_total", {"route_class": "read"}) or 0
        answers = [client.get("/api/v1/products") for _ in range(3)]

        assert [each.status_code for each in answers] == [200] * 3
        assert "RateLimit" not in answers[0]
        after = REGISTRY.get_sample_value("orderly_http_unthrottled_total", {"route_class": "read"})
        assert after == before + 3

    def test_log_ins_are_counted_by_each_process_alone(self, client: Client, limits: Any) -> None:
        limits["auth"]["address"] = "2/3600"
        body = {"email": "ada@example.com", "password": PASSWORD}
        answers = [client.post("/api/v1/auth/tokens", body, content_type="application/json") for _ in range(3)]

        assert [each.status_code for each in answers] == [401, 401, 429]
        assert_is_refused(answers[-1])


class TestAddress:
    @pytest.mark.parametrize(
        ("proxies", "forwarded", "address"),
        [
            (0, "198.51.100.1", "203.0.113.7"),
            (0, None, "203.0.113.7"),
            (1, None, "203.0.113.7"),
            (1, "198.51.100.1", "198.51.100.1"),
            (1, "1.1.1.1, 198.51.100.1", "198.51.100.1"),
            (2, "1.1.1.1, 198.51.100.1, 10.0.0.1", "198.51.100.1"),
            (3, "198.51.100.1, 10.0.0.1", "198.51.100.1"),
            (1, "198.51.100.1:4711", "198.51.100.1"),
            (1, "[2001:db8:1:2::7]:443", "2001:db8:1:2::/64"),
            (1, "2001:db8:1:2:ffff::7", "2001:db8:1:2::/64"),
            (1, "drop table", "unknown"),
            (1, ", ", "unknown"),
        ],
    )
    def test_is_what_the_outermost_of_our_proxies_saw(
        self, settings: Settings, proxies: int, forwarded: str | None, address: str
    ) -> None:
        settings.TRUSTED_PROXIES = proxies
        headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}

        assert address_of(RequestFactory(headers=headers).get("/", REMOTE_ADDR="203.0.113.7")) == address

    def test_a_client_does_not_escape_by_writing_the_header_itself(self, client: Client, limits: Any) -> None:
        limits["read"]["address"] = "1/3600"
        statuses = [
            client.get(NOWHERE, headers={"X-Forwarded-For": f"198.51.100.{number}"}).status_code for number in range(3)
        ]

        assert statuses == [404, 429, 429]


class TestLimits:
    def test_are_read_from_text(self) -> None:
        assert quota_of("600/60") == Quota(size=600, window=60)

    @pytest.mark.parametrize("text", ["", "600", "0/60", "600/0", "-1/60", "600/1m", "6e2/60", "600/60/60"])
    def test_refuse_what_is_no_quota(self, text: str) -> None:
        with pytest.raises(ImproperlyConfigured, match="is no quota"):
            quota_of(text)

    def test_are_complete_or_the_server_does_not_start(self, limits: Any) -> None:
        check_limits(limits)
        for broken in (
            {name: quotas for name, quotas in limits.items() if name != "write"},
            limits | {"read": {"address": "1/1", "key": "1/1"}},
            limits | {"auth": {"address": "1/1", "account": "many"}},
        ):
            with pytest.raises(ImproperlyConfigured):
                check_limits(broken)

    def test_of_production_are_complete(self) -> None:
        from config.settings import base

        check_limits(base.RATE_LIMITS)

    def test_change_by_the_environment(self, limits: Any) -> None:
        changed = with_changed_limits(limits, "checkout.key=5/1, auth.account=1/60")

        assert (changed["checkout"]["key"], changed["auth"]["account"]) == ("5/1", "1/60")
        assert limits["checkout"]["key"] == WIDE
        with pytest.raises(ImproperlyConfigured, match=r"there is no 'checkout\.kez'"):
            with_changed_limits(limits, "checkout.kez=5/1")


class TestRoutes:
    def test_that_are_new_draw_on_a_quota_before_they_run(self) -> None:
        assert isinstance(client_api.throttle, throttling.Throttled)
        assert APIView.throttle_classes == [drf.Throttled]

    def test_that_guess_passwords_are_of_the_class_auth(self, client: Client, limits: Any) -> None:
        for path in ("/auth/tokens", "/customers", "/auth/password-reset", "/auth/password-reset/confirm"):
            answer = client.post(f"/api/v1{path}", "{}", content_type="application/json")
            assert answer["RateLimit-Policy"].startswith('"auth"'), path

    def test_orders_are_of_the_class_checkout(self, limits: Any) -> None:
        assert told(Shop(key=a_key("orders:write")).place(an_order(lines=[])))[0].startswith('"checkout"')

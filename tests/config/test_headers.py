"""What answers tell browsers, and how large and how deep a request may be."""

import json
import subprocess
from typing import Any

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from tests.architecture.test_settings import SECRETS, run
from tests.shop import a_key, an_order, open_shop

pytestmark = pytest.mark.django_db

SHOP = "https://shop.example"
PRODUCTS = "/api/v1/products"

#: Asks some pages over plain HTTP and behind a proxy that speaks TLS, with the settings of production.
ASK_IN_PRODUCTION = """
import json, os
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.production"
import django
django.setup()
from django.conf import settings
from django.test import Client
client = Client(headers={"Host": "localhost"})
pages = {}
for scheme in ("http", "https"):
    for path in ("/healthz", "/api/v1/openapi.json", "/api/v1/nothing"):
        answer = client.get(path, headers={"X-Forwarded-Proto": scheme})
        pages[scheme + " " + path] = [answer.status_code, dict(answer.headers)]
cookies = {name: getattr(settings, name) for name in dir(settings) if "_COOKIE_" in name}
print(json.dumps([pages, {name: value for name, value in cookies.items() if isinstance(value, bool | str)}]))
"""


@pytest.fixture(scope="module")
def production() -> Any:
    """Return the headers of pages, and the settings of cookies, as production has them."""
    more = {"EMAIL_URL": "smtp://localhost:9", "SHOP_URL": SHOP, "MAIL_FROM": "shop@example.com"}
    done: subprocess.CompletedProcess[str] = run(ASK_IN_PRODUCTION, {**more, **SECRETS})
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


class TestInProduction:
    def test_plain_http_is_sent_to_https_but_for_probes(self, production: Any) -> None:
        pages, _ = production
        status, headers = pages["http /api/v1/openapi.json"]

        assert (status, headers["Location"]) == (301, "https://localhost/api/v1/openapi.json")
        assert pages["http /healthz"][0] == 200

    def test_browsers_are_told_to_stay_with_https(self, production: Any) -> None:
        _, headers = production[0]["https /api/v1/openapi.json"]

        assert headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains; preload"

    @pytest.mark.parametrize("page", ["https /api/v1/openapi.json", "https /api/v1/nothing", "https /healthz"])
    def test_every_answer_is_hardened(self, production: Any, page: str) -> None:
        _, headers = production[0][page]

        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert "camera=()" in headers["Permissions-Policy"]
        assert "'unsafe-eval'" not in headers["Content-Security-Policy"]

    def test_cookies_are_for_https_and_not_for_other_sites(self, production: Any) -> None:
        _, cookies = production

        assert cookies["SESSION_COOKIE_SECURE"] is True
        assert cookies["CSRF_COOKIE_SECURE"] is True
        assert cookies["SESSION_COOKIE_HTTPONLY"] is True
        assert {cookies["SESSION_COOKIE_SAMESITE"], cookies["CSRF_COOKIE_SAMESITE"]} <= {"Lax", "Strict"}


class TestContentSecurityPolicy:
    def test_allows_eval_under_the_admin_only(self, client: Client) -> None:
        policies = {
            path: client.get(path)["Content-Security-Policy"]
            for path in ("/admin/login/", "/api/v1/docs", "/api/ops/v1/docs", PRODUCTS, "/healthz", "/administration/")
        }

        assert [path for path, policy in policies.items() if "unsafe-eval" in policy] == ["/admin/login/"]

    def test_lets_no_page_load_run_or_frame_what_is_not_ours(self, client: Client) -> None:
        directives = dict(
            part.strip().split(" ", 1) for part in client.get("/admin/login/")["Content-Security-Policy"].split(";")
        )

        assert directives["default-src"] == "'self'"
        assert directives["frame-ancestors"] == directives["object-src"] == "'none'"
        assert directives["base-uri"] == directives["form-action"] == "'self'"
        assert "'unsafe-inline'" not in directives["script-src"]


class TestOtherOrigins:
    @pytest.fixture(autouse=True)
    def _one_shop(self, settings: Settings) -> None:
        settings.CORS_ALLOWED_ORIGINS = [SHOP]

    def preflight(self, client: Client, path: str, origin: str) -> Any:
        """Ask as a browser does before it sends an order."""
        return client.options(
            path,
            headers={
                "Origin": origin,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization,content-type,idempotency-key",
            },
        )

    def test_may_call_the_client_api_when_they_are_listed(self, client: Client) -> None:
        answer = self.preflight(client, "/api/v1/orders", SHOP)

        assert answer.status_code == 200
        assert answer["Access-Control-Allow-Origin"] == SHOP
        assert "POST" in answer["Access-Control-Allow-Methods"]
        assert {"authorization", "idempotency-key", "if-match"} <= set(
            answer["Access-Control-Allow-Headers"].split(", ")
        )
        assert "Access-Control-Allow-Credentials" not in answer

    def test_see_the_headers_that_clients_need(self, client: Client) -> None:
        answer = client.get(PRODUCTS, headers={"Origin": SHOP})

        assert answer["Access-Control-Allow-Origin"] == SHOP
        exposed = set(answer["Access-Control-Expose-Headers"].split(", "))
        assert {"ETag", "Location", "RateLimit", "Retry-After", "Idempotency-Replayed", "X-Request-ID"} <= exposed
        assert "origin" in answer["Vary"].lower()

    @pytest.mark.parametrize(
        "origin", ["https://evil.example", "http://shop.example", "https://shop.example.evil", "null"]
    )
    def test_may_not_when_they_are_not(self, client: Client, origin: str) -> None:
        assert "Access-Control-Allow-Origin" not in self.preflight(client, "/api/v1/orders", origin)
        assert "Access-Control-Allow-Origin" not in client.get(PRODUCTS, headers={"Origin": origin})

    @pytest.mark.parametrize("path", ["/api/ops/v1/stock-items", "/admin/login/", "/metrics"])
    def test_never_reach_what_is_for_operators(self, client: Client, path: str) -> None:
        assert "Access-Control-Allow-Origin" not in self.preflight(client, path, SHOP)
        assert "Access-Control-Allow-Origin" not in client.get(path, headers={"Origin": SHOP})


class TestLimits:
    @pytest.mark.parametrize("path", ["/api/v1/orders", "/api/ops/v1/stock-items/{item}/adjustments"])
    def test_a_body_is_not_too_deep(self, path: str) -> None:
        shop = open_shop()
        item = shop.get("/api/ops/v1/stock-items").json()["items"][0]["id"]
        for body in ("[" * 100_000, '{"a":' * 100_000, "[" * 2_000 + "]" * 2_000):
            answer = shop.client.generic(
                "POST",
                path.format(item=item),
                body,
                content_type="application/json",
                headers={"Authorization": f"Bearer {shop.key}", "Idempotency-Key": "deep"},
            )
            assert (answer.status_code, answer.json()["code"]) == (400, "malformed_request")

    @pytest.mark.parametrize("path", ["/api/v1/orders", "/api/ops/v1/stock-items", "/api/v1/auth/tokens"])
    def test_a_body_is_not_too_long(self, client: Client, path: str) -> None:
        answer = client.post(path, "x" * (1024 * 1024 + 1), content_type="application/json")

        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")

    def test_a_list_is_not_too_long(self) -> None:
        shop = open_shop()
        answer = shop.place(an_order(lines=[{"sku": "ESP-250", "quantity": 1}] * 201))

        assert answer.status_code == 422

    def test_a_key_that_is_longer_than_any_of_ours_is_refused_unread(self, client: Client) -> None:
        answer = client.get("/api/v1/orders", headers={"Authorization": f"Bearer {a_key('orders:read')}{'a' * 60_000}"})

        assert answer.status_code == 401

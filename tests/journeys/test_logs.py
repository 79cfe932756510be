"""What the processes write: enough to follow an order, and nothing that is nobody's business."""

import uuid

import httpx2

from tests.journeys.orders import an_order, place, settled
from tests.journeys.system import System

PASSWORD = "Kaffee!geheim-4711"


class TestLogs:
    def test_follow_an_order_and_hide_who_ordered_it(self, system: System) -> None:
        email = f"log-reader-{uuid.uuid4().hex[:8]}@example.org"
        with httpx2.Client(base_url=f"{system.url}/api/v1", timeout=30) as anybody:
            person = {"email": email, "password": PASSWORD}
            assert anybody.post("/customers", json={**person, "name": "Wilhelmina Unsichtbar"}).status_code == 201
            assert anybody.post("/customers", json={**person, "name": "Wilhelmina Unsichtbar"}).status_code == 409
            assert anybody.post("/auth/tokens", json={**person, "password": "wrong"}).status_code == 401
            tokens = anybody.post("/auth/tokens", json=person).json()
            assert anybody.post("/auth/tokens/refresh", json={"refresh_token": "nonsense"}).status_code == 401
            assert anybody.get(f"/products?q={email}").status_code == 200
        system.hide(email, email.replace("@", "%40"), PASSWORD, "Unsichtbar", *_texts(tokens))
        with system.client(Authorization=f"Bearer {tokens['access_token']}") as customer:
            orders = [
                place(customer, an_order("COFFEE-ETH-250-BEANS", token=token)).json()["id"]
                for token in ("tok_approved", "tok_declined", "tok_error_before_charge")
            ]
            for order in orders:
                settled(customer, order)

        lines = system.log_lines()
        assert any("request_finished" in line for line in lines["web"])
        assert any(orders[0] in line for line in lines["worker"])
        assert system.told_secrets() == []

    def test_would_be_caught_if_they_told(self, system: System) -> None:
        told = system.api_key[-20:]
        (system.directory / "told.log").write_text(f"2026-01-01 [info] somebody said {told}\n")
        try:
            assert [name for name, _ in system.told_secrets()] == ["told"]
        finally:
            (system.directory / "told.log").unlink()


def _texts(tokens: dict[str, object]) -> list[str]:
    return [str(tokens[name]) for name in ("access_token", "refresh_token")]

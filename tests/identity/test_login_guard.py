"""Guessing passwords gets slower; nobody can lock anybody else out."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.urls import reverse

from contexts.identity import wiring
from contexts.identity.domain import InvalidCredentials, TooManyFailedLogins, WrongPassword
from contexts.identity.gateways import ValkeyLoginGuard
from contexts.identity.ports import LoginGuard
from shared.resilience.attempts import SharedAttempts
from shared.resilience.brief_valkey import BriefValkey
from tests.identity.builders import PASSWORD, an_account, an_account_row
from tests.identity.fakes import CountingLoginGuard
from tests.identity.world import Identity

HOME, ELSEWHERE = "192.0.2.1", "198.51.100.7"


def guard_at(url: str) -> ValkeyLoginGuard:
    return ValkeyLoginGuard(SharedAttempts(BriefValkey(url, complaint="failed_log_ins_are_not_counted")))


class TestIssueTokens:
    def fail(self, identity: Identity, times: int, address: str = ELSEWHERE) -> None:
        for _ in range(times):
            with pytest.raises(InvalidCredentials):
                identity.log_in(email="ada@example.com", password="wrong", address=address)

    def test_is_refused_after_five_wrong_passwords_even_with_the_right_one(self, identity: Identity) -> None:
        identity.holds(an_account())
        self.fail(identity, 5)
        worked = identity.passwords.worked
        with pytest.raises(TooManyFailedLogins, match="try again"):
            identity.log_in(email=" ADA@example.com", password=PASSWORD, address=ELSEWHERE)
        assert identity.passwords.worked == worked  # or guessing would at least keep us busy

    def test_is_open_to_the_holder_elsewhere(self, identity: Identity) -> None:
        identity.holds(an_account())
        self.fail(identity, 5)
        assert identity.log_in(email="ada@example.com", password=PASSWORD, address=HOME)

    def test_forgives_mistakes_once_the_password_is_right(self, identity: Identity) -> None:
        identity.holds(an_account())
        for _ in range(3):
            self.fail(identity, 4)
            assert identity.log_in(email="ada@example.com", password=PASSWORD, address=ELSEWHERE)

    def test_is_refused_in_the_same_way_for_nobodys_address(self, identity: Identity) -> None:
        self.fail(identity, 5)
        with pytest.raises(TooManyFailedLogins):
            identity.log_in(email="ada@example.com", password="wrong", address=ELSEWHERE)


class TestChangePassword:
    def test_is_no_way_to_guess_the_old_one(self, identity: Identity) -> None:
        account = identity.holds(an_account())
        wish = {"account_id": account.id, "password": "staple battery horse", "address": ELSEWHERE}
        for _ in range(5):
            with pytest.raises(WrongPassword):
                identity.change_password(current_password="wrong", **wish)  # type: ignore[arg-type]  # a shorter call
        with pytest.raises(TooManyFailedLogins):
            identity.change_password(current_password=PASSWORD, **wish)  # type: ignore[arg-type]  # a shorter call


class TestLoginGuard:
    @pytest.fixture(params=["memory", "valkey"])
    def guard(self, request: pytest.FixtureRequest) -> LoginGuard:
        return CountingLoginGuard() if request.param == "memory" else guard_at(settings.REDIS_URL)

    def test_counts_each_account_at_each_address_by_itself(self, guard: LoginGuard) -> None:
        ada, home, elsewhere = (uuid4().hex for _ in range(3))
        for _ in range(5):
            guard.begin(account=ada, address=home)
        with pytest.raises(TooManyFailedLogins) as refusal:
            guard.begin(account=ada, address=home)
        assert 0 < refusal.value.details["retry_after"] <= 30  # type: ignore[operator]  # a number
        guard.begin(account=ada, address=elsewhere)
        guard.begin(account="bob", address=home)

    def test_forgives(self, guard: LoginGuard) -> None:
        ada, home = uuid4().hex, uuid4().hex
        for _ in range(20):
            guard.begin(account=ada, address=home)
            guard.forgive(account=ada, address=home)


class TestValkeyLoginGuard:
    def test_stops_who_tries_one_password_on_many_accounts(self) -> None:
        guard, address = guard_at(settings.REDIS_URL), uuid4().hex
        for number in range(50):
            guard.begin(account=f"customer{number}", address=address)
        with pytest.raises(TooManyFailedLogins):
            guard.begin(account="ada", address=address)

    def test_lets_people_in_while_valkey_is_down(self) -> None:
        guard = guard_at("redis://127.0.0.1:9")
        for _ in range(20):
            guard.begin(account="ada", address=HOME)
            guard.forgive(account="ada", address=HOME)

    def test_keeps_no_address_of_a_person(self) -> None:
        name = uuid4().hex
        guard_at(settings.REDIS_URL).begin(account=f"{name}@example.com", address=ELSEWHERE)
        client = BriefValkey(settings.REDIS_URL, complaint="").client
        kept = " ".join(str(key) for key in client.scan_iter("orderly:*"))
        assert name not in kept
        assert ELSEWHERE not in kept


@pytest.fixture
def address() -> str:
    """Return an address that no other test fails from."""
    return f"10.{uuid4().bytes[0]}.{uuid4().bytes[0]}.{uuid4().bytes[0]}"


@pytest.mark.django_db
class TestOverHttp:
    def post(self, client: Client, address: str, password: str, email: str = "ada@example.com") -> Any:
        body = {"email": email, "password": password}
        return client.post("/api/v1/auth/tokens", body, content_type="application/json", REMOTE_ADDR=address)

    def test_the_sixth_is_told_to_wait(self, client: Client, address: str) -> None:
        an_account_row(email="ada@example.com")
        assert [self.post(client, address, "wrong").status_code for _ in range(5)] == [401] * 5
        response = self.post(client, address, PASSWORD)
        assert (response.status_code, response.json()["code"]) == (429, "too_many_failed_logins")
        assert response["Content-Type"] == "application/problem+json"
        assert 0 < int(response["Retry-After"]) <= 30
        assert self.post(client, "10.255.255.255", PASSWORD).status_code == 200

    def test_the_admin_tells_so_too(self, client: Client, address: str) -> None:
        row = an_account_row(email="op@example.com", operator=True)
        for password in ["wrong"] * 5:
            page = self.log_in(client, address, row.email, password)
            assert page.status_code == 200
        page = self.log_in(client, address, row.email, PASSWORD)
        assert page.status_code == 429
        assert 0 < int(page["Retry-After"]) <= 30
        assert "Too many wrong passwords: try again in 1 minute." in page.content.decode()
        assert self.log_in(client, "10.255.255.254", row.email, PASSWORD).status_code == 302

    def log_in(self, client: Client, address: str, email: str, password: str) -> Any:
        body = {"username": email, "password": password}
        return client.post(reverse("admin:login"), body, REMOTE_ADDR=address)


@pytest.mark.django_db(transaction=True)
class TestParallelGuesses:
    def test_are_as_many_as_in_a_row(self, address: str) -> None:
        row = an_account_row()
        together = Barrier(8)

        def guess(number: int) -> bool:
            connection.ensure_connection()
            together.wait()
            try:
                wiring.issue_tokens(email=row.email, password=f"wrong {number}", address=address)
            except InvalidCredentials:
                return True
            except TooManyFailedLogins:
                return False
            finally:
                connection.close()
            raise AssertionError("a wrong password let somebody in")

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(guess, range(8))) == 5

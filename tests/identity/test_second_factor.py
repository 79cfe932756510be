"""The second factor of staff: set up, asked for, enforced, and replaced once by a recovery code."""

import re
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client, override_settings
from django.urls import reverse
from django_otp.oath import TOTP
from django_otp.plugins.otp_totp.models import TOTPDevice

from contexts.identity.domain import InvalidCredentials, SecondFactorNeeded
from contexts.identity.gateways import new_recovery_codes
from contexts.identity.models import AccountRow, RecoveryCodeRow
from contexts.identity.ports import SecondFactors
from contexts.identity.repositories import OtpSecondFactors
from shared.audit.models import AuditEntryRow
from tests.identity.builders import PASSWORD, an_account, an_account_row
from tests.identity.fakes import PlainSecondFactors
from tests.identity.world import Identity

PAGE = "/admin/second-factor/"
SET_UP = "/admin/second-factor/set-up/"


def code_of(device: TOTPDevice) -> str:
    """Return the code that the app would show now."""
    return f"{TOTP(device.bin_key, device.step, device.t0, device.digits, device.drift).token():06d}"


def let_time_pass(device: TOTPDevice) -> None:
    """Pretend that the last code was used, or the last mistake made, long ago."""
    TOTPDevice.objects.filter(pk=device.pk).update(
        last_t=-1, throttling_failure_count=0, throttling_failure_timestamp=None
    )


@pytest.fixture
def operator(db: None) -> AccountRow:
    row: AccountRow = an_account_row(email="op@example.com", operator=True)
    return row


@pytest.fixture
def device(operator: AccountRow) -> TOTPDevice:
    """Return the operator's device, which is set up."""
    return TOTPDevice.objects.create(user_id=operator.pk, name="phone", confirmed=True)


def log_in(client: Client) -> Any:
    page = reverse("admin:login") + "?next=/admin/ordering/orderrow/"
    return client.post(page, {"username": "op@example.com", "password": PASSWORD})


class TestIssueTokens:
    def test_asks_staff_for_the_code(self, identity: Identity) -> None:
        account = identity.holds(an_account(is_staff=True))
        identity.second_factors.codes[account.id] = {"123456"}
        for otp in ("", "654321"):
            with pytest.raises(SecondFactorNeeded, match="otp"):
                identity.issue_tokens(email="ada@example.com", password=PASSWORD, address="x", otp=otp)
        assert identity.issue_tokens(email="ada@example.com", password=PASSWORD, address="x", otp="123456")
        with pytest.raises(SecondFactorNeeded):
            identity.issue_tokens(email="ada@example.com", password=PASSWORD, address="x", otp="123456")

    def test_tells_nobody_without_the_password(self, identity: Identity) -> None:
        account = identity.holds(an_account(is_staff=True))
        identity.second_factors.codes[account.id] = {"123456"}
        with pytest.raises(InvalidCredentials):
            identity.issue_tokens(email="ada@example.com", password="wrong", address="x", otp="123456")

    def test_refuses_staff_without_one_where_it_is_enforced(self, identity: Identity) -> None:
        identity.holds(an_account(is_staff=True))
        identity.second_factors.is_enforced = True
        with pytest.raises(SecondFactorNeeded):
            identity.log_in(email="ada@example.com", password=PASSWORD)

    def test_asks_no_customer(self, identity: Identity) -> None:
        identity.second_factors.is_enforced = True
        assert identity.logged_in()


class TestSecondFactors:
    @pytest.fixture(params=["memory", "postgresql"])
    def factors(self, request: pytest.FixtureRequest) -> SecondFactors:
        return PlainSecondFactors() if request.param == "memory" else OtpSecondFactors()

    def test_are_wanted_of_who_has_one(self, factors: SecondFactors, operator: AccountRow) -> None:
        assert not factors.is_wanted_of(operator.pk)
        assert not factors.admits(operator.pk, "123456")
        self.give(factors, operator)
        assert factors.is_wanted_of(operator.pk)

    def test_admit_a_code_once(self, factors: SecondFactors, operator: AccountRow) -> None:
        code = self.give(factors, operator)
        assert factors.admits(operator.pk, code)
        assert not factors.admits(operator.pk, code)

    def give(self, factors: SecondFactors, row: AccountRow) -> str:
        if isinstance(factors, PlainSecondFactors):
            factors.codes[row.pk] = {"123456"}
            return "123456"
        return code_of(TOTPDevice.objects.create(user_id=row.pk, confirmed=True))


class TestRecoveryCodes:
    def confirmed(self, operator: AccountRow) -> list[str]:
        factors, codes = OtpSecondFactors(), new_recovery_codes()
        device = factors.device_to_confirm(operator.pk)
        assert factors.confirm(device, code=code_of(device), recovery_codes=codes)
        return codes

    def test_are_ten_different_ones(self) -> None:
        codes = new_recovery_codes()
        assert len(set(codes)) == 10
        assert all(re.fullmatch(r"[a-z2-9]{5}-[a-z2-9]{5}", code) for code in codes)

    def test_are_good_once_however_they_are_typed(self, operator: AccountRow) -> None:
        codes = self.confirmed(operator)
        assert OtpSecondFactors().admits(operator.pk, codes[0].upper().replace("-", " "))
        assert not OtpSecondFactors().admits(operator.pk, codes[0])

    def test_are_kept_as_digests_only(self, operator: AccountRow) -> None:
        codes = self.confirmed(operator)
        kept = str(list(RecoveryCodeRow.objects.values()))
        assert RecoveryCodeRow.objects.count() == 10
        assert not any(code in kept or code.replace("-", "") in kept for code in codes)

    def test_of_others_are_of_no_use(self, operator: AccountRow) -> None:
        codes = self.confirmed(operator)
        other = an_account_row(is_staff=True)
        TOTPDevice.objects.create(user_id=other.pk, confirmed=True)
        assert not OtpSecondFactors().admits(other.pk, codes[0])

    def test_cannot_be_guessed_without_waiting(self, operator: AccountRow) -> None:
        codes = self.confirmed(operator)
        assert not OtpSecondFactors().admits(operator.pk, "aaaaa-aaaaa")
        assert not OtpSecondFactors().admits(operator.pk, codes[0])  # right, but too soon
        let_time_pass(TOTPDevice.objects.get())
        assert OtpSecondFactors().admits(operator.pk, codes[0])


class TestSetUp:
    def test_takes_the_first_code_and_shows_recovery_codes_once(self, client: Client, operator: AccountRow) -> None:
        client.force_login(operator)
        page = client.get(SET_UP)
        device = TOTPDevice.objects.get()
        assert not device.confirmed
        assert "data:image/svg+xml;base64," in page.content.decode()
        done = client.post(SET_UP, {"code": code_of(device)})
        codes = re.findall(r"<code>([a-z2-9]{5}-[a-z2-9]{5})</code>", done.content.decode())
        assert len(codes) == 10
        assert "no-store" in done["Cache-Control"]
        assert client.get("/admin/").status_code == 200
        device.refresh_from_db()
        assert device.confirmed

    def test_is_refused_with_a_wrong_code(self, client: Client, operator: AccountRow) -> None:
        client.force_login(operator)
        client.get(SET_UP)
        page = client.post(SET_UP, {"code": "000000"})
        assert "not right" in page.content.decode()
        assert not TOTPDevice.objects.get().confirmed
        assert not RecoveryCodeRow.objects.exists()

    def test_is_no_way_round_a_factor_that_is_there(
        self, client: Client, operator: AccountRow, device: TOTPDevice
    ) -> None:
        client.force_login(operator)
        assert client.get(SET_UP)["Location"] == PAGE
        assert client.post(SET_UP, {"code": "000000"})["Location"] == PAGE
        assert TOTPDevice.objects.get().pk == device.pk

    def test_is_for_staff(self, client: Client) -> None:
        assert client.get(SET_UP)["Location"] == reverse("admin:login")

    def test_is_refused_to_customers(self, client: Client, db: None) -> None:
        client.force_login(an_account_row())
        for page in (SET_UP, PAGE):
            assert client.get(page)["Location"] == reverse("admin:login")


class TestLogIn:
    def test_asks_for_the_code_after_the_password(self, client: Client, device: TOTPDevice) -> None:
        response = log_in(client)
        assert client.get(response["Location"]).status_code == 302
        assert client.get("/admin/")["Location"].startswith("/admin/login/")
        step = client.get(client.get("/admin/login/?next=/admin/ordering/orderrow/")["Location"])
        assert "One more step" in step.content.decode()
        wrong = client.post(PAGE, {"code": "000000"})
        assert "not right" in wrong.content.decode()
        let_time_pass(device)
        right = client.post(PAGE, {"code": code_of(device), "next": "/admin/ordering/orderrow/"})
        assert right["Location"] == "/admin/ordering/orderrow/"
        assert client.get("/admin/").status_code == 200

    def test_leads_to_no_other_site(self, client: Client, operator: AccountRow, device: TOTPDevice) -> None:
        client.force_login(operator)
        response = client.post(PAGE, {"code": code_of(device), "next": "https://evil.example/"})
        assert response["Location"] == "/admin/"

    def test_needs_no_code_where_none_was_set_up(self, client: Client, operator: AccountRow) -> None:
        log_in(client)
        assert client.get("/admin/").status_code == 200

    @override_settings(SECOND_FACTOR_ENFORCED=True)
    def test_leads_to_the_set_up_where_it_is_enforced(self, client: Client, operator: AccountRow) -> None:
        log_in(client)
        assert client.get("/admin/").status_code == 302
        step = client.get(client.get("/admin/login/")["Location"])
        assert step["Location"] == SET_UP
        client.get(SET_UP)
        client.post(SET_UP, {"code": code_of(TOTPDevice.objects.get())})
        assert client.get("/admin/").status_code == 200

    def test_keeps_a_session_without_the_code_out_of_the_operator_api(
        self, client: Client, operator: AccountRow, device: TOTPDevice
    ) -> None:
        client.force_login(operator)
        assert client.get("/api/ops/v1/api-keys").status_code == 401
        client.post(PAGE, {"code": code_of(device)})
        assert client.get("/api/ops/v1/api-keys").status_code == 200

    def test_asks_for_it_in_the_client_api_too(self, client: Client, device: TOTPDevice) -> None:
        body = {"email": "op@example.com", "password": PASSWORD}
        refused = client.post("/api/v1/auth/tokens", body, content_type="application/json")
        assert (refused.status_code, refused.json()["code"]) == (401, "second_factor_needed")
        let_time_pass(device)
        body["otp"] = code_of(device)
        given = client.post("/api/v1/auth/tokens", body, content_type="application/json", REMOTE_ADDR="10.9.9.9")
        assert given.status_code == 200


class TestLostTelephone:
    def take(self, client: Client, row: AccountRow) -> Any:
        body = {"action": "take_second_factor", "_selected_action": [str(row.pk)]}
        return client.post(reverse("admin:identity_accountrow_changelist"), body)

    def test_is_helped_by_an_admin_and_noted(self, client: Client, operator: AccountRow) -> None:
        row = an_account_row(is_staff=True)
        TOTPDevice.objects.create(user_id=row.pk, confirmed=True)
        client.force_login(operator)
        assert self.take(client, row).status_code == 302
        assert not OtpSecondFactors().is_wanted_of(row.pk)
        entry = AuditEntryRow.objects.get(action="identity.take_second_factor")
        assert (entry.subject_id, entry.actor) == (str(row.pk), f"staff:{operator.pk}")

    def test_is_not_helped_by_a_clerk(self, client: Client, operator: AccountRow, device: TOTPDevice) -> None:
        clerk = an_account_row(is_staff=True)
        clerk.user_permissions.set(Permission.objects.filter(content_type__app_label="identity"))
        client.force_login(clerk)
        self.take(client, operator)
        assert OtpSecondFactors().is_wanted_of(operator.pk)


class TestSettings:
    def test_enforce_it_in_production_only(self) -> None:
        production = (settings.BASE_DIR / "config" / "settings" / "production.py").read_text()
        assert "SECOND_FACTOR_ENFORCED = True" in production
        assert settings.SECOND_FACTOR_ENFORCED is False

    def test_let_nobody_see_the_devices_of_others(self, client: Client, operator: AccountRow) -> None:
        client.force_login(operator)
        assert client.get("/admin/otp_totp/totpdevice/").status_code == 404


@pytest.mark.django_db(transaction=True)
class TestParallelCodes:
    def test_let_one_in(self) -> None:
        row = an_account_row(is_staff=True)
        code = code_of(TOTPDevice.objects.create(user_id=row.pk, confirmed=True))
        together = Barrier(4)

        def show(_: int) -> bool:
            connection.ensure_connection()
            together.wait()
            try:
                return OtpSecondFactors().admits(row.pk, code)
            finally:
                connection.close()

        with ThreadPoolExecutor(4) as pool:
            assert sorted(pool.map(show, range(4))) == [False, False, False, True]

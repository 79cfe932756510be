import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.contrib.messages import get_messages
from django.core.exceptions import ObjectDoesNotExist
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from contexts.identity.domain import InvalidEmail, InvalidToken
from contexts.identity.models import AccountRow, ApiKeyRow
from contexts.identity.public import authenticate
from contexts.identity.tasks import forget_expired_tokens
from contexts.identity.wiring import create_api_key, issue_tokens, refresh_tokens
from shared.outbox.models import OutboxMessageRow
from tests.identity.builders import PASSWORD, an_account_row

pytestmark = pytest.mark.django_db
NEXT_PASSWORD = "staple battery horse"


@pytest.fixture
def operator() -> AccountRow:
    row: AccountRow = an_account_row(email="op@example.com", operator=True)
    return row


@pytest.fixture
def site(client: Client, operator: AccountRow) -> Client:
    client.force_login(operator)
    return client


@pytest.fixture
def clerk_site(client: Client) -> Client:
    """Return the site as a member of staff sees it who may edit accounts and keys, but is no superuser."""
    clerk = an_account_row(email="clerk@example.com", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(content_type__app_label="identity"))
    client.force_login(clerk)
    return client


def url_of(model: str, action: str, *args: object) -> str:
    return reverse(f"admin:identity_{model}_{action}", args=args)


def messages_of(response: Any) -> str:
    return " ".join(str(message) for message in get_messages(response.wsgi_request))


class TestLogIn:
    @pytest.mark.parametrize("email", ["op@example.com", "OP@Example.com"])
    def test_takes_address_and_password(self, client: Client, operator: AccountRow, email: str) -> None:
        response = client.post(reverse("admin:login"), {"username": email, "password": PASSWORD})
        assert response.status_code == 302
        operator.refresh_from_db()
        assert operator.last_login is not None

    @pytest.mark.parametrize("email", ["bob@example.com", "nonsense", ""])
    def test_is_refused_to_strangers(self, client: Client, email: str) -> None:
        response = client.post(reverse("admin:login"), {"username": email, "password": PASSWORD})
        assert response.status_code == 200

    def test_is_refused_to_customers(self, client: Client) -> None:
        row = an_account_row()
        response = client.post(reverse("admin:login"), {"username": row.email, "password": PASSWORD})
        assert response.status_code == 200


class TestAccounts:
    def test_are_listed_searched_and_filtered(self, site: Client) -> None:
        row = an_account_row(email="ada@example.com")
        for query in ({}, {"q": "ada@"}, {"q": str(row.pk)}, {"is_active__exact": "1"}):
            response = site.get(url_of("accountrow", "changelist"), query)
            assert response.status_code == 200
            assert "ada@example.com" in response.content.decode()
        response = site.get(url_of("accountrow", "changelist"), {"is_active__exact": "0"})
        assert "ada@example.com" not in response.content.decode()

    def test_are_created_through_the_use_case(self, site: Client, operator: AccountRow) -> None:
        assert site.get(url_of("accountrow", "add")).status_code == 200
        response = self.add(site, email="Ada@Example.com")
        row = AccountRow.objects.get(email="ada@example.com")
        assert response["Location"] == url_of("accountrow", "change", row.pk)
        assert row.check_password(PASSWORD)
        assert not row.is_staff
        message = OutboxMessageRow.objects.get()
        assert (message.topic, message.actor) == ("identity.customer_registered.v1", f"staff:{operator.pk}")

    @pytest.mark.parametrize(
        ("change", "complaint"),
        [
            ({"email": "OP@example.com"}, "already"),
            ({"email": "ada@localhost"}, "not an e-mail address"),
            ({"password1": "short", "password2": "short"}, "too short"),
            ({"password1": "", "password2": ""}, "required"),
            ({"name": ""}, "required"),
        ],
    )
    def test_are_not_created_from_bad_values(self, site: Client, change: dict[str, str], complaint: str) -> None:
        response = self.add(site, **change)
        assert response.status_code == 200
        assert complaint in str(response.context["adminform"].form.errors)
        assert AccountRow.objects.count() == 1

    def test_are_changed_without_touching_the_rest_of_the_row(self, site: Client) -> None:
        row = an_account_row(email_verified_at=timezone.now(), email="ada@example.com")
        group = Group.objects.get(name="support")
        assert site.get(url_of("accountrow", "change", row.pk)).status_code == 200
        self.change(site, row, name="Ada Lovelace", is_staff="on", groups=[group.pk], email="eve@example.com")
        row.refresh_from_db()
        assert (row.name, row.is_staff, row.is_superuser, row.version) == ("Ada Lovelace", True, False, 1)
        assert row.email == "ada@example.com"
        assert list(row.groups.all()) == [group]

    def test_are_logged_out_when_deactivated(self, site: Client) -> None:
        row = an_account_row()
        tokens = issue_tokens(email=row.email, password=PASSWORD, address="127.0.0.1")
        self.change(site, row, is_active="")
        row.refresh_from_db()
        assert not row.is_active
        AccountRow.objects.filter(pk=row.pk).update(is_active=True)
        with pytest.raises(InvalidToken):
            refresh_tokens(refresh_token=tokens.refresh_token)

    def test_are_logged_out_when_given_a_new_password(self, site: Client) -> None:
        row = an_account_row()
        tokens = issue_tokens(email=row.email, password=PASSWORD, address="127.0.0.1")
        page = reverse("admin:auth_user_password_change", args=[row.pk])
        assert site.get(page).status_code == 200
        site.post(page, {"password1": NEXT_PASSWORD, "password2": NEXT_PASSWORD})
        assert issue_tokens(email=row.email, password=NEXT_PASSWORD, address="127.0.0.1")
        with pytest.raises(InvalidToken):
            refresh_tokens(refresh_token=tokens.refresh_token)

    def test_are_never_deleted(self, site: Client) -> None:
        row = an_account_row()
        assert site.post(url_of("accountrow", "delete", row.pk), {"post": "yes"}).status_code == 403

    def test_keep_their_rights_when_edited_by_a_clerk(self, clerk_site: Client) -> None:
        row = an_account_row()
        group = Group.objects.get(name="support")
        assert clerk_site.get(url_of("accountrow", "change", row.pk)).status_code == 200
        self.change(clerk_site, row, name="Ada Lovelace", is_staff="on", groups=[group.pk])
        row.refresh_from_db()
        assert (row.name, row.is_staff, row.groups.count()) == ("Ada Lovelace", False, 0)

    def test_of_staff_are_out_of_reach_of_a_clerk(self, clerk_site: Client, operator: AccountRow) -> None:
        assert clerk_site.get(url_of("accountrow", "change", operator.pk)).status_code == 200
        assert self.change(clerk_site, operator, name="Eve").status_code == 403
        page = reverse("admin:auth_user_password_change", args=[operator.pk])
        body = {"password1": NEXT_PASSWORD, "password2": NEXT_PASSWORD}
        assert clerk_site.post(page, body).status_code == 403

    def test_do_not_show_in_the_admin_log(self, site: Client) -> None:
        assert "@" not in str(an_account_row())

    def add(self, site: Client, **changes: str) -> Any:
        good = {"email": "ada@example.com", "name": "Ada", "password1": PASSWORD, "password2": PASSWORD}
        return site.post(url_of("accountrow", "add"), good | changes)

    def change(self, site: Client, row: AccountRow, **changes: Any) -> Any:
        return site.post(url_of("accountrow", "change", row.pk), {"name": row.name, "is_active": "on"} | changes)


class TestApiKeys:
    def test_are_made_and_shown_once(self, site: Client, operator: AccountRow) -> None:
        assert site.get(url_of("apikeyrow", "add")).status_code == 200
        response = self.add(site)
        shown = re.search(r"ok_[0-9a-f]{12}_[\w-]{43}", response.content.decode())
        assert shown is not None
        assert response.status_code == 200
        assert "no-store" in response["Cache-Control"]
        assert authenticate(shown.group()).scopes == {"orders:read", "ops:*"}
        row = ApiKeyRow.objects.get()
        assert OutboxMessageRow.objects.get().actor == f"staff:{operator.pk}"
        secret = shown.group().removeprefix(f"ok_{row.key_id}_")
        assert not any(secret in cookie.value for cookie in site.cookies.values())
        for page in (url_of("apikeyrow", "changelist"), url_of("apikeyrow", "change", row.pk)):
            assert secret not in site.get(page).content.decode()

    @pytest.mark.parametrize(
        "change", [{"scopes": []}, {"scopes": ["everything:*"]}, {"name": ""}, {"expires_at_0": "2020-01-01"}]
    )
    def test_are_not_made_from_bad_values(self, site: Client, change: dict[str, Any]) -> None:
        response = self.add(site, **change)
        assert response.status_code == 200
        assert response.context["adminform"].form.errors
        assert not ApiKeyRow.objects.exists()

    def test_are_revoked_from_the_list(self, site: Client) -> None:
        created = self.made()
        response = self.revoke(site, created.key.id)
        assert "Revoked: 1." in messages_of(response)
        with pytest.raises(InvalidToken):
            authenticate(created.token)

    def test_are_exchanged_from_the_list_and_shown_once(self, site: Client) -> None:
        created = self.made()
        response = self.act(site, "rotate", created.key.id)
        shown = re.search(r"ok_[0-9a-f]{12}_[\w-]{43}", response.content.decode())
        assert shown is not None
        assert authenticate(shown.group()).scopes == authenticate(created.token).scopes
        assert shown.group() not in site.get(url_of("apikeyrow", "changelist")).content.decode()

    def test_are_exchanged_one_at_a_time_and_while_they_are_good(self, site: Client) -> None:
        first, second = self.made(), self.made()
        assert "one key" in messages_of(self.act(site, "rotate", first.key.id, second.key.id))
        self.revoke(site, first.key.id)
        assert "revoked already" in messages_of(self.act(site, "rotate", first.key.id))
        assert ApiKeyRow.objects.count() == 2

    def test_cannot_be_edited(self, site: Client) -> None:
        created = self.made()
        response = site.post(url_of("apikeyrow", "change", created.key.id), {"name": "other"})
        assert response.status_code == 403
        assert site.post(url_of("apikeyrow", "delete", created.key.id), {"post": "yes"}).status_code == 403

    def test_are_not_for_staff_without_the_right(self, client: Client) -> None:
        client.force_login(an_account_row(is_staff=True))
        created = self.made()
        assert client.get(url_of("apikeyrow", "changelist")).status_code == 403
        assert self.add(client).status_code == 403
        assert self.revoke(client, created.key.id).status_code == 403
        assert authenticate(created.token)

    def made(self) -> Any:
        return create_api_key(name="shop", scopes=["orders:read"], expires_at=timezone.now() + timedelta(days=1))

    def revoke(self, site: Client, key_id: object) -> Any:
        return self.act(site, "revoke", key_id)

    def act(self, site: Client, action: str, *key_ids: object) -> Any:
        body = {"action": action, "_selected_action": [str(key_id) for key_id in key_ids]}
        return site.post(url_of("apikeyrow", "changelist"), body)

    def add(self, site: Client, **changes: Any) -> Any:
        soon = timezone.now() + timedelta(days=30)
        good = {
            "name": "shop",
            "scopes": ["orders:read", "ops:*"],
            "expires_at_0": f"{soon:%Y-%m-%d}",
            "expires_at_1": f"{soon:%H:%M:%S}",
        }
        return site.post(url_of("apikeyrow", "add"), good | changes)


class TestGroups:
    def test_have_a_page(self, site: Client) -> None:
        assert site.get(reverse("admin:auth_group_changelist")).status_code == 200


class TestAccountManager:
    def test_makes_a_superuser_from_the_command_line(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
        call_command("createsuperuser", email="Op@Example.com", name="Op", interactive=False, verbosity=0)
        row = AccountRow.objects.get_by_natural_key("OP@example.com")
        assert (row.email, row.is_staff, row.is_superuser) == ("op@example.com", True, True)
        assert row.check_password(PASSWORD)

    def test_makes_an_account_without_rights(self) -> None:
        row = AccountRow.objects.create_user("ada@example.com", PASSWORD, name="Ada")
        assert not row.is_staff
        with pytest.raises(InvalidEmail):
            AccountRow.objects.create_user("ada", PASSWORD, name="Ada")

    def test_finds_nobody_under_an_impossible_address(self) -> None:
        with pytest.raises(ObjectDoesNotExist):
            AccountRow.objects.get_by_natural_key("nonsense")


class TestForgetExpiredTokens:
    def test_is_a_task(self) -> None:
        row = an_account_row()
        tokens = issue_tokens(email=row.email, password=PASSWORD, address="127.0.0.1")
        row.refresh_tokens.update(expires_at=timezone.now() - timedelta(days=1))
        forget_expired_tokens()
        assert not row.refresh_tokens.exists()
        with pytest.raises(InvalidToken):
            refresh_tokens(refresh_token=tokens.refresh_token)

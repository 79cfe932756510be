from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from contexts.identity.models import AccountRow, ApiKeyRow
from contexts.identity.public import authenticate, email_of
from contexts.identity.wiring import access_tokens, create_api_key, revoke_api_key
from shared.outbox.models import OutboxMessageRow
from shared.persistence.identifiers import new_id
from tests.identity.builders import PASSWORD, an_account_row

pytestmark = pytest.mark.django_db
GOOD = {"email": "ada@example.com", "password": PASSWORD, "name": "Ada"}


def post(client: Client, path: str, body: Any, **headers: str) -> Any:
    return client.post(f"/api/v1{path}", body, content_type="application/json", headers=headers)


def problem(response: Any) -> tuple[int, str]:
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert body["detail"]
    return response.status_code, body["code"]


def pointers(response: Any) -> list[str]:
    return [error["pointer"] for error in response.json()["errors"]]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def ada() -> AccountRow:
    row: AccountRow = an_account_row(email="ada@example.com")
    return row


@pytest.fixture
def tokens(client: Client, ada: AccountRow) -> dict[str, Any]:
    pair: dict[str, Any] = post(client, "/auth/tokens", {"email": ada.email, "password": PASSWORD}).json()
    return pair


@pytest.fixture
def key() -> str:
    return create_api_key(
        name="shop", scopes=["orders:read", "ops:*"], expires_at=timezone.now() + timedelta(days=1)
    ).token


class TestRegister:
    def test_answers_with_the_profile(self, client: Client) -> None:
        response = post(client, "/customers", GOOD | {"email": " Ada@Example.COM", "name": " Ada "})
        assert response.status_code == 201
        body = response.json()
        assert UUID(body.pop("id")).version == 7
        assert body == {"email": "ada@example.com", "name": "Ada", "email_verified": False}

    def test_tells_the_others_without_personal_data(self, client: Client) -> None:
        account_id = post(client, "/customers", GOOD).json()["id"]
        message = OutboxMessageRow.objects.get()
        assert message.topic == "identity.customer_registered.v1"
        assert set(message.payload) == {"account_id", "occurred_at"}
        assert message.payload["account_id"] == account_id

    def test_is_refused_when_the_address_is_taken(self, client: Client, ada: AccountRow) -> None:
        response = post(client, "/customers", GOOD | {"email": ada.email.upper()})
        assert problem(response) == (409, "email_taken")
        assert AccountRow.objects.count() == 1

    @pytest.mark.parametrize("password", ["", "short", "password123", "12345678901", "ada@example.com"])
    def test_is_refused_with_a_weak_password_and_says_why(self, client: Client, password: str) -> None:
        response = post(client, "/customers", GOOD | {"password": password})
        assert problem(response) == (422, "weak_password")
        assert pointers(response) == ["/password"]
        assert response.json()["reasons"]
        assert response.json()["reasons"][0] in response.json()["errors"][0]["detail"]

    def test_is_refused_with_an_impossible_address(self, client: Client) -> None:
        response = post(client, "/customers", GOOD | {"email": "ada"})
        assert problem(response) == (422, "invalid_email")
        assert pointers(response) == ["/email"]

    @pytest.mark.parametrize(
        ("change", "pointer"),
        [
            ({"email": "a" * 255}, "/email"),
            ({"password": "a" * 129}, "/password"),
            ({"name": ""}, "/name"),
            ({"name": "   "}, "/name"),
            ({"name": "a" * 121}, "/name"),
            ({"name": "Ada\nBcc: all@example.com"}, "/name"),
            ({"name": None}, "/name"),
            ({"email": ["ada@example.com"]}, "/email"),
            ({"is_staff": True}, "/is_staff"),
        ],
    )
    def test_is_refused_with_values_that_do_not_fit(self, client: Client, change: dict[str, Any], pointer: str) -> None:
        response = post(client, "/customers", GOOD | change)
        assert problem(response) == (422, "validation_error")
        assert pointers(response) == [pointer]

    @pytest.mark.parametrize("body", ["", "[]", "null", "{", '{"email": "\\ud800@example.com"}', '"\\u0000"'])
    def test_is_refused_with_a_body_that_is_no_object(self, client: Client, body: str) -> None:
        assert post(client, "/customers", body).status_code in {400, 422}

    def test_keeps_the_blanks_of_a_password(self, client: Client) -> None:
        post(client, "/customers", GOOD | {"password": f" {PASSWORD} "})
        assert AccountRow.objects.get().check_password(f" {PASSWORD} ")


class TestLogIn:
    def test_answers_with_a_pair_of_tokens(self, client: Client, ada: AccountRow) -> None:
        response = post(client, "/auth/tokens", {"email": "ADA@example.com", "password": PASSWORD})
        assert response.status_code == 200
        assert response["Cache-Control"] == "no-store"
        body = response.json()
        assert set(body) == {"access_token", "refresh_token", "token_type", "expires_in"}
        assert (body["token_type"], body["expires_in"]) == ("Bearer", 900)
        assert authenticate(body["access_token"]).id == ada.pk

    @pytest.mark.parametrize(
        "change", [{"password": "wrong password"}, {"email": "bob@example.com"}, {"email": "nonsense"}]
    )
    def test_is_refused_with_wrong_credentials(self, client: Client, ada: AccountRow, change: dict[str, str]) -> None:
        response = post(client, "/auth/tokens", {"email": ada.email, "password": PASSWORD} | change)
        assert problem(response) == (401, "invalid_credentials")
        assert response["WWW-Authenticate"] == "Bearer"

    def test_is_refused_once_deactivated(self, client: Client) -> None:
        row = an_account_row(is_active=False)
        response = post(client, "/auth/tokens", {"email": row.email, "password": PASSWORD})
        assert problem(response) == (401, "invalid_credentials")


class TestRefresh:
    def test_answers_with_a_new_pair(self, client: Client, tokens: dict[str, Any]) -> None:
        response = post(client, "/auth/tokens/refresh", {"refresh_token": tokens["refresh_token"]})
        assert response.status_code == 200
        assert set(response.json()) == set(tokens)
        assert response.json()["refresh_token"] != tokens["refresh_token"]

    def test_of_a_spent_token_revokes_the_family(self, client: Client, tokens: dict[str, Any]) -> None:
        spent = {"refresh_token": tokens["refresh_token"]}
        successor = post(client, "/auth/tokens/refresh", spent).json()["refresh_token"]
        assert problem(post(client, "/auth/tokens/refresh", spent)) == (401, "invalid_token")
        response = post(client, "/auth/tokens/refresh", {"refresh_token": successor})
        assert problem(response) == (401, "invalid_token")

    @pytest.mark.parametrize("token", ["never issued", "ä"])
    def test_is_refused_for_an_unknown_token(self, client: Client, token: str) -> None:
        response = post(client, "/auth/tokens/refresh", {"refresh_token": token})
        assert problem(response) == (401, "invalid_token")

    @pytest.mark.parametrize("token", ["", "x" * 201, None, 1])
    def test_is_refused_for_what_is_no_token(self, client: Client, token: Any) -> None:
        response = post(client, "/auth/tokens/refresh", {"refresh_token": token})
        assert problem(response) == (422, "validation_error")


class TestLogOut:
    def test_ends_the_log_in(self, client: Client, tokens: dict[str, Any]) -> None:
        body = {"refresh_token": tokens["refresh_token"]}
        response = post(client, "/auth/tokens/revoke", body)
        assert (response.status_code, response.content) == (204, b"")
        assert problem(post(client, "/auth/tokens/refresh", body)) == (401, "invalid_token")
        assert post(client, "/auth/tokens/revoke", body).status_code == 204

    def test_is_refused_for_an_unknown_token(self, client: Client) -> None:
        response = post(client, "/auth/tokens/revoke", {"refresh_token": "never issued"})
        assert problem(response) == (401, "invalid_token")


class TestProfile:
    def test_is_shown_to_its_holder(self, client: Client, ada: AccountRow, tokens: dict[str, Any]) -> None:
        response = client.get("/api/v1/me", headers=bearer(tokens["access_token"]))
        assert response.json() == {
            "id": str(ada.pk),
            "email": "ada@example.com",
            "name": "Ada",
            "email_verified": False,
        }

    def test_is_changed_by_its_holder(self, client: Client, tokens: dict[str, Any]) -> None:
        response = self.patch(client, {"name": "Ada Lovelace"}, tokens["access_token"])
        assert response.status_code == 200
        assert response.json()["name"] == "Ada Lovelace"
        assert AccountRow.objects.get().name == "Ada Lovelace"

    def test_tells_in_the_history_who_changed_it(self, client: Client, ada: AccountRow, tokens: dict[str, Any]) -> None:
        self.patch(client, {"name": "Ada Lovelace"}, tokens["access_token"])
        message = OutboxMessageRow.objects.get(topic="identity.profile_changed.v1")
        assert message.actor == f"customer:{ada.pk}"

    @pytest.mark.parametrize("body", [{}, {"name": None}, {"name": ""}, {"name": "A", "email": "b@example.com"}])
    def test_is_not_changed_to_what_does_not_fit(
        self, client: Client, tokens: dict[str, Any], body: dict[str, Any]
    ) -> None:
        response = self.patch(client, body, tokens["access_token"])
        assert problem(response) == (422, "validation_error")

    def test_is_not_for_strangers(self, client: Client) -> None:
        assert problem(client.get("/api/v1/me")) == (401, "missing_token")

    @pytest.mark.parametrize("token", ["nonsense", "a.b.c", "ok_", "ok_abc_def", "ok_\xe4_\xf6"])
    def test_is_not_for_bad_tokens(self, client: Client, token: str) -> None:
        response = client.get("/api/v1/me", headers=bearer(token))
        assert problem(response) == (401, "invalid_token")

    def test_is_not_for_keys(self, client: Client, key: str) -> None:
        response = client.get("/api/v1/me", headers=bearer(key))
        assert response.status_code == 403
        response = self.patch(client, {"name": "Shop"}, key)
        assert response.status_code == 403

    def test_is_not_for_keys_that_carry_its_scope(self, client: Client) -> None:
        token = create_api_key(name="odd", scopes=["profile:own"], expires_at=timezone.now() + timedelta(days=1)).token
        response = client.get("/api/v1/me", headers=bearer(token))
        assert problem(response) == (403, "people_only")

    def test_is_gone_once_the_account_is_deactivated(
        self, client: Client, ada: AccountRow, tokens: dict[str, Any]
    ) -> None:
        AccountRow.objects.update(is_active=False)
        headers = bearer(tokens["access_token"])
        assert problem(client.get("/api/v1/me", headers=headers)) == (401, "account_not_active")
        response = self.patch(client, {"name": "Ada Lovelace"}, tokens["access_token"])
        assert problem(response) == (401, "account_not_active")

    def patch(self, client: Client, body: Any, token: str) -> Any:
        return client.patch("/api/v1/me", body, content_type="application/json", headers=bearer(token))


class TestProfileVersions:
    def get(self, client: Client, token: str, **headers: str) -> Any:
        return client.get("/api/v1/me", headers=bearer(token) | headers)

    def test_are_entity_tags(self, client: Client, tokens: dict[str, Any]) -> None:
        token = tokens["access_token"]
        seen = self.get(client, token)
        unchanged = self.get(client, token, **{"If-None-Match": seen["ETag"]})
        assert (unchanged.status_code, unchanged.content, unchanged["ETag"]) == (304, b"", seen["ETag"])
        changed = self.patch(client, token, {"name": "Ada Lovelace"}, seen["ETag"])
        assert changed.status_code == 200
        assert changed["ETag"] != seen["ETag"]
        assert self.get(client, token, **{"If-None-Match": seen["ETag"]})["ETag"] == changed["ETag"]

    def test_keep_an_older_view_from_overwriting_a_newer_one(self, client: Client, tokens: dict[str, Any]) -> None:
        token = tokens["access_token"]
        seen = self.get(client, token)["ETag"]
        self.patch(client, token, {"name": "Ada Lovelace"}, seen)
        response = self.patch(client, token, {"name": "Ada Byron"}, seen)
        assert problem(response) == (412, "version_mismatch")
        assert AccountRow.objects.get().name == "Ada Lovelace"

    def patch(self, client: Client, token: str, body: Any, seen: str) -> Any:
        return client.patch(
            "/api/v1/me", body, content_type="application/json", headers=bearer(token) | {"If-Match": seen}
        )


class TestLogOutEverywhere:
    def test_ends_every_session_of_this_account_only(
        self, client: Client, ada: AccountRow, tokens: dict[str, Any]
    ) -> None:
        second = post(client, "/auth/tokens", {"email": ada.email, "password": PASSWORD}).json()
        bob = an_account_row()
        others = post(client, "/auth/tokens", {"email": bob.email, "password": PASSWORD}).json()
        response = post(client, "/auth/tokens/revoke-all", {}, **bearer(tokens["access_token"]))
        assert (response.status_code, response.content) == (204, b"")
        for pair in (tokens, second):
            refused = post(client, "/auth/tokens/refresh", {"refresh_token": pair["refresh_token"]})
            assert problem(refused) == (401, "invalid_token")
        assert post(client, "/auth/tokens/refresh", {"refresh_token": others["refresh_token"]}).status_code == 200

    def test_is_refused_to_strangers_and_keys(self, client: Client, key: str) -> None:
        assert problem(post(client, "/auth/tokens/revoke-all", {})) == (401, "missing_token")
        assert problem(post(client, "/auth/tokens/revoke-all", {}, **bearer(key)))[0] == 403


class TestChangePassword:
    def put(self, client: Client, token: str, **body: str) -> Any:
        return client.put("/api/v1/me/password", body, content_type="application/json", headers=bearer(token))

    def test_ends_the_other_sessions_and_goes_on_with_this_one(
        self, client: Client, ada: AccountRow, tokens: dict[str, Any]
    ) -> None:
        response = self.put(client, tokens["access_token"], current_password=PASSWORD, password="staple battery horse")
        assert response.status_code == 200
        assert response["Cache-Control"] == "no-store"
        old = post(client, "/auth/tokens/refresh", {"refresh_token": tokens["refresh_token"]})
        assert problem(old) == (401, "invalid_token")
        new = post(client, "/auth/tokens/refresh", {"refresh_token": response.json()["refresh_token"]})
        assert new.status_code == 200
        ada.refresh_from_db()
        assert ada.check_password("staple battery horse")

    def test_takes_the_old_password(self, client: Client, ada: AccountRow, tokens: dict[str, Any]) -> None:
        response = self.put(client, tokens["access_token"], current_password="wrong", password="staple battery horse")
        assert problem(response) == (422, "wrong_password")
        assert pointers(response) == ["/current_password"]
        ada.refresh_from_db()
        assert ada.check_password(PASSWORD)

    def test_is_refused_with_a_weak_password(self, client: Client, tokens: dict[str, Any]) -> None:
        response = self.put(client, tokens["access_token"], current_password=PASSWORD, password="password123")
        assert problem(response) == (422, "weak_password")
        assert pointers(response) == ["/password"]


class TestOpenApi:
    def test_declares_every_answer(self, client: Client) -> None:
        paths = client.get("/api/v1/openapi.json").json()["paths"]
        declared = {
            f"{method} {path.removeprefix('/api/v1')}": set(operation["responses"])
            for path, operations in paths.items()
            for method, operation in operations.items()
        }
        trouble, body = {"500", "503"}, {"400", "413", "422"}
        expected = {
            "post /customers": {"201", "409"} | body | trouble,
            "post /auth/tokens": {"200", "401", "429"} | body | trouble,
            "post /auth/tokens/refresh": {"200", "401"} | body | trouble,
            "post /auth/tokens/revoke": {"204", "401"} | body | trouble,
            "post /auth/tokens/revoke-all": {"204", "401", "403"} | trouble,
            "post /auth/email-verification": {"202"} | body | trouble,
            "post /auth/email-verification/confirm": {"204"} | body | trouble,
            "post /auth/password-reset": {"202"} | body | trouble,
            "post /auth/password-reset/confirm": {"204"} | body | trouble,
            "put /me/password": {"200", "401", "403", "429"} | body | trouble,
            "get /me": {"200", "304", "401", "403"} | trouble,
            "patch /me": {"200", "401", "403", "412"} | body | trouble,
        }
        missing = {name: statuses - declared[name] for name, statuses in expected.items()}
        assert not any(missing.values()), missing


class TestAuthenticate:
    def test_knows_a_customer_without_a_query(self, django_assert_num_queries: Any) -> None:
        account_id = new_id()
        token = access_tokens.issue(account_id=account_id, kind="customer", at=timezone.now())
        with django_assert_num_queries(0):
            caller = authenticate(token)
        assert (caller.actor, caller.scopes) == (f"customer:{account_id}", frozenset())

    def test_knows_staff_by_one_query(self, django_assert_num_queries: Any) -> None:
        row = an_account_row(operator=True)
        token = access_tokens.issue(account_id=row.pk, kind="staff", at=timezone.now())
        with django_assert_num_queries(1):
            caller = authenticate(token)
        assert caller.kind == "staff"
        assert caller.may("ops:orders")

    def test_knows_a_key_by_one_query_and_notes_its_first_use(self, key: str, django_assert_num_queries: Any) -> None:
        with django_assert_num_queries(2):
            authenticate(key)
        with django_assert_num_queries(1):
            caller = authenticate(key)
        assert caller.kind == "key"
        assert caller.may("orders:read")
        assert not caller.may("orders:write")
        assert ApiKeyRow.objects.get().last_used_at is not None

    def test_refuses_what_was_revoked_ran_out_or_never_was(self, key: str) -> None:
        revoked, other = (
            key,
            create_api_key(name="other", scopes=["a:b"], expires_at=timezone.now() + timedelta(seconds=60)),
        )
        revoke_api_key(api_key_id=ApiKeyRow.objects.get(name="shop").pk)
        ApiKeyRow.objects.filter(name="other").update(
            created_at=timezone.now() - timedelta(days=2), expires_at=timezone.now() - timedelta(days=1)
        )
        ran_out = access_tokens.issue(
            account_id=new_id(), kind="customer", at=timezone.now() - settings.ACCESS_TOKEN_LIFETIME
        )
        for token in (revoked, other.token, other.token + "x", ran_out, "", "nonsense"):
            with pytest.raises(Exception, match="not valid") as refusal:
                authenticate(token)
            assert getattr(refusal.value, "code", "") == "invalid_token"


class TestEmailOf:
    def test_is_where_mail_goes(self, ada: AccountRow) -> None:
        assert email_of(ada.pk) == "ada@example.com"

    def test_is_nothing_for_strangers(self) -> None:
        assert email_of(new_id()) is None

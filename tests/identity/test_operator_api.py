"""API keys and roles in the operator API."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from config.roles import ROLES
from contexts.identity.domain import Staff
from contexts.identity.models import AccountRow, ApiKeyRow
from contexts.identity.ports import StaffList
from contexts.identity.public import authenticate
from contexts.identity.repositories import DjangoStaffList
from contexts.identity.wiring import issue_tokens
from shared.audit.models import AuditEntryRow
from shared.domain.errors import NotAuthenticatedError
from shared.http.auth import Caller
from shared.idempotency.models import IdempotencyKeyRow
from shared.persistence.identifiers import new_id
from tests.identity.builders import PASSWORD, an_account_row
from tests.identity.fakes import InMemoryAccounts, InMemoryStaffList
from tests.shop import Shop, a_customer, a_key

pytestmark = pytest.mark.django_db
KEYS = "/api/ops/v1/api-keys"


@pytest.fixture
def ops() -> Shop:
    return Shop(key=a_key("ops:*"))


def wish(**changes: Any) -> dict[str, Any]:
    expires_at = (timezone.now() + timedelta(days=90)).isoformat()
    return {"name": "market", "scopes": ["orders:read"], "expires_at": expires_at} | changes


class TestApiKeys:
    def test_are_made_and_shown_once(self, ops: Shop) -> None:
        response = ops.post(KEYS, wish(), key="first")
        assert (response.status_code, response["Cache-Control"]) == (201, "no-store")
        token = response.json()["token"]
        assert authenticate(token).scopes == {"orders:read"}
        replayed = ops.post(KEYS, wish() | {"expires_at": response.json()["expires_at"]}, key="first")
        assert replayed.json()["code"] == "idempotency_key_reused"
        shown = ops.get(f"{KEYS}/{response.json()['id']}").json()
        assert "token" not in shown
        assert shown["status"] == "good"

    def test_are_made_once_per_idempotency_key_whose_record_has_no_secret(self, ops: Shop) -> None:
        body = wish()
        first, second = (ops.post(KEYS, body, key="first") for _ in range(2))
        assert second["Idempotency-Replayed"] == "true"
        assert second.json() == first.json() | {"token": None}
        assert ApiKeyRow.objects.filter(name="market").count() == 1
        secret = first.json()["token"].encode().rpartition(b"_")[2]
        assert secret not in bytes(IdempotencyKeyRow.objects.get().body or b"")

    def test_are_listed_by_pages(self, ops: Shop) -> None:
        for name in ("b", "c"):
            ops.post(KEYS, wish(name=name))
        first = ops.get(KEYS, {"limit": "2"}).json()
        rest = ops.get(KEYS, {"limit": "2", "cursor": first["next_cursor"]}).json()
        assert [one["name"] for one in first["items"]] == ["c", "b"]
        assert len(rest["items"]) == 1
        assert rest["next_cursor"] is None

    def test_are_exchanged_with_an_overlap(self, ops: Shop) -> None:
        old = ops.post(KEYS, wish()).json()
        response = ops.post(f"{KEYS}/{old['id']}/rotation", {"overlap_hours": 48})
        new = response.json()
        assert response.status_code == 201
        assert authenticate(new["token"]).scopes == authenticate(old["token"]).scopes
        good_for = ApiKeyRow.objects.get(id=old["id"]).expires_at - timezone.now()
        assert timedelta(hours=47) < good_for <= timedelta(hours=48)
        ops.post(f"{KEYS}/{new['id']}/rotation", {"overlap_hours": 0})
        with pytest.raises(NotAuthenticatedError):
            authenticate(new["token"])

    def test_are_revoked(self, ops: Shop) -> None:
        made = ops.post(KEYS, wish()).json()
        response = ops.post(f"{KEYS}/{made['id']}/revocation", {})
        assert (response.status_code, response.json()["status"]) == (200, "revoked")
        with pytest.raises(NotAuthenticatedError):
            authenticate(made["token"])
        refused = ops.post(f"{KEYS}/{made['id']}/rotation", {})
        assert (refused.status_code, refused.json()["code"]) == (409, "api_key_not_good")

    def test_leave_an_audit_trail(self, ops: Shop) -> None:
        made = ops.post(KEYS, wish()).json()
        ops.post(f"{KEYS}/{made['id']}/rotation", {})
        ops.post(f"{KEYS}/{made['id']}/revocation", {})
        entries = AuditEntryRow.objects.filter(subject_id=made["id"]).order_by("id")
        assert [(entry.action, entry.actor.partition(":")[0]) for entry in entries] == [
            ("identity.create_api_key", "key"),
            ("identity.rotate_api_key", "key"),
            ("identity.revoke_api_key", "key"),
        ]

    @pytest.mark.parametrize(
        ("changes", "status", "code"),
        [
            ({"scopes": []}, 422, "validation_error"),
            ({"scopes": ["everything"]}, 422, "invalid_scope"),
            ({"expires_at": "2020-01-01T00:00:00Z"}, 422, "expiry_in_the_past"),
            ({"owner": "me"}, 422, "validation_error"),
        ],
    )
    def test_are_refused_with_bad_values(self, ops: Shop, changes: dict[str, Any], status: int, code: str) -> None:
        response = ops.post(KEYS, wish(**changes))
        assert (response.status_code, response.json()["code"]) == (status, code)

    def test_give_nobody_more_than_who_makes_them_has(self) -> None:
        clerk = Shop(key=a_key("ops:api-keys:write", "ops:stock:read"))
        assert clerk.post(KEYS, wish(scopes=["ops:stock:read"])).status_code == 201
        for scope in ("ops:*", "ops:stock:write", "ops:stock:*"):
            response = clerk.post(KEYS, wish(scopes=["orders:read", scope]))
            assert (response.status_code, response.json()["code"]) == (403, "insufficient_scope")

    def test_cannot_be_exchanged_by_who_has_fewer_rights(self, ops: Shop) -> None:
        strong = ops.post(KEYS, wish(scopes=["ops:*"])).json()
        clerk = Shop(key=a_key("ops:api-keys:write"))
        assert clerk.post(f"{KEYS}/{strong['id']}/rotation", {}).status_code == 403

    def test_need_their_scopes(self) -> None:
        reader = Shop(key=a_key("ops:api-keys:read"))
        assert reader.get(KEYS).status_code == 200
        assert reader.post(KEYS, wish()).status_code == 403
        assert reader.get(KEYS, as_=a_customer()[1]).status_code == 403
        assert reader.get(f"{KEYS}/{new_id()}").status_code == 404


class TestWildcards:
    @pytest.mark.parametrize(
        ("granted", "scope", "may"),
        [
            ("ops:*", "ops:stock:read", True),
            ("ops:*", "ops:stock", True),
            ("ops:*", "ops", False),
            ("ops:*", "orders:read", False),
            ("ops:*:read", "ops:stock:read", True),
            ("ops:*:read", "ops:stock:write", False),
            ("ops:*:read", "ops:stock:units:read", False),
            ("ops:*:read", "ops:*", False),
            ("ops:stock:*", "ops:stock:write", True),
            ("ops:stock:*", "ops:stocks:write", False),
            ("ops:stock:*", "ops:*", False),
            ("orders:read", "orders:read", True),
        ],
    )
    def test_cover_what_they_stand_for(self, granted: str, scope: str, may: bool) -> None:
        assert Caller(kind="key", id=new_id(), scopes=frozenset({granted})).may(scope) is may


class TestRoles:
    def member(self, *roles: str, **values: Any) -> AccountRow:
        row: AccountRow = an_account_row(is_staff=True, **values)
        row.groups.set(Group.objects.filter(name__in=roles))
        return row

    def token(self, *roles: str) -> str:
        return issue_tokens(email=self.member(*roles).email, password=PASSWORD, address="127.0.0.1").access_token

    def test_are_groups_with_permissions(self) -> None:
        assert set(Group.objects.values_list("name", flat=True)) == set(ROLES)
        viewer = self.member("viewer")
        assert viewer.has_perm("ordering.view_orderrow")
        assert not viewer.has_perm("ordering.change_orderrow")
        assert not viewer.has_perm("auth.view_group")
        admin = self.member("admin")
        assert admin.has_perm("identity.add_apikeyrow")
        assert self.member("finance").has_perm("payments.change_paymentrow")
        assert not self.member("support").has_perm("payments.change_paymentrow")

    @pytest.mark.parametrize(
        ("role", "reads", "adjusts", "makes_keys"),
        [
            ("viewer", 200, 403, 403),
            ("support", 200, 403, 403),
            ("fulfillment", 200, 428, 403),
            ("catalog_manager", 200, 403, 403),
            ("finance", 200, 403, 403),
            ("admin", 200, 428, 201),
        ],
    )
    def test_decide_what_a_token_opens(self, role: str, reads: int, adjusts: int, makes_keys: int) -> None:
        shop = Shop(key=self.token(role))
        adjustment = f"/api/ops/v1/stock-items/{new_id()}/adjustments"
        assert shop.get("/api/ops/v1/stock-items").status_code == reads
        assert shop.post(adjustment, {"delta": 1, "reason": "found"}).status_code == adjusts
        assert shop.post(KEYS, wish()).status_code == makes_keys

    def test_decide_what_a_session_opens(self, client: Client) -> None:
        client.force_login(self.member("viewer"))
        assert client.get("/api/ops/v1/customers").status_code == 200
        assert client.get(KEYS).status_code == 403
        assert client.post(KEYS, wish(), content_type="application/json").status_code == 403

    def test_without_one_staff_may_do_nothing(self, client: Client) -> None:
        client.force_login(self.member())
        assert client.get(KEYS).status_code == 403

    def test_are_taken_away_at_once(self) -> None:
        shop = Shop(key=self.token("viewer"))
        AccountRow.objects.get().groups.clear()
        assert shop.get(KEYS).status_code == 403

    def test_sessions_need_the_csrf_token(self) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(self.member("admin"))
        assert client.post(KEYS, wish(), content_type="application/json").status_code == 403
        assert not ApiKeyRow.objects.exists()


class TestStaffList:
    @pytest.fixture(params=["memory", "postgresql"])
    def staff(self, request: pytest.FixtureRequest) -> StaffList:
        return InMemoryStaffList(InMemoryAccounts()) if request.param == "memory" else DjangoStaffList()

    def test_knows_no_strangers(self, staff: StaffList) -> None:
        assert staff.find(new_id()) is None

    def test_knows_roles_of_active_staff_only(self) -> None:
        row = an_account_row(is_staff=True)
        row.groups.set(Group.objects.filter(name__in=["viewer", "finance"]))
        assert DjangoStaffList().find(row.pk) == Staff(is_superuser=False, roles=frozenset({"viewer", "finance"}))
        AccountRow.objects.update(is_active=False)
        assert DjangoStaffList().find(row.pk) is None


class TestRolesInTheAdmin:
    def change(self, client: Client, row: AccountRow, **values: Any) -> Any:
        page = reverse("admin:identity_accountrow_change", args=[row.pk])
        return client.post(page, {"name": row.name, "is_active": "on"} | values)

    def groups(self, *names: str) -> list[int]:
        return list(Group.objects.filter(name__in=names).values_list("pk", flat=True))

    def test_are_given_by_admins_and_noted(self, client: Client) -> None:
        admin = an_account_row(is_staff=True)
        admin.groups.set(self.groups("admin"))
        client.force_login(admin)
        row = an_account_row(email_verified_at=timezone.now())
        assert self.change(client, row, is_staff="on", groups=self.groups("support")).status_code == 302
        row.refresh_from_db()
        assert row.is_staff
        entries = AuditEntryRow.objects.filter(subject_id=str(row.pk)).order_by("id")
        assert [(entry.before, entry.after) for entry in entries] == [
            ({"is_active": True, "is_staff": False}, {"is_active": True, "is_staff": True}),
            ({"roles": []}, {"roles": ["support"]}),
        ]

    def test_are_not_given_before_the_address_is_proved(self, client: Client) -> None:
        client.force_login(an_account_row(operator=True))
        row = an_account_row()
        response = self.change(client, row, is_staff="on")
        assert "Nobody has proved" in response.content.decode()
        row.refresh_from_db()
        assert not row.is_staff

    def test_cannot_be_changed(self, client: Client) -> None:
        client.force_login(an_account_row(operator=True))
        viewer, own = Group.objects.get(name="viewer"), Group.objects.create(name="night shift")
        for group, status in ((viewer, 403), (own, 302)):
            page = reverse("admin:auth_group_change", args=[group.pk])
            assert client.post(page, {"name": "other"}).status_code == status

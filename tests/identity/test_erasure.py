"""All that is kept about a person can be shown to them, and forgotten."""

import json
from typing import Any
from uuid import UUID

import pytest
from django.apps import apps
from django.db import connection

from contexts.identity.domain import Email, LinkPurpose, StaffNotErasable
from contexts.identity.events import CustomerErased
from contexts.identity.models import AccountRow
from contexts.identity.wiring import finish_erasures, request_link
from contexts.ordering.domain import CustomerId, OrderId
from contexts.ordering.models import OrderRow
from contexts.ordering.wiring import cancel_order
from shared.audit.models import AuditEntryRow
from shared.outbox.models import ArchivedMessageRow, DeliveryRow, OutboxMessageRow
from shared.persistence.identifiers import new_id
from shared.saga.models import SagaRow
from tests.identity.builders import NOW, an_account, an_account_row
from tests.identity.test_addresses import BERLIN
from tests.shop import Shop, a_customer, a_key, an_order, open_shop

#: What Ada told us about herself, here and there.
PERSONAL = ("ada@example.com", "lovelace", "lindenstraße", "10969", "+49 30 123456", "my husband")


class TestErase:
    def test_leaves_an_account_that_says_nothing(self) -> None:
        account = an_account(email_verified_at=NOW)
        account.erase(at=NOW)
        assert account.email == Email(f"{account.id}@erased.invalid")
        assert (account.name, account.is_active, account.email_verified_at, account.erased_at) == ("", False, None, NOW)
        (news,) = account.release_events()
        assert news.event == CustomerErased(account_id=account.id, occurred_at=NOW)

    def test_is_refused_for_staff(self) -> None:
        with pytest.raises(StaffNotErasable, match="role"):
            an_account(is_staff=True).erase(at=NOW)


@pytest.fixture
def shop(db: None) -> Shop:
    return open_shop()


@pytest.fixture
def ada(shop: Shop) -> tuple[UUID, str]:
    """Return a customer with an address, a cancelled order and a completed one."""
    account_id, token = a_customer("ada@example.com")
    shop.post("/api/v1/me/addresses", BERLIN | {"phone": "+49 30 123456"}, as_=token)
    address = BERLIN | {"name": "Ada Lovelace"}
    cancelled, completed = (
        shop.place(an_order(email="ada@example.com", shipping_address=address), as_=token).json()["id"]
        for _ in range(2)
    )
    shop.post(f"/api/v1/orders/{cancelled}/cancellation", {"reason": "my husband bought one"}, as_=token)
    OrderRow.objects.filter(id=completed).update(status="completed")
    request_link(email="ada@example.com", purpose=LinkPurpose.RESET_PASSWORD)
    return account_id, token


def erase(shop: Shop, token: str) -> Any:
    return shop.client.delete("/api/v1/me", headers={"Authorization": f"Bearer {token}"})


def everything_that_is_stored() -> str:
    """Return all rows of all tables as one text in lower case."""
    texts = []
    with connection.cursor() as cursor:
        for model in apps.get_models():
            cursor.execute(f'SELECT to_jsonb(t)::text FROM "{model._meta.db_table}" AS t')  # noqa: S608 - our tables
            texts += [row[0] for row in cursor.fetchall()]
        cursor.execute("SELECT encode(body, 'escape') FROM idempotency_key")
        texts += [row[0] or "" for row in cursor.fetchall()]
    return "\n".join(texts).lower()


class TestExport:
    def test_shows_all_that_is_kept(self, shop: Shop, ada: tuple[UUID, str]) -> None:
        account_id, token = ada
        response = shop.get("/api/v1/me/export", as_=token)
        assert response.status_code == 200
        assert "attachment" in response["Content-Disposition"]
        assert response["Cache-Control"] == "no-store"
        body = response.json()
        assert set(body) == {"exported_at", "profile", "addresses", "sessions", "orders"}
        assert body["profile"]["id"] == str(account_id)
        assert body["addresses"][0]["phone"] == "+49 30 123456"
        assert len(body["sessions"]) == 1
        assert {order["status"] for order in body["orders"]} == {"cancelled", "completed"}
        assert body["orders"][0]["total"] == {"amount": "24.70", "currency": "EUR"}
        assert body["orders"][0]["shipping_address"]["name"] == "Ada Lovelace"

    def test_shows_nothing_of_others(self, shop: Shop, ada: tuple[UUID, str]) -> None:
        _, token = a_customer("bob@example.com")
        text = json.dumps(shop.get("/api/v1/me/export", as_=token).json())
        assert "bob@example.com" in text
        assert not any(word in text for word in PERSONAL if word != "lovelace")

    def test_is_for_people(self, shop: Shop) -> None:
        assert shop.get("/api/v1/me/export", as_=a_key("orders:read")).status_code == 403


class TestEraseOwnAccount:
    def test_leaves_no_word_of_the_person_in_any_table(self, shop: Shop, ada: tuple[UUID, str]) -> None:
        before = everything_that_is_stored()
        assert [word for word in PERSONAL if word not in before] == []
        response = erase(shop, ada[1])
        assert (response.status_code, response.content) == (204, b"")
        after = everything_that_is_stored()
        assert [word for word in PERSONAL if word in after] == []

    def test_reaches_archived_events(self, shop: Shop, ada: tuple[UUID, str]) -> None:
        DeliveryRow.objects.all().delete()
        OutboxMessageRow.objects.update(pending=False)
        for message in OutboxMessageRow.objects.all():
            values = {field.name: getattr(message, field.name) for field in ArchivedMessageRow._meta.concrete_fields}
            ArchivedMessageRow.objects.create(**values)
        OutboxMessageRow.objects.all().delete()
        assert "my husband" in everything_that_is_stored()
        erase(shop, ada[1])
        assert "my husband" not in everything_that_is_stored()
        assert ArchivedMessageRow.objects.get(topic="ordering.order_cancelled.v1").payload["reason"] == "forgotten"

    def test_leaves_the_orders_valid(self, shop: Shop, ada: tuple[UUID, str]) -> None:
        sums = list(OrderRow.objects.order_by("id").values_list("total_minor", "status", "number"))
        erase(shop, ada[1])
        assert list(OrderRow.objects.order_by("id").values_list("total_minor", "status", "number")) == sums
        orders = shop.get("/api/v1/orders").json()["items"]
        assert [order["email"] for order in orders] == ["forgotten@erased.invalid"] * 2
        assert {order["shipping_address"]["country"] for order in orders} == {"DE"}
        assert {order["shipping_address"]["name"] for order in orders} == {""}

    def test_keeps_the_code_for_which_a_process_gave_up(self, shop: Shop, ada: tuple[UUID, str]) -> None:
        order = OrderRow.objects.get(status="cancelled")
        OrderRow.objects.filter(id=order.id).update(cancel_reason="payment_declined")
        SagaRow.objects.filter(subject_id=order.id, name="ordering.checkout").update(reason="payment_declined")
        erase(shop, ada[1])
        order.refresh_from_db()
        assert order.cancel_reason == "payment_declined"

    def test_ends_the_account(self, shop: Shop, ada: tuple[UUID, str]) -> None:
        erase(shop, ada[1])
        assert shop.get("/api/v1/me", as_=ada[1]).json()["code"] == "account_not_active"
        login = shop.post("/api/v1/auth/tokens", {"email": "ada@example.com", "password": "correct horse battery"})
        assert login.json()["code"] == "invalid_credentials"
        a_customer("ada@example.com")  # the address is free again
        assert OutboxMessageRow.objects.filter(topic="identity.customer_erased.v1").count() == 1

    @pytest.mark.parametrize("status", ["pending", "confirmed"])
    def test_is_refused_while_an_order_is_on_its_way(self, shop: Shop, ada: tuple[UUID, str], status: str) -> None:
        OrderRow.objects.filter(status="completed").update(status=status)
        response = erase(shop, ada[1])
        assert (response.status_code, response.json()["code"]) == (409, "orders_in_progress")
        assert "ada@example.com" in everything_that_is_stored()
        assert AccountRow.objects.get(pk=ada[0]).is_active

    def test_is_refused_while_money_is_in_doubt(self, shop: Shop, ada: tuple[UUID, str]) -> None:
        OrderRow.objects.filter(status="cancelled").update(payment_status="unknown")
        assert erase(shop, ada[1]).json()["code"] == "orders_in_progress"


class TestFinishErasures:
    def test_forgets_an_order_that_came_in_afterwards(self, shop: Shop, ada: tuple[UUID, str]) -> None:
        account_id, token = ada
        erase(shop, token)
        late = shop.place(an_order(email="ada@example.com"), as_=token).json()["id"]
        finish_erasures()
        assert OrderRow.objects.get(id=late).email == "ada@example.com"  # it is still on its way
        cancel_order(order_id=OrderId(UUID(late)), of_customer=CustomerId(account_id), reason="enough")
        finish_erasures()
        assert OrderRow.objects.get(id=late).email == "forgotten@erased.invalid"


class TestOperatorApi:
    def path(self, account_id: object, rest: str = "") -> str:
        return f"/api/ops/v1/customers/{account_id}{rest}"

    def test_finds_customers(self, shop: Shop, ada: tuple[UUID, str]) -> None:
        an_account_row(email="op@example.com", is_staff=True)
        a_customer("bob@example.com")
        first = shop.get("/api/ops/v1/customers", {"limit": "1"}).json()
        second = shop.get("/api/ops/v1/customers", {"limit": "1", "cursor": first["next_cursor"]}).json()
        assert [page["items"][0]["email"] for page in (first, second)] == ["bob@example.com", "ada@example.com"]
        assert second["next_cursor"] is None
        for query in ({"email": "ADA@example.com"}, {"q": "ada@"}):
            found = shop.get("/api/ops/v1/customers", query).json()["items"]
            assert [one["id"] for one in found] == [str(ada[0])]

    def test_shows_one(self, shop: Shop, ada: tuple[UUID, str]) -> None:
        response = shop.get(self.path(ada[0]))
        assert (response.status_code, response.json()["name"]) == (200, "Ada Lovelace")
        assert response["ETag"]
        missing = shop.get(self.path(new_id()))
        assert (missing.status_code, missing.json()["code"]) == (404, "account_not_found")

    def test_erases_one_and_notes_who_did_it(self, shop: Shop, ada: tuple[UUID, str]) -> None:
        response = shop.post(self.path(ada[0], "/erase"), {"reason": "asked by letter"}, key="k1")
        assert (response.status_code, response.content) == (204, b"")
        again = shop.post(self.path(ada[0], "/erase"), {"reason": "asked by letter"}, key="k1")
        assert (again.status_code, again["Idempotency-Replayed"]) == (204, "true")
        entry = AuditEntryRow.objects.get(action="identity.erase_customer")
        assert (entry.subject_id, entry.reason, entry.after) == (str(ada[0]), "asked by letter", {"erased": True})
        assert entry.actor.startswith("key:")
        assert shop.get(self.path(ada[0])).json()["erased_at"]

    def test_needs_its_scope(self, shop: Shop, ada: tuple[UUID, str]) -> None:
        reader = a_key("ops:customers:read")
        assert shop.get(self.path(ada[0]), as_=reader).status_code == 200
        assert shop.post(self.path(ada[0], "/erase"), {"reason": "x"}, as_=reader).status_code == 403
        assert shop.get(self.path(ada[0]), as_=ada[1]).status_code == 403

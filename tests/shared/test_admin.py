from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from contexts.identity.models import AccountRow
from contexts.inventory.ports import OpeningStock
from contexts.inventory.wiring import ensure_location, load_opening_stock
from contexts.ordering.domain import Order
from contexts.ordering.models import OrderRow
from contexts.ordering.repositories import DjangoOrders
from contexts.payments.repositories import DjangoPayments
from shared.audit.models import AuditEntryRow
from shared.outbox.dead_letters import retry_dead
from shared.outbox.models import DeliveryRow, OutboxMessageRow
from shared.persistence.unit_of_work import atomic
from shared.saga.levers import retry
from shared.saga.models import SagaRow, SagaStepRow
from shared.saga.queries import processes_of
from tests.identity.builders import an_account_row
from tests.ordering.builders import a_confirmed_order, a_pending_order
from tests.payments.builders import an_unknown_payment
from tests.shared.fakes import NOON

pytestmark = pytest.mark.django_db

TOKEN = "tok_secret_of_the_customer"


@pytest.fixture
def operator() -> AccountRow:
    row: AccountRow = an_account_row(email="op@example.com", operator=True)
    return row


@pytest.fixture
def site(client: Client, operator: AccountRow) -> Client:
    client.force_login(operator)
    return client


def an_event(**values: Any) -> OutboxMessageRow:
    given = {
        "id": uuid4(),
        "topic": "testing.lamp_switched.v1",
        "aggregate_id": uuid4(),
        "aggregate_sequence": 1,
        "payload": {"is_on": True, "room": "Küche"},
        "occurred_at": NOON,
        "actor": f"customer:{uuid4()}",
    }
    row: OutboxMessageRow = OutboxMessageRow.objects.create(**given | values)
    return row


def a_delivery(*, status: str = "dead", **values: Any) -> DeliveryRow:
    given = {
        "message": an_event(),
        "subscription": "testing.count_lamps",
        "status": status,
        "attempts": 12,
        "due_at": NOON,
        "last_error": "KeyError: 'room'",
        "finished_at": None if status == "pending" else NOON,
    }
    row: DeliveryRow = DeliveryRow.objects.create(**given | values)
    return row


def a_process(*, status: str = "running", overdue: bool = False, **values: Any) -> SagaRow:
    is_open = status in ("running", "undoing")
    given = {
        "name": "testing.light",
        "subject_id": uuid4(),
        "status": status,
        "data": {"token": TOKEN},
        "due_at": timezone.now() + timedelta(hours=1) if is_open else None,
        "deadline_at": timezone.now() + timedelta(hours=-1 if overdue else 2),
        "finished_at": None if is_open else NOON,
        "actor": "system",
    }
    row: SagaRow = SagaRow.objects.create(**given | values)
    return row


def list_of(model: str) -> str:
    return reverse(f"admin:{model}_changelist")


def page_of(model: str, row: Any) -> str:
    return reverse(f"admin:{model}_change", args=[row.pk])


def select(site: Client, model: str, action: str, *rows: Any) -> Any:
    return site.post(list_of(model), {"action": action, "_selected_action": [str(row.pk) for row in rows]})


def messages_of(response: Any) -> str:
    return " ".join(str(message) for message in get_messages(response.wsgi_request))


@pytest.mark.parametrize("model", ["outbox_outboxmessagerow", "outbox_deliveryrow", "saga_sagarow"])
class TestEngineRoom:
    def row(self, model: str) -> Any:
        makers: dict[str, Callable[[], Any]] = {
            "outbox_outboxmessagerow": an_event,
            "outbox_deliveryrow": a_delivery,
            "saga_sagarow": a_process,
        }
        return makers[model]()

    def test_changes_nothing_by_its_forms(self, site: Client, model: str) -> None:
        row = self.row(model)
        assert site.get(page_of(model, row)).status_code == 200
        assert site.get(reverse(f"admin:{model}_add")).status_code == 403
        assert site.post(page_of(model, row), {"status": "done"}).status_code == 403
        assert site.post(reverse(f"admin:{model}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403
        assert "delete_selected" not in site.get(list_of(model)).content.decode()

    def test_takes_as_many_statements_for_many_rows_as_for_one(self, site: Client, model: str) -> None:
        self.row(model)
        site.get(list_of(model))
        with CaptureQueriesContext(connection) as few:
            site.get(list_of(model))
        for _ in range(20):
            self.row(model)
        with CaptureQueriesContext(connection) as many:
            site.get(list_of(model))
        assert len(many) == len(few)
        assert not [query for query in many if "COUNT(" in query["sql"]]


class TestEvents:
    def test_show_their_payload_and_deliveries(self, site: Client) -> None:
        delivery = a_delivery()
        page = site.get(page_of("outbox_outboxmessagerow", delivery.message)).content.decode()
        for text in (
            "Küche",
            "&quot;is_on&quot;: true",
            "testing.count_lamps",
            page_of("outbox_deliveryrow", delivery),
        ):
            assert text in page

    def test_are_found_by_id_aggregate_and_topic(self, site: Client) -> None:
        event, _ = an_event(), an_event(topic="testing.other.v1")
        for term in (str(event.pk), str(event.aggregate_id), "testing.lamp"):
            found = site.get(list_of("outbox_outboxmessagerow"), {"q": term}).context["cl"].result_list
            assert [row.pk for row in found] == [event.pk]


class TestDeliveries:
    def test_are_found_by_event_handler_and_state(self, site: Client) -> None:
        dead, _ = a_delivery(), a_delivery(status="done", subscription="other.handler")
        for query in ({"q": str(dead.message_id)}, {"q": "testing.count"}, {"status__exact": "dead"}):
            found = site.get(list_of("outbox_deliveryrow"), query).context["cl"].result_list
            assert [row.pk for row in found] == [dead.pk]

    def test_that_failed_before_are_told_apart(self, site: Client) -> None:
        a_delivery(status="pending", attempts=3)
        assert "retrying" in site.get(list_of("outbox_deliveryrow")).content.decode()

    def test_are_retried_from_the_list(self, site: Client, operator: AccountRow) -> None:
        dead, done = a_delivery(), a_delivery(status="done")
        response = select(site, "outbox_deliveryrow", "retry", dead, done)
        assert messages_of(response) == "Due now: 1."
        dead.refresh_from_db()
        done.refresh_from_db()
        assert (dead.status, dead.attempts, dead.finished_at) == ("pending", 0, None)
        assert dead.due_at <= timezone.now()
        assert done.status == "done"
        entry = LogEntry.objects.get()
        assert (entry.user_id, entry.object_id, entry.change_message) == (operator.pk, str(dead.pk), "Retried.")

    def test_are_retried_from_their_page(self, site: Client) -> None:
        dead = a_delivery()
        url = reverse("admin:outbox_deliveryrow_retry_this", args=[dead.pk])
        assert "once more?" in site.get(url).content.decode()
        response = site.post(url, {"_form_submitted": "on"})
        assert response.headers["HX-Redirect"] == page_of("outbox_deliveryrow", dead)
        dead.refresh_from_db()
        assert dead.status == "pending"

    def test_that_are_not_dead_are_left_alone(self, site: Client) -> None:
        done = a_delivery(status="done")
        assert "none of these is dead" in messages_of(select(site, "outbox_deliveryrow", "retry", done))
        assert retry_dead([done.pk]) == 0

    def test_are_not_retried_by_those_who_may_only_look(self, client: Client) -> None:
        dead = a_delivery()
        clerk = an_account_row(email="clerk@example.com", is_staff=True)
        clerk.user_permissions.set(Permission.objects.filter(codename="view_deliveryrow"))
        client.force_login(clerk)
        url = reverse("admin:outbox_deliveryrow_retry_this", args=[dead.pk])
        assert client.get(page_of("outbox_deliveryrow", dead)).status_code == 200
        assert client.post(url, {"_form_submitted": "on"}).status_code == 403
        select(client, "outbox_deliveryrow", "retry", dead)
        dead.refresh_from_db()
        assert dead.status == "dead"


class TestProcesses:
    def test_show_their_steps_and_never_what_they_carry(self, site: Client) -> None:
        process = a_process(last_error="OutcomeUnknown: no answer")
        SagaStepRow.objects.create(saga=process, name="ask_provider", status="unknown", attempts=4)
        for url in (list_of("saga_sagarow"), page_of("saga_sagarow", process)):
            with CaptureQueriesContext(connection) as queries:
                page = site.get(url).content.decode()
            assert "OutcomeUnknown: no answer" in page
            assert TOKEN not in page
            assert not [query for query in queries if '"saga"."data"' in query["sql"]]
        assert "ask_provider" in page

    def test_are_found_by_subject_state_and_deadline(self, site: Client) -> None:
        late, _ = a_process(overdue=True), a_process(status="completed", overdue=True)
        for query in (
            {"q": str(late.subject_id)},
            {"q": str(late.pk)},
            {"status__exact": "running"},
            {"overdue": "yes"},
        ):
            found = site.get(list_of("saga_sagarow"), query).context["cl"].result_list
            assert [row.pk for row in found] == [late.pk]
        assert "overdue" in site.get(list_of("saga_sagarow")).content.decode()
        assert not site.get(list_of("saga_sagarow"), {"q": "nonsense"}).context["cl"].result_list

    def test_are_run_from_the_list(self, site: Client) -> None:
        waiting, ended = a_process(), a_process(status="undone")
        assert messages_of(select(site, "saga_sagarow", "run_now", waiting, ended)) == "Due now: 1."
        waiting.refresh_from_db()
        ended.refresh_from_db()
        assert waiting.due_at is not None
        assert waiting.due_at <= timezone.now()
        assert ended.due_at is None
        assert LogEntry.objects.get().object_id == str(waiting.pk)

    def test_are_run_from_their_page(self, site: Client) -> None:
        process = a_process()
        url = reverse("admin:saga_sagarow_run_this_now", args=[process.pk])
        assert "Try this process again now?" in site.get(url).content.decode()
        pulled = site.post(url, {"_form_submitted": "on", "reason": "the provider is back"})
        assert pulled.headers["HX-Redirect"] == page_of("saga_sagarow", process)
        process.refresh_from_db()
        assert process.due_at is not None
        assert process.due_at <= timezone.now()
        entry = AuditEntryRow.objects.get()
        assert (entry.action, entry.reason) == ("saga.retry", "the provider is back")
        assert entry.actor.startswith("staff:")

    @pytest.mark.parametrize("lever", ["run_this_now", "skip_step", "give_up"])
    def test_are_left_alone_without_a_reason(self, site: Client, lever: str) -> None:
        process = a_process()
        site.post(reverse(f"admin:saga_sagarow_{lever}", args=[process.pk]), {"_form_submitted": "on"})
        assert not AuditEntryRow.objects.exists()

    @pytest.mark.parametrize("lever", ["run_this_now", "skip_step", "give_up"])
    def test_that_have_ended_tell_why_nothing_can_be_done(self, site: Client, lever: str) -> None:
        ended = a_process(status="completed")
        url = reverse(f"admin:saga_sagarow_{lever}", args=[ended.pk])
        site.post(url, {"_form_submitted": "on", "reason": "again"})
        told = site.get(page_of("saga_sagarow", ended)).content.decode()
        assert "has come to its end" in told

    def test_that_have_ended_do_not_run_again(self, site: Client) -> None:
        ended = a_process(status="completed")
        assert "do not run again" in messages_of(select(site, "saga_sagarow", "run_now", ended))

    def test_are_told_with_their_last_step(self) -> None:
        process = a_process()
        assert processes_of(process.subject_id)[0].step is None
        for name in ("first", "second"):
            SagaStepRow.objects.create(saga=process, name=name, status="done")
        (told,) = processes_of(process.subject_id)
        assert told.step is not None
        assert told.step.name == "second"
        assert processes_of(uuid4()) == []


class TestDashboard:
    def stored(self, order: Order, *, minutes_ago: int) -> Order:
        with atomic():
            DjangoOrders().save(order)
        placed_at = timezone.now() - timedelta(minutes=minutes_ago)
        OrderRow.objects.filter(id=order.id).update(placed_at=placed_at)
        return order

    def test_is_calm_when_nothing_is_wrong(self, site: Client) -> None:
        response = site.get(reverse("admin:index"))
        assert "Nothing waits for you." in response.content.decode()
        assert {card.value for card in response.context["cards"]} == {0}

    def test_tells_how_the_day_goes(self, site: Client) -> None:
        self.stored(a_confirmed_order(), minutes_ago=0)
        self.stored(a_pending_order(), minutes_ago=0)
        self.stored(a_confirmed_order(), minutes_ago=60 * 25)
        sales = site.get(reverse("admin:index")).context["sales"]
        assert sales["orders"] == 2
        assert "44.90 EUR" in str(sales["revenue"])

    def test_names_what_needs_attention(self, site: Client) -> None:
        order = self.stored(a_pending_order(), minutes_ago=6)
        self.stored(a_pending_order(), minutes_ago=4)
        with atomic():
            DjangoPayments().save(payment := an_unknown_payment())
        letter, process = a_delivery(), a_process(overdue=True)
        OutboxMessageRow.objects.update(pending=False)
        waiting = an_event(pending=True)
        OutboxMessageRow.objects.filter(pk=waiting.pk).update(recorded_at=timezone.now() - timedelta(minutes=1))
        ensure_location(code="berlin", name="Berlin", priority=0)
        load_opening_stock(
            opening=[OpeningStock(sku=sku, location="berlin", units=units) for sku, units in (("MUG", 5), ("SHIRT", 6))]
        )
        response = site.get(reverse("admin:index"))
        watched = {card.title: card.value for card in response.context["cards"]}
        assert watched == dict.fromkeys(watched, 1) | {"Dead webhooks": 0, "Lost endpoints": 0}
        page = response.content.decode()
        for text in (
            order.number,
            reverse("admin:payments_paymentrow_change", args=[payment.id]),
            page_of("outbox_deliveryrow", letter),
            page_of("saga_sagarow", process),
            page_of("outbox_outboxmessagerow", waiting),
            "MUG at berlin: 5 available",
        ):
            assert text in page
        for card in response.context["cards"]:
            assert len(site.get(card.url).context["cl"].result_list) >= card.value, card.title

    def test_takes_as_many_statements_for_much_trouble_as_for_little(self, site: Client) -> None:
        a_delivery()
        a_process(overdue=True)
        site.get(reverse("admin:index"))
        with CaptureQueriesContext(connection) as few:
            site.get(reverse("admin:index"))
        for _ in range(7):
            a_delivery()
            a_process(overdue=True)
        with CaptureQueriesContext(connection) as many:
            site.get(reverse("admin:index"))
        assert len(many) == len(few)

    def test_shows_nothing_to_those_who_may_see_nothing(self, client: Client) -> None:
        client.force_login(an_account_row(email="new@example.com", is_staff=True))
        response = client.get(reverse("admin:index"))
        assert "may not see anything yet" in response.content.decode()
        assert list_of("ordering_orderrow") not in response.content.decode()

    def test_asks_no_other_server_for_anything(self, site: Client) -> None:
        page = site.get(reverse("admin:index")).content.decode()
        assert 'src="http' not in page
        assert 'href="http' not in page


class TestAuditTrail:
    def test_shows_who_changed_what_and_why_and_offers_no_change(self, site: Client) -> None:
        process = a_process()
        retry(process.pk, reason="the provider is back")
        entry = AuditEntryRow.objects.get()
        listed = site.get(list_of("audit_auditentryrow"), {"q": str(process.pk)}).content.decode()
        page = site.get(page_of("audit_auditentryrow", entry)).content.decode()

        assert "saga.retry" in listed
        assert "the provider is back" in listed
        assert bytes(entry.digest).hex() in page
        assert site.post(page_of("audit_auditentryrow", entry), {"reason": "another"}).status_code == 403
        assert site.get(reverse("admin:audit_auditentryrow_delete", args=[entry.pk])).status_code == 403

    def test_finds_nothing_of_what_was_never_changed(self, site: Client) -> None:
        retry(a_process().pk, reason="once")
        found = site.get(list_of("audit_auditentryrow"), {"q": "nothing"}).context["cl"].result_list

        assert not list(found)

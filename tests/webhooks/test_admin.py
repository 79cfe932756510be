"""Webhooks as operators see them."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from contexts.webhooks.models import AttemptRow, DeliveryRow, EndpointRow, ReplayRow
from contexts.webhooks.queries import published_topics
from shared.audit.models import AuditEntryRow
from tests.identity.builders import an_account_row
from tests.webhooks.builders import CANCELLED, PLACED, an_endpoint, fan_out, happened
from tests.webhooks.test_client_api import URL
from tests.webhooks.test_operator_api import dead_letters

pytestmark = pytest.mark.django_db

ENDPOINTS, DELIVERIES = "admin:webhooks_endpointrow", "admin:webhooks_deliveryrow"


@pytest.fixture
def site(client: Client) -> Client:
    client.force_login(an_account_row(email="op@example.com", operator=True))
    return client


def list_of(site: Client, name: str, **query: str) -> list[Any]:
    """Return the rows of a list."""
    rows: list[Any] = list(site.get(reverse(f"{name}_changelist"), query).context["cl"].result_list)
    return rows


def pull(site: Client, name: str, object_id: object, **given: str) -> Any:
    """Fill in and send the dialog of a lever."""
    return site.post(reverse(name, args=[object_id]), {"_form_submitted": "on", **given})


class TestEndpoints:
    def test_are_listed_with_how_they_do_and_without_secrets(self, site: Client) -> None:
        endpoint = an_endpoint(URL)
        page = site.get(reverse(f"{ENDPOINTS}_changelist")).content.decode()

        assert URL in page
        assert PLACED in page
        assert "enabled" in page
        assert endpoint.secrets[0].text not in page

    def test_are_found_by_state_id_and_url(self, site: Client) -> None:
        endpoint = an_endpoint(URL)
        an_endpoint("http://127.0.0.1:9/other")

        assert [row.id for row in list_of(site, ENDPOINTS, q=str(endpoint.id))] == [endpoint.id]
        assert [row.id for row in list_of(site, ENDPOINTS, q=URL)] == [endpoint.id]
        assert len(list_of(site, ENDPOINTS, state="enabled")) == 2
        assert list_of(site, ENDPOINTS, state="disabled") == list_of(site, ENDPOINTS, state="failing") == []

    def test_have_a_page_with_their_newest_deliveries(self, site: Client) -> None:
        topics = sorted(published_topics())[:4]
        endpoint = an_endpoint(URL, PLACED, *topics)
        happened()
        fan_out()
        page = site.get(reverse(f"{ENDPOINTS}_change", args=[endpoint.id])).content.decode()

        assert "pending" in page
        assert all(topic in page for topic in topics)
        assert endpoint.secrets[0].text not in page

    def test_are_disabled_and_enabled_with_a_reason_that_the_audit_keeps(self, site: Client) -> None:
        endpoint = an_endpoint(URL)
        for lever in ("disable", "enable"):
            pulled = pull(site, f"{ENDPOINTS}_{lever}", endpoint.id, reason="their wish")
            assert pulled.headers["HX-Redirect"] == reverse(f"{ENDPOINTS}_change", args=[endpoint.id])

        actions = AuditEntryRow.objects.order_by("at").values_list("action", "reason")
        assert list(actions) == [
            ("webhooks.disable_endpoint", "their wish"),
            ("webhooks.enable_endpoint", "their wish"),
        ]
        assert AuditEntryRow.objects.latest("at").actor.startswith("staff:")

    def test_are_told_once_more(self, site: Client) -> None:
        endpoint = an_endpoint(URL)
        span = {"since": "2026-03-01T10:00", "until": "2026-03-01T13:00"}
        pull(site, f"{ENDPOINTS}_replay", endpoint.id, **span, topics=f"{CANCELLED} {PLACED}", reason="their wish")

        row = ReplayRow.objects.get()
        assert (row.endpoint_id, row.since.isoformat()) == (endpoint.id, "2026-03-01T10:00:00+00:00")
        assert (row.until - row.since).total_seconds() == 3 * 3600
        assert row.topics == [CANCELLED, PLACED]
        entry = AuditEntryRow.objects.get(action="webhooks.replay")
        assert (entry.subject_id, entry.reason) == (str(endpoint.id), "their wish")
        page = site.get(reverse(f"{ENDPOINTS}_change", args=[endpoint.id])).content.decode()
        assert "newest replays" in page.lower()

    def test_are_told_nothing_of_topics_that_there_are_not(self, site: Client) -> None:
        endpoint = an_endpoint(URL)
        answer = pull(site, f"{ENDPOINTS}_replay", endpoint.id, since="2026-03-01T10:00", topics="x", reason="y")

        assert "There is no event of this topic" in str(next(iter(get_messages(answer.wsgi_request))))
        assert not ReplayRow.objects.exists()

    def test_are_left_alone_by_those_who_may_only_look(self, client: Client) -> None:
        endpoint = an_endpoint(URL)
        clerk = an_account_row(email="clerk@example.com", is_staff=True)
        clerk.user_permissions.set(Permission.objects.filter(codename="view_endpointrow"))
        client.force_login(clerk)
        for lever in ("disable", "replay"):
            assert (
                pull(client, f"{ENDPOINTS}_{lever}", endpoint.id, reason="x", since="2026-03-01T10:00").status_code
                == 403
            )

        assert EndpointRow.objects.get().disabled_because == ""
        assert not ReplayRow.objects.exists()


class TestDeliveries:
    def test_are_found_by_status_and_ids(self, site: Client) -> None:
        (dead,) = dead_letters()
        row = DeliveryRow.objects.get(pk=dead)

        for term in (dead, row.event_id, row.endpoint_id, PLACED):
            assert [each.id for each in list_of(site, DELIVERIES, q=str(term))] == [dead]
        assert [each.id for each in list_of(site, DELIVERIES, status__exact="dead")] == [dead]
        assert list_of(site, DELIVERIES, status__exact="done") == []

    def test_have_a_page_with_their_log(self, site: Client) -> None:
        (dead,) = dead_letters()
        AttemptRow.objects.create(
            delivery_id=dead, number=1, at=timezone.now(), milliseconds=12, url=URL, status=500, headers={}, body="<b>"
        )
        page = site.get(reverse(f"{DELIVERIES}_change", args=[dead])).content.decode()

        assert "&lt;b&gt;" in page
        assert "endpoint_disabled_by_operator" in page

    def test_are_retried_and_discarded_by_ones_and_by_many(self, site: Client) -> None:
        one, two, three, four = dead_letters(4)
        pull(site, f"{DELIVERIES}_retry_this", one, reason="mended")
        pull(site, f"{DELIVERIES}_discard_this", two, reason="not wanted")
        for name, id_ in (("retry", three), ("discard", four)):
            chosen = {"action": name, "_selected_action": [str(id_)]}
            site.post(reverse(f"{DELIVERIES}_changelist"), chosen)

        states = {row.pk: row.status for row in DeliveryRow.objects.all()}
        assert [states[id_] for id_ in (one, two, three, four)] == ["pending", "discarded", "pending", "discarded"]
        assert AuditEntryRow.objects.filter(subject_kind="webhook_delivery").count() == 4

    def test_that_are_not_dead_are_left_alone(self, site: Client) -> None:
        an_endpoint(URL)
        happened()
        fan_out()
        row = DeliveryRow.objects.get()
        chosen = {"action": "discard", "_selected_action": [str(row.pk)]}
        answer = site.post(reverse(f"{DELIVERIES}_changelist"), chosen)

        assert "none of these is dead" in " ".join(str(each) for each in get_messages(answer.wsgi_request))
        assert DeliveryRow.objects.get().status == "pending"

    def test_take_as_many_statements_for_many_as_for_one(self, site: Client) -> None:
        dead_letters()
        list_of(site, DELIVERIES)
        with CaptureQueriesContext(connection) as few:
            list_of(site, DELIVERIES)
        dead_letters(10)
        with CaptureQueriesContext(connection) as many:
            list_of(site, DELIVERIES)

        assert len(many) == len(few)
        assert not [query for query in many if "COUNT(" in query["sql"]]


class TestDashboard:
    def test_shows_what_was_not_told_and_endpoints_that_were_lost(self, site: Client) -> None:
        (dead,) = dead_letters()
        lost = an_endpoint("http://127.0.0.1:9/lost")
        EndpointRow.objects.filter(pk=lost.id).update(disabled_because="failing", failing_since=timezone.now())
        unwanted = an_endpoint("http://127.0.0.1:9/unwanted")
        EndpointRow.objects.filter(pk=unwanted.id).update(disabled_because="by_owner")
        shown = site.get(reverse("admin:index")).context
        values = {card.title: card.value for card in shown["cards"]}

        assert (values["Dead webhooks"], values["Lost endpoints"]) == (1, 1)
        assert {matter.url for matter in shown["matters"] if "webhooks" in matter.url} == {
            reverse(f"{DELIVERIES}_change", args=[dead]),
            reverse(f"{ENDPOINTS}_change", args=[lost.id]),
        }

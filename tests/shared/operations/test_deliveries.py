"""Events, their deliveries and dead letters as an operator's program sees them."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db.models.functions import Now

from shared.audit.models import AuditEntryRow
from shared.outbox.archive import archive_batch
from shared.outbox.deliveries import deliver
from shared.outbox.messages import publish_events_of
from shared.outbox.models import DeliveryRow, OutboxMessageRow
from shared.outbox.relay import relay_pending_messages
from shared.persistence.unit_of_work import atomic
from tests.shared.builders import LampSwitched, a_lamp
from tests.shared.database import database_time
from tests.shared.fakes import NOON
from tests.shared.test_outbox import Heard, relayed
from tests.shop import Shop, a_customer, a_key

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_subscriptions")]

DELIVERIES = "/api/ops/v1/deliveries"
LETTERS = "/api/ops/v1/dead-letters"
EVENTS = "/api/ops/v1/events"
TOPIC = LampSwitched.topic


def items_of(answer: Any) -> list[dict[str, Any]]:
    """Return what a list answered with."""
    assert answer.status_code == 200, answer.content
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def code_of(answer: Any) -> tuple[int, str]:
    """Return status and code of a problem."""
    assert answer["Content-Type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


def dead(delivery_ids: list[int]) -> list[int]:
    """Make dead letters of the deliveries."""
    DeliveryRow.objects.filter(id__in=delivery_ids).update(
        status=DeliveryRow.Status.DEAD, attempts=12, finished_at=Now(), last_error="ValueError: no bulb"
    )
    return delivery_ids


def status_of(delivery_id: int) -> str:
    """Return where a delivery stands."""
    return DeliveryRow.objects.get(id=delivery_id).status


@pytest.fixture
def first() -> Heard:
    """Have a handler."""
    return Heard("switch_light")


@pytest.fixture
def second(first: Heard) -> Heard:
    """Have another handler, registered after the first."""
    return Heard("write_down")


class TestDeliveries:
    def test_are_listed_the_newest_first(self, operator: Shop, second: Heard) -> None:
        ids = relayed(a_lamp(switches=2))

        page = operator.get(DELIVERIES, {"limit": 3}).json()
        rest = operator.get(DELIVERIES, {"limit": 3, "cursor": page["next_cursor"]}).json()

        assert [each["id"] for each in page["items"] + rest["items"]] == sorted(ids, reverse=True)
        assert rest["next_cursor"] is None

    def test_are_found_by_event_handler_topic_and_status(self, operator: Shop, second: Heard) -> None:
        one, two = relayed(a_lamp(switches=1))
        relayed(a_lamp(switches=1))
        deliver(one)
        event_id = str(DeliveryRow.objects.get(id=one).message_id)

        assert {each["id"] for each in items_of(operator.get(DELIVERIES, {"event_id": event_id}))} == {one, two}
        assert [each["id"] for each in items_of(operator.get(DELIVERIES, {"status": "done"}))] == [one]
        of_handler = {"handler": "shared.write_down", "event_id": event_id}
        (found,) = items_of(operator.get(DELIVERIES, of_handler | {"topic": TOPIC}))
        assert (found["id"], found["topic"], found["handler"]) == (two, TOPIC, "shared.write_down")
        assert items_of(operator.get(DELIVERIES, {"topic": "testing.lamp"})) == []

    def test_are_shown_one_by_one(self, operator: Shop, first: Heard) -> None:
        (delivery_id,) = dead(relayed(a_lamp(switches=1)))

        shown = operator.get(f"{DELIVERIES}/{delivery_id}").json()

        assert (shown["status"], shown["attempts"], shown["last_error"]) == ("dead", 12, "ValueError: no bulb")
        for unknown in (delivery_id + 1, 10**30):
            assert code_of(operator.get(f"{DELIVERIES}/{unknown}")) == (404, "delivery_not_found")

    @pytest.mark.parametrize(
        "query",
        [{"limit": 0}, {"limit": "x"}, {"cursor": "?"}, {"status": "lost"}, {"event_id": "7"}, {"colour": "red"}],
    )
    def test_refuse_a_malformed_query(self, operator: Shop, query: dict[str, Any]) -> None:
        assert code_of(operator.get(DELIVERIES, query))[0] == 422


class TestDeadLetters:
    def test_are_listed_alone(self, operator: Shop, second: Heard) -> None:
        dead_one, alive = relayed(a_lamp(switches=1))
        dead([dead_one])

        assert [each["id"] for each in items_of(operator.get(LETTERS))] == [dead_one]
        assert items_of(operator.get(LETTERS, {"handler": "shared.write_down"})) == []
        assert operator.get(f"{LETTERS}/{dead_one}").json()["last_error"] == "ValueError: no bulb"
        assert code_of(operator.get(f"{LETTERS}/{alive}")) == (404, "dead_letter_not_found")

    def test_are_delivered_after_all_when_retried(self, operator: Shop, first: Heard) -> None:
        (letter,) = dead(relayed(a_lamp(switches=1)))

        answer = operator.post(f"{LETTERS}/{letter}/retry", {"reason": "there is a bulb now"})

        assert (answer.status_code, answer.json()["status"], answer.json()["attempts"]) == (200, "pending", 0)
        assert deliver(letter)
        assert len(first.events) == 1

    def test_are_retried_without_a_word_as_well(self, operator: Shop, first: Heard) -> None:
        (letter,) = dead(relayed(a_lamp(switches=1)))

        assert operator.post(f"{LETTERS}/{letter}/retry", {}).status_code == 200

    def test_are_left_when_discarded(self, operator: Shop, first: Heard) -> None:
        (letter,) = dead(relayed(a_lamp(switches=1)))

        answer = operator.post(f"{LETTERS}/{letter}/discard", {"reason": "the lamp is gone"})

        assert (answer.status_code, answer.json()["status"]) == (200, "dropped")
        assert not deliver(letter)
        assert items_of(operator.get(LETTERS)) == []
        assert code_of(operator.post(f"{LETTERS}/{letter}/retry", {})) == (404, "dead_letter_not_found")

    def test_do_not_keep_an_event_from_the_archive_once_discarded(self, operator: Shop, first: Heard) -> None:
        (letter,) = dead(relayed(a_lamp(switches=1)))
        later = database_time() + timedelta(hours=1)
        archive_batch(before=later)
        assert OutboxMessageRow.objects.filter(topic=TOPIC).exists()

        operator.post(f"{LETTERS}/{letter}/discard", {"reason": "the lamp is gone"})

        archive_batch(before=later)
        assert not OutboxMessageRow.objects.filter(topic=TOPIC).exists()

    @pytest.mark.parametrize("verb", ["retry", "discard"])
    def test_are_dealt_with_under_audit(self, operator: Shop, first: Heard, verb: str) -> None:
        (letter,) = dead(relayed(a_lamp(switches=1)))
        operator.post(f"{LETTERS}/{letter}/{verb}", {"reason": "because"})

        entry = AuditEntryRow.objects.get(action=f"outbox.{verb}_delivery")
        assert (entry.subject_kind, entry.subject_id, entry.reason) == ("delivery", str(letter), "because")
        assert entry.before == {"status": "dead", "attempts": 12}
        assert entry.after == (
            {"status": "pending", "attempts": 0} if verb == "retry" else {"status": "dropped", "attempts": 12}
        )
        assert entry.actor.startswith("key:")

    @pytest.mark.parametrize("verb", ["retry", "discard"])
    def test_that_live_or_never_were_are_not_found(self, operator: Shop, first: Heard, verb: str) -> None:
        (alive,) = relayed(a_lamp(switches=1))

        for unknown in (alive, alive + 1, 10**30):
            answer = operator.post(f"{LETTERS}/{unknown}/{verb}", {"reason": "because"})
            assert code_of(answer) == (404, "dead_letter_not_found")
        assert status_of(alive) == "pending"

    def test_are_discarded_for_a_reason_only(self, operator: Shop, first: Heard) -> None:
        (letter,) = dead(relayed(a_lamp(switches=1)))

        for body in ({}, {"reason": ""}, {"reason": "x", "colour": "red"}):
            assert code_of(operator.post(f"{LETTERS}/{letter}/discard", body))[0] == 422
            assert code_of(operator.post(f"{LETTERS}/discard", body))[0] == 422
        assert status_of(letter) == "dead"


class TestManyDeadLetters:
    def test_are_retried_by_handler(self, operator: Shop, second: Heard) -> None:
        letters = dead(relayed(a_lamp(switches=2)))

        answer = operator.post(f"{LETTERS}/retry", {"handler": "shared.write_down"})

        assert answer.json() == {"count": 2, "remaining": 0}
        assert sorted(map(status_of, letters)) == ["dead", "dead", "pending", "pending"]
        assert AuditEntryRow.objects.filter(action="outbox.retry_delivery").count() == 2

    def test_are_discarded_by_topic_the_oldest_first(self, operator: Shop, first: Heard) -> None:
        letters = dead(relayed(a_lamp(switches=3)))
        body = {"topic": TOPIC, "limit": 2, "reason": "because"}

        assert operator.post(f"{LETTERS}/discard", body).json() == {"count": 2, "remaining": 1}
        assert list(map(status_of, sorted(letters))) == ["dropped", "dropped", "dead"]
        assert operator.post(f"{LETTERS}/discard", body).json() == {"count": 1, "remaining": 0}
        assert operator.post(f"{LETTERS}/discard", body).json() == {"count": 0, "remaining": 0}

    def test_are_dealt_with_once_per_key(self, operator: Shop, first: Heard) -> None:
        dead(relayed(a_lamp(switches=2)))
        body = {"all": True, "limit": 1}
        operator.post(f"{LETTERS}/retry", body, key="k")

        again = operator.post(f"{LETTERS}/retry", body, key="k")

        assert again["Idempotency-Replayed"] == "true"
        assert DeliveryRow.objects.filter(status="dead").count() == 1

    @pytest.mark.parametrize("verb", ["retry", "discard"])
    @pytest.mark.parametrize("body", [{}, {"limit": 200}, {"all": False}])
    def test_are_left_alone_unless_somebody_says_which(
        self, operator: Shop, first: Heard, verb: str, body: dict[str, Any]
    ) -> None:
        (letter,) = dead(relayed(a_lamp(switches=1)))

        answer = operator.post(f"{LETTERS}/{verb}", body | {"reason": "because"})

        assert code_of(answer) == (422, "selection_required")
        assert status_of(letter) == "dead"

    def test_are_all_retried_for_who_says_all(self, operator: Shop, second: Heard) -> None:
        letters = dead(relayed(a_lamp(switches=2)))

        assert operator.post(f"{LETTERS}/retry", {"all": True}).json() == {"count": 4, "remaining": 0}
        assert set(map(status_of, letters)) == {"pending"}

    @pytest.mark.parametrize("limit", [0, 201, "all"])
    def test_are_bounded(self, operator: Shop, limit: object) -> None:
        assert code_of(operator.post(f"{LETTERS}/retry", {"limit": limit}))[0] == 422


class TestEvents:
    def test_are_listed_the_newest_first_archived_or_not(self, operator: Shop) -> None:
        old, new = a_lamp(switches=1), a_lamp(switches=1)
        for lamp in (old, new):
            with atomic():
                publish_events_of(lamp)
            relay_pending_messages()
        OutboxMessageRow.objects.filter(aggregate_id=old.id).update(recorded_at=Now() - timedelta(days=40))
        assert archive_batch(before=database_time() - timedelta(minutes=1)) == 1

        page = operator.get(EVENTS, {"topic": TOPIC, "limit": 1}).json()
        rest = operator.get(EVENTS, {"topic": TOPIC, "limit": 1, "cursor": page["next_cursor"]}).json()

        assert [each["aggregate_id"] for each in page["items"] + rest["items"]] == [str(new.id), str(old.id)]
        assert rest["next_cursor"] is None
        assert operator.get(f"{EVENTS}/{rest['items'][0]['id']}").json()["deliveries"] == []

    def test_are_found_by_aggregate_and_time(self, operator: Shop) -> None:
        lamp = a_lamp(switches=1)
        with atomic():
            publish_events_of(lamp, a_lamp(switches=1))
        of_lamp = {"aggregate_id": str(lamp.id)}

        (found,) = items_of(operator.get(EVENTS, of_lamp))
        assert (found["topic"], found["aggregate_sequence"], found["payload"]["room"]) == (TOPIC, 1, "kitchen")
        at, later = NOON.isoformat(), (NOON + timedelta(seconds=1)).isoformat()
        assert len(items_of(operator.get(EVENTS, of_lamp | {"occurred_from": at, "occurred_before": later}))) == 1
        assert items_of(operator.get(EVENTS, of_lamp | {"occurred_before": at})) == []
        assert items_of(operator.get(EVENTS, of_lamp | {"occurred_from": later})) == []

    def test_are_shown_with_who_was_told(self, operator: Shop, second: Heard) -> None:
        one, two = relayed(a_lamp(switches=1))
        deliver(one)
        event_id = DeliveryRow.objects.get(id=one).message_id

        shown = operator.get(f"{EVENTS}/{event_id}").json()

        assert {each["id"]: each["status"] for each in shown["deliveries"]} == {one: "done", two: "pending"}

    def test_that_never_were_are_not_found(self, operator: Shop) -> None:
        assert code_of(operator.get(f"{EVENTS}/{uuid4()}")) == (404, "event_not_found")

    @pytest.mark.parametrize("query", [{"limit": 101}, {"cursor": "?"}, {"aggregate_id": "7"}, {"occurred_from": "x"}])
    def test_refuse_a_malformed_query(self, operator: Shop, query: dict[str, Any]) -> None:
        assert code_of(operator.get(EVENTS, query))[0] == 422


class TestAccess:
    def test_needs_the_scopes(self, first: Heard) -> None:
        (letter,) = dead(relayed(a_lamp(switches=1)))
        reader = Shop(key=a_key("ops:deliveries:read", "ops:events:read"))

        for path in (DELIVERIES, LETTERS, EVENTS):
            assert reader.get(path).status_code == 200
            assert code_of(reader.get(path, as_=a_key("ops:stock:read"))) == (403, "insufficient_scope")
            assert code_of(reader.get(path, as_="")) == (401, "missing_token")
        for path in (
            f"{LETTERS}/retry",
            f"{LETTERS}/discard",
            f"{LETTERS}/{letter}/retry",
            f"{LETTERS}/{letter}/discard",
        ):
            assert code_of(reader.post(path, {"reason": "because"})) == (403, "insufficient_scope")

    def test_is_not_for_customers(self) -> None:
        _, token = a_customer()

        for path in (DELIVERIES, LETTERS, EVENTS):
            assert code_of(Shop(key=token).get(path)) == (403, "insufficient_scope")

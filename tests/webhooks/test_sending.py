"""From the event to the request that another server takes, on a real database and real sockets."""

import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from uuid import UUID

import orjson
import pytest
from django.core import mail
from django.utils import timezone
from pytest_django.fixtures import Settings
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from contexts.webhooks import queries, wiring
from contexts.webhooks.domain import ANYONE, Attempt, EndpointId, Result
from contexts.webhooks.models import AttemptRow, DeliveryRow, EndpointRow
from contexts.webhooks.use_cases import sending
from shared.embedded.files import free_port
from shared.outbox.models import OutboxMessageRow
from shared.persistence.unit_of_work import atomic
from shared.saga.models import SagaRow
from shared.saga.runner import advance
from shared.telemetry.context import WorkContext, working_as
from tests.shared.database import LONGEST_WAIT, InThread, execute
from tests.webhooks.builders import (
    CANCELLED,
    OWNER,
    PLACED,
    an_endpoint,
    fan_out,
    happened,
    order_cancelled,
    order_placed,
    send_until,
)
from tests.webhooks.receiver import Answer, Received, Receiver

pytestmark = pytest.mark.django_db(transaction=True)

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def settled(count: int = 1) -> Callable[[], bool]:
    """Return what tells whether so many deliveries were made, and none is left to be sent."""
    rows = DeliveryRow.objects
    return lambda: rows.count() >= count and not rows.filter(status="pending").exists()


def attempted(count: int = 1) -> Callable[[], bool]:
    """Return what tells whether so many attempts are in the log."""
    return lambda: AttemptRow.objects.count() >= count


def row_of(endpoint_id: UUID) -> EndpointRow:
    """Return the endpoint as it stands."""
    found: EndpointRow = EndpointRow.objects.get(pk=endpoint_id)
    return found


class TestRequest:
    def test_is_one_that_the_public_library_verifies(self, receiver: Receiver) -> None:
        endpoint = an_endpoint(receiver.url)
        order = happened()
        send_until(attempted())

        (request,) = receiver.received
        told = Webhook(endpoint.secrets[0].text).verify(request.body, dict(request.headers))
        message = OutboxMessageRow.objects.get(topic=PLACED)
        assert told["type"] == PLACED
        assert told["timestamp"] == "2026-03-02T12:00:00Z"
        assert told["data"]["order_id"] == str(order.id)
        assert request.id == str(message.id)
        with pytest.raises(WebhookVerificationError):
            Webhook(endpoint.secrets[0].text).verify(request.body + b" ", dict(request.headers))

    def test_carries_the_trace_of_the_work_that_the_event_belongs_to(self, receiver: Receiver) -> None:
        an_endpoint(receiver.url)
        with working_as(WorkContext(correlation_id="request-1", traceparent=TRACE)):
            happened()
        send_until(attempted())

        assert receiver.received[0].headers["traceparent"].split("-")[1] == TRACE.split("-")[1]

    def test_is_signed_with_both_secrets_while_they_overlap(self, receiver: Receiver) -> None:
        endpoint = an_endpoint(receiver.url)
        rotated = wiring.rotate_secret(endpoint_id=EndpointId(endpoint.id), of_owner=OWNER)
        happened()
        send_until(attempted())
        EndpointRow.objects.update(previous_secret_until=timezone.now())
        happened()
        send_until(attempted(2))

        during, after = receiver.received
        old, new = endpoint.secrets[0].text, rotated.secrets[0].text
        assert old != new
        for secret in (old, new):
            assert Webhook(secret).verify(during.body, dict(during.headers))
        assert Webhook(new).verify(after.body, dict(after.headers))
        with pytest.raises(WebhookVerificationError):
            Webhook(old).verify(after.body, dict(after.headers))

    def test_tells_nobodys_own_words(self, receiver: Receiver) -> None:
        an_endpoint(receiver.url, CANCELLED)
        happened(lambda id_: order_cancelled(id_, reason="my husband Tom is ill"))
        happened(lambda id_: order_cancelled(id_, reason="payment_declined"))
        send_until(attempted(2))

        reasons = {request.json["data"]["reason"] for request in receiver.received}
        assert reasons == {"in_own_words", "payment_declined"}

    def test_goes_to_endpoints_that_listen_to_the_topic_and_to_no_other(self, receiver: Receiver) -> None:
        placed, cancelled = an_endpoint(receiver.url), an_endpoint(receiver.url, CANCELLED)
        happened(order_placed, order_cancelled, order_cancelled)
        send_until(settled(3))

        counts = {
            endpoint.id: DeliveryRow.objects.filter(endpoint_id=endpoint.id).count() for endpoint in (placed, cancelled)
        }
        assert counts == {placed.id: 1, cancelled.id: 2}
        assert len(receiver.received) == 3

    def test_is_not_sent_to_addresses_that_are_not_public(self, settings: Settings, receiver: Receiver) -> None:
        an_endpoint(receiver.url)
        settings.OUTBOUND_TO_LOOPBACK = False
        happened()
        send_until(attempted())

        assert receiver.received == []
        assert DeliveryRow.objects.get().last_error == "url_not_allowed"


class TestFanOut:
    def test_tells_an_endpoint_of_what_happens_after_it_was_added(self, receiver: Receiver) -> None:
        happened()
        an_endpoint(receiver.url)
        happened()
        fan_out()

        assert DeliveryRow.objects.count() == 1

    def test_makes_each_delivery_once_however_many_work_at_it(self, receiver: Receiver, in_thread: InThread) -> None:
        for _ in range(3):
            an_endpoint(receiver.url)
        for _ in range(20):
            happened()
        together = threading.Barrier(4, timeout=LONGEST_WAIT)

        def work() -> None:
            together.wait()
            fan_out()

        for one in [in_thread(work) for _ in range(4)]:
            one.result(LONGEST_WAIT)
        fan_out()

        assert DeliveryRow.objects.count() == 60

    def test_forgets_no_endpoint_that_is_added_while_it_is_at_work(
        self, receiver: Receiver, in_thread: InThread
    ) -> None:
        """Who adds an endpoint waits for the fan-out, or the fan-out sees the endpoint: nothing falls in between."""
        an_endpoint(receiver.url)
        fan_out()
        added = [in_thread(lambda: an_endpoint(receiver.url).id) for _ in range(4)]
        for _ in range(10):
            happened()
            fan_out()
        ids = [one.result(LONGEST_WAIT) for one in added]
        fan_out()

        for id_ in ids:
            since = row_of(id_).since
            owed = OutboxMessageRow.objects.filter(topic=PLACED, position__gt=since).count()
            assert DeliveryRow.objects.filter(endpoint_id=id_).count() == owed

    def test_passes_over_what_happened_while_nobody_listened(self, receiver: Receiver) -> None:
        happened()
        fan_out()
        happened()
        an_endpoint(receiver.url)
        fan_out()

        assert DeliveryRow.objects.count() == 0


class TestOrder:
    def test_of_an_aggregate_is_kept_for_each_endpoint_while_others_go_on(self, receiver: Receiver) -> None:
        """The first event of the first order fails once; its later events wait, other orders do not."""
        failed: set[str] = set()

        def fail_the_first_once(request: Received) -> Answer:
            is_first = request.json["data"]["order_id"] == str(first.id) and request.json["type"] == PLACED
            if is_first and not failed:
                failed.add(request.id)
                return Answer(status=500)
            return Answer()

        an_endpoint(receiver.url, PLACED, CANCELLED)
        first = happened(order_placed, order_cancelled)
        receiver.answers = fail_the_first_once
        send_until(attempted())
        other = happened(order_placed, order_cancelled)
        send_until(lambda: DeliveryRow.objects.filter(status="done").count() == 2)
        execute("UPDATE webhooks_delivery SET due_at = now() WHERE status = 'pending' AND attempts = 1")
        send_until(settled())

        told = [(request.json["data"]["order_id"], request.json["type"]) for request in receiver.received]
        assert told[0] == (str(first.id), PLACED)
        assert told[1:3] == [(str(other.id), PLACED), (str(other.id), CANCELLED)]
        assert told[3:] == [(str(first.id), PLACED), (str(first.id), CANCELLED)]

    def test_is_kept_by_many_senders(self, receiver: Receiver, in_thread: InThread) -> None:
        an_endpoint(receiver.url, PLACED, CANCELLED)
        orders = [happened(*[order_placed, *[order_cancelled] * 4]) for _ in range(8)]

        for one in [in_thread(lambda: send_until(settled(40))) for _ in range(3)]:
            one.result(LONGEST_WAIT * 2)

        ids = {
            row.id: (row.aggregate_id, row.aggregate_sequence)
            for row in OutboxMessageRow.objects.filter(topic__startswith="ordering")
        }
        for order in orders:
            sequence = [ids[UUID(id_)][1] for id_ in receiver.ids if ids[UUID(id_)][0] == order.id]
            assert sequence == [1, 2, 3, 4, 5]


class TestFailure:
    @pytest.mark.parametrize(
        ("answer", "error"),
        [
            (Answer(status=500, body=b"oops"), "http_500"),
            (Answer(status=404), "http_404"),
            (Answer(status=302, headers={"Location": "http://127.0.0.1:1/elsewhere"}), "http_302"),
        ],
    )
    def test_is_tried_again_after_a_pause(self, receiver: Receiver, answer: Answer, error: str) -> None:
        an_endpoint(receiver.url)
        receiver.answers = lambda _: answer
        happened()
        send_until(attempted())

        row = DeliveryRow.objects.get()
        assert (row.status, row.attempts, row.last_error) == ("pending", 1, error)
        assert timedelta(seconds=4) < row.due_at - AttemptRow.objects.get().at < timedelta(seconds=30)
        assert len(receiver.received) == 1

    def test_of_a_port_where_nobody_listens_is_one(self) -> None:
        an_endpoint(f"http://127.0.0.1:{free_port()}/hooks")
        happened()
        send_until(attempted())

        assert DeliveryRow.objects.get().last_error == "connection_failed"

    def test_repeats_the_request_under_the_same_id_with_a_new_signature(self, receiver: Receiver) -> None:
        endpoint = an_endpoint(receiver.url)
        receiver.answers = lambda _: Answer(status=503)
        happened()
        send_until(attempted())
        receiver.answers = lambda _: Answer()
        execute("UPDATE webhooks_delivery SET due_at = now()")
        send_until(settled())

        first, second = receiver.received
        assert (first.id, first.body) == (second.id, second.body)
        assert Webhook(endpoint.secrets[0].text).verify(second.body, dict(second.headers))
        assert row_of(endpoint.id).failing_since is None

    def test_log_keeps_what_was_sent_so_that_its_signature_can_be_checked(self, receiver: Receiver) -> None:
        endpoint = an_endpoint(receiver.url)
        receiver.answers = lambda _: Answer(status=400)
        happened()
        send_until(attempted())

        attempt, (request,) = AttemptRow.objects.get(), receiver.received
        assert attempt.request_body.encode() == request.body
        assert Webhook(endpoint.secrets[0].text).verify(attempt.request_body, attempt.request_headers)

    def test_log_keeps_the_beginning_of_a_long_answer(self, receiver: Receiver) -> None:
        an_endpoint(receiver.url)
        receiver.answers = lambda _: Answer(
            status=400, headers={"X-Request-ID": "abc", "X-Secret": "s"}, body=b"x" * 10**6
        )
        happened()
        send_until(attempted())

        row = AttemptRow.objects.get()
        assert (row.status, row.body) == (400, "x" * 1024)
        assert row.headers["x-request-id"] == "abc"
        assert "x-secret" not in row.headers

    def test_three_times_in_a_row_earns_the_endpoint_a_rest(self, receiver: Receiver) -> None:
        endpoint = an_endpoint(receiver.url)
        receiver.answers = lambda _: Answer(status=503)
        for _ in range(3):
            happened()
        send_until(attempted(3))
        happened()
        fan_out()

        assert row_of(endpoint.id).rests_until is not None
        assert wiring.claim_deliveries(busy={}, limit=9) == []
        execute("UPDATE webhooks_endpoint SET rests_until = now()")
        assert len(wiring.claim_deliveries(busy={}, limit=9)) == 1

    def test_with_410_disables_the_endpoint_and_mails_its_owner(self, receiver: Receiver) -> None:
        endpoint = an_endpoint(receiver.url, email="ops@shop.example")
        receiver.answers = lambda _: Answer(status=410)
        for _ in range(2):
            happened()
        send_until(lambda: row_of(endpoint.id).disabled_because == "gone")
        send_until(settled())

        assert set(DeliveryRow.objects.values_list("status", flat=True)) == {"dead"}
        advance(SagaRow.objects.get(name="webhooks.telling_owner").pk)
        (sent,) = mail.outbox
        assert sent.to == ["ops@shop.example"]
        assert receiver.url in sent.body
        assert "410 Gone" in sent.body
        assert OutboxMessageRow.objects.filter(topic="webhooks.endpoint_disabled.v1").count() == 1

    def test_for_five_days_disables_the_endpoint(self, receiver: Receiver) -> None:
        endpoint = an_endpoint(receiver.url)
        receiver.answers = lambda _: Answer(status=500)
        happened()
        execute("UPDATE webhooks_endpoint SET failing_since = now() - interval '5 days'")
        send_until(lambda: row_of(endpoint.id).disabled_because == "failing")

        assert DeliveryRow.objects.get().status == "dead"

    def test_for_three_days_makes_a_dead_letter(self, receiver: Receiver) -> None:
        an_endpoint(receiver.url)
        receiver.answers = lambda _: Answer(status=500)
        happened()
        fan_out()
        execute("UPDATE webhooks_delivery SET began_at = now() - interval '3 days', due_at = now()")
        send_until(settled())

        row = DeliveryRow.objects.get()
        assert (row.status, row.last_error) == ("dead", "http_500")

    def test_of_what_was_never_tried_in_three_days_is_found_by_the_schedule(self, receiver: Receiver) -> None:
        an_endpoint(receiver.url)
        happened()
        fan_out()
        assert wiring.give_up_overdue() == 0
        execute("UPDATE webhooks_delivery SET began_at = now() - interval '3 days 3 hours'")

        assert wiring.give_up_overdue() == 1
        assert DeliveryRow.objects.get().last_error == "never_tried"


class TestClaim:
    def test_is_for_one_sender_until_its_lease_ends(self, receiver: Receiver) -> None:
        an_endpoint(receiver.url)
        happened()
        fan_out()

        (request,) = wiring.claim_deliveries(busy={}, limit=9)
        assert wiring.claim_deliveries(busy={}, limit=9) == []
        execute("UPDATE webhooks_delivery SET due_at = now()")  # the lease ends
        (again,) = wiring.claim_deliveries(busy={}, limit=9)
        assert again.message_id == request.message_id

    def test_takes_turns_between_endpoints_and_not_more_than_eight_of_one(self, receiver: Receiver) -> None:
        one, other = an_endpoint(receiver.url), an_endpoint(receiver.url)
        for _ in range(12):
            happened()
        fan_out()

        few = [request.endpoint_id for request in wiring.claim_deliveries(busy={EndpointId(one.id): 7}, limit=4)]
        assert sorted(few, key=str).count(EndpointId(other.id)) == 4
        many = wiring.claim_deliveries(busy={}, limit=100)
        assert [request.endpoint_id for request in many].count(EndpointId(one.id)) == 8

    def test_of_a_removed_endpoint_is_settled_without_a_trace(self, receiver: Receiver) -> None:
        endpoint = an_endpoint(receiver.url)
        happened()

        def remove(_: Received) -> Answer:
            wiring.remove_endpoint(endpoint_id=EndpointId(endpoint.id), of_owner=OWNER)
            return Answer()

        receiver.answers = remove
        send_until(lambda: not EndpointRow.objects.exists())

        assert AttemptRow.objects.count() == 0
        assert wiring.forget_removed() == 1
        assert (DeliveryRow.objects.count(), AttemptRow.objects.count()) == (0, 0)

    def test_of_a_removed_endpoint_does_not_keep_others_from_being_settled(self, receiver: Receiver) -> None:
        kept, removed = an_endpoint(receiver.url), an_endpoint(receiver.url)
        happened()
        fan_out()
        claimed = wiring.claim_deliveries(busy={}, limit=10)
        wiring.remove_endpoint(endpoint_id=EndpointId(removed.id), of_owner=OWNER)
        now = timezone.now()
        wiring.settle_attempts(
            attempts=[
                Attempt(
                    delivery_id=each.delivery_id, began_at=now, ended_at=now, url=each.url, result=Result(status=204)
                )
                for each in claimed
            ]
        )

        assert len(claimed) == 2
        assert dict(DeliveryRow.objects.values_list("endpoint_id", "status")) == {
            kept.id: "done",
            removed.id: "pending",
        }
        assert AttemptRow.objects.get().delivery.endpoint_id == kept.id


class TestReplay:
    def test_tells_once_more_of_what_was_recorded_in_the_span(self, receiver: Receiver) -> None:
        endpoint = an_endpoint(receiver.url)
        happened()
        send_until(settled())
        before = receiver.ids
        now, hour = timezone.now(), timedelta(hours=1)
        ask = partial(wiring.ask_for_replay, endpoint_id=EndpointId(endpoint.id), of_owner=ANYONE)
        ask(since=now - hour, until=now + hour)
        ask(since=now - 2 * hour, until=now - hour)
        send_until(lambda: len(receiver.received) == 2 and settled()())

        assert receiver.ids == before * 2
        assert orjson.loads(receiver.received[0].body) == orjson.loads(receiver.received[1].body)

    def test_tells_for_the_first_time_of_what_happened_before_there_was_the_endpoint(self, receiver: Receiver) -> None:
        happened(order_placed, order_cancelled)
        endpoint = an_endpoint(receiver.url)
        now = timezone.now()
        wiring.ask_for_replay(
            endpoint_id=EndpointId(endpoint.id),
            of_owner=OWNER,
            since=now - timedelta(hours=1),
            until=now + timedelta(hours=1),
            topics=[CANCELLED],
        )
        send_until(settled())

        assert [request.json["type"] for request in receiver.received] == [CANCELLED]


class TestForget:
    def test_leaves_of_what_ended_a_month_ago_only_dead_letters_and_nothing_that_was_said(
        self, receiver: Receiver
    ) -> None:
        an_endpoint(receiver.url)
        receiver.answers = lambda _: Answer(status=204 if len(receiver.received) <= 2 else 500, body=b"Ada Lovelace")
        for _ in range(3):
            happened()
        send_until(attempted(3))
        execute("UPDATE webhooks_delivery SET status = 'dead', finished_at = now() WHERE status = 'pending'")
        execute("UPDATE webhooks_delivery SET finished_at = finished_at - interval '31 days'")
        execute("UPDATE webhooks_attempt SET at = at - interval '31 days'")
        happened()
        send_until(attempted(4))

        assert wiring.forget_deliveries() == 2 + 1
        kept = {row.status: row.log.count() for row in DeliveryRow.objects.all()}
        assert kept == {"dead": 0, "pending": 1}
        assert wiring.forget_deliveries() == 0

    def test_leaves_nothing_of_a_removed_endpoint_however_much_it_was_told(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sending, "FORGOTTEN_AT_ONCE", 2)
        kept, removed = an_endpoint(receiver.url), an_endpoint(receiver.url)
        for _ in range(5):
            happened()
        send_until(attempted(10))
        happened()
        fan_out()

        wiring.remove_endpoint(endpoint_id=EndpointId(removed.id), of_owner=OWNER)
        assert [row.id for row in EndpointRow.objects.all()] == [kept.id]
        assert {each.endpoint_id for each in queries.deliveries(limit=100)} == {kept.id}

        assert wiring.forget_removed() == 6
        assert DeliveryRow.objects.values_list("endpoint_id", flat=True).distinct().get() == kept.id
        assert AttemptRow.objects.count() == 5
        assert execute("SELECT id FROM webhooks_endpoint") == 2, "a transaction may still owe it something"
        execute("UPDATE webhooks_endpoint SET removed_at = removed_at - interval '6 minutes'")
        assert wiring.forget_removed() == 0
        assert execute("SELECT id FROM webhooks_endpoint") == 1

    def test_waits_for_nobody_who_still_has_a_delivery_in_hand(self, receiver: Receiver, in_thread: InThread) -> None:
        removed = an_endpoint(receiver.url)
        happened()
        fan_out()
        wiring.remove_endpoint(endpoint_id=EndpointId(removed.id), of_owner=OWNER)
        execute("UPDATE webhooks_endpoint SET removed_at = removed_at - interval '6 minutes'")

        with atomic():
            execute("SELECT id FROM webhooks_delivery FOR UPDATE")
            assert in_thread(wiring.forget_removed).result(LONGEST_WAIT) == 0
            assert execute("SELECT id FROM webhooks_endpoint") == 1

        assert wiring.forget_removed() == 1
        assert execute("SELECT id FROM webhooks_endpoint") == 0

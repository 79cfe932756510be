"""From the event that an aggregate recorded to the handler that had its effect once."""

import base64
import threading
from collections.abc import Callable
from datetime import timedelta

import orjson
import psycopg
import pytest
import redis
from django.conf import settings
from django.db import IntegrityError, connection

from shared.domain.model import Aggregate
from shared.embedded.processes import wait_until
from shared.outbox.codec import from_payload, to_payload
from shared.outbox.deliveries import MAX_ATTEMPTS, deliver
from shared.outbox.management.commands.relay import listening_parameters
from shared.outbox.messages import history_of, publish_events_of
from shared.outbox.models import DeliveryRow, OutboxMessageRow
from shared.outbox.registry import subscribe
from shared.outbox.relay import WAKE_UP_GRACE, dispatch_overdue_deliveries, relay_pending_messages
from shared.persistence.pauses import FIRST_PAUSE, LONGEST_PAUSE, pause_after
from shared.persistence.unit_of_work import atomic
from shared.persistence.wakeup import CHANNEL
from shared.telemetry.context import WorkContext, current_work, working_as
from tests.shared.builders import LampSwitched, a_lamp, switched
from tests.shared.database import LONGEST_WAIT, InThread, Traces, database_time, execute, failing_unit_of_work
from tests.shared.fakes import NOON

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_subscriptions")]

WORK = WorkContext(correlation_id="request-1", causation_id="click-1", traceparent="00-1-2-01", actor="customer:7")


def tell(lamp: Aggregate) -> Aggregate:
    """Publish what the lamp recorded, in a transaction of its own."""
    with atomic():
        publish_events_of(lamp)
    return lamp


def relayed(lamp: Aggregate) -> list[int]:
    """Publish what the lamp recorded, relay it, and return its deliveries, oldest first."""
    tell(lamp)
    relay_pending_messages()
    deliveries = DeliveryRow.objects.filter(message__aggregate_id=lamp.id)
    return list(deliveries.order_by("message_id", "subscription").values_list("id", flat=True))


class Heard:
    """A handler that keeps what it was told, and fails as long as it is told to."""

    def __init__(self, name: str, *, error: Exception | None = None) -> None:
        self.events: list[LampSwitched] = []
        self.work: list[WorkContext] = []
        self.error = error
        self.meanwhile: Callable[[], None] = lambda: None

        def handle(event: LampSwitched) -> None:
            self.events.append(event)
            self.work.append(current_work())
            self.meanwhile()
            if self.error is not None:
                raise self.error

        handle.__name__ = name
        subscribe(LampSwitched)(handle)


class TestPublish:
    def test_stores_events_with_the_state_that_they_tell_of(self, traces: Traces) -> None:
        lamp = a_lamp(switches=2)
        with working_as(WORK), atomic():
            traces.write("the lamp's row")
            publish_events_of(lamp)

        first, second = history_of(lamp.id)
        assert traces.all == ["the lamp's row"]
        assert (first.sequence, first.topic, first.occurred_at) == (1, "testing.lamp_switched.v1", NOON)
        assert (first.payload["is_on"], second.payload["is_on"]) == (True, False)
        assert second.sequence == 2

    def test_stores_who_did_it_and_in_the_course_of_which_work(self) -> None:
        with working_as(WORK):
            lamp = tell(a_lamp(switches=1))

        row = OutboxMessageRow.objects.get(aggregate_id=lamp.id)
        assert (row.actor, row.correlation_id, row.causation_id) == ("customer:7", "request-1", "click-1")
        assert (row.traceparent, row.pending) == ("00-1-2-01", True)

    def test_is_gone_with_a_transaction_that_is_rolled_back(self, traces: Traces) -> None:
        lamp = a_lamp(switches=1)
        with failing_unit_of_work():
            traces.write("the lamp's row")
            publish_events_of(lamp)

        assert (traces.all, list(history_of(lamp.id))) == ([], [])

    def test_stores_each_event_once(self) -> None:
        lamp = tell(a_lamp(switches=1))
        tell(lamp)

        assert len(history_of(lamp.id)) == 1

    def test_refuses_a_second_event_with_the_same_number(self) -> None:
        lamp = tell(a_lamp(switches=1))

        with pytest.raises(IntegrityError, match="outbox_message_sequence_is_gap_free"):
            tell(a_lamp(id=lamp.id, switches=1))

    @pytest.mark.django_db(transaction=True)
    def test_wakes_the_relay_once_the_transaction_is_committed_and_not_before(self) -> None:
        parameters = connection.get_connection_params()
        with psycopg.Connection.connect(**listening_parameters(parameters)) as listener:
            listener.execute(f"LISTEN {CHANNEL}")
            with atomic():
                publish_events_of(a_lamp(switches=1))
                assert list(listener.notifies(timeout=0)) == []

            assert len(list(listener.notifies(timeout=LONGEST_WAIT, stop_after=1))) == 1

    @pytest.mark.django_db(transaction=True)
    def test_wakes_the_relay_outside_the_transaction_so_that_commits_do_not_queue_behind_it(self) -> None:
        sent: list[tuple[str, bool]] = []

        def note(execute: Callable[..., object], sql: str, *rest: object) -> object:
            sent.append((sql, connection.in_atomic_block))
            return execute(sql, *rest)

        with connection.execute_wrapper(note):
            tell(a_lamp(switches=1))

        assert [each for each in sent if each[0].startswith("NOTIFY")] == [(f"NOTIFY {CHANNEL}", False)]


class TestHistory:
    def test_begins_after_the_event_that_is_known(self) -> None:
        lamp = tell(a_lamp(switches=5))

        assert [entry.sequence for entry in history_of(lamp.id, after=2, limit=2)] == [3, 4]


class TestCodec:
    def test_gives_the_event_back(self) -> None:
        assert from_payload(LampSwitched, to_payload(switched(on=True))) == switched(on=True)

    def test_ignores_what_a_newer_version_added(self) -> None:
        payload = to_payload(switched(on=True)) | {"colour": "red"}

        assert from_payload(LampSwitched, payload) == switched(on=True)


class TestSubscribe:
    def test_names_the_subscription_after_context_and_handler_and_only_once(self) -> None:
        Heard("note_lamp")

        with pytest.raises(ValueError, match=r"two handlers are named shared\.note_lamp; rename one"):
            Heard("note_lamp")


class TestRelay:
    def test_makes_one_delivery_per_subscription(self) -> None:
        Heard("note_lamp")
        Heard("count_lamp")
        lamp = tell(a_lamp(switches=2))

        assert relay_pending_messages() == 2

        rows = DeliveryRow.objects.filter(message__aggregate_id=lamp.id)
        assert sorted(rows.values_list("message__aggregate_sequence", "subscription")) == [
            (1, "shared.count_lamp"),
            (1, "shared.note_lamp"),
            (2, "shared.count_lamp"),
            (2, "shared.note_lamp"),
        ]
        assert set(rows.values_list("status", "attempts")) == {("pending", 0)}

    def test_takes_each_message_once(self) -> None:
        Heard("note_lamp")
        relayed(a_lamp(switches=1))

        assert relay_pending_messages() == 0
        assert DeliveryRow.objects.count() == 1

    def test_takes_a_message_that_nobody_subscribed_to_out_of_the_way(self) -> None:
        tell(a_lamp(switches=1))

        assert relay_pending_messages() == 1
        assert relay_pending_messages() == DeliveryRow.objects.count() == 0

    def test_wakes_workers_with_the_ids_of_the_deliveries_and_nothing_else(self) -> None:
        Heard("note_lamp")
        broker = redis.Redis.from_url(settings.REDIS_URL)
        broker.delete("orderly:deliveries")

        ids = relayed(a_lamp(switches=3))

        (task,) = broker.lrange("orderly:deliveries", 0, -1)
        message = orjson.loads(task)
        assert message["headers"]["task"] == "outbox.deliver"
        assert [str(one) for one in ids] == orjson.loads(base64.b64decode(message["body"]))[0][0]

    def test_leaves_alone_what_another_relay_has_in_hand(self, in_thread: InThread) -> None:
        Heard("note_lamp")
        tell(a_lamp(switches=3))

        with atomic():
            assert relay_pending_messages() == 3
            assert in_thread(relay_pending_messages).result(LONGEST_WAIT) == 0

        assert DeliveryRow.objects.count() == 3

    def test_gives_a_message_back_when_it_dies_before_its_commit(self) -> None:
        Heard("note_lamp")
        tell(a_lamp(switches=1))
        with failing_unit_of_work():
            assert relay_pending_messages() == 1

        assert DeliveryRow.objects.count() == 0
        assert relay_pending_messages() == DeliveryRow.objects.count() == 1

    def test_shares_the_messages_with_other_relays_so_that_none_is_lost_or_doubled(self, in_thread: InThread) -> None:
        Heard("note_lamp")
        Heard("count_lamp")
        for _ in range(40):
            tell(a_lamp(switches=10))
        together = threading.Barrier(4, timeout=LONGEST_WAIT)

        def relay_all() -> int:
            together.wait()
            taken = 0
            while OutboxMessageRow.objects.filter(pending=True).exists():
                taken += relay_pending_messages()
            return taken

        taken = [one.result(LONGEST_WAIT) for one in [in_thread(relay_all) for _ in range(4)]]

        assert sum(taken) == 400
        assert DeliveryRow.objects.count() == 800

    def test_finds_an_older_message_that_was_committed_later(self, in_thread: InThread) -> None:
        Heard("note_lamp")
        older, newer = a_lamp(switches=1), a_lamp(switches=1)
        stored, go_on = threading.Event(), threading.Event()

        def tell_slowly() -> None:
            with atomic():
                publish_events_of(older)
                stored.set()
                go_on.wait(LONGEST_WAIT)

        slow = in_thread(tell_slowly)
        assert stored.wait(LONGEST_WAIT)
        tell(newer)
        assert relay_pending_messages() == 1
        go_on.set()
        slow.result(LONGEST_WAIT)

        assert relay_pending_messages() == 1
        assert OutboxMessageRow.objects.filter(pending=True).count() == 0


class TestDeliver:
    def test_hands_the_event_to_its_handler_and_marks_the_delivery_done(self) -> None:
        heard = Heard("note_lamp")
        (delivery_id,) = relayed(a_lamp(switches=1))

        assert deliver(delivery_id)

        assert heard.events == [switched(on=True)]
        row = DeliveryRow.objects.get(id=delivery_id)
        assert (row.status, row.attempts, row.last_error) == ("done", 1, "")
        assert row.finished_at is not None

    def test_twice_has_its_effect_once(self) -> None:
        heard = Heard("note_lamp")
        (delivery_id,) = relayed(a_lamp(switches=1))

        assert [deliver(delivery_id), deliver(delivery_id)] == [True, False]
        assert len(heard.events) == 1

    def test_carries_on_the_work_that_caused_it(self) -> None:
        heard = Heard("note_lamp")
        with working_as(WORK):
            lamp = a_lamp(switches=1)
            (delivery_id,) = relayed(lamp)

        deliver(delivery_id)

        (entry,) = history_of(lamp.id)
        assert heard.work == [
            WorkContext(
                correlation_id="request-1", causation_id=str(entry.id), traceparent="00-1-2-01", actor="customer:7"
            )
        ]
        assert current_work() == WorkContext()

    @pytest.mark.django_db(transaction=True)
    def test_marks_it_done_in_the_transaction_of_the_effect(self, traces: Traces) -> None:
        heard = Heard("note_lamp")
        (delivery_id,) = relayed(a_lamp(switches=1))
        traces.write("taken")
        heard.meanwhile = lambda: traces.write("taken")  # found out at the commit, after the delivery is marked

        assert not deliver(delivery_id)

        row = DeliveryRow.objects.get(id=delivery_id)
        assert (row.status, row.attempts) == ("pending", 1)
        assert row.last_error.startswith("IntegrityError: ")
        assert traces.all == ["taken"]

    def test_of_what_fails_leaves_no_effect_and_is_due_again_later(self, traces: Traces) -> None:
        heard = Heard("note_lamp", error=ZeroDivisionError("by zero"))
        heard.meanwhile = lambda: traces.write("half done")
        (delivery_id,) = relayed(a_lamp(switches=1))

        assert not deliver(delivery_id)

        row = DeliveryRow.objects.get(id=delivery_id)
        assert (row.status, row.attempts, row.last_error) == ("pending", 1, "ZeroDivisionError: by zero")
        assert row.finished_at is None
        assert traces.all == []

    def test_pauses_longer_after_each_failure(self) -> None:
        Heard("note_lamp", error=ZeroDivisionError())
        (delivery_id,) = relayed(a_lamp(switches=1))

        for attempt in range(1, 5):
            before = database_time()
            deliver(delivery_id)
            due_at = DeliveryRow.objects.get(id=delivery_id).due_at
            longest = timedelta(seconds=FIRST_PAUSE * 2**attempt)
            assert before + longest / 2 <= due_at <= database_time() + longest

    def test_succeeds_after_all_once_the_trouble_is_over(self) -> None:
        heard = Heard("note_lamp", error=ZeroDivisionError())
        (delivery_id,) = relayed(a_lamp(switches=1))
        deliver(delivery_id)
        heard.error = None

        assert deliver(delivery_id)

        row = DeliveryRow.objects.get(id=delivery_id)
        assert (row.status, row.attempts) == ("done", 2)

    def test_becomes_a_dead_letter_after_the_last_attempt(self) -> None:
        heard = Heard("note_lamp", error=ZeroDivisionError("by zero"))
        (delivery_id,) = relayed(a_lamp(switches=1))

        for _ in range(MAX_ATTEMPTS):
            assert DeliveryRow.objects.get(id=delivery_id).status == "pending"
            deliver(delivery_id)

        row = DeliveryRow.objects.get(id=delivery_id)
        assert (row.status, row.attempts, row.last_error) == ("dead", MAX_ATTEMPTS, "ZeroDivisionError: by zero")
        assert row.finished_at is not None
        deliver(delivery_id)
        assert len(heard.events) == MAX_ATTEMPTS

    def test_of_a_dead_letter_wakes_nobody(self) -> None:
        Heard("note_lamp")
        (delivery_id,) = relayed(a_lamp(switches=1))
        execute(
            "UPDATE outbox_delivery SET status = 'dead', finished_at = now(), due_at = now() - interval '1 hour' "
            "WHERE id = %s",
            delivery_id,
        )

        assert dispatch_overdue_deliveries() == 0

    def test_of_poison_blocks_no_other(self) -> None:
        Heard("choke_on_lamp", error=ZeroDivisionError())
        heard = Heard("note_lamp")

        delivered = [deliver(delivery_id) for delivery_id in relayed(a_lamp(switches=3))]

        assert delivered == [False, True] * 3
        assert len(heard.events) == 3

    def test_that_another_worker_has_in_hand_is_left_alone(self, in_thread: InThread) -> None:
        heard = Heard("note_lamp")
        (delivery_id,) = relayed(a_lamp(switches=1))
        begun, go_on = threading.Event(), threading.Event()

        def dawdle() -> None:
            begun.set()
            go_on.wait(LONGEST_WAIT)

        heard.meanwhile = dawdle
        slow = in_thread(lambda: deliver(delivery_id))
        assert begun.wait(LONGEST_WAIT)

        assert not deliver(delivery_id)
        go_on.set()

        assert slow.result(LONGEST_WAIT)
        assert len(heard.events) == 1

    def test_that_is_finished_is_left_alone(self) -> None:
        heard = Heard("note_lamp", error=ZeroDivisionError())
        (delivery_id,) = relayed(a_lamp(switches=1))
        execute("UPDATE outbox_delivery SET status = 'done', finished_at = now() WHERE id = %s", delivery_id)

        assert not deliver(delivery_id)

        assert DeliveryRow.objects.get(id=delivery_id).status == "done"
        assert heard.events == []

    def test_ignores_fields_that_the_handlers_version_does_not_know(self) -> None:
        heard = Heard("note_lamp")
        (delivery_id,) = relayed(a_lamp(switches=1))
        execute("""UPDATE outbox_message SET payload = payload || '{"colour": "red"}'::jsonb""")

        assert deliver(delivery_id)

        assert heard.events == [switched(on=True)]

    def test_for_a_handler_that_this_version_does_not_have_waits_for_one_that_does(self) -> None:
        Heard("note_lamp")
        (delivery_id,) = relayed(a_lamp(switches=1))
        execute("UPDATE outbox_delivery SET subscription = 'shared.of_tomorrow' WHERE id = %s", delivery_id)

        assert not deliver(delivery_id)

        row = DeliveryRow.objects.get(id=delivery_id)
        assert (row.status, row.last_error) == ("pending", "UnknownSubscription: shared.of_tomorrow")


class TestOverdue:
    def test_wakes_workers_for_what_is_due_and_for_nothing_else(self) -> None:
        Heard("note_lamp")
        due, later = relayed(a_lamp(switches=2))
        execute("UPDATE outbox_delivery SET due_at = now() WHERE id = %s", due)

        assert dispatch_overdue_deliveries() == 1

        pauses = [row.due_at for row in DeliveryRow.objects.filter(id__in=[due, later]).order_by("id")]
        assert abs(pauses[0] - pauses[1]) < WAKE_UP_GRACE

    def test_wakes_them_for_the_same_delivery_only_after_a_while(self) -> None:
        Heard("note_lamp")
        relayed(a_lamp(switches=1))
        execute("UPDATE outbox_delivery SET due_at = now()")

        assert [dispatch_overdue_deliveries(), dispatch_overdue_deliveries()] == [1, 0]

    def test_makes_good_a_wake_up_that_the_broker_lost(self) -> None:
        Heard("note_lamp")
        relayed(a_lamp(switches=1))
        broker = redis.Redis.from_url(settings.REDIS_URL)
        broker.delete("orderly:deliveries")
        execute("UPDATE outbox_delivery SET due_at = %s", database_time() - WAKE_UP_GRACE)

        assert wait_until(lambda: dispatch_overdue_deliveries() == 1, seconds=LONGEST_WAIT)
        assert broker.llen("orderly:deliveries") == 1


class TestPause:
    @pytest.mark.parametrize(("attempts", "longest"), [(0, 0.5), (1, 1.0), (4, 8.0), (10, 512.0), (11, 900.0)])
    def test_grows_with_the_attempts_within_its_jitter(self, attempts: int, longest: float) -> None:
        pauses = [pause_after(attempts) for _ in range(200)]

        assert min(pauses) >= timedelta(seconds=longest / 2)
        assert max(pauses) <= timedelta(seconds=longest)
        assert len(set(pauses)) > 100

    def test_stays_bearable_however_often_it_failed(self) -> None:
        assert pause_after(10**9) <= timedelta(seconds=LONGEST_PAUSE)

"""A handler is told once more of what happened, or for the first time of what happened before it existed."""

import threading
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from structlog.testing import capture_logs

from shared.domain.model import Aggregate
from shared.embedded.processes import wait_until
from shared.outbox import replaying
from shared.outbox.archive import archive_batch
from shared.outbox.deliveries import deliver
from shared.outbox.messages import publish_events_of
from shared.outbox.models import ArchivedMessageRow, DeliveryRow, OutboxMessageRow
from shared.outbox.registry import subscribe
from shared.outbox.relay import dispatch_overdue_deliveries, relay_pending_messages
from shared.outbox.replaying import NotSubscribed, Replay, count_replayed, replay_events
from shared.persistence.unit_of_work import atomic
from shared.telemetry.context import WorkContext, working_as
from tests.shared.builders import LampSwitched, a_lamp, switched
from tests.shared.database import LONGEST_WAIT, InThread, database_time, execute

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_subscriptions")]

EVERYTHING = Replay(handler="shared.note_lamp", topic=LampSwitched.topic)
SOON = timedelta(seconds=1)


def listen(name: str = "note_lamp", *, in_order: bool = False) -> list[str]:
    """Subscribe to lamps, and return the rooms that are heard of."""
    rooms: list[str] = []

    def handle(event: LampSwitched) -> None:
        rooms.append(event.room)

    handle.__name__ = name
    subscribe(LampSwitched, in_order=in_order)(handle)
    return rooms


def tell(*rooms: str) -> Aggregate:
    """Publish that a lamp was switched in these rooms, relay and deliver that."""
    lamp = a_lamp()
    for room in rooms:
        lamp.record(switched(on=True, room=room))
    with atomic():
        publish_events_of(lamp)
    relay_pending_messages()
    deliver_all()
    return lamp


def somebody_waits() -> bool:
    """Tell whether a transaction waits for another one's lock."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        ((waiting,),) = cursor.fetchall()
    return bool(waiting)


def deliver_all() -> None:
    """Deliver what is pending, in the order in which it was made."""
    for delivery in DeliveryRow.objects.filter(status="pending").order_by("pk"):
        deliver(delivery.pk)


class TestReplay:
    def test_tells_the_handler_again_and_no_other(self) -> None:
        noted, counted = listen(), listen("count_lamp")
        tell("hall", "attic")

        assert replay_events(EVERYTHING) == 2
        deliver_all()

        assert (noted, counted) == (["hall", "attic"] * 2, ["hall", "attic"])

    def test_is_found_by_the_relay_as_any_delivery_that_is_due(self) -> None:
        listen()
        tell("hall")
        replay_events(EVERYTHING)

        assert dispatch_overdue_deliveries() == 1

    def test_gives_a_dead_letter_all_its_attempts_again(self) -> None:
        listen()
        tell("hall")
        execute("UPDATE outbox_delivery SET status = 'dead', attempts = 12")

        assert replay_events(EVERYTHING) == 1

        row = DeliveryRow.objects.get()
        assert (row.status, row.attempts, row.finished_at) == ("pending", 0, None)

    def test_tells_a_new_handler_of_what_happened_before_it_existed(self) -> None:
        tell("hall", "attic")
        noted = listen()

        assert replay_events(EVERYTHING) == 2
        deliver_all()

        assert noted == ["hall", "attic"]

    def test_twice_at_once_has_the_effect_of_once(self) -> None:
        noted = listen()
        tell("hall")

        assert [replay_events(EVERYTHING), count_replayed(EVERYTHING), replay_events(EVERYTHING)] == [1, 0, 0]
        deliver_all()

        assert noted == ["hall", "hall"]

    def test_leaves_to_the_relay_what_no_relay_has_taken(self) -> None:
        listen()
        with atomic():
            publish_events_of(a_lamp(switches=1))

        assert (count_replayed(EVERYTHING), replay_events(EVERYTHING), relay_pending_messages()) == (0, 0, 1)

    def test_keeps_to_the_time_and_the_topic(self) -> None:
        listen()
        tell("hall", "attic", "garage")
        hall, attic, garage = OutboxMessageRow.objects.order_by("id")
        minute = timedelta(minutes=1)
        OutboxMessageRow.objects.filter(pk=hall.pk).update(recorded_at=attic.recorded_at - minute)
        OutboxMessageRow.objects.filter(pk=garage.pk).update(recorded_at=attic.recorded_at + minute)
        replay = Replay(
            handler="shared.note_lamp",
            topic=LampSwitched.topic,
            since=attic.recorded_at,
            until=attic.recorded_at + minute,
        )

        assert (count_replayed(replay), replay_events(replay)) == (1, 1)

        assert DeliveryRow.objects.get(status="pending").message_id == attic.pk

    def test_brings_archived_events_back(self) -> None:
        noted = listen()
        tell("hall", "attic", "garage")
        archive_batch(before=database_time() + SOON, limit=2)

        assert (count_replayed(EVERYTHING), replay_events(EVERYTHING)) == (3, 3)
        deliver_all()

        assert sorted(noted[3:]) == ["attic", "garage", "hall"]
        assert (ArchivedMessageRow.objects.count(), OutboxMessageRow.objects.count()) == (0, 3)

    def test_goes_batch_by_batch_each_due_later_than_the_one_before(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(replaying, "BATCH", 2)
        listen()
        tell("hall", "attic", "garage")

        assert replay_events(EVERYTHING) == 3

        first, second, third = DeliveryRow.objects.order_by("message_id").values_list("due_at", flat=True)
        assert first == second
        assert third - second >= replaying.PACE

    def test_to_a_handler_in_order_is_in_order(self) -> None:
        tell("hall", "attic")
        noted = listen(in_order=True)
        replay_events(EVERYTHING)
        first, second = DeliveryRow.objects.order_by("message_id").values_list("id", flat=True)

        assert [deliver(second), deliver(first), deliver(second)] == [False, True, True]

        assert noted == ["hall", "attic"]

    @pytest.mark.parametrize(
        ("handler", "topic"), [("shared.nobody", LampSwitched.topic), ("shared.note_lamp", "testing.bell_rung.v1")]
    )
    def test_to_who_did_not_subscribe_is_refused(self, handler: str, topic: str) -> None:
        listen()

        with pytest.raises(NotSubscribed, match=f"no handler {handler} is subscribed to {topic}"):
            replay_events(Replay(handler=handler, topic=topic))

    def test_is_recorded_with_who_asked_for_it(self) -> None:
        listen()
        tell("hall")

        with working_as(WorkContext(actor="staff:7")), capture_logs() as logs:
            replay_events(EVERYTHING)

        (entry,) = [each for each in logs if each["event"] == "events_replayed"]
        assert (entry["by"], entry["subscription"], entry["count"]) == ("staff:7", "shared.note_lamp", 1)

    def test_waits_for_an_archiver_and_loses_nothing(self, in_thread: InThread) -> None:
        noted = listen()
        tell("hall")
        archived, go_on = threading.Event(), threading.Event()

        def archive_slowly() -> None:
            with atomic():
                archive_batch(before=database_time() + SOON)
                archived.set()
                go_on.wait(LONGEST_WAIT)

        slow = in_thread(archive_slowly)
        assert archived.wait(LONGEST_WAIT)
        replayed = in_thread(lambda: replay_events(EVERYTHING))
        assert wait_until(somebody_waits, seconds=LONGEST_WAIT)
        go_on.set()
        slow.result(LONGEST_WAIT)

        assert replayed.result(LONGEST_WAIT) == 1
        deliver_all()
        assert noted == ["hall", "hall"]


class TestCommand:
    @staticmethod
    def run(*arguments: str) -> str:
        """Run the command for the handler of lamps, and return what it printed."""
        said = StringIO()
        call_command(
            "replay_events", "--handler", "shared.note_lamp", "--topic", LampSwitched.topic, *arguments, stdout=said
        )
        return said.getvalue()

    def test_counts_without_replaying_when_asked_to(self) -> None:
        listen()
        tell("hall", "attic")

        assert self.run("--dry-run") == "Would replay 2 events.\n"
        assert self.run("--from", "2020-01-01T00:00:00+00:00", "--to", "2999-01-01") == "Replayed 2 events.\n"
        assert self.run("--dry-run") == "Would replay 0 events.\n"

    def test_refuses_who_did_not_subscribe(self) -> None:
        with pytest.raises(CommandError, match=r"no handler shared\.note_lamp is subscribed"):
            self.run()

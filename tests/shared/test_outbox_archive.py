"""Old events leave the table that relays and workers read, and no history."""

import threading
from datetime import timedelta

import pytest
from django.conf import settings

from shared.audit.laws import check_laws
from shared.domain.model import Aggregate
from shared.outbox import archive
from shared.outbox.archive import archive_batch, archive_old_events, first_id_at
from shared.outbox.deliveries import deliver
from shared.outbox.messages import history_of, publish_events_of
from shared.outbox.models import ArchivedMessageRow, DeliveryRow, OutboxMessageRow
from shared.outbox.registry import subscribe
from shared.outbox.relay import relay_pending_messages
from shared.outbox.tasks import forget_old_events
from shared.persistence.identifiers import new_id
from shared.persistence.unit_of_work import atomic
from tests.shared.builders import LampSwitched, a_lamp
from tests.shared.database import LONGEST_WAIT, InThread, database_time, execute

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_subscriptions")]

SOON = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def _listeners(own_subscriptions: None) -> None:
    def note_lamp(event: LampSwitched) -> None: ...

    def count_lamp(event: LampSwitched) -> None: ...

    subscribe(LampSwitched)(note_lamp)
    subscribe(LampSwitched)(count_lamp)


def told(*, switches: int) -> Aggregate:
    """Publish that a lamp was switched so often, and deliver all of it."""
    lamp = a_lamp(switches=switches)
    with atomic():
        publish_events_of(lamp)
    relay_pending_messages()
    for delivery in DeliveryRow.objects.filter(message__aggregate_id=lamp.id).order_by("pk"):
        deliver(delivery.pk)
    return lamp


def sequences(table: type[OutboxMessageRow] | type[ArchivedMessageRow]) -> list[int]:
    """Return the numbers of the events in the table."""
    return list(table.objects.order_by("aggregate_sequence").values_list("aggregate_sequence", flat=True))


class TestArchive:
    def test_takes_what_everybody_was_told_of_and_forgets_who_that_was(self) -> None:
        told(switches=3)

        assert archive_batch(before=database_time() + SOON) == 3

        assert (sequences(OutboxMessageRow), sequences(ArchivedMessageRow)) == ([], [1, 2, 3])
        assert DeliveryRow.objects.count() == 0

    def test_keeps_every_column(self) -> None:
        told(switches=1)
        before = OutboxMessageRow.objects.values().get()
        archive_batch(before=database_time() + SOON)

        assert ArchivedMessageRow.objects.values().get() | {"pending": False} == before

    def test_takes_as_many_as_it_is_told_the_oldest_first(self) -> None:
        told(switches=3)

        assert archive_batch(before=database_time() + SOON, limit=2) == 2

        assert (sequences(OutboxMessageRow), sequences(ArchivedMessageRow)) == ([3], [1, 2])

    def test_leaves_what_was_recorded_since(self) -> None:
        told(switches=1)

        assert archive_batch(before=database_time() - timedelta(minutes=1)) == 0
        assert archive_batch(before=database_time() - timedelta(days=1)) == 0

    @pytest.mark.parametrize(
        "change",
        [
            "UPDATE outbox_delivery SET finished_at = now() + interval '1 h' WHERE subscription = 'shared.note_lamp'",
            "UPDATE outbox_delivery SET status = 'dead' WHERE subscription = 'shared.note_lamp'",
            "UPDATE outbox_delivery SET status = 'pending', finished_at = NULL WHERE subscription = 'shared.note_lamp'",
            "UPDATE outbox_message SET pending = true",
        ],
        ids=["done just now", "dead", "pending", "not relayed"],
    )
    def test_leaves_what_somebody_has_still_to_be_told_of(self, change: str) -> None:
        told(switches=1)
        execute(change)

        assert archive_batch(before=database_time() + SOON) == 0
        assert DeliveryRow.objects.count() == 2

    def test_takes_what_nobody_subscribed_to(self) -> None:
        told(switches=1)
        DeliveryRow.objects.all().delete()

        assert archive_batch(before=database_time() + SOON) == 1

    def test_leaves_alone_what_another_has_in_hand(self, in_thread: InThread) -> None:
        told(switches=3)
        taken, go_on = threading.Event(), threading.Event()

        def hold_the_first() -> None:
            with atomic():
                OutboxMessageRow.objects.select_for_update().get(aggregate_sequence=1)
                taken.set()
                go_on.wait(LONGEST_WAIT)

        slow = in_thread(hold_the_first)
        assert taken.wait(LONGEST_WAIT)
        assert archive_batch(before=database_time() + SOON) == 2
        go_on.set()
        slow.result(LONGEST_WAIT)

        assert sequences(OutboxMessageRow) == [1]

    def test_goes_on_batch_by_batch_until_nothing_old_is_left(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(archive, "BATCH", 2)
        told(switches=5)

        assert archive_old_events(older_than=-SOON) == 5
        assert archive_old_events(older_than=-SOON) == 0

    def test_is_done_every_hour_of_what_is_thirty_days_old(self) -> None:
        told(switches=1)

        forget_old_events(surprise="of a newer version")
        assert ArchivedMessageRow.objects.count() == 0
        forget_old_events(days=-1)

        assert ArchivedMessageRow.objects.count() == 1
        entry = settings.CELERY["beat_schedule"]["archive old events"]
        assert (entry["task"], entry["schedule"]) == ("outbox.forget_old_events", 3600.0)


class TestHistory:
    def test_reads_on_from_the_archive(self) -> None:
        lamp = told(switches=4)
        archive_batch(before=database_time() + SOON, limit=2)

        assert [entry.sequence for entry in history_of(lamp.id)] == [1, 2, 3, 4]
        assert [entry.sequence for entry in history_of(lamp.id, after=1, limit=2)] == [2, 3]
        assert history_of(lamp.id)[0].payload["is_on"] is True

    def test_is_in_order_where_an_older_event_was_left_behind(self) -> None:
        lamp = told(switches=3)
        execute("UPDATE outbox_delivery SET status = 'dead' WHERE id = (SELECT min(id) FROM outbox_delivery)")
        archive_batch(before=database_time() + SOON)

        assert sequences(ArchivedMessageRow) == [2, 3]
        assert [entry.sequence for entry in history_of(lamp.id)] == [1, 2, 3]


class TestLaw:
    @staticmethod
    def broken() -> list[str]:
        """Return what breaks the law of the counted events."""
        return [why for found in check_laws() if "without gaps" in found.law.title for _, why in found.offenders]

    def test_counts_the_archive_too(self) -> None:
        told(switches=3)
        archive_batch(before=database_time() + SOON, limit=2)
        assert self.broken() == []

        execute("DELETE FROM outbox_message_archive WHERE aggregate_sequence = 1")

        assert self.broken() == ["2 events, the last one numbered 3"]

    def test_finds_a_number_that_was_given_again_after_it_was_archived(self) -> None:
        lamp = told(switches=1)
        archive_batch(before=database_time() + SOON)
        with atomic():
            publish_events_of(a_lamp(id=lamp.id, switches=1))

        assert self.broken() == ["2 events, the last one numbered 1"]


class TestFirstId:
    def test_lies_between_the_ids_of_before_and_after(self) -> None:
        moment = database_time()

        assert first_id_at(moment - SOON) < new_id() < first_id_at(moment + SOON)
        assert first_id_at(moment).version == 7

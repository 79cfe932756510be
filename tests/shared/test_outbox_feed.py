"""The feed: one stable order of all events, in which no reader skips one."""

import threading
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from shared.domain.model import Aggregate
from shared.embedded.processes import wait_until
from shared.outbox.archive import archive_batch
from shared.outbox.feed import end_of_feed, events_after, events_named, events_recorded
from shared.outbox.messages import publish_events_of
from shared.outbox.models import OutboxMessageRow
from shared.outbox.relay import in_turn, relay_pending_messages
from shared.persistence.unit_of_work import atomic
from shared.telemetry.context import WorkContext, working_as
from tests.shared.builders import a_lamp, switched
from tests.shared.database import LONGEST_WAIT, InThread, execute, failing_unit_of_work

pytestmark = pytest.mark.django_db

TOPIC = "testing.lamp_switched.v1"
FIRST = UUID(int=0)


def tell(lamp: Aggregate) -> Aggregate:
    """Publish what the lamp recorded, in a transaction of its own."""
    with atomic():
        publish_events_of(lamp)
    return lamp


def told(*, lamps: int = 1, switches: int = 1) -> list[Aggregate]:
    """Publish and relay what some lamps recorded."""
    found = [tell(a_lamp(switches=switches)) for _ in range(lamps)]
    relay_pending_messages()
    return found


def read(*, after: int = 0, limit: int = 100) -> list[tuple[UUID, int]]:
    """Return aggregate and sequence of the events behind the place, as a reader sees them."""
    return [(entry.aggregate_id, entry.aggregate_sequence) for entry in events_after(after, limit=limit)]


class TestFeed:
    def test_holds_each_event_once_it_was_relayed_and_not_before(self) -> None:
        lamp = tell(a_lamp(switches=2))
        assert (read(), end_of_feed()) == ([], 0)

        relay_pending_messages()

        assert read() == [(lamp.id, 1), (lamp.id, 2)]
        assert [entry.position for entry in events_after(0, limit=9)] == [1, 2]
        assert end_of_feed() == 2

    def test_tells_all_that_is_known_of_an_event(self) -> None:
        with working_as(WorkContext(correlation_id="request-1", causation_id="click-1", traceparent="00-1-2-01")):
            (lamp,) = told()

        (entry,) = events_after(0, limit=9)
        row = OutboxMessageRow.objects.get()
        assert (entry.id, entry.topic, entry.aggregate_id, entry.payload) == (row.id, TOPIC, lamp.id, row.payload)
        assert (entry.occurred_at, entry.recorded_at) == (row.occurred_at, row.recorded_at)
        assert (entry.correlation_id, entry.causation_id, entry.traceparent) == ("request-1", "click-1", "00-1-2-01")

    def test_goes_on_behind_the_place_that_is_known(self) -> None:
        (lamp,) = told(switches=5)

        assert read(after=2, limit=2) == [(lamp.id, 3), (lamp.id, 4)]
        assert read(after=5) == []

    def test_holds_archived_events_in_their_places(self) -> None:
        old, new = told(lamps=2)
        assert archive_batch(before=timezone.now() + timedelta(hours=2), limit=1) == 1

        assert OutboxMessageRow.objects.get().aggregate_id == new.id
        assert read() == [(old.id, 1), (new.id, 1)]
        assert [entry.aggregate_id for entry in events_after(0, topics={TOPIC}, limit=1)] == [old.id]

    def test_is_read_by_topic(self) -> None:
        told(lamps=2)

        assert len(events_after(0, topics={TOPIC, "testing.other.v1"}, limit=9)) == 2
        assert events_after(0, topics={"testing.other.v1"}, limit=9) == []

    def test_is_read_by_name_and_by_time(self) -> None:
        told(lamps=3)
        entries = events_after(0, limit=9)
        since, until = entries[0].recorded_at, entries[-1].recorded_at + timedelta(seconds=1)

        def recorded(*, after: UUID = FIRST, topic: str = TOPIC) -> list[UUID]:
            found = events_recorded(since=since, until=until, topics={topic}, after=after, limit=9)
            return [entry.id for entry in found]

        assert events_named([entries[1].id, uuid4()]) == {entries[1].id: entries[1]}
        assert recorded() == sorted(entry.id for entry in entries)
        assert recorded(after=recorded()[1]) == recorded()[2:]
        assert recorded(topic="testing.other.v1") == []
        execute("UPDATE outbox_message SET recorded_at = recorded_at - interval '1 minute'")
        assert recorded() == []

    def test_has_no_gap_where_a_relay_gave_up(self) -> None:
        told()
        tell(a_lamp(switches=1))
        with failing_unit_of_work():
            assert relay_pending_messages() == 1
        relay_pending_messages()

        assert [entry.position for entry in events_after(0, limit=9)] == [1, 2]


@pytest.mark.django_db(transaction=True)
class TestReader:
    def test_skips_nobody_who_commits_late(self, in_thread: InThread) -> None:
        """The older event is stored first and committed last; its id and its time are the smaller ones."""
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
        relay_pending_messages()
        assert read() == [(newer.id, 1)]
        cursor = end_of_feed()
        go_on.set()
        slow.result(LONGEST_WAIT)
        relay_pending_messages()

        first, second = events_after(0, limit=9)
        assert read(after=cursor) == [(older.id, 1)]
        assert second.id < first.id

    def test_skips_nobody_of_a_relay_that_commits_late(self, in_thread: InThread) -> None:
        """Two relays take one event each; the one that began first commits last."""
        slow_lamp, fast_lamp = a_lamp(switches=1), a_lamp(switches=1)
        tell(slow_lamp)
        taken, go_on = threading.Event(), threading.Event()

        def relay_slowly() -> None:
            with atomic():
                relay_pending_messages()
                taken.set()
                go_on.wait(LONGEST_WAIT)

        slow = in_thread(relay_slowly)
        assert taken.wait(LONGEST_WAIT)
        tell(fast_lamp)
        fast = in_thread(relay_pending_messages)
        assert wait_until(somebody_waits_for_a_lock, seconds=LONGEST_WAIT)
        assert read() == []
        go_on.set()
        slow.result(LONGEST_WAIT)

        assert fast.result(LONGEST_WAIT) == 1
        assert read() == [(slow_lamp.id, 1), (fast_lamp.id, 1)]

    def test_sees_the_events_of_an_aggregate_in_their_order_whichever_relay_has_them(self, in_thread: InThread) -> None:
        lamp = tell(a_lamp(switches=1))
        with atomic():
            assert relay_pending_messages() == 1
            lamp.record(switched(on=False))
            in_thread(lambda: tell(lamp)).result(LONGEST_WAIT)
            assert in_thread(relay_pending_messages).result(LONGEST_WAIT) == 0

        assert relay_pending_messages() == 1
        assert read() == [(lamp.id, 1), (lamp.id, 2)]

    def test_sees_all_of_several_relays_in_one_order_without_gaps(self, in_thread: InThread) -> None:
        for _ in range(30):
            tell(a_lamp(switches=10))
        together = threading.Barrier(4, timeout=LONGEST_WAIT)
        seen: list[int] = []

        def relay_all() -> None:
            together.wait()
            while OutboxMessageRow.objects.filter(pending=True).exists():
                relay_pending_messages()

        def follow() -> None:
            together.wait()
            while len(seen) < 300:
                seen.extend(entry.position for entry in events_after(seen[-1] if seen else 0, limit=50))

        for work in [in_thread(relay_all) for _ in range(3)] + [in_thread(follow)]:
            work.result(LONGEST_WAIT)

        assert seen == list(range(1, 301))


class TestInTurn:
    def test_mends_the_order_of_each_aggregate_and_nothing_else(self) -> None:
        """Ids of machines whose clocks differ are in another order than the events."""
        one, other = uuid4(), uuid4()

        def turned(*given: tuple[UUID, int]) -> Sequence[tuple[UUID, int]]:
            rows = [
                OutboxMessageRow(aggregate_id=aggregate_id, aggregate_sequence=number) for aggregate_id, number in given
            ]
            return [(row.aggregate_id, row.aggregate_sequence) for row in in_turn(rows)]

        assert turned((one, 2), (other, 1), (one, 1)) == [(one, 1), (other, 1), (one, 2)]
        assert turned((one, 1), (one, 2)) == [(one, 1), (one, 2)]


def somebody_waits_for_a_lock() -> bool:
    """Tell whether a transaction waits for another one."""
    waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    return execute(waiting) > 0

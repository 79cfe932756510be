"""A subscription in order hears of each aggregate's events one after the other."""

import threading
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import pytest
import redis
from django.conf import settings
from django.db import connection

from shared.domain.model import Aggregate
from shared.outbox.dead_letters import retry_dead
from shared.outbox.deliveries import MAX_ATTEMPTS, deliver
from shared.outbox.messages import publish_events_of
from shared.outbox.models import DeliveryRow, OutboxMessageRow
from shared.outbox.registry import subscribe
from shared.outbox.relay import dispatch_overdue_deliveries, relay_pending_messages
from shared.outbox.turns import NEXT, UNFINISHED
from shared.persistence.unit_of_work import atomic
from tests.shared.builders import LampSwitched, a_lamp, switched
from tests.shared.database import LONGEST_WAIT, InThread, execute

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_subscriptions")]


class Follower:
    """A handler in order that keeps in which rooms lamps were switched, and fails for the rooms that it is told to."""

    def __init__(self, name: str = "follow_lamp", *, in_order: bool = True) -> None:
        self.rooms: list[str] = []
        self.fails_in: set[str] = set()
        self.meanwhile: Callable[[str], None] = lambda _: None

        def handle(event: LampSwitched) -> None:
            self.meanwhile(event.room)
            if event.room in self.fails_in:
                raise ZeroDivisionError(event.room)
            self.rooms.append(event.room)

        handle.__name__ = name
        subscribe(LampSwitched, in_order=in_order)(handle)


def tell(*rooms: str, lamp: Aggregate | None = None) -> Aggregate:
    """Publish that a lamp was switched in these rooms, one after the other, in a transaction of its own."""
    lamp = lamp or a_lamp()
    for room in rooms:
        lamp.record(switched(on=True, room=room))
    with atomic():
        publish_events_of(lamp)
    return lamp


def relayed(*rooms: str) -> Sequence[int]:
    """Publish and relay that a lamp was switched in these rooms; return the deliveries in that order."""
    lamp = tell(*rooms)
    relay_pending_messages()
    return deliveries_of(lamp.id)


def deliveries_of(lamp_id: UUID) -> Sequence[int]:
    """Return the deliveries of the lamp's events in the order of the events."""
    rows = DeliveryRow.objects.filter(message__aggregate_id=lamp_id)
    return list(rows.order_by("message__aggregate_sequence").values_list("id", flat=True))


def state_of(delivery_id: int) -> tuple[str, int, bool]:
    """Return status, attempts, and whether the delivery waits for another."""
    row = DeliveryRow.objects.get(pk=delivery_id)
    return row.status, row.attempts, row.waits


def woken() -> list[str]:
    """Return the tasks in the queue, and empty it."""
    broker = redis.Redis.from_url(settings.REDIS_URL)
    tasks = broker.lrange("orderly:deliveries", 0, -1)
    broker.delete("orderly:deliveries")
    return [str(task) for task in tasks]


class TestInOrder:
    def test_waits_for_an_earlier_event_without_counting_an_attempt(self) -> None:
        follower = Follower()
        _, second = relayed("hall", "attic")

        assert not deliver(second)

        assert follower.rooms == []
        assert state_of(second) == ("pending", 0, True)

    def test_goes_on_once_the_earlier_event_is_done(self) -> None:
        follower = Follower()
        first, second = relayed("hall", "attic")
        deliver(second)

        assert [deliver(first), deliver(second)] == [True, True]

        assert follower.rooms == ["hall", "attic"]

    def test_waits_while_the_earlier_event_is_tried_again(self) -> None:
        follower = Follower()
        first, second = relayed("hall", "attic")
        follower.fails_in = {"hall"}
        deliver(first)

        assert not deliver(second)

        due = DeliveryRow.objects.in_bulk([first, second])
        assert due[second].due_at > due[first].due_at

    def test_waits_for_an_earlier_event_that_no_relay_has_taken(self) -> None:
        follower = Follower()
        first, second = relayed("hall", "attic")
        DeliveryRow.objects.filter(pk=first).delete()
        OutboxMessageRow.objects.filter(aggregate_sequence=1).update(pending=True)

        assert not deliver(second)

        relay_pending_messages()
        first = DeliveryRow.objects.exclude(pk=second).get().pk
        assert [deliver(second), deliver(first), deliver(second)] == [False, True, True]
        assert follower.rooms == ["hall", "attic"]

    def test_passes_over_a_dead_letter(self) -> None:
        follower = Follower()
        first, second = relayed("hall", "attic")
        follower.fails_in = {"hall"}
        for _ in range(MAX_ATTEMPTS):
            deliver(first)

        assert deliver(second)

        assert state_of(first)[0] == "dead"
        assert follower.rooms == ["attic"]

    def test_waits_for_a_dead_letter_that_is_tried_again(self) -> None:
        follower = Follower()
        first, second = relayed("hall", "attic")
        execute("UPDATE outbox_delivery SET status = 'dead', finished_at = now() WHERE id = %s", first)
        retry_dead([first])

        assert [deliver(second), deliver(first), deliver(second)] == [False, True, True]

        assert follower.rooms == ["hall", "attic"]

    def test_holds_up_neither_other_aggregates_nor_other_subscriptions(self) -> None:
        Follower()
        hasty = Follower("hurry_to_lamp", in_order=False)
        relayed("hall", "attic")
        elsewhere, *_ = relayed("garage")
        later = DeliveryRow.objects.get(subscription="shared.hurry_to_lamp", message__aggregate_sequence=2)

        assert deliver(elsewhere)
        assert deliver(later.pk)
        assert hasty.rooms[-1] == "attic"

    def test_is_not_kept_for_what_was_relayed_before_it_was_asked_for(self) -> None:
        Follower()
        _, second = relayed("hall", "attic")
        execute("UPDATE outbox_delivery SET aggregate_id = NULL, aggregate_sequence = NULL")

        assert deliver(second)


@pytest.mark.django_db(transaction=True)
class TestWaking:
    def test_wakes_who_waits_when_the_earlier_one_is_done(self) -> None:
        Follower()
        first, second, third = relayed("hall", "attic", "garage")
        deliver(second)
        deliver(third)
        woken()

        deliver(first)

        (task,) = woken()
        assert task
        assert [state_of(one) for one in (second, third)] == [("pending", 0, False), ("pending", 0, True)]

    def test_wakes_who_waits_when_the_earlier_one_is_given_up(self) -> None:
        follower = Follower()
        first, second = relayed("hall", "attic")
        follower.fails_in = {"hall"}
        deliver(second)
        execute("UPDATE outbox_delivery SET attempts = %s WHERE id = %s", MAX_ATTEMPTS - 1, first)
        woken()

        deliver(first)

        assert len(woken()) == 1
        assert state_of(second) == ("pending", 0, False)

    def test_wakes_nobody_who_does_not_wait(self) -> None:
        Follower()
        first, _ = relayed("hall", "attic")
        woken()

        deliver(first)

        assert woken() == []

    def test_that_is_lost_is_made_good_by_the_due_date(self) -> None:
        Follower()
        first, second = relayed("hall", "attic")
        deliver(second)
        deliver(first)
        execute(
            "UPDATE outbox_delivery SET waits = true, due_at = due_at - interval '17 seconds' WHERE id = %s", second
        )

        assert dispatch_overdue_deliveries() == 1
        assert deliver(second)


class TestTogether:
    def test_waits_for_what_another_worker_has_in_hand(self, in_thread: InThread) -> None:
        follower = Follower()
        first, second = relayed("hall", "attic")
        begun, go_on = threading.Event(), threading.Event()

        def dawdle(room: str) -> None:
            if room == "hall":
                begun.set()
                go_on.wait(LONGEST_WAIT)

        follower.meanwhile = dawdle
        slow = in_thread(lambda: deliver(first))
        assert begun.wait(LONGEST_WAIT)
        assert not deliver(second)
        assert follower.rooms == []
        go_on.set()

        assert slow.result(LONGEST_WAIT)
        assert deliver(second)
        assert follower.rooms == ["hall", "attic"]

    def test_is_not_relayed_before_what_another_relay_has_in_hand(self, in_thread: InThread) -> None:
        follower = Follower()
        lamp = tell("hall")
        taken, go_on = threading.Event(), threading.Event()

        def relay_slowly() -> None:
            with atomic():
                relay_pending_messages()
                taken.set()
                go_on.wait(LONGEST_WAIT)

        slow = in_thread(relay_slowly)
        assert taken.wait(LONGEST_WAIT)
        tell("attic", lamp=lamp)
        assert relay_pending_messages() == 0
        go_on.set()
        slow.result(LONGEST_WAIT)
        assert relay_pending_messages() == 1

        first, second = deliveries_of(lamp.id)
        assert [deliver(second), deliver(first), deliver(second)] == [False, True, True]
        assert follower.rooms == ["hall", "attic"]

    def test_goes_at_once_when_the_earlier_one_ends_between_two_looks(self, in_thread: InThread) -> None:
        follower = Follower()
        first, second = relayed("hall", "attic")
        ended: list[bool] = []

        def end_the_first(run: Callable[..., object], sql: str, *rest: object) -> object:
            if sql.startswith('UPDATE "outbox_delivery"') and not ended:
                ended.append(in_thread(lambda: deliver(first)).result(LONGEST_WAIT))
            return run(sql, *rest)

        with connection.execute_wrapper(end_the_first):
            assert deliver(second)

        assert ended == [True]
        assert follower.rooms == ["hall", "attic"]

    def test_hands_over_in_order_whatever_the_order_of_the_workers(self, in_thread: InThread) -> None:
        follower = Follower()
        rooms = [str(number) for number in range(12)]
        ids = relayed(*rooms)
        together = threading.Barrier(4, timeout=LONGEST_WAIT)

        def work() -> int:
            together.wait()
            handed_over = 0
            while DeliveryRow.objects.filter(status="pending").exists():
                handed_over += sum(deliver(one) for one in reversed(ids))
            return handed_over

        counts = [one.result(LONGEST_WAIT) for one in [in_thread(work) for _ in range(4)]]

        assert sum(counts) == len(rooms)
        assert follower.rooms == rooms


class TestLookUp:
    @pytest.mark.parametrize("unfinished_one_in", [2, 200])
    @pytest.mark.parametrize("sql", [UNFINISHED, NEXT])
    def test_finds_the_neighbours_by_index_among_very_many(self, sql: str, unfinished_one_in: int) -> None:
        aggregate_id = self.have_very_many(unfinished_one_in)
        values: dict[str, Any] = {
            "aggregate_id": aggregate_id,
            "sequence": 9000,
            "subscription": "s",
            "topics": ["t.v1"],
            "grace": 1,
        }
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN {sql}", values)
            plan = "\n".join(line for (line,) in cursor.fetchall())

        assert "Seq Scan" not in plan, plan
        assert "outbox_delivery_turn" in plan, plan
        assert sql == NEXT or "outbox_message_turn" in plan, plan

    def have_very_many(self, unfinished_one_in: int) -> UUID:
        """Fill the tables with four aggregates of ten thousand events each, and return the id of one."""
        execute(
            """
            INSERT INTO outbox_message (id, topic, aggregate_id, aggregate_sequence, payload, occurred_at,
                                        correlation_id, causation_id, traceparent, actor, pending)
            SELECT gen_random_uuid(), 't.v1', lpad((n / 10000)::text, 32, '0')::uuid, mod(n, 10000) + 1, '{}', now(),
                   '', '', '', 's', mod(n, %s) = 0
            FROM generate_series(0, 39999) AS n
            """,
            unfinished_one_in,
        )
        execute("""
            INSERT INTO outbox_delivery (message_id, subscription, due_at, last_error, aggregate_id, aggregate_sequence,
                                         attempts, status, finished_at)
            SELECT id, 's', now(), '', aggregate_id, aggregate_sequence, 0,
                   CASE WHEN pending THEN 'pending' ELSE 'done' END, CASE WHEN pending THEN NULL ELSE now() END
            FROM outbox_message
        """)
        execute("ANALYZE outbox_message, outbox_delivery")
        return UUID(int=0)

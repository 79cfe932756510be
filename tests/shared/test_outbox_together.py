"""Deliveries that share a transaction: the same promises as alone, with fewer commits."""

from collections.abc import Callable

import pytest
from django.db import connection, transaction

from shared.outbox.deliveries import deliver, deliver_all
from shared.outbox.messages import publish_events_of
from shared.outbox.models import DeliveryRow
from shared.outbox.registry import subscribe
from shared.outbox.relay import relay_pending_messages
from shared.outbox.tasks import deliver_batch
from shared.persistence.unit_of_work import atomic
from tests.shared.builders import LampSwitched, a_lamp
from tests.shared.database import InThread, Traces

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_subscriptions")]


class Writer:
    """A handler that writes down in which transaction it was told, and fails at one event."""

    def __init__(self, traces: Traces, *, fails_at: int | None = None, **how: bool) -> None:
        self.told: list[int] = []
        self.transactions: list[str] = []

        def write_down(event: LampSwitched) -> None:
            self.told.append(len(self.told))
            traces.write(f"{len(traces.all)}")
            self.transactions.append(transaction_id())
            if event.is_on is False and fails_at is not None:
                raise ZeroDivisionError

        subscribe(LampSwitched, **how)(write_down)


def transaction_id() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()::text")
        ((found,),) = cursor.fetchall()
        return str(found)


def relayed(switches: int) -> list[int]:
    """Have a lamp tell of its switches, and relay that; return the deliveries."""
    with atomic():
        publish_events_of(a_lamp(switches=switches))
    relay_pending_messages()
    return list(DeliveryRow.objects.order_by("pk").values_list("pk", flat=True))


def states() -> list[tuple[str, int]]:
    """Return status and attempts of each delivery."""
    return list(DeliveryRow.objects.order_by("pk").values_list("status", "attempts"))


class TestTogether:
    def test_are_made_in_one_transaction(self, traces: Traces) -> None:
        writer = Writer(traces, together=True)

        assert deliver_all(relayed(3)) == 3
        assert len(set(writer.transactions)) == 1
        assert states() == [("done", 1)] * 3

    def test_are_made_each_by_itself_unless_the_subscription_allows_it(self, traces: Traces) -> None:
        writer = Writer(traces)

        assert deliver_all(relayed(3)) == 3
        assert len(set(writer.transactions)) == 3

    def test_leave_nothing_of_the_one_that_fails_and_count_it_once(self, traces: Traces) -> None:
        writer = Writer(traces, together=True, fails_at=1)

        assert deliver_all(relayed(3)) == 2
        assert states() == [("done", 1), ("pending", 1), ("done", 1)]
        assert len(traces.all) == 2
        assert len(writer.told) == 5  # two together until one failed, then three by themselves

    def test_twice_have_their_effect_once(self, traces: Traces) -> None:
        Writer(traces, together=True)
        deliveries = relayed(3)

        assert (deliver_all(deliveries), deliver_all(deliveries)) == (3, 0)
        assert len(traces.all) == 3

    def test_leave_alone_what_another_worker_has_in_hand(self, traces: Traces, in_thread: InThread) -> None:
        Writer(traces, together=True)
        deliveries = relayed(3)
        with transaction.atomic():
            list(DeliveryRow.objects.select_for_update().filter(pk=deliveries[1]))
            assert in_thread(lambda: deliver_all(deliveries)).result(timeout=30) == 2

        assert states() == [("done", 1), ("pending", 0), ("done", 1)]
        assert deliver(deliveries[1])

    def test_go_beside_those_that_keep_their_turn(self, traces: Traces) -> None:
        quick, careful = Writer(traces, together=True), []

        @subscribe(LampSwitched, in_order=True)
        def follow(event: LampSwitched) -> None:
            careful.append(event.is_on)

        assert deliver_all(relayed(4)[::-1]) == 8
        assert careful == [True, False, True, False]
        assert len(set(quick.transactions)) == 1

    def test_cannot_keep_their_turn(self) -> None:
        register: Callable[..., object] = subscribe
        with pytest.raises(ValueError, match="a transaction of its own"):
            register(LampSwitched, in_order=True, together=True)

    def test_are_what_the_task_makes_and_fields_of_newer_versions_are_ignored(self, traces: Traces) -> None:
        Writer(traces, together=True)
        deliver_batch([str(each) for each in relayed(2)], priority="high")

        assert states() == [("done", 1)] * 2

"""Guards that no other test would have missed."""

from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, transaction

from contexts.ordering.domain import ANYONE, OrderId
from contexts.ordering.repositories import DjangoOrders
from shared.domain.errors import LostRace
from shared.outbox.messages import publish_events_of
from shared.outbox.models import DeliveryRow, OutboxMessageRow
from shared.outbox.registry import subscribe
from shared.outbox.relay import relay_pending_messages
from shared.persistence.unit_of_work import atomic
from shared.saga.models import SagaRow
from tests.ordering.builders import a_failed_payment, a_placed_order, an_authorized_payment
from tests.shared.builders import LampSwitched, a_lamp
from tests.shared.conftest import own_subscriptions  # noqa: F401 - a fixture
from tests.shared.database import execute
from tests.shared.fakes import NOON

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_subscriptions")]


def hear_of_lamps(event: LampSwitched) -> None:
    """Hear of it, and do nothing."""


@pytest.fixture
def message_id() -> UUID:
    """Have an event that one handler has yet to hear of."""
    subscribe(LampSwitched)(hear_of_lamps)
    with atomic():
        publish_events_of(a_lamp(switches=1))
    found: UUID = OutboxMessageRow.objects.values_list("id", flat=True).get()
    return found


class TestOutbox:
    def test_keeps_one_delivery_per_message_and_subscription(self, message_id: UUID) -> None:
        relay_pending_messages()
        delivery = DeliveryRow.objects.get()

        with pytest.raises(IntegrityError, match="outbox_delivery_once_per_message"), transaction.atomic():
            DeliveryRow.objects.create(message_id=message_id, subscription=delivery.subscription, due_at=NOON)

    def test_hands_nothing_over_a_second_time_when_a_message_is_pending_again(self, message_id: UUID) -> None:
        relay_pending_messages()
        execute("UPDATE outbox_message SET pending = true WHERE id = %s", message_id)

        with pytest.raises(IntegrityError, match="outbox_delivery_once_per_message"):
            relay_pending_messages()

    def test_leaves_no_message_pending_that_it_has_taken(self, message_id: UUID) -> None:
        assert relay_pending_messages() == 1

        assert not OutboxMessageRow.objects.filter(pending=True).exists()


class TestSaga:
    def test_keeps_one_process_of_a_kind_per_subject(self) -> None:
        subject_id = uuid4()
        given = {"name": "testing.wiring", "subject_id": subject_id, "data": {}, "due_at": NOON, "deadline_at": NOON}
        SagaRow.objects.create(**given)
        SagaRow.objects.create(**{**given, "name": "testing.painting"})

        with pytest.raises(IntegrityError, match="saga_once_per_subject"), transaction.atomic():
            SagaRow.objects.create(**given)


class TestOrders:
    def test_refuse_to_overwrite_a_change_that_has_no_event(self) -> None:
        """Where there is an event, its number in the outbox stops the second writer too; here only the version does."""
        orders, placed = DjangoOrders(), a_placed_order()
        with atomic():
            orders.save(placed)
        first, second = (orders.get(OrderId(placed.id), of_customer=ANYONE) for _ in range(2))
        first.note_payment(an_authorized_payment())
        orders.save(first)
        second.note_payment(a_failed_payment())

        with pytest.raises(LostRace):
            orders.save(second)

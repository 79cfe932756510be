"""Events of old versions reach handlers of the newest one, through a chain of upcasters."""

from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from shared.domain.model import Aggregate, Event
from shared.outbox import upcasting
from shared.outbox.deliveries import deliver
from shared.outbox.messages import publish_events_of
from shared.outbox.models import DeliveryRow
from shared.outbox.registry import subscribe, subscriptions_of
from shared.outbox.relay import relay_pending_messages
from shared.outbox.upcasting import NoWayUp, newer_topics, older_topics, upcast, upcasted
from shared.persistence.unit_of_work import atomic
from tests.shared.builders import a_lamp
from tests.shared.fakes import NOON

V1, V2, V3 = (f"testing.bell_rung.v{version}" for version in (1, 2, 3))


@dataclass(frozen=True, slots=True, kw_only=True)
class BellRung(Event):
    """A bell was rung, as was told at first."""

    topic: ClassVar[str] = V1

    loud: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BellRungInDecibels(Event):
    """A bell was rung, as is told now."""

    topic: ClassVar[str] = V3

    decibels: int
    door: str


@pytest.fixture(autouse=True)
def _own_upcasters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upcasting, "_upcasters", dict(upcasting._upcasters))


@pytest.fixture
def chain() -> None:
    """Lead from the first version by the second to the third."""

    @upcast(V1)
    def measure(payload: dict[str, Any]) -> dict[str, Any]:
        return {"occurred_at": payload["occurred_at"], "decibels": 90 if payload["loud"] else 40}

    @upcast(V2)
    def add_door(payload: dict[str, Any]) -> dict[str, Any]:
        payload["door"] = "front"
        return payload


@pytest.mark.usefixtures("chain")
class TestUpcast:
    def test_leads_to_newer_versions_and_back_to_older_ones(self) -> None:
        assert (newer_topics(V1), newer_topics(V3)) == ((V2, V3), ())
        assert (older_topics(V3), older_topics(V1)) == ((V2, V1), ())
        assert older_topics("testing.unversioned") == ()

    def test_takes_a_payload_through_every_version_between(self) -> None:
        payload = {"occurred_at": "then", "loud": True}

        assert upcasted(payload, topic=V1, to=V3) == {"occurred_at": "then", "decibels": 90, "door": "front"}

    def test_leaves_the_stored_payload_as_it_is(self) -> None:
        payload = {"decibels": 40}
        upcasted(payload, topic=V2, to=V3)

        assert payload == {"decibels": 40}
        assert upcasted(payload, topic=V3, to=V3) is payload

    @pytest.mark.parametrize(("topic", "to"), [(V3, V1), (V1, "testing.bell_rung.v4"), (V1, "testing.lamp.v3")])
    def test_knows_no_way_down_nor_beyond_nor_across(self, topic: str, to: str) -> None:
        with pytest.raises(NoWayUp, match=f"from {topic} to {to}"):
            upcasted({}, topic=topic, to=to)

    def test_twice_from_one_version_is_refused(self) -> None:
        with pytest.raises(ValueError, match=f"two upcasters begin at {V1}; keep one"):
            upcast(V1)(lambda payload: payload)

    @pytest.mark.parametrize("topic", ["testing.bell_rung", "testing.bell_rung.v0", "testing.bell_rung.vx"])
    def test_from_a_topic_without_a_version_is_refused(self, topic: str) -> None:
        with pytest.raises(ValueError, match=r"does not end in its version, such as \.v1"):
            upcast(topic)


@pytest.mark.django_db
@pytest.mark.usefixtures("chain", "own_subscriptions")
class TestHandler:
    @staticmethod
    def follow(*, in_order: bool = False) -> list[BellRungInDecibels]:
        """Subscribe to the newest version, and return what is heard."""
        heard: list[BellRungInDecibels] = []

        def answer_bell(event: BellRungInDecibels) -> None:
            heard.append(event)

        subscribe(BellRungInDecibels, in_order=in_order)(answer_bell)
        return heard

    @staticmethod
    def ring(*events: Event) -> list[int]:
        """Publish and relay the events of one bell, and return the deliveries."""
        bell: Aggregate = a_lamp()
        for event in events:
            bell.record(event)
        with atomic():
            publish_events_of(bell)
        relay_pending_messages()
        return list(DeliveryRow.objects.order_by("message__aggregate_sequence").values_list("id", flat=True))

    def test_of_the_newest_version_hears_of_old_ones(self) -> None:
        heard = self.follow()

        assert [deliver(one) for one in self.ring(BellRung(loud=False, occurred_at=NOON))] == [True]

        assert heard == [BellRungInDecibels(decibels=40, door="front", occurred_at=NOON)]

    def test_of_the_newest_version_hears_of_each_event_once(self) -> None:
        heard = self.follow()
        news = BellRungInDecibels(decibels=50, door="back", occurred_at=NOON)

        assert [deliver(one) for one in self.ring(BellRung(loud=True, occurred_at=NOON), news)] == [True, True]

        assert [event.decibels for event in heard] == [90, 50]

    def test_in_order_waits_for_old_versions_too(self) -> None:
        self.follow(in_order=True)
        news = BellRungInDecibels(decibels=50, door="back", occurred_at=NOON)
        old, new = self.ring(BellRung(loud=True, occurred_at=NOON), news)

        assert [deliver(new), deliver(old), deliver(new)] == [False, True, True]

    def test_of_an_old_version_does_not_hear_of_newer_ones(self) -> None:
        def answer_old_bell(event: BellRung) -> None:
            raise AssertionError(event)

        subscribe(BellRung)(answer_old_bell)

        assert subscriptions_of(V3) == ()
        assert [one.name for one in subscriptions_of(V1)] == ["shared.answer_old_bell"]

from datetime import datetime, timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from standardwebhooks.webhooks import Webhook

from contexts.webhooks.domain import (
    DISABLED_AFTER,
    PAUSES,
    TRIED_FOR,
    Delivery,
    DeliveryId,
    DeliveryIsUnderWay,
    DeliveryStatus,
    DisabledBecause,
    Endpoint,
    EndpointId,
    ImpossibleSpan,
    OwnerId,
    Replay,
    ReplayId,
    Result,
    Secret,
    without_free_text,
)
from contexts.webhooks.events import EndpointAdded, EndpointDisabled, EndpointEnabled
from tests.shared.fakes import NOON

SECRET = Secret.of(bytes(range(32)))
FAILED = Result(status=500)


def an_endpoint() -> Endpoint:
    """Build an endpoint that has just been added."""
    return Endpoint.add(
        id=EndpointId(UUID(int=1)),
        owner_id=OwnerId(UUID(int=2)),
        url="https://shop.example/hooks",
        topics=("ordering.order_placed.v1",),
        email="",
        secret=SECRET,
        since=7,
        at=NOON,
    )


def a_delivery() -> Delivery:
    """Build a delivery that is due."""
    return Delivery(
        id=DeliveryId(UUID(int=3)),
        endpoint_id=EndpointId(UUID(int=1)),
        event_id=UUID(int=4),
        topic="ordering.order_placed.v1",
        due_at=NOON,
        began_at=NOON,
    )


def kinds_of(endpoint: Endpoint) -> list[type]:
    """Return what the endpoint has recorded."""
    return [type(recorded.event) for recorded in endpoint.release_events()]


class TestSecret:
    def test_signs_as_the_public_library_does(self) -> None:
        signature = SECRET.sign(message_id="msg_1", at=NOON, body=b'{"a": 1}')

        assert signature == Webhook(SECRET.text).sign("msg_1", NOON, '{"a": 1}')

    def test_is_not_shown_by_its_repr(self) -> None:
        assert SECRET.text not in repr(an_endpoint())


class TestRotation:
    def test_has_both_sign_for_a_day(self) -> None:
        endpoint, second = an_endpoint(), Secret.of(b"2" * 32)
        endpoint.rotate_secret(second, at=NOON)

        def signing(at: datetime) -> list[str]:
            return [secret.text for secret in endpoint.secrets if secret.is_good(at=at)]

        assert signing(NOON + timedelta(hours=23, minutes=59)) == [second.text, SECRET.text]
        assert signing(NOON + timedelta(hours=24)) == [second.text]

    def test_twice_keeps_the_last_two(self) -> None:
        endpoint, second, third = an_endpoint(), Secret.of(b"2" * 32), Secret.of(b"3" * 32)
        endpoint.rotate_secret(second, at=NOON)
        endpoint.rotate_secret(third, at=NOON)

        assert [secret.text for secret in endpoint.secrets] == [third.text, second.text]


class TestEndpoint:
    def test_rests_after_three_failures_in_a_row_longer_each_time(self) -> None:
        endpoint, rests = an_endpoint(), []
        for _ in range(14):
            endpoint.note_failure(FAILED, at=NOON, chance=0)
            rests.append(endpoint.rests_until)

        assert rests[:2] == [None, None]
        assert [rest - NOON for rest in rests[2:5] if rest] == [timedelta(seconds=each) for each in (2, 4, 8)]
        assert rests[-1] == NOON + timedelta(minutes=5)

    def test_does_not_rest_for_what_it_answers(self) -> None:
        endpoint = an_endpoint()
        for _ in range(9):
            endpoint.note_failure(Result(status=404), at=NOON, chance=0)

        assert (endpoint.rests_until, endpoint.failing_since) == (None, NOON)

    def test_is_as_new_after_a_success(self) -> None:
        endpoint = an_endpoint()
        for _ in range(5):
            endpoint.note_failure(FAILED, at=NOON, chance=0)
        endpoint.note_success()

        assert (endpoint.rests_until, endpoint.failing_since, endpoint.failures_in_a_row) == (None, None, 0)

    def test_is_disabled_after_five_days_without_a_success(self) -> None:
        endpoint = an_endpoint()
        endpoint.note_failure(FAILED, at=NOON, chance=0)
        endpoint.note_failure(FAILED, at=NOON + DISABLED_AFTER - timedelta(seconds=1), chance=0)
        assert endpoint.is_enabled
        endpoint.note_failure(FAILED, at=NOON + DISABLED_AFTER, chance=0)

        assert endpoint.disabled_because is DisabledBecause.FAILING
        assert kinds_of(endpoint) == [EndpointAdded, EndpointDisabled]

    def test_is_disabled_at_once_when_it_is_gone(self) -> None:
        endpoint = an_endpoint()
        endpoint.note_failure(Result(status=410), at=NOON, chance=0)

        assert endpoint.disabled_because is DisabledBecause.GONE

    def test_is_told_again_of_what_happens_after_it_was_enabled(self) -> None:
        endpoint = an_endpoint()
        endpoint.disable(DisabledBecause.BY_OWNER, at=NOON)
        endpoint.disable(DisabledBecause.GONE, at=NOON)
        endpoint.enable(since=9, at=NOON)
        endpoint.enable(since=11, at=NOON)

        assert (endpoint.since, endpoint.is_enabled) == (9, True)
        assert kinds_of(endpoint) == [EndpointAdded, EndpointDisabled, EndpointEnabled]

    def test_keeps_its_place_when_only_the_mail_address_changes(self) -> None:
        endpoint = an_endpoint()
        endpoint.change(url=endpoint.url, topics=endpoint.topics, email="a@b.example", since=9, at=NOON)

        assert (endpoint.since, endpoint.email) == (7, "a@b.example")


class TestDelivery:
    def test_pauses_longer_after_each_failure_for_three_days(self) -> None:
        delivery, at = a_delivery(), NOON
        pauses = []
        while delivery.status is DeliveryStatus.PENDING:
            delivery.fail(FAILED, at=at, chance=0)
            pauses.append(delivery.due_at - at)
            at = max(at + timedelta(seconds=1), delivery.due_at)

        assert sum(PAUSES, timedelta()) >= TRIED_FOR
        assert all(earlier < later for earlier, later in pairwise(PAUSES))
        assert pauses[0] == timedelta(seconds=5)
        assert (delivery.status, delivery.finished_at) == (DeliveryStatus.DEAD, NOON + TRIED_FOR)
        assert delivery.attempts == len(PAUSES) + 1

    @pytest.mark.parametrize(("chance", "seconds"), [(0.0, 5.0), (1.0, 5.5)])
    def test_spreads_the_pauses_by_chance(self, chance: float, seconds: float) -> None:
        delivery = a_delivery()
        delivery.fail(FAILED, at=NOON, chance=chance)

        assert delivery.due_at == NOON + timedelta(seconds=seconds)

    def test_pauses_as_long_as_the_endpoint_asks(self) -> None:
        delivery = a_delivery()
        delivery.fail(Result(status=429, retry_after=timedelta(minutes=7)), at=NOON, chance=0)

        assert delivery.due_at == NOON + timedelta(minutes=7)

    def test_is_retried_from_the_beginning(self) -> None:
        delivery = a_delivery()
        with pytest.raises(DeliveryIsUnderWay):
            delivery.retry(at=NOON)
        delivery.give_up("endpoint_disabled_gone", at=NOON)
        delivery.retry(at=NOON + timedelta(days=9))

        assert (delivery.status, delivery.attempts, delivery.finished_at) == (DeliveryStatus.PENDING, 0, None)
        assert delivery.gives_up_at == NOON + timedelta(days=12)

    def test_is_discarded_only_once_it_is_dead(self) -> None:
        delivery = a_delivery()
        with pytest.raises(DeliveryIsUnderWay):
            delivery.discard(at=NOON)
        delivery.give_up("x", at=NOON)
        delivery.discard(at=NOON)
        delivery.discard(at=NOON)

        assert delivery.status is DeliveryStatus.DISCARDED


class TestReplay:
    @pytest.mark.parametrize("days", [0, -1, 91])
    def test_spans_ninety_days_at_most(self, days: int) -> None:
        with pytest.raises(ImpossibleSpan):
            Replay(
                id=ReplayId(UUID(int=5)),
                endpoint_id=EndpointId(UUID(int=1)),
                since=NOON,
                until=NOON + timedelta(days=days),
                topics=(),
                asked_at=NOON,
            )


class TestFreeText:
    def test_is_left_out_while_codes_stay(self) -> None:
        assert without_free_text({"reason": "ask Ada", "sku": "ask Ada"}) == {
            "reason": "in_own_words",
            "sku": "ask Ada",
        }
        assert without_free_text({"reason": "hold_expired"}) == {"reason": "hold_expired"}

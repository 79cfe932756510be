"""Webhooks come signed, again until acknowledged, and with the warts a client must bear."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import httpx2
import pytest

from contexts.payments.simulator.outbox import Outbox
from contexts.payments.simulator.store import Store

from .conftest import MakeSimulator
from .running import WEBHOOK_SECRET, Receiver, Simulator, unique, until


@pytest.fixture(scope="module", autouse=True)
def unacknowledged(simulator: Simulator, receiver: Receiver) -> Iterator["tuple[str, Future[httpx2.Response]]"]:
    """Ask at the start for a webhook first that is refused, so that the other tests fill the time."""
    reference = unique("order")
    receiver.refusals[reference] = 100
    with ThreadPoolExecutor(1) as pool:
        yield reference, pool.submit(simulator.authorise, token="tok_webhook_first", reference=reference)


class TestDelivery:
    def test_announces_each_operation_signed(self, simulator: Simulator, receiver: Receiver) -> None:
        reference, key = unique("order"), unique()
        authorization_id = simulator.an_authorization(reference=reference)
        receiver.wait_for(reference, count=1)
        capture = simulator.capture(authorization_id, 1_000, key=key).json()
        receiver.wait_for(reference, count=2)
        simulator.refund(authorization_id, 1)

        received = receiver.wait_for(reference, count=3)

        assert receiver.types_of(reference) == [
            "authorization.succeeded",
            "capture.succeeded",
            "refund.succeeded",
        ]
        assert all(webhook.is_signed for webhook in received)
        assert len({webhook.event["id"] for webhook in received}) == 3
        assert received[0].event["id"].startswith("evt_")
        assert received[1].event["data"] == capture
        assert received[1].event["idempotency_key"] == key

    def test_announces_what_failed_and_what_was_voided(self, simulator: Simulator, receiver: Receiver) -> None:
        declined, voided = unique("order"), unique("order")
        simulator.authorise(token="tok_declined", reference=declined)
        simulator.void(simulator.an_authorization(reference=voided))

        receiver.wait_for(voided, count=2)
        receiver.wait_for(declined)

        assert receiver.types_of(declined) == ["authorization.failed"]
        assert set(receiver.types_of(voided)) == {"authorization.succeeded", "authorization.voided"}

    def test_tries_again_until_it_is_acknowledged(self, simulator: Simulator, receiver: Receiver) -> None:
        reference = unique("order")
        receiver.refusals[reference] = 2

        simulator.authorise(reference=reference)

        received = receiver.wait_for(reference, count=3)
        assert len({webhook.event["id"] for webhook in received}) == 1
        first, second, third = (webhook.at for webhook in received)
        assert second - first > 0.2
        assert third - second > 0.4

    def test_can_be_pointed_elsewhere_while_running(self, a_simulator: MakeSimulator, receiver: Receiver) -> None:
        simulator, silent, loud = a_simulator(), unique("order"), unique("order")
        simulator.authorise(reference=silent)
        answer = simulator.client.put("/_control/webhook", json={"url": receiver.url, "secret": WEBHOOK_SECRET})
        simulator.authorise(reference=loud)

        assert answer.status_code == 200
        receiver.wait_for(loud)
        assert receiver.of(silent) == []

    def test_goes_on_after_a_kill(self, a_simulator: MakeSimulator) -> None:
        closed = Receiver()
        closed.close()
        simulator, reference = a_simulator(*closed.arguments), unique("order")
        simulator.authorise(reference=reference)
        simulator.kill()

        reopened = Receiver(port=closed.port)
        simulator.start()

        reopened.wait_for(reference)
        done = {"pending": 0, "delivered": 1, "exhausted": 0}
        until(lambda: simulator.get("/v1/ledger/summary")["webhooks"] == done)
        reopened.close()

    def test_is_given_up_after_eight_tries(self, tmp_path: Path) -> None:
        store = Store.open(path=tmp_path / "ledger.db")
        outbox = Outbox(connection=store.connection)
        outbox.add(event_id="evt_1", body=b"{}", due_at=0)
        tries: list[int] = []
        while (due_at := outbox.next_due(after=tries[-1] if tries else -1)) is not None:
            tries.append(due_at)
            outbox.not_delivered(webhook=outbox.due(at=due_at, limit=1)[0], at=due_at)

        pauses = [later - earlier for earlier, later in pairwise(tries)]
        assert pauses == [250, 500, 1_000, 2_000, 5_000, 10_000, 30_000]
        assert outbox.totals() == {"pending": 0, "delivered": 0, "exhausted": 1}
        store.close()


class TestWarts:
    def test_duplicate_token_sends_each_twice(self, simulator: Simulator, receiver: Receiver) -> None:
        reference = unique("order")
        authorization_id = simulator.an_authorization(token="tok_duplicate_webhooks", reference=reference)
        receiver.wait_for(reference, count=2)
        simulator.capture(authorization_id, 1)

        received = receiver.wait_for(reference, count=4)

        ids = [webhook.event["id"] for webhook in received]
        assert ids[0] == ids[1] != ids[2] == ids[3]

    def test_webhook_first_token_announces_before_it_answers(self, simulator: Simulator, receiver: Receiver) -> None:
        for _ in range(5):
            reference = unique("order")
            simulator.authorise(token="tok_webhook_first", reference=reference)
            assert receiver.types_of(reference) == ["authorization.succeeded"]

    def test_webhook_first_token_answers_when_nobody_acknowledges(
        self, receiver: Receiver, unacknowledged: "tuple[str, Future[httpx2.Response]]"
    ) -> None:
        reference, answer = unacknowledged

        assert answer.result().status_code == 201
        assert len(receiver.of(reference)) >= 2
        receiver.refusals[reference] = 0

    def test_approval_after_an_action_is_announced(self, simulator: Simulator, receiver: Receiver) -> None:
        reference = unique("order")
        authorization_id = simulator.an_authorization(token="tok_requires_action", reference=reference)
        assert receiver.of(reference) == []

        simulator.client.post(f"/_control/approve/{authorization_id}")

        received = receiver.wait_for(reference)
        assert received[0].event["type"] == "authorization.succeeded"
        assert received[0].event["data"]["id"] == authorization_id

    def test_scripted_duplicates(self, simulator: Simulator, receiver: Receiver) -> None:
        twice, once = unique("order"), unique("order")
        with simulator.fault("duplicate_webhooks", count=1):
            simulator.authorise(reference=twice)
            simulator.authorise(reference=once)

        receiver.wait_for(twice, count=2)
        receiver.wait_for(once, count=1)

    def test_scripted_delay(self, simulator: Simulator, receiver: Receiver) -> None:
        late, soon = unique("order"), unique("order")
        with simulator.fault("delay_webhooks", count=1, ms=400):
            simulator.authorise(reference=late)
            simulator.authorise(reference=soon)

        late_webhook = receiver.wait_for(late)[0]
        assert late_webhook.at - receiver.wait_for(soon)[0].at > 0.2

    def test_scripted_reordering_turns_the_order_around(self, simulator: Simulator, receiver: Receiver) -> None:
        reference = unique("order")
        with simulator.fault("reorder_webhooks", count=2, ms=400):
            authorization_id = simulator.an_authorization(reference=reference)
            simulator.capture(authorization_id, 1_000)

        receiver.wait_for(reference, count=2)
        assert receiver.types_of(reference) == ["capture.succeeded", "authorization.succeeded"]

    def test_many_at_once_all_arrive_once(self, simulator: Simulator, receiver: Receiver) -> None:
        reference = unique("order")
        with ThreadPoolExecutor(10) as pool:
            for sent in [pool.submit(simulator.authorise, reference=reference) for _ in range(150)]:
                sent.result()

        until(lambda: len(receiver.of(reference)) >= 150)
        assert len({webhook.event["id"] for webhook in receiver.of(reference)}) == 150
        assert len(receiver.of(reference)) == 150

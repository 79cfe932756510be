import threading
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from contexts.identity.models import ApiKeyRow
from shared.idempotency.keys import Answer, Claim, claim, store_answer
from shared.idempotency.models import IdempotencyKeyRow
from shared.idempotency.tasks import KEPT_FOR, forget_old_keys
from shared.persistence.unit_of_work import atomic, in_transaction_with_retry
from tests.shared.database import LONGEST_WAIT, InThread, Traces, database_time, execute, failing_unit_of_work
from tests.shop import open_shop

pytestmark = pytest.mark.django_db

CREATED = Answer(status=201, headers={"Location": "/orders/1"}, body=b'{"id": "1"}')


def claimed(*, caller: str = "customer:1", key: str = "k-1", fingerprint: str = "f-1") -> Claim:
    """Claim the key in the current transaction."""
    return claim(caller=caller, key=key, fingerprint=fingerprint)


def answered(*, caller: str = "customer:1", key: str = "k-1", answer: Answer = CREATED) -> None:
    """Claim the key, have the effect, and keep the answer, all in one transaction."""
    with atomic():
        assert claimed(caller=caller, key=key).state == "mine"
        store_answer(caller=caller, key=key, fingerprint="f-1", answer=answer)


class TestClaim:
    def test_of_a_new_key_is_granted(self) -> None:
        with atomic():
            assert claimed() == Claim(state="mine", answer=None)

    def test_of_a_key_that_was_answered_gives_the_answer_as_it_was_sent(self) -> None:
        answered()

        with atomic():
            assert claimed() == Claim(state="answered", answer=CREATED)

    @pytest.mark.parametrize(
        "answer",
        [
            Answer(status=204, headers={}, body=b""),
            Answer(status=200, headers={"ETag": '"7"'}, body=bytes(range(256))),
        ],
        ids=["no content", "any bytes"],
    )
    def test_gives_back_every_answer_unchanged(self, answer: Answer) -> None:
        answered(answer=answer)

        with atomic():
            assert claimed().answer == answer

    def test_of_a_key_that_was_used_for_another_request_says_so_and_shows_no_answer(self) -> None:
        answered()

        with atomic():
            assert claimed(fingerprint="f-2") == Claim(state="other_request", answer=None)

    def test_keeps_the_keys_of_callers_apart(self) -> None:
        answered(caller="customer:1")

        with atomic():
            assert claimed(caller="customer:2").state == "mine"

    def test_keeps_each_key_by_itself(self) -> None:
        answered(key="k-1")

        with atomic():
            assert claimed(key="k-2").state == "mine"

    def test_stands_until_the_end_of_the_transaction_only(self, in_thread: InThread) -> None:
        with atomic():
            assert claimed().state == "mine"

        assert in_thread(claimed_in_a_transaction).result(LONGEST_WAIT).state == "mine"


class TestTwin:
    def test_in_flight_is_told_at_once_that_the_key_is_in_use(self, in_thread: InThread) -> None:
        with atomic():
            claimed()

            assert in_thread(claimed_in_a_transaction).result(LONGEST_WAIT).state == "in_use"

    def test_in_flight_is_asked_to_come_back_in_a_moment(self, in_thread: InThread) -> None:
        shop = open_shop()
        with atomic():
            claimed(caller=f"key:{ApiKeyRow.objects.get().pk}")
            answer = in_thread(lambda: shop.place(key="k-1")).result(LONGEST_WAIT)

        assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_key_in_use")
        assert answer["Retry-After"] == "1"
        assert shop.place(key="k-1").status_code == 201

    def test_in_flight_with_another_request_learns_no_more_than_that(self, in_thread: InThread) -> None:
        with atomic():
            claimed(fingerprint="f-2")

            assert in_thread(claimed_in_a_transaction).result(LONGEST_WAIT).state == "in_use"

    def test_in_flight_does_not_hold_up_other_keys(self, in_thread: InThread) -> None:
        with atomic():
            claimed(key="k-2")

            assert in_thread(claimed_in_a_transaction).result(LONGEST_WAIT).state == "mine"

    def test_that_comes_after_the_commit_gets_the_same_answer(self, in_thread: InThread) -> None:
        answered()

        assert in_thread(claimed_in_a_transaction).result(LONGEST_WAIT) == Claim(state="answered", answer=CREATED)

    def test_that_comes_after_a_rollback_may_try_again(self, traces: Traces, in_thread: InThread) -> None:
        with failing_unit_of_work():
            claimed()
            traces.write("half done")

        assert in_thread(claimed_in_a_transaction).result(LONGEST_WAIT).state == "mine"
        assert traces.all == []

    def test_of_many_at_the_same_time_has_one_effect(self, traces: Traces, in_thread: InThread) -> None:
        together = threading.Barrier(8, timeout=LONGEST_WAIT)

        def request() -> str:
            together.wait()
            while (state := in_transaction_with_retry(claim_and_answer)) == "in_use":
                continue
            return state

        def claim_and_answer() -> str:
            claim = claimed()
            if claim.state == "mine":
                traces.write("the effect")
                store_answer(caller="customer:1", key="k-1", fingerprint="f-1", answer=CREATED)
            return claim.state

        states = [one.result(LONGEST_WAIT) for one in [in_thread(request) for _ in range(8)]]

        assert sorted(states) == ["answered"] * 7 + ["mine"]
        assert traces.all == ["the effect"]

    def test_that_was_answered_between_our_look_and_our_lock_makes_us_look_again(
        self, traces: Traces, in_thread: InThread
    ) -> None:
        states: list[str] = []

        def claim_and_answer() -> None:
            if not states:  # what we would see if the twin committed in between
                states.append("mine")
                in_thread(answered).result(LONGEST_WAIT)
            else:
                states.append(claimed().state)
            if states[-1] == "mine":
                traces.write("the effect")
                store_answer(caller="customer:1", key="k-1", fingerprint="f-1", answer=CREATED)

        in_transaction_with_retry(claim_and_answer)

        assert states == ["mine", "answered"]
        assert traces.all == []


class TestLastWordOfTheDatabase:
    def test_keeps_each_key_of_a_caller_once(self) -> None:
        answered()

        with pytest.raises(IntegrityError, match="idempotency_key_once_per_caller"), transaction.atomic():
            IdempotencyKeyRow.objects.create(caller="customer:1", key="k-1", fingerprint="f-2")


class TestForgetOldKeys:
    def test_forgets_only_keys_that_nobody_can_still_be_retrying(self) -> None:
        for key in ("old", "young"):
            answered(key=key)
        limit, minute = database_time() - KEPT_FOR, timedelta(minutes=1)
        execute("UPDATE idempotency_key SET created_at = %s WHERE key = 'young'", limit + minute)
        execute("UPDATE idempotency_key SET created_at = %s WHERE key = 'old'", limit - minute)

        forget_old_keys()

        assert list(IdempotencyKeyRow.objects.values_list("key", flat=True)) == ["young"]


def claimed_in_a_transaction() -> Claim:
    """Claim the key in a transaction of its own."""
    with atomic():
        return claimed()

import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import pytest
from django.db import DataError, IntegrityError, connection

from shared.domain.errors import ConflictError, LostRace
from shared.persistence.unit_of_work import (
    ATTEMPTS,
    RolledBackInside,
    Statement,
    atomic,
    in_transaction_with_retry,
    part,
    savepoint,
    send_after_commit,
    send_at_the_last_moment,
    send_together,
)
from tests.shared.database import LONGEST_WAIT, InThread, Traces, failing_unit_of_work

pytestmark = pytest.mark.django_db


REFUSED_BY_THE_DATABASE = Statement("SELECT 1 / 0")
LOST_RACE = Statement("DO $$ BEGIN RAISE EXCEPTION 'too late' USING ERRCODE = 'serialization_failure'; END $$")


class Refused(ConflictError):
    """Not like this."""


def refuse() -> None:
    raise Refused


@pytest.mark.django_db(transaction=True)
class TestAtomic:
    def test_commits_all_that_was_done(self, traces: Traces, in_thread: InThread) -> None:
        with atomic():
            traces.write("a")
            traces.write("b")

        assert in_thread(lambda: traces.all).result() == ["a", "b"]

    def test_shows_nothing_to_others_before_its_end(self, traces: Traces, in_thread: InThread) -> None:
        with atomic():
            traces.write("a")

            assert in_thread(lambda: traces.all).result() == []

    def test_commits_nothing_when_it_is_left_by_an_error(self, traces: Traces) -> None:
        def write_and_fail() -> None:
            with atomic():
                traces.write("a")
                refuse()

        with pytest.raises(Refused):
            write_and_fail()

        assert traces.all == []

    def test_joins_the_one_that_is_open(self, traces: Traces) -> None:
        with failing_unit_of_work(), atomic():
            traces.write("inner")

        assert traces.all == []

    def test_is_one_transaction_however_many_join(self, traces: Traces) -> None:
        with atomic(), atomic(), atomic():
            traces.write("a")
            assert not any(connection.savepoint_ids)

        assert traces.all == ["a"]

    def test_undoes_all_and_says_so_when_the_error_of_a_part_is_swallowed(self, traces: Traces) -> None:
        def swallow() -> None:
            with atomic():
                traces.write("outer")
                with suppress(Refused), atomic():
                    traces.write("inner")
                    refuse()

        with pytest.raises(RolledBackInside, match="was swallowed"):
            swallow()

        assert traces.all == []

    def test_is_over_when_it_is_over(self, traces: Traces) -> None:
        with pytest.raises(Refused), atomic():
            refuse()
        with atomic():
            traces.write("next")

        assert traces.all == ["next"]


@pytest.mark.django_db(transaction=True)
class TestLastMoment:
    def test_comes_after_everything_else_in_the_order_in_which_it_was_left(self, traces: Traces) -> None:
        with atomic():
            send_at_the_last_moment(traces.writing("last"))
            send_at_the_last_moment(traces.writing("very last"))
            traces.write("first")

        assert traces.all == ["first", "last", "very last"]

    def test_is_committed_with_the_rest(self, traces: Traces, in_thread: InThread) -> None:
        with atomic():
            traces.write("first")
            send_at_the_last_moment(traces.writing("last"))
            assert traces.all == ["first"]

        assert in_thread(lambda: traces.all).result() == ["first", "last"]

    def test_is_enough_for_a_unit(self, traces: Traces, in_thread: InThread) -> None:
        with atomic():
            send_at_the_last_moment(traces.writing("last"))

        assert in_thread(lambda: traces.all).result() == ["last"]

    def test_waits_for_the_end_of_the_unit_that_it_joined(self, traces: Traces) -> None:
        with atomic():
            with atomic():
                send_at_the_last_moment(traces.writing("last"))
            traces.write("first")

        assert traces.all == ["first", "last"]

    def test_undoes_everything_when_the_database_refuses(self, traces: Traces) -> None:
        def write_and_be_refused() -> None:
            with atomic():
                traces.write("a")
                send_at_the_last_moment(traces.writing("b"))
                send_at_the_last_moment(REFUSED_BY_THE_DATABASE)

        with pytest.raises(DataError, match="division by zero"):
            write_and_be_refused()

        assert traces.all == []

    @pytest.mark.parametrize("contested", [{"testing_trace_note_key"}, set()], ids=["contested", "not contested"])
    def test_tells_a_lost_race_from_a_mistake_by_the_constraint(self, traces: Traces, contested: set[str]) -> None:
        def write_twice() -> None:
            with atomic():
                traces.write("a")
                send_at_the_last_moment(replace(traces.writing("a"), contested=frozenset(contested)))

        with pytest.raises(LostRace if contested else IntegrityError):
            write_twice()

        assert traces.all == []

    def test_tells_a_lost_race_by_its_state(self, traces: Traces) -> None:
        def lose() -> None:
            with atomic():
                traces.write("a")
                send_at_the_last_moment(LOST_RACE)

        with pytest.raises(LostRace):
            lose()

        assert traces.all == []

    def test_is_not_sent_when_the_unit_fails_before(self, traces: Traces) -> None:
        with failing_unit_of_work():
            send_at_the_last_moment(traces.writing("never"))

        assert traces.all == []

    def test_is_now_outside_any_unit(self, traces: Traces) -> None:
        send_at_the_last_moment(traces.writing("now"))

        assert traces.all == ["now"]

    def test_sends_together_what_can_be_and_ahead_of_the_rest(self, traces: Traces) -> None:
        def together(notes: Sequence[str]) -> Sequence[Statement]:
            return [traces.writing(" and ".join(notes))]

        with atomic():
            send_at_the_last_moment(traces.writing("last"))
            send_together(together, "a")
            with atomic():
                send_together(together, "b")

        assert traces.all == ["a and b", "last"]


@pytest.mark.django_db(transaction=True)
class TestAfterCommit:
    @pytest.mark.parametrize("has_last_work", [True, False])
    def test_is_sent_once_however_often_it_is_wanted(self, traces: Traces, has_last_work: bool) -> None:
        def told() -> Statement:
            return traces.writing("told")

        with atomic():
            traces.write("done")
            send_after_commit(told)
            send_after_commit(told)
            if has_last_work:
                send_at_the_last_moment(traces.writing("last"))

        assert traces.all == ["done", *(["last"] if has_last_work else []), "told"]

    def test_is_not_sent_after_a_failure(self, traces: Traces) -> None:
        with failing_unit_of_work():
            send_after_commit(lambda: traces.writing("told"))

        assert traces.all == []

    @pytest.mark.parametrize("has_last_work", [True, False])
    def test_harms_nothing_when_it_fails(self, traces: Traces, has_last_work: bool) -> None:
        with atomic():
            traces.write("done")
            send_after_commit(lambda: REFUSED_BY_THE_DATABASE)
            if has_last_work:
                send_at_the_last_moment(traces.writing("last"))
        traces.write("next")

        assert traces.all == ["done", *(["last"] if has_last_work else []), "next"]

    def test_may_turn_out_to_be_nothing(self, traces: Traces) -> None:
        with atomic():
            send_after_commit(lambda: None)
            send_at_the_last_moment(traces.writing("last"))

        assert traces.all == ["last"]


class TestSavepoint:
    def test_can_fail_by_itself(self, traces: Traces) -> None:
        with atomic():
            traces.write("before")
            with suppress(Refused), savepoint():
                traces.write("inside")
                refuse()
            traces.write("after")

        assert traces.all == ["before", "after"]

    def test_does_its_last_work_at_its_own_end(self, traces: Traces) -> None:
        with atomic():
            with savepoint():
                send_at_the_last_moment(traces.writing("end of the part"))
                traces.write("part")
            traces.write("rest")

        assert traces.all == ["part", "end of the part", "rest"]

    def test_is_undone_by_last_work_that_refuses_while_the_rest_stays(self, traces: Traces) -> None:
        with atomic():
            traces.write("before")
            with suppress(DataError), savepoint():
                traces.write("inside")
                send_at_the_last_moment(REFUSED_BY_THE_DATABASE)

        assert traces.all == ["before"]

    def test_takes_the_last_work_of_a_failed_part_with_it(self, traces: Traces) -> None:
        with atomic():
            with suppress(Refused), savepoint():
                send_at_the_last_moment(traces.writing("never"))
                refuse()
            traces.write("rest")

        assert traces.all == ["rest"]

    def test_is_undone_with_the_whole(self, traces: Traces) -> None:
        with failing_unit_of_work(), savepoint():
            traces.write("part")

        assert traces.all == []

    @pytest.mark.django_db(transaction=True)
    def test_has_what_follows_the_commit_sent_after_that_of_the_whole(self, traces: Traces) -> None:
        with atomic():
            with savepoint():
                send_after_commit(lambda: traces.writing("told"))
            with suppress(Refused), savepoint():
                send_after_commit(lambda: traces.writing("never"))
                refuse()
            traces.write("rest")

        assert traces.all == ["rest", "told"]


class TestPart:
    def test_sees_what_the_parts_before_it_left_for_the_last_moment(self, traces: Traces) -> None:
        with atomic():
            with part():
                send_at_the_last_moment(traces.writing("first"))
            with part():
                seen = traces.all

        assert seen == ["first"]

    def test_may_be_followed_by_one_that_can_fail_by_itself(self, traces: Traces) -> None:
        with atomic():
            with part():
                send_at_the_last_moment(traces.writing("first"))
            with suppress(Refused), savepoint():
                seen = traces.all
                refuse()

        assert (seen, traces.all) == (["first"], ["first"])

    def test_leaves_for_the_last_moment_what_nobody_wants_to_see(self, traces: Traces) -> None:
        with atomic():
            send_at_the_last_moment(traces.writing("of the whole"))
            with part():
                traces.write("now")
            with part():
                send_at_the_last_moment(traces.writing("last"))
                before_the_end = traces.all
            after_it = traces.all

        assert before_the_end == after_it == ["now"]
        assert traces.all == ["now", "of the whole", "last"]

    @pytest.mark.django_db(transaction=True)
    def test_sends_nothing_twice_and_has_what_follows_the_commit_sent(self, traces: Traces) -> None:
        with atomic():
            with part():
                send_at_the_last_moment(traces.writing("first"))
                send_after_commit(lambda: traces.writing("told"))
            with part():
                send_at_the_last_moment(traces.writing("second"))

        assert traces.all == ["first", "second", "told"]

    def test_is_undone_with_the_whole(self, traces: Traces) -> None:
        with failing_unit_of_work():
            with part():
                send_at_the_last_moment(traces.writing("first"))
            with part():
                pass

        assert traces.all == []


class TestRetry:
    def test_runs_a_lost_race_again_from_the_start(self, traces: Traces) -> None:
        attempts: list[int] = []

        def race() -> str:
            attempts.append(1)
            traces.write(f"attempt {len(attempts)}")
            if len(attempts) < 3:
                raise LostRace
            return "won"

        assert in_transaction_with_retry(race) == "won"
        assert traces.all == ["attempt 3"]

    @pytest.mark.django_db(transaction=True)
    def test_runs_again_what_lost_its_race_at_the_last_moment(self, traces: Traces) -> None:
        attempts: list[int] = []

        def race() -> None:
            attempts.append(1)
            traces.write("a")
            if len(attempts) < 3:
                send_at_the_last_moment(LOST_RACE)

        in_transaction_with_retry(race)

        assert (len(attempts), traces.all) == (3, ["a"])

    def test_gives_up_in_the_end(self, traces: Traces) -> None:
        attempts: list[int] = []

        def race() -> None:
            attempts.append(1)
            traces.write("a")
            raise LostRace

        with pytest.raises(LostRace, match="Another transaction changed the same data first"):
            in_transaction_with_retry(race)

        assert (len(attempts), traces.all) == (ATTEMPTS, [])

    @pytest.mark.parametrize("error", [Refused, ZeroDivisionError])
    def test_does_not_repeat_what_failed_for_another_reason(self, traces: Traces, error: type[Exception]) -> None:
        attempts: list[int] = []

        def fail() -> None:
            attempts.append(1)
            raise error

        with pytest.raises(error):
            in_transaction_with_retry(fail)

        assert len(attempts) == 1

    @pytest.mark.django_db(transaction=True)
    def test_does_not_repeat_what_the_database_forbids(self, traces: Traces) -> None:
        attempts: list[int] = []

        def write_twice() -> None:
            attempts.append(1)
            traces.write("a")
            traces.write("a")

        with pytest.raises(IntegrityError, match="testing_trace_note_key"):
            in_transaction_with_retry(write_twice)

        assert len(attempts) == 1

    def test_leaves_repeating_to_the_unit_that_is_open(self, traces: Traces) -> None:
        attempts: list[int] = []

        def lose() -> None:
            attempts.append(1)
            raise LostRace

        with pytest.raises(LostRace), atomic():
            in_transaction_with_retry(lose)

        assert len(attempts) == 1

    def test_brings_both_sides_of_a_deadlock_to_a_good_end(self, traces: Traces, in_thread: InThread) -> None:
        traces.write("a")
        traces.write("b")
        both_hold_one = threading.Barrier(2, timeout=LONGEST_WAIT)
        attempts: list[str] = []

        def touch(first: str, second: str) -> None:
            attempts.append(first)
            traces.touch(first)
            if attempts.count(first) == 1:
                both_hold_one.wait()
            traces.touch(second)

        one = in_thread(lambda: in_transaction_with_retry(lambda: touch("a", "b")))
        other = in_thread(lambda: in_transaction_with_retry(lambda: touch("b", "a")))
        one.result(), other.result()

        assert (traces.touched("a"), traces.touched("b")) == (2, 2)
        assert len(attempts) >= 3

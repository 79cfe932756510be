"""One process and its threads: what is repeated, what opens the breaker, what the bulkhead lets through."""

import asyncio
import dataclasses
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from prometheus_client import REGISTRY, CollectorRegistry
from redis import Redis

from shared.domain.errors import DomainError, ExternalAPIError, OutcomeUnknown
from shared.persistence.unit_of_work import atomic
from shared.resilience.bulkhead import Bulkhead
from shared.resilience.errors import CircuitOpen, NotSent, VendorBusy
from shared.resilience.guard import CalledInsideTransaction
from shared.resilience.http import client_for, errors_told_apart
from shared.resilience.metrics import BreakerCollector
from shared.resilience.policy import Breaker, Budget, Timeout
from shared.resilience.state import key_of, shared_state
from shared.resilience.vendor import Vendor, names

FOREVER = 3600.0  # seconds
QUICK = Breaker(failures=3, window=FOREVER, rest=0.03)
RESTING = Breaker(failures=3, window=FOREVER, rest=FOREVER)
NEVER = Breaker(failures=1_000_000)


def a_vendor(**policy: Any) -> Vendor:
    """Return a vendor that nobody else calls, and that is patient with failures unless told otherwise."""
    given: dict[str, Any] = {"name": f"v_{uuid.uuid4().hex}", "pause": 0.001, "within": 5.0, "breaker": NEVER}
    return Vendor(**given | policy)


def until(condition: Callable[[], bool], *, within: float = 5.0) -> None:
    """Poll until the condition holds, or fail."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "the deadline has passed"
        time.sleep(0.002)


class Line:
    """What is on the other end: it does as it is told, and counts."""

    def __init__(self, *script: BaseException | None) -> None:
        self.script = list(script)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        error = self.script.pop(0) if self.script else None
        if error is not None:
            raise error
        return "answer"

    async def awaited(self) -> str:
        """Do the same in a coroutine."""
        await asyncio.sleep(0)
        return self()


def fail(vendor: Vendor, times: int, error: type[Exception] = OutcomeUnknown) -> None:
    """Have so many calls fail."""
    for _ in range(times):
        with pytest.raises(error):
            vendor.call(Line(error()))


def opened(vendor: Vendor) -> Vendor:
    """Return the vendor with its breaker open."""
    fail(vendor, vendor.breaker.failures)
    assert state_of(vendor) == "open"
    return vendor


def state_of(vendor: Vendor) -> str:
    """Return the state of the vendor's breaker."""
    return (shared_state().of_breakers([vendor.name]) or {})[vendor.name]


def may_probe(vendor: Vendor) -> bool:
    """Tell whether the vendor has rested long enough, without asking to call it."""
    redis = Redis.from_url(settings.REDIS_URL, decode_responses=True)
    seconds, micros = redis.time()
    return int(redis.hget(key_of(vendor.name), "until") or 0) <= seconds * 1_000_000 + micros


def counted(name: str, vendor: Vendor, **labels: str) -> float:
    """Return the value of a metric."""
    return REGISTRY.get_sample_value(f"orderly_vendor_{name}", {"vendor": vendor.name} | labels) or 0.0


class NoSuchCard(DomainError):
    """The card does not exist."""


class TestCall:
    def test_returns_the_answer(self) -> None:
        assert a_vendor().call(Line()) == "answer"

    def test_is_repeated_when_nothing_was_sent(self) -> None:
        line = Line(NotSent(), NotSent())
        assert a_vendor(attempts=3).call(line) == "answer"
        assert line.calls == 3

    def test_raises_the_last_error_after_the_last_attempt(self) -> None:
        line = Line(NotSent(attempt=1), NotSent(attempt=2), NotSent(attempt=3))
        with pytest.raises(NotSent, match="attempt=2"):
            a_vendor(attempts=2).call(line)
        assert line.calls == 2

    @pytest.mark.parametrize("error", [OutcomeUnknown(), ExternalAPIError(), NoSuchCard(), ValueError(), SystemExit()])
    def test_is_not_repeated_when_something_may_have_arrived(self, error: BaseException) -> None:
        line = Line(error)
        with pytest.raises(type(error)):
            a_vendor().call(line)
        assert line.calls == 1

    def test_is_not_repeated_once_its_time_is_over(self) -> None:
        vendor = a_vendor(within=0.02)
        line = Line(NotSent())

        def slow() -> str:
            begun = time.monotonic()
            until(lambda: time.monotonic() > begun + vendor.within)
            return line()

        with pytest.raises(NotSent):
            vendor.call(slow)
        assert line.calls == 1

    def test_pauses_before_it_is_repeated(self) -> None:
        vendor = a_vendor(attempts=3, pause=0.02)
        begun = time.monotonic()
        vendor.call(Line(NotSent(), NotSent()))
        assert 0.06 <= time.monotonic() - begun < 2.0

    @pytest.mark.django_db
    def test_is_refused_inside_a_transaction(self) -> None:
        line = Line()
        with pytest.raises(CalledInsideTransaction), atomic():
            a_vendor().call(line)
        assert line.calls == 0

    @pytest.mark.parametrize("name", ["", "PSP", "a b", "9to5", "x{y}"])
    def test_is_refused_by_a_vendor_without_a_proper_name(self, name: str) -> None:
        with pytest.raises(ValueError, match="no name for a metric"):
            Vendor(name=name)

    def test_takes_no_longer_than_the_policy_says(self) -> None:
        vendor = Vendor(name="an_example", timeout=Timeout(connect=1.0, answer=8.0), attempts=3, pause=0.1, within=0.5)
        assert vendor.longest == pytest.approx(0.5 + (0.2 + 0.1) + 0.25 + (2 * 1.0 + 8.0) + 0.4)


class TestBudget:
    def test_is_what_all_retries_are_paid_from(self) -> None:
        vendor = a_vendor(attempts=5, budget=Budget(share=0.0, floor=0.0, most=6))
        lines = [Line(*[NotSent()] * 9) for _ in range(4)]
        for line in lines:
            with pytest.raises(NotSent):
                vendor.call(line)
        assert [line.calls for line in lines] == [5, 3, 1, 1]
        assert counted("retries_total", vendor) == 6
        assert counted("retries_denied_total", vendor) == 3

    def test_grows_with_each_call_but_not_with_its_retries(self) -> None:
        vendor = a_vendor(attempts=2, budget=Budget(share=0.0, floor=0.0, most=10))
        line = Line(*[NotSent()] * 1_000)

        def calls(number: int, vendor: Vendor) -> int:
            before = line.calls
            for _ in range(number):
                with pytest.raises(NotSent):
                    vendor.call(line)
            return line.calls - before

        assert calls(20, vendor) == 20 + 10
        earning = dataclasses.replace(vendor, budget=Budget(share=0.1, floor=0.0, most=10))
        assert calls(100, earning) == 100 + 10

    def test_grows_with_time_up_to_its_most(self) -> None:
        vendor = a_vendor(attempts=4, budget=Budget(share=0.0, floor=1_000.0, most=2))
        for _ in range(3):
            line = Line(*[NotSent()] * 9)
            with pytest.raises(NotSent):
                vendor.call(line)
            assert line.calls in (3, 4)
            until(lambda: self.tokens_after_refill(vendor) >= 2)
        assert float(Redis.from_url(settings.REDIS_URL).hget(key_of(vendor.name), "tokens") or 0) <= 2_000_000

    def tokens_after_refill(self, vendor: Vendor) -> float:
        """Have the bucket refilled by a call that succeeds, and return what is in it."""
        vendor.call(Line())
        return float(Redis.from_url(settings.REDIS_URL).hget(key_of(vendor.name), "tokens") or 0) / 1_000_000

    def test_is_not_earned_by_calls_that_the_breaker_refuses(self) -> None:
        vendor = a_vendor(attempts=2, breaker=RESTING, budget=Budget(share=0.5, floor=0.0, most=10))
        with pytest.raises(NotSent):
            vendor.call(Line(NotSent(), NotSent()))
        fail(vendor, 1)
        redis = Redis.from_url(settings.REDIS_URL, decode_responses=True)
        before = redis.hget(key_of(vendor.name), "tokens")
        assert state_of(vendor) == "open"
        with pytest.raises(CircuitOpen):
            vendor.call(Line())
        assert redis.hget(key_of(vendor.name), "tokens") == before


class TestBreaker:
    def test_opens_after_so_many_failures_and_says_when_to_come_back(self) -> None:
        vendor = a_vendor(breaker=RESTING)
        fail(vendor, 2)
        assert vendor.call(Line()) == "answer"
        fail(vendor, 1)
        line = Line()
        with pytest.raises(CircuitOpen) as refusal:
            vendor.call(line)
        assert line.calls == 0
        assert refusal.value.details["vendor"] == vendor.name
        assert FOREVER - 10 < float(str(refusal.value.details["retry_after"])) <= FOREVER
        assert isinstance(refusal.value, ExternalAPIError)
        assert not isinstance(refusal.value, OutcomeUnknown)

    def test_counts_each_attempt_and_repeats_none_once_it_is_open(self) -> None:
        vendor = a_vendor(breaker=RESTING, attempts=9)
        line = Line(*[NotSent()] * 9)
        with pytest.raises(NotSent):
            vendor.call(line)
        assert line.calls == RESTING.failures

    @pytest.mark.parametrize("error", [NoSuchCard(), ValueError(), CircuitOpen(), VendorBusy()])
    def test_does_not_take_other_errors_for_failures(self, error: Exception) -> None:
        vendor = a_vendor(breaker=RESTING)
        for _ in range(5):
            with pytest.raises(type(error)):
                vendor.call(Line(error))
        assert state_of(vendor) == "closed"

    def test_stays_closed_while_most_calls_are_answered(self) -> None:
        vendor = a_vendor(breaker=dataclasses.replace(RESTING, share=0.5))
        for _ in range(4):
            vendor.call(Line())
        fail(vendor, 3)
        assert state_of(vendor) == "closed"
        fail(vendor, 1)
        assert state_of(vendor) == "open"

    def test_counts_a_refusal_of_the_business_as_an_answer(self) -> None:
        vendor = a_vendor(breaker=dataclasses.replace(RESTING, share=0.5))
        fail(vendor, 4, NoSuchCard)
        fail(vendor, 3)
        assert state_of(vendor) == "closed"

    def test_forgets_failures_that_are_older_than_two_windows(self) -> None:
        vendor = a_vendor(breaker=dataclasses.replace(RESTING, window=0.05))
        fail(vendor, 2)
        begun = time.monotonic()
        until(lambda: time.monotonic() > begun + 0.11)
        fail(vendor, 2)
        assert state_of(vendor) == "closed"

    def test_weighs_the_window_before_by_what_is_left_of_it(self) -> None:
        vendor = a_vendor(breaker=dataclasses.replace(RESTING, failures=20))
        fail(vendor, 1)
        redis = Redis.from_url(settings.REDIS_URL, decode_responses=True)
        start = int(redis.hget(key_of(vendor.name), "window") or 0)
        counts = {"failures": 30, "answers": 0, "window": start - int(1.5 * FOREVER * 1_000_000)}
        redis.hset(key_of(vendor.name), mapping={key: str(value) for key, value in counts.items()})
        fail(vendor, 5)  # half of 30, and 5
        assert state_of(vendor) == "closed"
        fail(vendor, 1)
        assert state_of(vendor) == "open"

    def test_closes_after_a_probe_that_is_answered(self) -> None:
        vendor = opened(a_vendor(breaker=QUICK))
        until(lambda: may_probe(vendor))
        assert vendor.call(Line()) == "answer"
        assert state_of(vendor) == "closed"
        fail(vendor, QUICK.failures - 1)
        assert state_of(vendor) == "closed"

    def test_rests_again_after_a_probe_that_fails(self) -> None:
        vendor = opened(a_vendor(breaker=QUICK))
        until(lambda: may_probe(vendor))
        fail(dataclasses.replace(vendor, breaker=RESTING), 1)
        with pytest.raises(CircuitOpen):
            vendor.call(Line())
        assert counted("breaker_opened_total", vendor) == 1

    def test_has_the_next_call_probe_when_the_probe_broke_by_our_own_mistake(self) -> None:
        vendor = opened(a_vendor(breaker=QUICK))
        until(lambda: may_probe(vendor))
        fail(vendor, 1, ZeroDivisionError)
        assert vendor.call(Line()) == "answer"
        assert state_of(vendor) == "closed"

    def test_takes_another_probe_when_the_first_never_came_back(self) -> None:
        vendor = opened(a_vendor(breaker=QUICK))
        until(lambda: may_probe(vendor))
        lost = shared_state().enter(
            vendor.name, breaker=vendor.breaker, budget=vendor.budget, lease=10.0, is_first=False
        )
        assert lost
        assert lost.is_granted
        with pytest.raises(CircuitOpen):
            vendor.call(Line())
        Redis.from_url(settings.REDIS_URL).hincrby(key_of(vendor.name), "until", -10_000_000)
        assert vendor.call(Line()) == "answer"

    @pytest.mark.parametrize("verdict", ["ok", "failed"])
    def test_does_not_take_a_late_outcome_for_that_of_the_probe(self, verdict: str) -> None:
        vendor = a_vendor(breaker=QUICK)
        state = shared_state()
        vendor.call(Line())
        late = state.enter(vendor.name, breaker=QUICK, budget=vendor.budget, lease=9, is_first=True)
        assert late
        opened(vendor)
        until(lambda: may_probe(vendor))
        probe = state.enter(vendor.name, breaker=QUICK, budget=vendor.budget, lease=9, is_first=True)
        assert probe
        assert probe.is_granted
        state.leave(vendor.name, late, verdict=verdict, breaker=QUICK, budget=vendor.budget, wants_to_repeat=False)
        assert state_of(vendor) == "half_open"
        state.leave(vendor.name, probe, verdict="ok", breaker=QUICK, budget=vendor.budget, wants_to_repeat=False)
        assert state_of(vendor) == "closed"

    def test_does_not_rest_longer_when_the_clock_was_set_back(self) -> None:
        vendor = opened(a_vendor(breaker=QUICK))
        redis = Redis.from_url(settings.REDIS_URL, decode_responses=True)
        redis.hincrby(key_of(vendor.name), "until", int(FOREVER * 1_000_000))
        with pytest.raises(CircuitOpen) as refusal:
            vendor.call(Line())
        assert float(str(refusal.value.details["retry_after"])) <= QUICK.rest
        until(lambda: may_probe(vendor))
        assert vendor.call(Line()) == "answer"

    def test_leaves_nothing_behind_for_ever(self) -> None:
        vendor = a_vendor()
        vendor.call(Line())
        assert 0 < int(str(Redis.from_url(settings.REDIS_URL).pttl(key_of(vendor.name)))) <= 86_400_000


class TestBulkhead:
    def test_lets_only_so_many_through_at_once(self) -> None:
        vendor = a_vendor(at_most=3, patience=10.0)
        lock, inside, most = threading.Lock(), 0, 0
        meeting = threading.Barrier(3)

        def busy() -> None:
            nonlocal inside, most
            with lock:
                inside += 1
                most = max(most, inside)
            meeting.wait(10)
            with lock:
                inside -= 1

        with ThreadPoolExecutor(12) as pool:
            for done in [pool.submit(vendor.call, busy) for _ in range(60)]:
                done.result()
        assert most == 3

    def test_refuses_who_has_waited_long_enough_and_is_free_again_afterwards(self) -> None:
        vendor = a_vendor(at_most=1, patience=0.01)
        go_on, is_inside = threading.Event(), threading.Event()

        def hold() -> bool:
            is_inside.set()
            return go_on.wait(10)

        with ThreadPoolExecutor(1) as pool:
            held = pool.submit(vendor.call, hold)
            assert is_inside.wait(10)
            with pytest.raises(VendorBusy) as refusal:
                vendor.call(Line())
            go_on.set()
            assert held.result()
        assert refusal.value.details == {"vendor": vendor.name, "retry_after": 0.01}
        assert counted("bulkhead_refusals_total", vendor) == 1
        assert counted("calls_total", vendor, outcome="busy") == 1
        assert vendor.call(Line()) == "answer"

    def test_is_one_for_threads_and_coroutines_and_for_equal_policies(self) -> None:
        vendor = a_vendor(at_most=1, patience=0.01)
        twin = dataclasses.replace(vendor)

        def inside() -> None:
            with pytest.raises(VendorBusy):
                async_to_sync(twin.acall)(Line().awaited)

        vendor.call(inside)
        assert async_to_sync(twin.acall)(Line().awaited) == "answer"

    @pytest.mark.parametrize("is_handed_over", [False, True])
    def test_keeps_its_slots_when_a_waiting_coroutine_is_cancelled(self, is_handed_over: bool) -> None:
        bulkhead = Bulkhead(a_vendor().name, slots=1)

        async def wait() -> None:
            async with bulkhead.aslot(patience=10.0):
                pytest.fail("cancelled, and yet let in")

        async def play() -> None:
            with bulkhead.slot(patience=0.0):
                waiting = asyncio.create_task(wait())
                await asyncio.sleep(0)
                if not is_handed_over:
                    waiting.cancel()
                    await asyncio.wait([waiting])
            waiting.cancel()  # at the very moment of the handover, if not before
            await asyncio.wait([waiting])
            assert waiting.cancelled()
            with bulkhead.slot(patience=0.0):
                pass

        asyncio.run(play())

    def test_takes_those_who_wait_in_the_order_of_their_coming(self) -> None:
        bulkhead = Bulkhead(a_vendor().name, slots=1)
        let_in: list[int] = []

        async def wait(number: int) -> None:
            async with bulkhead.aslot(patience=10.0):
                let_in.append(number)

        async def play() -> None:
            async with asyncio.TaskGroup() as waiting:
                with bulkhead.slot(patience=0.0):
                    for number in range(5):
                        waiting.create_task(wait(number))
                        await asyncio.sleep(0)

        asyncio.run(play())
        assert let_in == [0, 1, 2, 3, 4]


class TestACall:
    def test_does_as_its_twin_does(self) -> None:
        vendor = a_vendor(breaker=RESTING, attempts=2)

        async def play() -> None:
            repeated, broken = Line(NotSent()), Line(OutcomeUnknown())
            assert await vendor.acall(repeated.awaited) == "answer"
            assert repeated.calls == 2
            for line in (broken, Line(OutcomeUnknown())):
                with pytest.raises(OutcomeUnknown):
                    await vendor.acall(line.awaited)
            assert broken.calls == 1
            with pytest.raises(CircuitOpen):
                await vendor.acall(Line().awaited)

        asyncio.run(play())
        with pytest.raises(CircuitOpen):
            vendor.call(Line())

    def test_gives_the_probe_to_another_when_it_is_cancelled(self) -> None:
        vendor = opened(a_vendor(breaker=QUICK))
        until(lambda: may_probe(vendor))

        async def play() -> None:
            is_asked = asyncio.Event()

            async def never() -> None:
                is_asked.set()
                await asyncio.Event().wait()

            probe = asyncio.create_task(vendor.acall(never))
            await is_asked.wait()
            probe.cancel()
            await asyncio.wait([probe])
            assert await vendor.acall(Line().awaited) == "answer"

        asyncio.run(play())
        assert state_of(vendor) == "closed"

    @pytest.mark.django_db
    def test_is_refused_inside_the_transaction_of_its_caller(self) -> None:
        vendor, line = a_vendor(), Line()
        with pytest.raises(CalledInsideTransaction), atomic():
            async_to_sync(vendor.acall)(line.awaited)
        assert line.calls == 0


class TestMetrics:
    def test_count_attempts_by_outcome(self) -> None:
        vendor = a_vendor(breaker=RESTING)
        vendor.call(Line(NotSent()))
        fail(vendor, 1, NoSuchCard)
        fail(vendor, 1, ValueError)
        fail(vendor, 1)
        fail(vendor, 1, ExternalAPIError)
        with pytest.raises(CircuitOpen):
            vendor.call(Line())
        outcomes = ("answered", "not_sent", "unknown", "failed", "broken", "open")
        found = Counter({each: int(counted("calls_total", vendor, outcome=each)) for each in outcomes})
        assert found == {"answered": 2, "not_sent": 1, "unknown": 1, "failed": 1, "broken": 1, "open": 1}
        assert counted("call_duration_seconds_count", vendor) == 6
        assert counted("retries_total", vendor) == 1
        assert counted("breaker_opened_total", vendor) == 1

    def test_tell_the_state_of_each_breaker_when_asked(self) -> None:
        closed, broken = a_vendor(), opened(a_vendor(breaker=RESTING))
        registry = CollectorRegistry()
        registry.register(BreakerCollector(names))
        levels = [
            registry.get_sample_value("orderly_vendor_breaker_state", {"vendor": vendor.name})
            for vendor in (closed, broken)
        ]
        assert levels == [0, 2]


class TestHttp:
    @pytest.mark.parametrize(
        ("error", "becomes"),
        [
            (httpx2.ConnectError("refused"), NotSent),
            (httpx2.ConnectTimeout("late"), NotSent),
            (httpx2.PoolTimeout("full"), NotSent),
            (httpx2.ReadTimeout("late"), OutcomeUnknown),
            (httpx2.WriteError("broken"), OutcomeUnknown),
            (httpx2.RemoteProtocolError("closed"), OutcomeUnknown),
        ],
    )
    def test_tells_errors_apart_by_what_may_have_arrived(
        self, error: Exception, becomes: type[ExternalAPIError]
    ) -> None:
        vendor = a_vendor()
        with pytest.raises(becomes) as raised, errors_told_apart(vendor):
            raise error
        assert type(raised.value) is becomes
        assert raised.value.details == {"provider": vendor.name, "error": type(error).__name__}

    def test_gives_the_client_the_time_outs_of_the_policy(self) -> None:
        vendor = a_vendor(timeout=Timeout(connect=1.0, answer=7.0))
        with client_for(vendor, base_url="http://127.0.0.1:9", headers={}) as client:
            assert client.timeout == httpx2.Timeout(connect=1.0, write=1.0, pool=1.0, read=7.0)

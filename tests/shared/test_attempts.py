"""Failed attempts on a real Valkey: counted exactly, with growing waits, and not at all without Valkey."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import uuid4

import pytest
from django.conf import settings

from shared.resilience.attempts import Counter, Patience, SharedAttempts
from shared.resilience.brief_valkey import BriefValkey

STRICT = Patience(free=5, first_wait=600, longest_wait=3600)
MILD = Patience(free=50, first_wait=600, longest_wait=3600)
DEADLINE = 10  # seconds


@pytest.fixture
def attempts() -> SharedAttempts:
    return SharedAttempts(BriefValkey(settings.REDIS_URL, complaint="attempts_are_not_counted"))


def a_counter(patience: Patience = STRICT, key: str = "") -> Counter:
    return Counter(key=f"test:{{attempts}}:{key or uuid4().hex}", patience=patience)


def began(attempts: SharedAttempts, *counters: Counter) -> bool:
    return attempts.begin(counters) == 0


class TestSharedAttempts:
    def test_let_so_many_fail_and_then_none(self, attempts: SharedAttempts) -> None:
        counter = a_counter()
        assert [began(attempts, counter) for _ in range(7)] == [True] * 5 + [False] * 2
        wait = attempts.begin([counter])
        assert wait is not None
        assert 590 < wait <= 600

    def test_count_exactly_when_all_come_at_once(self, attempts: SharedAttempts) -> None:
        counter, together = a_counter(), Barrier(16)

        def attempt(_: int) -> bool:
            together.wait()
            return began(attempts, counter)

        with ThreadPoolExecutor(16) as pool:
            assert sum(pool.map(attempt, range(16))) == 5

    def test_double_the_wait_up_to_the_longest(self, attempts: SharedAttempts) -> None:
        counter = a_counter(Patience(free=1, first_wait=0.02, longest_wait=0.05))
        waits = []
        for _ in range(4):
            self.begin_in_time(attempts, counter)
            wait = attempts.begin([counter])
            assert wait is not None
            waits.append(wait)
        assert waits[0] <= 0.02
        assert 0.02 < waits[1] <= 0.04
        assert 0.04 < waits[2] <= 0.05
        assert 0.04 < waits[3] <= 0.05

    def test_are_forgotten_after_a_success(self, attempts: SharedAttempts) -> None:
        counter = a_counter()
        for _ in range(5):
            began(attempts, counter)
        attempts.forgive([counter])
        assert [began(attempts, counter) for _ in range(6)] == [True] * 5 + [False]

    def test_of_one_counter_do_not_spend_those_of_another(self, attempts: SharedAttempts) -> None:
        address = a_counter(MILD)
        first, second = a_counter(), a_counter()
        assert [began(attempts, first, address) for _ in range(9)].count(True) == 5
        assert [began(attempts, second, address) for _ in range(9)].count(True) == 5

    def test_a_refused_attempt_counts_for_none(self, attempts: SharedAttempts) -> None:
        address, first = a_counter(Patience(free=6, first_wait=600, longest_wait=600)), a_counter()
        for _ in range(20):
            began(attempts, first, address)
        assert began(attempts, a_counter(), address)
        assert not began(attempts, a_counter(), address)

    def test_a_success_takes_one_back_from_the_address(self, attempts: SharedAttempts) -> None:
        address, account = a_counter(Patience(free=2, first_wait=600, longest_wait=600)), a_counter()
        began(attempts, a_counter(), address)
        assert began(attempts, account, address)
        attempts.forgive([account, address])
        assert began(attempts, a_counter(), address)
        assert not began(attempts, a_counter(), address)

    def test_forgiving_what_was_never_counted_is_harmless(self, attempts: SharedAttempts) -> None:
        account, address = a_counter(), a_counter()
        attempts.forgive([account, address])
        assert [began(attempts, account, address) for _ in range(6)].count(True) == 5

    def test_are_not_counted_without_valkey(self) -> None:
        alone = SharedAttempts(BriefValkey("redis://127.0.0.1:9", complaint="attempts_are_not_counted"))
        assert alone.begin([a_counter()]) is None
        alone.forgive([a_counter()])

    def begin_in_time(self, attempts: SharedAttempts, counter: Counter) -> None:
        deadline = time.monotonic() + DEADLINE
        while not began(attempts, counter):
            assert time.monotonic() < deadline, "the wait never ends"

"""So many in so long: exact for all processes, and by the same algorithm for one that is alone."""

import json
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings
from structlog.testing import capture_logs

from shared.embedded import ValkeyServer
from shared.resilience import brief_valkey, quotas
from shared.resilience.brief_valkey import BriefValkey
from shared.resilience.quotas import Bucket, OwnBuckets, Quota, SharedBuckets, Taken
from tests.shared.test_resilience_processes import send

ROOT = Path(__file__).resolve().parents[2]
HOUR = 3600

#: Forks processes that begin at the same moment and take from the same bucket; tells how many were granted.
TAKE_IN_PROCESSES = """
import json, os, sys
told = json.loads(sys.argv[1])
from shared.resilience.brief_valkey import BriefValkey
from shared.resilience.quotas import Bucket, Quota, SharedBuckets

buckets = [Bucket(key=told["key"], quota=Quota(size=told["size"], window=3600))]
ready, start = os.pipe()
children = []
for _ in range(told["processes"]):
    if (child := os.fork()) == 0:
        os.close(start)
        shared = SharedBuckets(BriefValkey(told["url"], complaint="unreachable"))
        os.read(ready, 1)
        granted = [shared.take(buckets).is_granted for _ in range(told["takes"])]
        os.write(1, (json.dumps(granted) + "\\n").encode())
        os._exit(0)
    children.append(child)
os.close(start)
for child in children:
    os.waitpid(child, 0)
"""


class Clock:
    """A time that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def a_bucket(*, size: int = 2, window: int = HOUR) -> Bucket:
    """Return a bucket that nobody else draws from."""
    return Bucket(key=f"test:{uuid.uuid4().hex}", quota=Quota(size=size, window=window))


def shared() -> SharedBuckets:
    """Return the buckets on the Valkey of the tests."""
    return SharedBuckets(BriefValkey(settings.REDIS_URL, complaint="quotas_unreachable"))


@pytest.mark.parametrize("buckets", [shared, OwnBuckets])
class TestBuckets:
    def test_give_the_whole_quota_at_once_and_then_nothing(
        self, buckets: Callable[[], SharedBuckets | OwnBuckets]
    ) -> None:
        take, bucket = buckets().take, a_bucket(size=3)
        taken = [take([bucket]) for _ in range(5)]

        assert [(each.is_granted, each.left) for each in taken if each] == [
            *((True, 2), (True, 1), (True, 0)),
            *((False, 0), (False, 0)),
        ]

    def test_tell_when_one_comes_back_and_when_all_have(
        self, buckets: Callable[[], SharedBuckets | OwnBuckets]
    ) -> None:
        take, bucket = buckets().take, a_bucket(size=2, window=HOUR)
        first, second, third = (take([bucket]) for _ in range(3))

        assert first and second and third  # noqa: PT018 - all of them
        assert (first.full_after, second.full_after) == (HOUR // 2, HOUR)
        assert (first.retry_after, third.retry_after) == (0, HOUR // 2)
        assert third.quota == bucket.quota

    def test_take_from_all_or_from_none(self, buckets: Callable[[], SharedBuckets | OwnBuckets]) -> None:
        take, narrow, wide = buckets().take, a_bucket(size=1), a_bucket(size=5)
        taken = [take([wide, narrow]), take([wide, narrow]), take([wide])]

        assert [each.is_granted for each in taken if each] == [True, False, True]
        assert [each.left for each in taken if each] == [0, 0, 3]  # of the scarcest

    def test_do_not_mix_the_buckets_of_two(self, buckets: Callable[[], SharedBuckets | OwnBuckets]) -> None:
        take = buckets().take
        taken = [take([a_bucket(size=1)]) for _ in range(3)]

        assert all(each and each.is_granted for each in taken)


class TestOwnBuckets:
    def test_fill_evenly(self) -> None:
        clock = Clock()
        own, bucket = OwnBuckets(clock=clock), a_bucket(size=60, window=60)
        for _ in range(60):
            assert own.take([bucket]).is_granted
        assert not own.take([bucket]).is_granted
        clock.now += 1
        assert [own.take([bucket]).is_granted for _ in range(2)] == [True, False]
        clock.now += 1000
        assert sum(own.take([bucket]).is_granted for _ in range(100)) == 60

    @pytest.mark.parametrize("size", [1, 3, 7, 11, 60, 999])
    def test_lose_nothing_to_rounding(self, size: int) -> None:
        own, bucket = OwnBuckets(clock=Clock()), a_bucket(size=size, window=HOUR)

        assert [own.take([bucket]).is_granted for _ in range(size + 1)] == [True] * size + [False]

    def test_forget_the_least_recently_used(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(quotas, "REMEMBERED", 2)
        own, first, second, third = OwnBuckets(), *(a_bucket(size=1) for _ in range(3))
        for bucket in (first, second, third):
            own.take([bucket])

        assert [own.take([bucket]).is_granted for bucket in (third, first)] == [False, True]


class TestSharedBuckets:
    def test_fill_again(self) -> None:
        buckets, bucket = shared(), a_bucket(size=20, window=1)
        deadline = time.monotonic() + 10
        while _granted(buckets.take([bucket])):
            assert time.monotonic() < deadline
        while not _granted(buckets.take([bucket])):
            assert time.monotonic() < deadline

    def test_are_exact_when_processes_race(self) -> None:
        told = {"url": settings.REDIS_URL, "key": a_bucket().key, "size": 20, "processes": 8, "takes": 10}
        done = subprocess.run(
            [sys.executable, "-c", TAKE_IN_PROCESSES, json.dumps(told)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        granted = [each for line in done.stdout.splitlines() for each in json.loads(line)]

        assert (len(granted), sum(granted)) == (80, 20)

    def test_survive_that_the_clock_of_valkey_is_set_back(self) -> None:
        buckets, bucket = shared(), a_bucket(size=2, window=HOUR)
        in_a_year = (time.time() + 365 * 86_400) * 1_000_000
        buckets.valkey.client.set(bucket.key, f"{in_a_year:.0f}")
        taken = buckets.take([bucket])

        assert taken and not taken.is_granted  # noqa: PT018 - there is an answer, and it is no
        assert taken.retry_after <= HOUR

    def test_leave_nothing_behind_once_they_are_full(self) -> None:
        buckets, bucket = shared(), a_bucket(size=2, window=HOUR)
        buckets.take([bucket])

        assert 0 < buckets.valkey.client.pttl(bucket.key) <= HOUR // 2 * 1000


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[ValkeyServer]:
    """Run a Valkey that a test may stop."""
    server = ValkeyServer(directory=tmp_path / "valkey", durable=False)
    server.start()
    yield server
    process = server._running()
    if process is not None:
        process.send(signal.SIGCONT)
    server.stop()


class TestWithoutValkey:
    def test_nothing_is_known_and_it_is_said_once(self, valkey: ValkeyServer) -> None:
        buckets, bucket = SharedBuckets(BriefValkey(valkey.url, complaint="quotas_unreachable")), a_bucket()
        send(valkey, signal.SIGKILL)
        with capture_logs() as logs:
            assert [buckets.take([bucket]) for _ in range(20)] == [None] * 20
        assert [entry["event"] for entry in logs] == ["quotas_unreachable"]

    def test_is_waited_for_once_when_it_hangs(self, valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(brief_valkey, "DOWN_FOR", 60.0)
        buckets, bucket = SharedBuckets(BriefValkey(valkey.url, complaint="quotas_unreachable")), a_bucket()
        assert _granted(buckets.take([bucket]))
        send(valkey, signal.SIGSTOP)
        begun = time.monotonic()
        assert [buckets.take([bucket]) for _ in range(50)] == [None] * 50
        assert brief_valkey.ANSWER_TIMEOUT <= time.monotonic() - begun < 10 * brief_valkey.ANSWER_TIMEOUT

    def test_counting_goes_on_once_it_is_back(self, valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(brief_valkey, "DOWN_FOR", 0.01)
        buckets, bucket = SharedBuckets(BriefValkey(valkey.url, complaint="quotas_unreachable")), a_bucket(size=1)
        send(valkey, signal.SIGKILL)
        assert buckets.take([bucket]) is None
        valkey.start()
        deadline = time.monotonic() + 10
        while buckets.take([bucket]) is None:
            assert time.monotonic() < deadline
        assert not _granted(buckets.take([bucket]))


def _granted(taken: Taken | None) -> bool:
    assert taken
    return taken.is_granted

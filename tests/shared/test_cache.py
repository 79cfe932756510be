"""What is remembered on Valkey: by one caller for all, not past a change, and not missed when Valkey is gone."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.conf import settings
from prometheus_client import REGISTRY
from redis import Redis

from shared.cache import valkey as adapter
from shared.cache.valkey import ValkeyCache
from shared.domain.ports import Cache
from shared.embedded import ValkeyServer
from tests.journeys.system import eventually

ROOT = Path(__file__).resolve().parents[2]
MINUTE = 60.0  # seconds

#: Forks processes that ask for the same answer at the same moment; each tells what it got and whether it worked it out.
ASK_IN_PROCESSES = """
import json, os, sys, time
from shared.cache.valkey import ValkeyCache

told = json.loads(sys.argv[1])
ready, start = os.pipe()
children = []
for _ in range(told["processes"]):
    if (child := os.fork()) == 0:
        os.close(start)
        os.read(ready, 1)
        loaded = []

        def load():
            loaded.append(1)
            time.sleep(0.2)  # as a slow query would
            return b"answer"

        cache = ValkeyCache(name=told["name"], url=told["url"])
        answer = cache.remember("key", seconds=60, load=load).decode()
        os.write(1, (json.dumps([answer, len(loaded)]) + "\\n").encode())
        os._exit(0)
    children.append(child)
os.close(start)
for child in children:
    os.waitpid(child, 0)
"""


class Source:
    """Where answers come from; counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> bytes:
        self.asked += 1
        return f"answer {self.asked}".encode()


class CountingCache(ValkeyCache):
    """Counts how often it looks."""

    looks = 0

    def _look(self, key: str, token: str) -> bytes | int:
        self.looks += 1
        return super()._look(key, token)


@pytest.fixture
def source() -> Source:
    """Return a source that nobody has asked."""
    return Source()


@pytest.fixture
def cache() -> ValkeyCache:
    """Return a cache of this test alone."""
    return a_cache()


def a_cache(*, url: str | None = None, name: str | None = None) -> ValkeyCache:
    """Return a cache with a name that no other test has."""
    return ValkeyCache(name=name or f"test_{uuid.uuid4().hex}", url=url or settings.REDIS_URL)


def lookups(cache: ValkeyCache, outcome: str) -> float:
    """Return how many questions ended so."""
    return REGISTRY.get_sample_value("orderly_cache_lookups_total", {"cache": cache.name, "outcome": outcome}) or 0


class TestRemember:
    def test_works_an_answer_out_once(self, cache: Cache, source: Source) -> None:
        answers = [cache.remember("key", seconds=MINUTE, load=source) for _ in range(3)]

        assert answers == [b"answer 1"] * 3

    def test_keeps_the_answers_to_different_questions_apart(self, cache: Cache, source: Source) -> None:
        answers = [cache.remember(key, seconds=MINUTE, load=source) for key in ("a", "b", "a")]

        assert answers == [b"answer 1", b"answer 2", b"answer 1"]

    def test_forgets_when_the_time_is_over(self, cache: Cache, source: Source) -> None:
        cache.remember("key", seconds=0.02, load=source)

        eventually(lambda: cache.remember("key", seconds=0.02, load=source) == b"answer 2", what="a new answer")

    def test_remembers_nothing_for_no_time(self, cache: Cache, source: Source) -> None:
        answers = [cache.remember("key", seconds=0, load=source) for _ in range(2)]

        assert answers == [b"answer 1", b"answer 2"]

    def test_remembers_no_failure_and_lets_the_next_one_try_at_once(self, cache: Cache, source: Source) -> None:
        with pytest.raises(ZeroDivisionError):
            cache.remember("key", seconds=MINUTE, load=lambda: bytes(1 // 0))

        assert cache.remember("key", seconds=MINUTE, load=source) == b"answer 1"
        assert cache.remember("key", seconds=MINUTE, load=source) == b"answer 1"

    def test_counts_the_time_from_before_the_answer_was_worked_out(self, cache: ValkeyCache) -> None:
        def be_slow() -> bytes:
            time.sleep(0.2)  # what a change in this time would tell is not seen for so much less
            return b"answer"

        cache.remember("key", seconds=MINUTE, load=be_slow)

        server = Redis.from_url(settings.REDIS_URL)
        (name,) = server.keys(f"*{cache.name}*")
        assert 0 < server.pttl(name) <= 1000 * (MINUTE - 0.2)

    def test_waits_for_nobody_where_patience_is_none(self, source: Source) -> None:
        cache = a_cache()
        impatient = CountingCache(name=cache.name, url=settings.REDIS_URL, patience=0)
        answers = []

        def load() -> bytes:
            answers.append(impatient.remember("key", seconds=MINUTE, load=source))  # while this one is at it
            return b"slow answer"

        answers.append(cache.remember("key", seconds=MINUTE, load=load))

        assert answers == [b"answer 1", b"slow answer"]
        assert impatient.looks == 1
        assert impatient.remember("key", seconds=MINUTE, load=source) == b"slow answer"

    def test_counts_how_it_ended(self, source: Source) -> None:
        cache = a_cache()
        for _ in range(3):
            cache.remember("key", seconds=MINUTE, load=source)

        assert [lookups(cache, outcome) for outcome in ("miss", "hit", "unavailable")] == [1, 2, 0]


class TestForget:
    def test_is_told_also_by_a_process_that_got_no_answer_a_moment_ago(self, source: Source) -> None:
        cache = a_cache()
        cache.remember("key", seconds=MINUTE, load=source)
        cache._down_until = time.monotonic() + MINUTE

        cache.forget("key")

        assert a_cache(name=cache.name).remember("key", seconds=MINUTE, load=source) == b"answer 2"

    def test_has_the_answer_worked_out_anew(self, cache: Cache, source: Source) -> None:
        cache.remember("key", seconds=MINUTE, load=source)
        cache.forget("key", "another")

        assert cache.remember("key", seconds=MINUTE, load=source) == b"answer 2"

    def test_keeps_an_answer_from_being_stored_that_was_loaded_before_the_change(
        self, cache: Cache, source: Source
    ) -> None:
        def load_while_it_changes() -> bytes:
            before = b"old price"
            cache.forget("key")
            return before

        assert cache.remember("key", seconds=MINUTE, load=load_while_it_changes) == b"old price"
        assert cache.remember("key", seconds=MINUTE, load=source) == b"answer 1"


class TestStampede:
    def test_of_many_processes_works_the_answer_out_once(self) -> None:
        told = {"name": f"test_{uuid.uuid4().hex}", "url": settings.REDIS_URL, "processes": 8}
        done = subprocess.run(
            [sys.executable, "-c", ASK_IN_PROCESSES, json.dumps(told)],
            cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        answers = [json.loads(line) for line in done.stdout.splitlines()]

        assert [answer for answer, _ in answers] == ["answer"] * 8
        assert sum(loaded for _, loaded in answers) == 1

    def test_does_not_wait_for_ever_for_who_died_with_the_lease(
        self, source: Source, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(adapter, "PATIENCE", 0.05)
        cache = a_cache()
        _, lease = cache._names("key")
        Redis.from_url(settings.REDIS_URL).set(lease, "of the dead", px=60_000)

        assert cache.remember("key", seconds=MINUTE, load=source) == b"answer 1"
        assert cache.remember("key", seconds=MINUTE, load=source) == b"answer 2"  # the lease is not ours to store under


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[ValkeyServer]:
    """Run a Valkey that a test may kill."""
    server = ValkeyServer(directory=tmp_path / "valkey", durable=False)
    server.start()
    yield server
    process = server._running()
    if process is not None:
        process.send(signal.SIGCONT)
    server.stop()


def send(server: ValkeyServer, number: signal.Signals) -> None:
    """Send a signal to the server, which must be running."""
    process = server._running()
    assert process
    process.send(number)
    if number == signal.SIGKILL:
        assert process.wait(seconds=10)


class TestWithoutValkey:
    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
    def test_every_question_is_answered(self, valkey: ValkeyServer, source: Source, number: signal.Signals) -> None:
        cache = a_cache(url=valkey.url)
        cache.remember("key", seconds=MINUTE, load=source)
        send(valkey, number)

        answers = {cache.remember("key", seconds=MINUTE, load=source) for _ in range(50)}
        cache.forget("key")

        assert len(answers) == source.asked - 1 == lookups(cache, "unavailable") == 50

    def test_threads_do_not_queue_for_one_that_hangs(self, valkey: ValkeyServer, source: Source) -> None:
        cache, start = a_cache(url=valkey.url), threading.Barrier(8)
        send(valkey, signal.SIGSTOP)

        def ask(_: int) -> bytes:
            start.wait()
            return cache.remember("key", seconds=MINUTE, load=source)

        with ThreadPoolExecutor(8) as pool:
            assert len(list(pool.map(ask, range(8)))) == 8
        assert lookups(cache, "unavailable") == 8

    def test_it_remembers_again_once_valkey_is_back(
        self, valkey: ValkeyServer, source: Source, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(adapter, "DOWN_FOR", 0.01)
        cache = a_cache(url=valkey.url)
        send(valkey, signal.SIGKILL)
        cache.remember("key", seconds=MINUTE, load=source)
        valkey.start()
        assert valkey.url == cache.url

        def remembers() -> bool:
            twice = [cache.remember("key", seconds=MINUTE, load=source) for _ in range(2)]
            return twice[0] == twice[1]

        eventually(remembers, what="an answer that is remembered")

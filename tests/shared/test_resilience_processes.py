"""Many processes on one Valkey, and a Valkey that goes away."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.conf import settings
from prometheus_client import REGISTRY
from pytest_django.fixtures import Settings
from structlog.testing import capture_logs

from shared.domain.errors import OutcomeUnknown
from shared.embedded import ValkeyServer
from shared.resilience import brief_valkey
from shared.resilience.errors import CircuitOpen, NotSent
from shared.resilience.policy import Breaker
from shared.resilience.state import shared_state
from shared.resilience.vendor import Vendor

ROOT = Path(__file__).resolve().parents[2]
REST = 0.05  # seconds

#: Forks processes that begin at the same moment; each calls the vendor and tells how that ended. A call that gets
#: through lasts until the standard input is closed, or ten seconds.
CALL_IN_PROCESSES = """
import json, os, select, sys
told = json.loads(sys.argv[1])
from django.conf import settings
settings.configure(REDIS_URL=told["url"])
import structlog
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))  # the output is for the test
from shared.domain.errors import OutcomeUnknown
from shared.resilience.errors import CircuitOpen, NotSent
from shared.resilience.policy import Breaker, Budget
from shared.resilience.vendor import Vendor

vendor = Vendor(
    name=told["name"], pause=0.001, within=60.0, attempts=2, breaker=Breaker(**told["breaker"]),
    budget=Budget(**told["budget"]),
)
requests = 0

def request():
    global requests
    requests += 1
    if told["error"] == "probe":
        select.select([0], [], [], 10)
    else:
        raise {"NotSent": NotSent, "OutcomeUnknown": OutcomeUnknown}[told["error"]]

def call():
    try:
        vendor.call(request)
    except Exception as error:
        return type(error).__name__
    return "answered"

ready, start = os.pipe()
children = []
for _ in range(told["processes"]):
    if (child := os.fork()) == 0:
        os.close(start)
        os.read(ready, 1)
        ends = [call() for _ in range(told["calls"])]
        os.write(1, (json.dumps({"ends": ends, "requests": requests}) + "\\n").encode())
        os._exit(0)
    children.append(child)
os.close(start)
for child in children:
    os.waitpid(child, 0)
"""


def unique() -> str:
    """Return the name of a vendor that nobody else calls."""
    return f"v_{uuid.uuid4().hex}"


@contextmanager
def processes(**told: object) -> Iterator["subprocess.Popen[str]"]:
    """Have processes call a vendor, and see them end."""
    told = {"url": settings.REDIS_URL, "calls": 1, "breaker": {}, "budget": {}} | told
    command = [sys.executable, "-c", CALL_IN_PROCESSES, json.dumps(told)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as running:
        try:
            yield running
        finally:
            if running.poll() is None:
                os.killpg(running.pid, signal.SIGKILL)


def outcomes(running: "subprocess.Popen[str]") -> tuple[Counter[str], int]:
    """Wait for all processes; return how their calls ended, and how many requests were made."""
    said, _ = running.communicate(timeout=60)
    assert running.returncode == 0
    told = [json.loads(line) for line in said.splitlines()]
    return Counter(end for each in told for end in each["ends"]), sum(each["requests"] for each in told)


def open_breaker(vendor: Vendor) -> None:
    """Have so many calls fail that the breaker opens."""
    for _ in range(vendor.breaker.failures):
        with pytest.raises(OutcomeUnknown):
            vendor.call(fail)


def fail() -> None:
    """Be a call that may have arrived."""
    raise OutcomeUnknown


def until_rested(vendor: Vendor) -> None:
    """Wait until a call would be a probe, without asking for it."""
    until = time.monotonic() + vendor.breaker.rest + 0.01
    while time.monotonic() < until:
        time.sleep(0.005)


class TestProcesses:
    def test_make_exactly_one_probe_when_the_breaker_is_half_open(self) -> None:
        vendor = Vendor(name=unique(), breaker=Breaker(failures=2, rest=REST))
        open_breaker(vendor)
        until_rested(vendor)
        with processes(name=vendor.name, processes=10, error="probe", breaker={"rest": REST}) as running:
            assert running.stdin
            assert running.stdout
            refused = [json.loads(running.stdout.readline()) for _ in range(9)]
            assert refused == [{"ends": ["CircuitOpen"], "requests": 0}] * 9
            running.stdin.close()
            assert json.loads(running.stdout.readline()) == {"ends": ["answered"], "requests": 1}
            assert running.wait(10) == 0
        assert vendor.call(lambda: "answer") == "answer"

    def test_see_the_breaker_that_others_have_opened_and_closed(self) -> None:
        vendor = Vendor(name=unique(), breaker=Breaker(failures=8, rest=3600.0))
        with processes(
            name=vendor.name, processes=4, calls=4, error="OutcomeUnknown", breaker={"failures": 8, "rest": 3600.0}
        ) as running:
            ends, requests = outcomes(running)
        assert 8 <= requests <= 8 + 3  # those under way when the breaker opened
        assert ends == {"OutcomeUnknown": requests, "CircuitOpen": 16 - requests}
        with pytest.raises(CircuitOpen):
            vendor.call(fail)

    def test_share_one_budget_to_the_last_retry(self) -> None:
        name, breaker = unique(), {"failures": 1_000_000}
        with processes(
            name=name, processes=8, calls=25, error="NotSent", breaker=breaker,
            budget={"share": 0.0, "floor": 0.0, "most": 7},
        ) as running:  # fmt: skip
            assert outcomes(running) == ({"NotSent": 200}, 200 + 7)
        with processes(
            name=name, processes=8, calls=25, error="NotSent", breaker=breaker,
            budget={"share": 0.1, "floor": 0.0, "most": 1_000},
        ) as running:  # fmt: skip
            assert outcomes(running) == ({"NotSent": 200}, 200 + 20)


class TestThreads:
    @pytest.mark.parametrize("number", range(5))
    def test_make_exactly_one_probe_when_the_breaker_is_half_open(self, number: int) -> None:
        vendor = Vendor(name=unique(), breaker=Breaker(failures=2, rest=REST), at_most=32)
        open_breaker(vendor)
        until_rested(vendor)
        start, refused, lock = threading.Barrier(16), threading.Semaphore(0), threading.Lock()
        probes = 0

        def probe() -> None:
            nonlocal probes
            with lock:
                probes += 1
            for _ in range(15):
                assert refused.acquire(timeout=10)

        def call() -> bool:
            start.wait()
            try:
                vendor.call(probe)
            except CircuitOpen:
                refused.release()
                return False
            return True

        with ThreadPoolExecutor(16) as pool:
            answered = [done.result() for done in [pool.submit(call) for _ in range(16)]]
        assert probes == 1
        assert answered.count(True) == 1


@pytest.fixture
def valkey(tmp_path: Path, settings: Settings) -> Iterator[ValkeyServer]:
    """Run a Valkey that a test may kill."""
    server = ValkeyServer(directory=tmp_path / "valkey", durable=False)
    server.start()
    settings.REDIS_URL = server.url
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
    @pytest.fixture(autouse=True)
    def _asked_again_soon(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(brief_valkey, "DOWN_FOR", 0.05)

    def test_calls_go_straight_through_and_none_is_repeated(self, valkey: ValkeyServer) -> None:
        vendor = Vendor(name=unique(), breaker=Breaker(failures=2, rest=3600.0))
        open_breaker(vendor)
        with pytest.raises(CircuitOpen):
            vendor.call(fail)
        send(valkey, signal.SIGKILL)
        requests = 0

        def not_sent() -> None:
            nonlocal requests
            requests += 1
            raise NotSent

        with capture_logs() as logs:
            for _ in range(20):
                assert vendor.call(lambda: "answer") == "answer"
            for _ in range(10):
                with pytest.raises(NotSent):
                    vendor.call(not_sent)
        assert requests == 10
        warnings = [entry["event"] for entry in logs if entry["log_level"] == "warning"]
        assert warnings == ["vendor_state_unreachable"]
        unguarded = REGISTRY.get_sample_value("orderly_vendor_unguarded_calls_total", {"vendor": vendor.name})
        assert unguarded == 30

    def test_a_call_under_way_comes_to_its_end_when_it_is_killed(self, valkey: ValkeyServer) -> None:
        def kill_and_answer() -> str:
            send(valkey, signal.SIGKILL)
            return "answer"

        assert Vendor(name=unique()).call(kill_and_answer) == "answer"

    def test_the_breaker_works_again_once_it_is_back(self, valkey: ValkeyServer) -> None:
        vendor = Vendor(name=unique(), breaker=Breaker(failures=2, rest=3600.0))
        send(valkey, signal.SIGKILL)
        vendor.call(lambda: None)
        valkey.start()
        assert valkey.url == settings.REDIS_URL
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                vendor.call(fail)
            except OutcomeUnknown:
                time.sleep(0.005)
            except CircuitOpen:
                break
        else:
            pytest.fail("the breaker never opened")

    def test_a_call_waits_for_it_once_and_briefly_when_it_hangs(
        self, valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(brief_valkey, "DOWN_FOR", 60.0)
        vendor = Vendor(name=unique())
        vendor.call(lambda: None)
        send(valkey, signal.SIGSTOP)
        begun = time.monotonic()
        for _ in range(50):
            vendor.call(lambda: None)
        assert brief_valkey.ANSWER_TIMEOUT <= time.monotonic() - begun < 10 * brief_valkey.ANSWER_TIMEOUT

    def test_only_one_thread_finds_out_whether_it_is_back(
        self, valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(brief_valkey, "DOWN_FOR", 60.0)
        vendor = Vendor(name=unique())
        send(valkey, signal.SIGSTOP)
        vendor.call(lambda: None)
        shared_state().valkey._down_until = time.monotonic()
        start = threading.Barrier(8)

        def call() -> float:
            start.wait()
            begun = time.monotonic()
            vendor.call(lambda: None)
            return time.monotonic() - begun

        with ThreadPoolExecutor(8) as pool:
            took = [done.result() for done in [pool.submit(call) for _ in range(8)]]
        assert len([each for each in took if each >= brief_valkey.ANSWER_TIMEOUT]) <= 2

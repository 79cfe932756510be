"""The one way to call another system: retry( bulkhead( breaker( call ) ) ), outside transactions."""

import asyncio
import re
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

import stamina
import stamina.instrumentation
import structlog
from asgiref.sync import sync_to_async

from shared.domain.errors import DomainError, ExternalAPIError, OutcomeUnknown
from shared.resilience import metrics
from shared.resilience.brief_valkey import ANSWER_TIMEOUT
from shared.resilience.bulkhead import Bulkhead
from shared.resilience.errors import CircuitOpen, NotSent, VendorBusy
from shared.resilience.guard import refuse_inside_transaction
from shared.resilience.policy import Breaker, Budget, Timeout
from shared.resilience.state import Change, Effect, Permit, shared_state

T = TypeVar("T")

NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
LEASE_MARGIN: Final = 1.0  # seconds

_log = structlog.get_logger(__name__)
_bulkheads: dict[tuple[str, int], Bulkhead] = {}
_lock = threading.Lock()

# A retry is counted and logged here, by vendor; stamina's own hooks would do it again without its name.
stamina.instrumentation.set_on_retry_hooks(())


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """How one other system is called, by all threads and coroutines of all processes. Make one per vendor.

    A call that raises NotSent is made again, ``attempts`` times in all, while the budget lasts, the breaker is closed
    and less than ``within`` seconds have passed; after a pause of ``pause`` seconds, doubled each time, and as much
    again at random at most. Nothing else is repeated: what may have arrived is settled by asking. At most ``at_most``
    calls of one process are under way; others wait ``patience`` seconds for their turn.

    What the call raises is also what the breaker learns: an ExternalAPIError is a failure of the vendor; an answer,
    and a DomainError made of one, is none, however bad the news; anything else is our own mistake and tells nothing.

    Without Valkey, calls are made as if the breaker were closed, and none is repeated.
    """

    name: str
    timeout: Timeout = field(default_factory=Timeout)
    attempts: int = 3
    pause: float = 0.1
    within: float = 0.5
    breaker: Breaker = field(default_factory=Breaker)
    budget: Budget = field(default_factory=Budget)
    at_most: int = 10
    patience: float = 0.25
    _bulkhead: Bulkhead = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r} is no name for a metric's label: lower case, digits and _")
        with _lock:
            shared = _bulkheads.setdefault((self.name, self.at_most), Bulkhead(self.name, slots=self.at_most))
        object.__setattr__(self, "_bulkhead", shared)

    @property
    def longest(self) -> float:
        """Return how many seconds a call takes at most, its repetitions included, as far as time-outs can tell."""
        pauses = self.pause * (2.0 ** max(0, self.attempts - 2) + 1)
        return self.within + pauses + self.patience + self.timeout.longest + 2 * ANSWER_TIMEOUT

    def call(self, request: Callable[[], T]) -> T:
        """Make the call and return its answer.

        Raises what the call raises at last, CircuitOpen or VendorBusy (both with ``retry_after``, in seconds) when it
        was not made, and CalledInsideTransaction.
        """
        refuse_inside_transaction()
        tries = _Tries(self)
        for attempt in tries.attempts:
            with attempt, self._bulkhead.slot(patience=self.patience):
                tries.enter()
                try:
                    answer = request()
                except BaseException as error:
                    tries.leave(error)
                    raise
                tries.leave(None)
                return answer
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def acall(self, request: Callable[[], Awaitable[T]]) -> T:
        """Make the call in a coroutine, as ``call`` does; Valkey is asked from a thread."""
        await sync_to_async(refuse_inside_transaction)()
        tries = _Tries(self)
        async for attempt in tries.attempts:
            with attempt:
                async with self._bulkhead.aslot(patience=self.patience):
                    await asyncio.to_thread(tries.enter)
                    try:
                        answer = await request()
                    except BaseException as error:
                        await asyncio.shield(asyncio.to_thread(tries.leave, error))
                        raise
                    await asyncio.to_thread(tries.leave, None)
                    return answer
        raise AssertionError("unreachable: the last attempt returns or raises")


def names() -> set[str]:
    """Return the names of the vendors of this process."""
    return {name for name, _ in _bulkheads}


class _Tries:
    """The attempts of one call, and what is known of the last one."""

    __slots__ = ("_effect", "_number", "_permit", "_started", "_vendor")

    def __init__(self, vendor: Vendor) -> None:
        self._vendor = vendor
        self._number = 0
        self._started = 0.0
        self._permit: Permit | None = None
        self._effect = Effect()

    @property
    def attempts(self) -> "stamina._core._RetryContextIterator":
        """Return the attempts, with their pauses."""
        vendor = self._vendor
        return stamina.retry_context(
            on=self._may_repeat,
            attempts=vendor.attempts,
            timeout=vendor.within,
            wait_initial=vendor.pause,
            wait_jitter=vendor.pause,
        )

    def enter(self) -> None:
        """Ask the breaker, or raise CircuitOpen; begin an attempt."""
        vendor, self._effect = self._vendor, Effect()
        self._number += 1
        self._permit = shared_state().enter(
            vendor.name,
            breaker=vendor.breaker,
            budget=vendor.budget,
            lease=vendor.timeout.longest + LEASE_MARGIN,
            is_first=self._number == 1,
        )
        if self._permit is None:
            metrics.UNGUARDED.labels(vendor.name).inc()
        elif not self._permit.is_granted:
            metrics.CALLS.labels(vendor.name, "open").inc()
            raise CircuitOpen(vendor=vendor.name, retry_after=self._permit.retry_after)
        if self._number > 1:
            metrics.RETRIES.labels(vendor.name).inc()
        self._started = time.perf_counter()

    def leave(self, error: BaseException | None) -> None:
        """Note how the attempt ended, for the metrics and for the breaker."""
        name = self._vendor.name
        seconds, outcome = time.perf_counter() - self._started, _outcome_of(error)
        metrics.DURATION.labels(name).observe(seconds)
        metrics.CALLS.labels(name, outcome).inc()
        _log.info("vendor_called", vendor=name, outcome=outcome, duration_ms=round(seconds * 1000))
        wants_to_repeat = outcome == "not_sent" and self._number < self._vendor.attempts
        self._effect = self._report(VERDICTS[outcome], wants_to_repeat=wants_to_repeat)
        if self._effect.may_repeat:
            _log.info("vendor_call_repeated", vendor=name, attempt=self._number + 1, error=str(error))
        elif wants_to_repeat:
            metrics.RETRIES_DENIED.labels(name).inc()

    def _may_repeat(self, error: Exception) -> bool:
        return isinstance(error, NotSent) and self._effect.may_repeat

    def _report(self, verdict: str, *, wants_to_repeat: bool) -> Effect:
        vendor, effect = self._vendor, None
        if self._permit is not None:
            effect = shared_state().leave(
                vendor.name,
                self._permit,
                verdict=verdict,
                breaker=vendor.breaker,
                budget=vendor.budget,
                wants_to_repeat=wants_to_repeat,
            )
        if effect is None:
            return Effect()
        if effect.change is Change.OPENED:
            metrics.BREAKER_OPENED.labels(vendor.name).inc()
        if effect.change is not Change.NONE:
            _log.warning("vendor_breaker", vendor=vendor.name, change=effect.change.name.lower())
        return effect


#: What the breaker learns from how an attempt ended.
VERDICTS: Final = {"answered": "ok", "not_sent": "failed", "unknown": "failed", "failed": "failed", "broken": "none"}


def _outcome_of(error: BaseException | None) -> str:
    match error:
        case None | DomainError():
            return "answered"
        case NotSent():
            return "not_sent"
        case OutcomeUnknown():
            return "unknown"
        case CircuitOpen() | VendorBusy():  # of another vendor
            return "broken"
        case ExternalAPIError():
            return "failed"
        case _:
            return "broken"

"""Answers remembered on Valkey for some seconds: one caller works each out, the others get its answer.

Cache-aside with leases (R. Nishtala et al., "Scaling Memcache at Facebook", NSDI 2013, section 3.2.1): who misses first
takes a lease and loads; who misses meanwhile waits a little for the result. Only the holder of the lease may store,
and forgetting a key takes its lease away, so an answer that was loaded before a change is not stored after it.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final
from uuid import uuid4

import structlog
from prometheus_client import Counter
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

LOOKUPS = Counter(
    "orderly_cache_lookups_total",
    "Questions to the cache: hit, waited for another caller's answer, miss, or unavailable.",
    ("cache", "outcome"),
)

PREFIX: Final = "orderly:cache:"
ANSWER_TIMEOUT: Final = 0.1  # seconds
DOWN_FOR: Final = 1.0  # seconds without a question after one that was not answered
LOGGED_EVERY: Final = 60.0  # seconds
LEASE: Final = 5.0  # seconds, longer than any answer takes to work out
PATIENCE: Final = 0.5  # seconds that a caller waits for another's answer
POLL: Final = 0.01  # seconds
#: What LOOK answers when there is no value: the lease is the caller's now, or another's.
MINE: Final = 1
TAKEN: Final = 0

#: KEYS: value, lease; ARGV: token, milliseconds.
LOOK = """
local value = redis.call('GET', KEYS[1])
if value then return value end
if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
return 0
"""
#: KEYS: value, lease; ARGV: token, value, milliseconds. Stores what the holder of the lease has worked out.
STORE = """
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return redis.call('DEL', KEYS[2])
"""
#: KEYS: lease; ARGV: token. Gives the lease of an answer that could not be worked out to the next caller.
GIVE_BACK = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"

_log = structlog.get_logger(__name__)


class _Unanswered(Exception):
    """Valkey does not answer, or did not a moment ago."""


@dataclass
class ValkeyCache:
    """The port Cache on Valkey, for answers of one kind.

    ``patience`` is how many seconds a caller waits for the answer that another one works out; without any it works it
    out itself, which is right for what costs no more than the question. Works without Valkey, slower: an unanswered
    question costs ANSWER_TIMEOUT, then this process asks no more for DOWN_FOR.
    """

    name: str
    url: str
    patience: float = PATIENCE
    _down_until: float = field(default=0.0, init=False)
    _silent_until: float = field(default=0.0, init=False)

    def remember(self, key: str, *, seconds: float, load: Callable[[], bytes]) -> bytes:
        """Return what is remembered under the key, or what is loaded now and remembered for so many seconds from now.

        Zero seconds remember nothing. Raises what ``load`` raises, and then remembers nothing either.
        """
        if seconds <= 0:
            return load()
        token = uuid4().hex
        try:
            found, outcome = self._look(key, token), "hit"
            if found == TAKEN:
                found, outcome = self._wait(key, token), "waited"
        except _Unanswered:
            found, outcome = TAKEN, "unavailable"
        if isinstance(found, bytes):
            LOOKUPS.labels(self.name, outcome).inc()
            return found
        LOOKUPS.labels(self.name, outcome if outcome == "unavailable" else "miss").inc()
        return self._load_and_store(key, token, seconds=seconds, load=load) if found == MINE else load()

    def forget(self, *keys: str) -> None:
        """Have the answers worked out anew; one that is being worked out now is not stored any more.

        A Valkey that does not answer forgets nothing: its answers last until their time is over.
        """
        try:  # also when it did not answer a moment ago
            self._client.delete(*(name for key in keys for name in self._names(key)))
        except RedisError as error:
            self._note_failure(error)

    @cached_property
    def _client(self) -> Redis:
        return Redis.from_url(
            self.url,
            socket_timeout=ANSWER_TIMEOUT,
            socket_connect_timeout=ANSWER_TIMEOUT,
            retry=Retry(NoBackoff(), 0),
        )

    @cached_property
    def _scripts(self) -> dict[str, Any]:
        return {text: self._client.register_script(text) for text in (LOOK, STORE, GIVE_BACK)}

    def _names(self, key: str) -> tuple[str, str]:
        """Return the names of the value and of its lease; the braces keep them in one slot of a cluster."""
        name = f"{PREFIX}{self.name}:{{{key}}}"
        return name, f"{name}:lease"

    def _look(self, key: str, token: str) -> bytes | int:
        return self._run(LOOK, self._names(key), token, round(LEASE * 1000))

    def _wait(self, key: str, token: str) -> bytes | int:
        """Look again until another caller's answer is there, its lease is free, or patience is over."""
        deadline = time.monotonic() + self.patience
        while time.monotonic() < deadline:
            time.sleep(POLL)
            found = self._look(key, token)
            if found != TAKEN:
                return found
        return TAKEN

    def _load_and_store(self, key: str, token: str, *, seconds: float, load: Callable[[], bytes]) -> bytes:
        value, lease = self._names(key)
        until = time.monotonic() + seconds
        try:
            loaded = load()
        except BaseException:
            with suppress(_Unanswered):
                self._run(GIVE_BACK, (lease,), token)
            raise
        with suppress(_Unanswered):
            self._run(STORE, (value, lease), token, loaded, max(1, round((until - time.monotonic()) * 1000)))
        return loaded

    def _run(self, script: str, keys: tuple[str, ...], *arguments: object) -> bytes | int:
        answer: bytes | int = self._ask(lambda: self._scripts[script](keys=keys, args=arguments))
        return answer

    def _ask(self, question: Callable[[], Any]) -> Any:
        """Return the answer, or raise _Unanswered; one thread finds out whether Valkey is back, the others go on."""
        if self._down_until:
            if time.monotonic() < self._down_until:
                raise _Unanswered
            self._down_until = time.monotonic() + DOWN_FOR
        try:
            answer = question()
        except RedisError as error:
            self._note_failure(error)
            raise _Unanswered from error
        self._down_until = 0.0
        return answer

    def _note_failure(self, error: RedisError) -> None:
        now = time.monotonic()
        self._down_until = now + DOWN_FOR
        if now >= self._silent_until:
            self._silent_until = now + LOGGED_EVERY
            _log.warning("cache_unreachable", cache=self.name, error=f"{type(error).__name__}: {error}")

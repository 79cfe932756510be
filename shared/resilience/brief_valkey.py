"""Valkey as something that may be away: asked briefly, and left alone for a second when it does not answer."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import structlog
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

T = TypeVar("T")

ANSWER_TIMEOUT: Final = 0.2  # seconds
DOWN_FOR: Final = 1.0  # seconds in which a Valkey that did not answer is not asked again by this process
LOGGED_EVERY: Final = 60.0  # seconds

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class BriefValkey:
    """A Valkey that nobody waits for; ``complaint`` is what is logged, once a minute, while it does not answer.

    One unanswered question costs 0.2 s at most; then this process asks no more for a second.
    """

    url: str
    complaint: str
    client: "Redis" = field(init=False)
    _down_until: float = field(default=0.0, init=False)
    _silent_until: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self.client = Redis.from_url(
            self.url,
            socket_timeout=ANSWER_TIMEOUT,
            socket_connect_timeout=ANSWER_TIMEOUT,
            retry=Retry(NoBackoff(), 0),
            decode_responses=True,
        )

    def ask(self, question: Callable[..., Any], *arguments: Any) -> Any:
        """Return the answer to a question to the client, or None when there is none."""
        if self._down_until:
            if time.monotonic() < self._down_until:
                return None
            self._down_until = time.monotonic() + DOWN_FOR  # one thread finds out, the others go on
        try:
            answer = question(*arguments)
        except RedisError as error:
            self._note_failure(error)
            return None
        self._down_until = 0.0
        return answer

    def _note_failure(self, error: RedisError) -> None:
        now = time.monotonic()
        self._down_until = now + DOWN_FOR
        if now >= self._silent_until:
            self._silent_until = now + LOGGED_EVERY
            _log.warning(self.complaint, error=f"{type(error).__name__}: {error}")

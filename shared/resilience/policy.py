"""How a vendor is to be treated: time-outs, breaker and retry budget, as values."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeout:
    """How long the HTTP client waits, in seconds.

    ``connect`` is for the connection, and again for handing the request over; its default outlasts one lost SYN,
    which is sent again after 1 s (RFC 6298, section 2.1). ``answer`` is for each read of the answer.
    """

    connect: float = 1.5
    answer: float = 10.0

    @property
    def longest(self) -> float:
        """Return how many seconds one request takes at most, if its answer comes in one piece."""
        return 2 * self.connect + self.answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """When a vendor is left alone (M. Nygard, "Release It!", 2nd ed. 2018, "Circuit Breaker").

    It opens when at least ``failures`` attempts, and at least the ``share`` (0 to 1) of all attempts, failed
    within ``window`` seconds; after ``rest`` seconds one call is let through as a probe, which closes it or has
    it rest again. The window slides by approximation: the counts of the last full window weigh as much as of it
    is left (Cloudflare's blog, "How we built rate limiting capable of scaling to millions of domains", 2017).
    """

    failures: int = 5
    share: float = 0.5
    window: float = 30.0
    rest: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How many retries all processes together may make (Finagle's "RetryBudget", twitter.github.io/finagle).

    A bucket holds ``most`` retries and is full at first; each call puts ``share`` of a retry in, each second
    ``floor``; each retry takes one out. So no retry storm multiplies the load of a vendor that is down.
    """

    share: float = 0.1
    floor: float = 0.1
    most: int = 10

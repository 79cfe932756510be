"""So many in so long, exactly, for all processes together.

The generic cell rate algorithm (ITU-T I.371, annex A; "leaky bucket as a meter"), one script and one round trip for
all the quotas that an action draws on. A key holds the "theoretical arrival time": when the bucket will be full
again if nothing more is taken, in µs of Unix time by Valkey's own clock. So whole quotas may be used at once, and
come back one by one, evenly over the window.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any, Final

from shared.resilience.brief_valkey import BriefValkey

MILLION: Final = 1_000_000  # µs in a second
REMEMBERED: Final = 10_000  # buckets of a process, when it has to count alone

#: May this be taken from all of these? Keys: the buckets; arguments: interval (µs) and size of each. Returns granted
#: (1 or 0), how long to wait otherwise (µs), and for each bucket what is left and when it is full again (µs).
TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local due, wait = {}, 0
for i, key in ipairs(KEYS) do
  local interval, size = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local full = interval * size
  due[i] = math.min(math.max(now, tonumber(redis.call('GET', key)) or 0), now + full)  -- the clock was set back
  wait = math.max(wait, due[i] + interval - full - now)
end
local answer = {wait > 0 and 0 or 1, wait}
for i, key in ipairs(KEYS) do
  local interval, size = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  if wait <= 0 then
    due[i] = due[i] + interval
    redis.call('SET', key, string.format('%.0f', due[i]), 'PX', math.ceil((due[i] - now) / 1000))
  end
  answer[2 * i + 1] = math.floor(size - (due[i] - now) / interval)
  answer[2 * i + 2] = due[i] - now
end
return answer
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """So many (``size``) within so many seconds (``window``)."""

    size: int
    window: int

    @property
    def interval(self) -> int:
        """Return after how many µs one comes back; whole ones, so that nothing is lost to rounding."""
        return max(1, self.window * MILLION // self.size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """Of whom, or what, the quota is."""

    key: str
    quota: Quota


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Whether it was granted, how many seconds to wait otherwise, and what the scarcest bucket holds now.

    ``full_after`` is in how many seconds that bucket is full again.
    """

    is_granted: bool
    retry_after: int
    quota: Quota
    left: int
    full_after: int


@dataclass(slots=True)
class SharedBuckets:
    """The buckets of all processes, on Valkey."""

    valkey: BriefValkey
    _take: Any = field(init=False)

    def __post_init__(self) -> None:
        self._take = self.valkey.client.register_script(TAKE)

    def take(self, buckets: Sequence[Bucket]) -> Taken | None:
        """Take one from each bucket, or from none of them; return None when Valkey does not answer."""
        arguments = [each for bucket in buckets for each in (bucket.quota.interval, bucket.quota.size)]
        answer = self.valkey.ask(self._take, [bucket.key for bucket in buckets], arguments)
        return None if answer is None else _taken(buckets, answer)


@dataclass(slots=True)
class OwnBuckets:
    """The buckets of this process alone, by the same algorithm; the least recently used are forgotten."""

    clock: Callable[[], float] = time.monotonic
    _due: OrderedDict[str, int] = field(default_factory=OrderedDict, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def take(self, buckets: Sequence[Bucket]) -> Taken:
        """Take one from each bucket, or from none of them."""
        with self._lock:
            now = int(self.clock() * MILLION)
            due = [max(now, self._due.get(bucket.key, 0)) for bucket in buckets]
            intervals = [bucket.quota.interval for bucket in buckets]
            full = [bucket.quota.interval * bucket.quota.size for bucket in buckets]
            wait = max(at + interval - most - now for at, interval, most in zip(due, intervals, full, strict=True))
            if wait <= 0:
                due = [at + interval for at, interval in zip(due, intervals, strict=True)]
                for bucket, at in zip(buckets, due, strict=True):
                    self._put(bucket.key, at)
        answer = [int(wait <= 0), max(0, wait)]
        for at, interval, most in zip(due, intervals, full, strict=True):
            answer += [(most - (at - now)) // interval, at - now]
        return _taken(buckets, answer)

    def _put(self, key: str, due: int) -> None:
        self._due[key] = due
        self._due.move_to_end(key)
        if len(self._due) > REMEMBERED:
            self._due.popitem(last=False)


def _taken(buckets: Sequence[Bucket], answer: Sequence[int]) -> Taken:
    granted, wait, *states = answer
    place = min(range(len(buckets)), key=lambda each: states[2 * each] / buckets[each].quota.size)
    return Taken(
        is_granted=bool(granted),
        retry_after=ceil(wait / MILLION),
        quota=buckets[place].quota,
        left=max(0, states[2 * place]),
        full_after=ceil(states[2 * place + 1] / MILLION),
    )

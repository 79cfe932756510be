"""Failed attempts, counted for all processes together, each of which costs a longer wait than the one before.

An attempt is counted as failed when it begins and forgiven when it succeeds; hence of many at the same moment no more
get through than of as many in a row. Counting and judging is one script, by Valkey's own clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from shared.resilience.brief_valkey import BriefValkey

MILLION: Final = 1_000_000  # µs in a second
#: Without a further attempt for so long, failures are forgotten.
FORGOTTEN_AFTER: Final = 86_400_000  # milliseconds

#: May an attempt begin? Keys: the counters; arguments: of each how many are free, the first wait and the longest (µs).
#: Returns how long to wait (µs); 0 begins the attempt, which is counted for all of them.
BEGIN = f"""
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local wait = 0
for i, key in ipairs(KEYS) do
  local left = (tonumber(redis.call('HGET', key, 'until')) or 0) - now
  wait = math.max(wait, math.min(left, tonumber(ARGV[3 * i])))  -- no longer than the longest: the clock was set back
end
if wait > 0 then return wait end
for i, key in ipairs(KEYS) do
  local free, first, longest = tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
  local failures = redis.call('HINCRBY', key, 'failures', 1)
  if failures >= free then
    local pause = math.min(longest, first * 2 ^ (failures - free))
    redis.call('HSET', key, 'until', string.format('%.0f', now + pause))
  end
  redis.call('PEXPIRE', key, {FORGOTTEN_AFTER})
end
return 0
"""

#: An attempt succeeded. Keys: the counters; arguments: of each how many are free. The first forgets all its failures,
#: the others this one.
FORGIVE = """
redis.call('DEL', KEYS[1])
for i = 2, #KEYS do
  if redis.call('EXISTS', KEYS[i]) == 1 then
    local failures = redis.call('HINCRBY', KEYS[i], 'failures', -1)
    if failures < tonumber(ARGV[i]) then redis.call('HDEL', KEYS[i], 'until') end
    if failures <= 0 then redis.call('DEL', KEYS[i]) end
  end
end
return 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """So many attempts are free; then each costs a wait that doubles, from the first to the longest (seconds)."""

    free: int
    first_wait: float
    longest_wait: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """Whose failures are counted, and with how much patience; the key is the same in all processes."""

    key: str
    patience: Patience


@dataclass(slots=True)
class SharedAttempts:
    """The counters of all processes, on Valkey."""

    valkey: BriefValkey
    _begin: Any = field(init=False)
    _forgive: Any = field(init=False)

    def __post_init__(self) -> None:
        self._begin = self.valkey.client.register_script(BEGIN)
        self._forgive = self.valkey.client.register_script(FORGIVE)

    def begin(self, counters: Sequence[Counter]) -> float | None:
        """Return for how many seconds to wait, 0 when the attempt may begin, None when Valkey does not answer."""
        arguments = [
            value
            for counter in counters
            for value in (
                counter.patience.free,
                round(counter.patience.first_wait * MILLION),
                round(counter.patience.longest_wait * MILLION),
            )
        ]
        wait = self.valkey.ask(self._begin, [counter.key for counter in counters], arguments)
        return None if wait is None else wait / MILLION

    def forgive(self, counters: Sequence[Counter]) -> None:
        """Take back the attempt, which succeeded: the first counter forgets all, the others this one."""
        free = [counter.patience.free for counter in counters]
        self.valkey.ask(self._forgive, [counter.key for counter in counters], free)

"""How many streams each caller has open, in all processes together: leases in Valkey, which run out by themselves."""

from collections.abc import Collection
from typing import Any, Final
from uuid import uuid4

from shared.resilience.brief_valkey import BriefValkey

PREFIX: Final = "orderly:streams:"
LEASE: Final = 60.0  # seconds after which a place is free unless it was renewed
RENEWED_EVERY: Final = 20.0  # seconds

#: KEYS[1] the caller's places by the end of their lease; ARGV the place, how many there are, the lease in milliseconds.
TAKE: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[3]), ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
"""
#: KEYS[1] the caller's places; ARGV the lease in milliseconds, then the places.
RENEW: Final = """
local time = redis.call('TIME')
local until_ = time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[1])
for i = 2, #ARGV do redis.call('ZADD', KEYS[1], until_, ARGV[i]) end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
"""


class Place:
    """One open stream of a caller."""

    __slots__ = ("caller", "name")

    def __init__(self, caller: str) -> None:
        self.caller = caller
        self.name = uuid4().hex


class Places:
    """The places of all callers; while Valkey does not answer nobody counts, and nobody is refused."""

    def __init__(self, *, url: str) -> None:
        self._valkey = BriefValkey(url=url, complaint="streams_not_counted")
        self._take: Any = self._valkey.client.register_script(TAKE)
        self._renew: Any = self._valkey.client.register_script(RENEW)

    def take(self, caller: str, *, most: int) -> Place | None:
        """Return a place of the caller, or None when as many are taken as there are."""
        place = Place(caller)
        is_granted = self._valkey.ask(self._take, [PREFIX + caller], [place.name, most, _milliseconds(LEASE)])
        return None if is_granted == 0 else place

    def renew(self, places: Collection[Place]) -> None:
        """Keep the places for another lease."""
        for caller, names in _by_caller(places).items():
            self._valkey.ask(self._renew, [PREFIX + caller], [_milliseconds(LEASE), *names])

    def free(self, places: Collection[Place]) -> None:
        """Give the places back."""
        for caller, names in _by_caller(places).items():
            self._valkey.ask(self._valkey.client.zrem, PREFIX + caller, *names)


def _by_caller(places: Collection[Place]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for place in places:
        found.setdefault(place.caller, []).append(place.name)
    return found


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)

"""What all processes know of a vendor, kept in Valkey; without Valkey nobody knows, and nobody waits."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cache
from typing import Any, Final

from django.conf import settings

from shared.resilience import scripts
from shared.resilience.brief_valkey import BriefValkey
from shared.resilience.policy import Breaker, Budget

PREFIX: Final = "orderly:vendor:"
MILLION: Final = 1_000_000  # µs in a second, parts of a retry


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """Whether a call may be made now, and how many seconds to wait otherwise."""

    is_granted: bool
    generation: int
    retry_after: float


class Change(IntEnum):
    """What the outcome of a call did to the breaker."""

    NONE = 0
    OPENED = 1
    OPENED_AGAIN = 2
    CLOSED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What the outcome of a call did to the breaker, and whether the call may be repeated."""

    change: Change = Change.NONE
    may_repeat: bool = False


@dataclass(slots=True)
class SharedState:
    """The vendors' state on one Valkey; each method returns None when Valkey does not answer."""

    valkey: BriefValkey
    _enter: Any = field(init=False)
    _leave: Any = field(init=False)

    def __post_init__(self) -> None:
        self._enter = self.valkey.client.register_script(scripts.ENTER)
        self._leave = self.valkey.client.register_script(scripts.LEAVE)

    def enter(self, name: str, *, breaker: Breaker, budget: Budget, lease: float, is_first: bool) -> Permit | None:
        """Ask for a permit; a first attempt earns its share of a retry, ``lease`` is a probe's, in seconds."""
        answer = self._run(
            self._enter,
            name,
            round(breaker.rest * MILLION),
            round(lease * MILLION),
            int(is_first),
            round(budget.share * MILLION),
            budget.floor,
            budget.most * MILLION,
        )
        if answer is None:
            return None
        granted, generation, wait = answer
        return Permit(is_granted=bool(granted), generation=generation, retry_after=wait / MILLION)

    def leave(
        self, name: str, permit: Permit, *, verdict: str, breaker: Breaker, budget: Budget, wants_to_repeat: bool
    ) -> Effect | None:
        """Tell how the call went, and ask whether it may be repeated."""
        answer = self._run(
            self._leave,
            name,
            permit.generation,
            verdict,
            int(wants_to_repeat),
            round(breaker.rest * MILLION),
            round(breaker.window * MILLION),
            breaker.failures,
            breaker.share,
            budget.floor,
            budget.most * MILLION,
        )
        return None if answer is None else Effect(change=Change(answer[0]), may_repeat=bool(answer[1]))

    def of_breakers(self, names: Iterable[str]) -> Mapping[str, str] | None:
        """Return closed, open or half_open for each name."""
        states: Mapping[str, str] | None = self.valkey.ask(self._states_of, list(names))
        return states

    def _states_of(self, names: list[str]) -> Mapping[str, str]:
        with self.valkey.client.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.hget(key_of(name), "state")
            return {name: state or "closed" for name, state in zip(names, pipeline.execute(), strict=True)}

    def _run(self, script: Any, name: str, *arguments: object) -> list[int] | None:
        answer: list[int] | None = self.valkey.ask(script, [key_of(name)], arguments)
        return answer


def key_of(name: str) -> str:
    """Return the key of a vendor's state; the braces keep it in one slot of a cluster."""
    return f"{PREFIX}{{{name}}}"


def shared_state() -> SharedState:
    """Return the state on the Valkey of the settings."""
    return _shared_state_at(settings.REDIS_URL)


@cache
def _shared_state_at(url: str) -> SharedState:
    return SharedState(BriefValkey(url, complaint="vendor_state_unreachable"))

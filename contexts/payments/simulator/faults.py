"""Script the next operations to go wrong: a switchboard for tests, forgotten on restart."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any


class FaultKind(StrEnum):
    """What can be made to go wrong."""

    LATENCY = "latency"
    ERROR_BEFORE = "error_before"
    ERROR_AFTER = "error_after"
    DROP_CONNECTION = "drop_connection"
    DUPLICATE_WEBHOOKS = "duplicate_webhooks"
    DELAY_WEBHOOKS = "delay_webhooks"
    REORDER_WEBHOOKS = "reorder_webhooks"


DEFAULT_MS = {FaultKind.LATENCY: 1_000, FaultKind.DELAY_WEBHOOKS: 1_000, FaultKind.REORDER_WEBHOOKS: 200}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong for so many more operations."""

    kind: FaultKind
    count: int
    ms: int

    def as_json(self) -> dict[str, Any]:
        """Return the fault as the control endpoint shows it."""
        return {"kind": self.kind, "count": self.count, "ms": self.ms}


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What goes wrong for one operation."""

    latency_ms: int = 0
    error_before: bool = False
    error_after: bool = False
    drop_connection: bool = False
    webhook_copies: int = 1
    webhook_delay_ms: int = 0


NOTHING_WRONG = Script()


class Faults:
    """Hand out what goes wrong for each new operation until the scripted count is used up."""

    def __init__(self) -> None:
        self._faults: dict[FaultKind, Fault] = {}

    def add(self, *, fault: Fault) -> None:
        """Script a fault; one of the same kind is replaced."""
        self._faults[fault.kind] = fault

    def clear(self) -> None:
        """Forget every fault."""
        self._faults.clear()

    def active(self) -> list[Fault]:
        """Return what is still to go wrong."""
        return list(self._faults.values())

    def take(self) -> Script:
        """Use up one operation of every fault and return what goes wrong for it."""
        if not self._faults:
            return NOTHING_WRONG
        taken = self._faults
        self._faults = {kind: replace(fault, count=fault.count - 1) for kind, fault in taken.items() if fault.count > 1}
        delayed = taken.get(FaultKind.DELAY_WEBHOOKS)
        reordered = taken.get(FaultKind.REORDER_WEBHOOKS)
        return Script(
            latency_ms=taken[FaultKind.LATENCY].ms if FaultKind.LATENCY in taken else 0,
            error_before=FaultKind.ERROR_BEFORE in taken,
            error_after=FaultKind.ERROR_AFTER in taken,
            drop_connection=FaultKind.DROP_CONNECTION in taken,
            webhook_copies=2 if FaultKind.DUPLICATE_WEBHOOKS in taken else 1,
            # The earlier of n reordered operations waits longer, so the announcements overtake each other.
            webhook_delay_ms=(delayed.ms if delayed else 0)
            + (reordered.ms * (reordered.count - 1) if reordered else 0),
        )

"""What every use case may need from the world, as small typed holes."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from shared.domain.model import Primitive

#: Opens one transaction: everything inside happens, or nothing. ``contextlib.nullcontext`` in a unit test.
UnitOfWork = Callable[[], AbstractContextManager[Any]]

#: Tells the time, in UTC.
Clock = Callable[[], datetime]

#: Makes a new time-ordered identifier (UUIDv7, RFC 9562).
NewId = Callable[[], UUID]


class Cache(Protocol):
    """Remembers answers for a while; it may forget any of them at any time."""

    def remember(self, key: str, *, seconds: float, load: Callable[[], bytes]) -> bytes:
        """Return what is remembered under the key, or what is loaded now and remembered for so many seconds."""

    def forget(self, *keys: str) -> None:
        """Have the answers worked out anew, because what they tell of has changed."""


class StartSaga(Protocol):
    """Begin a durable process about one aggregate, as part of the current unit of work."""

    def __call__(self, *, subject_id: UUID, data: Mapping[str, Primitive]) -> None:
        """Begin it; a process that was already begun for this subject goes on undisturbed."""


class AuditTrail(Protocol):
    """Keep who changed what, for good, as part of the current unit of work."""

    def __call__(
        self,
        *,
        action: str,
        subject_kind: str,
        subject_id: str,
        before: Mapping[str, Primitive] | None,
        after: Mapping[str, Primitive] | None,
        reason: str = "",
    ) -> None:
        """Record the change with whoever acts; raise ValueError for keys that speak of persons or secrets."""

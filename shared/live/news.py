"""What followers are told: server-sent events (HTML standard, section 9.2), each batch up to a position."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from shared.http.json import to_json

MEDIA_TYPE: Final = "text/event-stream"
START: Final = ""  # the position of who has seen nothing yet


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEvent:
    """One event of a stream; its id is the position of who has got it."""

    id: str
    kind: str
    data: object

    def encode(self) -> bytes:
        """Return it as it goes over the wire; JSON has no line break."""
        return b"id: %s\nevent: %s\ndata: %s\n\n" % (self.id.encode(), self.kind.encode(), to_json(self.data))


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What is new to somebody at some position, the oldest first, and whether anything can follow."""

    events: Sequence[StreamEvent]
    position: str
    is_last: bool

    def encode(self) -> bytes:
        """Return the events as they go over the wire."""
        return b"".join(event.encode() for event in self.events)


class Permit(Protocol):
    """Whether somebody may still be told; equal ones are asked once for all who hold them."""

    def __call__(self) -> bool: ...

    def __hash__(self) -> int: ...


#: What somebody follows, and up to which position it is known.
Asked = tuple[UUID, str]
#: Reads the news of many at once; who is told nothing has nothing new.
Feed = Callable[[Collection[Asked]], Mapping[Asked, News]]


def retry_hint(milliseconds: int) -> bytes:
    """Return how long the client shall wait before it connects again."""
    return b"retry: %d\n\n" % milliseconds


HEARTBEAT: Final = b": still here\n\n"

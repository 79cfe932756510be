"""A stream says what is new, stays within its bounds, and tells the client when to come back."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from shared.live import streams as module
from shared.live.hub import Hub
from shared.live.news import HEARTBEAT, News, Permit, StreamEvent
from shared.live.places import Place
from shared.live.streams import Stream
from shared.server.exchange import Exchange
from tests.shared.live.test_hub import Board, with_hub

OPENING = b"retry: 2000\n\n"


class Wire:
    """The connection of a client; everything that was sent, in pieces."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.headers: list[tuple[str, str]] = []
        self.gone = asyncio.Event()

    def response_stream(self, status: int, headers: list[tuple[str, str]]) -> "Wire":
        self.headers = headers
        return self

    async def send_bytes(self, data: bytes) -> None:
        if self.gone.is_set():
            raise RuntimeError("RSGI transport is closed")
        self.sent.append(data)

    async def client_disconnect(self) -> None:
        await self.gone.wait()


class Room:
    """Where streams are counted."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.open: list[Place] = []

    def enter(self, place: Place) -> None:
        self.open.append(place)

    def leave(self, place: Place) -> None:
        self.open.remove(place)


@dataclass(frozen=True)
class Granted:
    """A permit that is good."""

    def __call__(self) -> bool:
        return True


@dataclass(frozen=True)
class Withdrawn:
    """A permit that is no longer good."""

    def __call__(self) -> bool:
        return False


def run(
    board: Any,
    *,
    lasts: float = 10,
    meanwhile: Callable[[Hub, Wire], None] | None = None,
    events: int = 0,
    permit: Permit = Granted(),
) -> tuple[Wire, Room]:
    """Run one stream of a thing with so many events to its end."""
    found: list[tuple[Wire, Room]] = []

    async def work(hub: Hub) -> None:
        wire, room, key = Wire(), Room(hub), uuid4()
        if isinstance(board, Board):
            board.events[key] = events
        stream = Stream(live=room, place=Place("key:1"), feed=board, key=key, position="", permit=permit, lasts=lasts)  # type: ignore[arg-type]
        exchange = Exchange(
            protocol=wire,  # type: ignore[arg-type]
            status=200,
            headers=[("Content-Length", "13"), ("Cache-Control", "no-store")],
            body=OPENING,
            in_thread=None,  # type: ignore[arg-type]
        )
        streaming = asyncio.create_task(stream(exchange))
        while not wire.sent:  # noqa: ASYNC110 - the outer time-out ends it
            await asyncio.sleep(0.005)
        assert len(room.open) == 1
        if meanwhile is not None:
            meanwhile(hub, wire)
        await streaming
        found.append((wire, room))

    with_hub(work)
    return found[0]


def over(asked: Any) -> dict[Any, News]:
    """Read the news of things that are over."""
    event = StreamEvent(id="1-1", kind="ended", data={"is_over": True})
    return {each: News(events=[event], position="1-1", is_last=True) for each in asked}


class TestStream:
    def test_ends_with_the_last_news(self) -> None:
        wire, room = run(over)

        assert wire.sent == [OPENING, b'id: 1-1\nevent: ended\ndata: {"is_over":true}\n\n']
        assert wire.headers == [("Cache-Control", "no-store")]  # its length is not known
        assert room.open == []

    def test_says_that_it_is_still_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "HEARTBEAT_EVERY", 0.05)
        wire, _ = run(Board(), lasts=0.5)

        assert HEARTBEAT in wire.sent

    def test_ends_with_the_token_and_tells_when_to_come_back(self) -> None:
        wire, room = run(Board(), lasts=0.1)

        assert wire.sent[-1].startswith(b"retry: ")
        assert room.open == []

    def test_tells_nothing_once_the_permit_is_no_longer_good(self) -> None:
        wire, room = run(Board(), events=3, permit=Withdrawn())

        assert len(wire.sent) == 2
        assert wire.sent[-1].startswith(b"retry: ")
        assert room.open == []

    def test_carries_so_much_and_no_more(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "MOST_BYTES", 500)
        wire, _ = run(Board(), events=30)

        assert wire.sent[-1].startswith(b"retry: ")
        assert len(wire.sent) == 3

    def test_ends_when_the_process_stops(self) -> None:
        wire, _ = run(Board(), meanwhile=lambda hub, _: hub.close_all())

        assert wire.sent[-1].startswith(b"retry: ")

    def test_ends_when_the_client_has_gone(self) -> None:
        wire, room = run(Board(), meanwhile=lambda _, wire: wire.gone.set())

        assert wire.sent == [OPENING]
        assert room.open == []

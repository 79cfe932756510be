"""Who follows is told: of what was there before, of what comes, and in spite of failures."""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.live import hub as module
from shared.live.hub import Follower, Hub
from shared.live.news import Asked, News, StreamEvent


class Board:
    """A feed from memory: numbered events of things; can be made to fail."""

    def __init__(self) -> None:
        self.events: dict[UUID, int] = {}
        self.reads: list[Collection[Asked]] = []
        self.failures = 0

    def __call__(self, asked: Collection[Asked]) -> Mapping[Asked, News]:
        self.reads.append(asked)
        if self.failures:
            self.failures -= 1
            raise OSError("no database")
        return {
            (key, position): _news(int(position or 0), self.events[key])
            for key, position in asked
            if self.events.get(key, 0) > int(position or 0)
        }


class SilentBus:
    """A bus that knows what is listened for, and on which the test speaks."""

    def __init__(self) -> None:
        self.keys: set[UUID] = set()

    def add(self, key: UUID) -> None:
        self.keys.add(key)

    def remove(self, key: UUID) -> None:
        self.keys.remove(key)

    async def listen(self, *, on_change: Callable[[UUID], None], on_doubt: Callable[[], None]) -> None:
        await asyncio.Event().wait()


def _news(after: int, last: int) -> News:
    events = [StreamEvent(id=str(number), kind="noted", data=number) for number in range(after + 1, last + 1)]
    return News(events=events, position=str(last), is_last=False)


def numbers_of(news: News | None) -> list[object]:
    """Return what the events say."""
    return [event.data for event in news.events] if news else []


def with_hub(work: Callable[[Hub], Coroutine[Any, Any, None]]) -> SilentBus:
    """Run the work with a hub."""
    bus = SilentBus()

    async def run() -> None:
        hub = Hub(bus=bus)
        hub.start(asyncio.get_running_loop())
        try:
            await asyncio.wait_for(work(hub), 20)
        finally:
            await hub.stop()

    asyncio.run(run())
    return bus


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - the outer time-out ends it
        await asyncio.sleep(0.005)


class TestFollower:
    def test_is_told_of_what_was_there_and_of_what_comes(self) -> None:
        key, board = uuid4(), Board()
        board.events[key] = 2

        async def work(hub: Hub) -> None:
            follower = hub.follow(feed=board, key=key, position="")
            assert numbers_of(await follower.news(within=10)) == [1, 2]
            waiting = asyncio.create_task(follower.news(within=10))
            await _until(lambda: follower.is_waiting)
            board.events[key] = 3
            hub.look_at(key)
            assert numbers_of(await waiting) == [3]
            hub.leave(follower)

        bus = with_hub(work)
        assert bus.keys == set()

    def test_misses_nothing_that_happens_while_it_is_busy(self) -> None:
        key, board = uuid4(), Board()
        board.events[key] = 1

        async def work(hub: Hub) -> None:
            follower = hub.follow(feed=board, key=key, position="")
            await follower.news(within=10)
            board.events[key] = 2
            hub.look_at(key)  # nobody waits just now
            assert numbers_of(await follower.news(within=10)) == [2]

        with_hub(work)

    def test_is_told_although_no_message_came(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "POLL", 0.05)
        key, board = uuid4(), Board()

        async def work(hub: Hub) -> None:
            follower = hub.follow(feed=board, key=key, position="")
            waiting = asyncio.create_task(follower.news(within=10))
            await _until(lambda: bool(board.reads))
            board.events[key] = 1
            assert numbers_of(await waiting) == [1]

        with_hub(work)

    def test_is_told_after_a_read_that_failed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "POLL", 0.05)
        key, board = uuid4(), Board()
        board.events[key] = 1
        board.failures = 2

        async def work(hub: Hub) -> None:
            follower = hub.follow(feed=board, key=key, position="")
            assert numbers_of(await follower.news(within=10)) == [1]

        with_hub(work)

    def test_waits_no_longer_than_it_wants_to_and_not_at_all_once_closed(self) -> None:
        async def work(hub: Hub) -> None:
            follower = hub.follow(feed=Board(), key=uuid4(), position="")
            assert await follower.news(within=0.05) is None
            waiting = asyncio.create_task(follower.news(within=10))
            await _until(lambda: follower.is_waiting)
            hub.close_all()
            assert await waiting is None
            assert await follower.news(within=10) is None

        with_hub(work)


class TestHub:
    def test_reads_once_for_many(self) -> None:
        board = Board()
        keys = [uuid4() for _ in range(200)]

        async def work(hub: Hub) -> None:
            followers = [hub.follow(feed=board, key=key, position="") for key in keys]
            waiting = [asyncio.create_task(follower.news(within=10)) for follower in followers]
            await _until(lambda: bool(board.reads) and all(each.is_waiting for each in followers))
            del board.reads[:]
            for key in keys:
                board.events[key] = 1
                hub.look_at(key)
            assert [numbers_of(news) for news in await asyncio.gather(*waiting)] == [[1]] * 200

        with_hub(work)
        assert len(board.reads) == 1

    def test_tells_each_follower_of_one_thing_what_is_new_to_it(self) -> None:
        key, board = uuid4(), Board()
        board.events[key] = 3
        told: list[list[object]] = []

        async def tell(follower: Follower) -> None:
            told.append(numbers_of(await follower.news(within=10)))

        async def work(hub: Hub) -> None:
            followers = [hub.follow(feed=board, key=key, position=position) for position in ("", "1", "2", "2")]
            await asyncio.gather(*map(tell, followers))

        with_hub(work)
        assert sorted(told) == [[1, 2, 3], [2, 3], [3], [3]]

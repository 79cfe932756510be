"""Places and changes on a real Valkey."""

import asyncio
from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from django.conf import settings
from django.db import transaction
from redis import Redis

from shared.live import places as module
from shared.live.bus import Bus
from shared.live.places import Places
from shared.live.telling import tell_followers_after_commit
from tests.journeys.system import eventually

NOWHERE = "redis://127.0.0.1:9/0"


@pytest.fixture
def caller() -> Iterator[str]:
    """Name a caller of whom nothing is left afterwards."""
    name = f"key:{uuid4()}"
    yield name
    Redis.from_url(settings.REDIS_URL).delete(module.PREFIX + name)


class TestPlaces:
    def test_are_counted_by_all_processes_together(self, caller: str) -> None:
        here, there = Places(url=settings.REDIS_URL), Places(url=settings.REDIS_URL)
        first, second = here.take(caller, most=2), there.take(caller, most=2)

        assert first
        assert second
        assert here.take(caller, most=2) is None
        there.free([second])
        assert here.take(caller, most=2)

    def test_are_free_again_when_nobody_renews_them(self, caller: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "LEASE", 0.05)
        places = Places(url=settings.REDIS_URL)
        kept, left = places.take(caller, most=2), places.take(caller, most=2)
        assert kept
        assert left
        monkeypatch.setattr(module, "LEASE", 60)
        places.renew([kept])

        eventually(lambda: places.take(caller, most=2), what="the end of the other lease")
        assert places.take(caller, most=2) is None  # the renewed one is still taken

    def test_are_given_to_all_while_nobody_can_count(self, caller: str) -> None:
        assert Places(url=NOWHERE).take(caller, most=0)


@pytest.mark.django_db(transaction=True)
class TestBus:
    def test_tells_of_what_is_listened_for_once_it_is_committed(self) -> None:
        followed, other = uuid4(), uuid4()
        assert asyncio.run(_first_change_of(followed, others=(other,))) == followed


async def _first_change_of(key: UUID, *, others: tuple[UUID, ...]) -> UUID:
    bus, heard = Bus(url=settings.REDIS_URL), asyncio.Queue[UUID]()
    bus.add(key)
    listening = asyncio.create_task(bus.listen(on_change=heard.put_nowait, on_doubt=lambda: None))
    try:
        assert await asyncio.wait_for(heard.get(), 10) == key  # from here on it is heard of
        await asyncio.to_thread(_change, *others, key)
        return await asyncio.wait_for(heard.get(), 10)
    finally:
        listening.cancel()


def _change(*keys: UUID) -> None:
    from django.db import connections

    with transaction.atomic():
        for key in keys:
            tell_followers_after_commit(key)
    connections.close_all()

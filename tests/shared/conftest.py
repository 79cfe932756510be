"""Traces in the database, threads with connections of their own, and registries that forget."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import pytest
from django.db import connections

from shared.outbox import registry as subscriptions
from tests.shared.database import CREATE_TRACES, DROP_TRACES, InThread, Traces, execute

T = TypeVar("T")


@pytest.fixture
def traces(db: None) -> Iterator[Traces]:
    """Have a table that only this test knows."""
    execute(CREATE_TRACES)
    yield Traces()
    execute(DROP_TRACES)


@pytest.fixture
def in_thread(transactional_db: None) -> Iterator[InThread]:
    """Run work in threads; all of it has ended before the test has."""
    with ThreadPoolExecutor(8) as pool:

        def run(work: Callable[[], T]) -> "Future[T]":
            def run_and_hang_up() -> T:
                try:
                    return work()
                finally:
                    connections.close_all()

            return pool.submit(run_and_hang_up)

        yield run


@pytest.fixture
def own_subscriptions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the test's subscriptions after it."""
    by_topic = {topic: list(known) for topic, known in subscriptions._by_topic.items()}
    monkeypatch.setattr(subscriptions, "_by_topic", by_topic)
    monkeypatch.setattr(subscriptions, "_by_name", dict(subscriptions._by_name))


@pytest.fixture
def own_sagas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the test's processes after it."""
    from shared.saga import registry  # not above: it has tables, which tests without Django must not load

    monkeypatch.setattr(registry, "_sagas", dict(registry._sagas))

"""The documents that requests are held to are made once, however many requests come first."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from pytest_django.fixtures import Settings

from shared.http import promises
from shared.http.promises import Document, promises_of

AT_ONCE = 8
made: list[int] = []
_entered = threading.Event()


def slow_document() -> Document:
    """Make a document, and give others time to begin as well."""
    made.append(threading.get_ident())
    if len(made) > 1:
        _entered.set()
    _entered.wait(timeout=0.5)
    return {"paths": {"/api/v1/lamps": {"get": {"responses": {}}}}}


@pytest.fixture(autouse=True)
def nothing_made() -> Iterator[None]:
    """Forget the documents before and after."""
    for kept in (promises._document, promises._promises):
        kept.cache_clear()
    made.clear()
    _entered.clear()
    yield
    for kept in (promises._document, promises._promises):
        kept.cache_clear()


def test_the_first_requests_wait_for_one_of_them_to_make_the_documents(settings: Settings) -> None:
    settings.API_DOCUMENTS = {"/api/v1/": f"{__name__}.slow_document"}
    together = threading.Barrier(AT_ONCE)

    def ask(_: int) -> bool:
        together.wait(timeout=10)
        return "GET" in promises_of("api/v1/lamps")

    with ThreadPoolExecutor(AT_ONCE) as threads:
        assert all(threads.map(ask, range(AT_ONCE)))
    assert len(made) == 1

"""An operation that goes away says so in its document and in each of its answers, in both APIs."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from shared.http import promises
from shared.http.documented import deprecated
from shared.http.promises import document

pytestmark = pytest.mark.urls("tests.shared.ageing_urls")

everywhere = pytest.mark.parametrize(
    ("prefix", "path"), [("/api/v1/", "lamps/{}"), ("/api/ops/v1/", "bells/{}")], ids=["ninja", "drf"]
)
HEADERS = {"Deprecation", "Sunset", "Link"}


@pytest.fixture(autouse=True)
def documents(settings: Settings) -> Iterator[None]:
    """Hold requests to the documents of the lamps and bells."""
    settings.API_DOCUMENTS = {
        "/api/v1/": "tests.shared.ageing_urls.document_of_lamps",
        "/api/ops/v1/": "tests.shared.ageing_urls.document_of_bells",
    }
    kept = (promises._document, promises._promises)
    for each in kept:
        each.cache_clear()
    yield
    for each in kept:
        each.cache_clear()


@everywhere
@pytest.mark.parametrize(("method", "number", "status"), [("GET", 1, 200), ("HEAD", 1, 200), ("GET", 0, 404)])
def test_answers_say_since_when_and_until_when(
    client: Client, prefix: str, path: str, method: str, number: int, status: int
) -> None:
    answer = client.generic(method, prefix + path.format(number))

    assert answer.status_code == status
    assert answer["Deprecation"] == "@1798761600"  # RFC 9745: 1 January 2027, 0:00 UTC
    assert answer["Sunset"] == "Thu, 01 Jul 2027 00:00:00 GMT"
    assert answer["Link"] == f'<{prefix}docs>; rel="deprecation"; type="text/html"'


@everywhere
def test_answers_of_what_stays_say_nothing(client: Client, prefix: str, path: str) -> None:
    answer = client.put(prefix + path.format(1))

    assert answer.status_code == 200
    assert not HEADERS & set(answer.headers)


@everywhere
def test_document_says_it_to_tools_and_to_people(prefix: str, path: str) -> None:
    operations = _operations_of(document(prefix), ending=path.partition("/")[0])

    going, staying = operations["get"], operations["put"]
    assert going["deprecated"] is True
    assert "gone on 2027-07-01. Use `GET /lights/{light_id}` instead." in going["description"]
    assert going["responses"]["200"]["headers"].keys() >= HEADERS
    assert document(prefix)["components"]["headers"].keys() >= HEADERS
    assert "deprecated" not in staying
    assert not HEADERS & staying["responses"]["200"]["headers"].keys()


def test_there_are_days_in_between() -> None:
    with pytest.raises(ValueError, match="sunset > since"):
        deprecated(since=date(2027, 7, 1), sunset=date(2027, 7, 1), instead="nothing")


def _operations_of(described: Any, *, ending: str) -> Any:
    return next(node for path, node in described["paths"].items() if f"/{ending}/" in path)
